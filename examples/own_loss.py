"""A ranking loss instead of the likelihood: python own_loss.py ratings.csv."""

import sys

import jax
import jax.numpy as jnp

import multvae_jax as mv


def bpr():
    """Each click above each other item, by the logistic loss of their difference."""

    def log_prob(f, x, theta):
        del theta
        others = (x == 0) / jnp.maximum((x == 0).sum(), 1)
        above = jax.nn.log_sigmoid(f[:, None] - f[None, :])
        return x @ above @ others

    return mv.likelihoods.dense(log_prob)


def main(path, epochs=None):
    """Train Mult-VAE with the loss, and with its own likelihood, on the same users."""
    split = mv.hold_out_users(mv.read_interactions(path))
    for name, likelihood in {"bpr": bpr(), "multinomial": mv.likelihoods.multinomial()}.items():
        model = mv.mult_vae((), 50, network=mv.mlp.bounded_mlp, likelihood=likelihood)
        run = mv.fit(jax.random.key(0), model, split, epochs=epochs)
        print(f"{name}: {mv.evaluate(run.scorer, split.test).mean('ndcg@100'):.4f}")


if __name__ == "__main__":
    main(sys.argv[1])
