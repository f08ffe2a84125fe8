"""Three recommenders on the same users: python compare_models.py ratings.csv."""

import sys

import jax

import multvae_jax as mv


def main(path, epochs=None, seeds=2):
    """Train Mult-VAE with several seeds beside EASE and popularity, and compare them."""
    split = mv.hold_out_users(mv.read_interactions(path), validation=0.1, test=0.2)
    runs = {name: [mv.fit_baseline(name, split)] for name in ("popularity", "ease")}
    runs["mult-vae"] = [
        mv.fit(jax.random.key(seed), mv.mult_vae, split, epochs=epochs) for seed in range(seeds)
    ]
    found = {name: [mv.evaluate(run.scorer, split.test) for run in of] for name, of in runs.items()}
    print(mv.compare(found))


if __name__ == "__main__":
    main(sys.argv[1])
