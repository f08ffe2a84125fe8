"""Recommend items to somebody who was not in the data: python recommend_from_csv.py ratings.csv."""

import sys

import jax

import multvae_jax as mv


def main(path, epochs=None):
    """Train on a table of users and items, and recommend to somebody who has two of the items."""
    data = mv.read_interactions(path)
    split = mv.hold_out_users(data, validation=0.1, test=0.1)
    run = mv.fit(jax.random.key(0), mv.mult_vae, split, epochs=epochs)
    print(mv.evaluate(run.scorer, split.test))

    recommender = mv.Recommender(run)
    history = run.catalogue.ids[:2].tolist()
    (user,) = recommender.recommend([history], k=5)
    print(f"to somebody with {history}: {user.items}")


if __name__ == "__main__":
    main(sys.argv[1])
