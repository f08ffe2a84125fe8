"""A small split of users with tastes, contenders of small models, and trials that never ran."""

import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp

import multvae_jax as mv
from multvae_jax.evaluation.result import Evaluation
from multvae_jax.recipe import adaptive
from multvae_jax.sweeps import layouts
from multvae_jax.tournament import Contender, Trial
from multvae_jax.tournament.calibration import Calibration
from multvae_jax.tournament.gradient_noise import GradientNoise
from multvae_jax.tournament.trials import Diagnosis, Training

NDCG = {"ndcg@10": mv.Metric(mv.metrics.ndcg, 10)}


def tastes(n_users=240, n_items=40, held_out=60, seed=0):
    """A split in which two in five of the likes of a held-out user are to be found."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n_users, 4)) @ rng.normal(size=(4, n_items))
    logits += rng.normal(size=n_items)
    likes = (logits + rng.logistic(size=logits.shape) > 1.0).astype(np.float32)

    def part(rows):
        is_target = rng.random(likes[rows].shape) < 0.4
        ids = np.arange(n_users)[rows].astype(object)
        return mv.HeldOut(
            sp.csr_array(likes[rows] * ~is_target), sp.csr_array(likes[rows] * is_target), ids
        )

    train = likes[: -2 * held_out]
    return mv.Split(
        sp.csr_array(train),
        part(slice(-2 * held_out, -held_out)),
        part(slice(-held_out, None)),
        np.arange(len(train)).astype(object),
        mv.Catalogue(np.arange(n_items).astype(str), train.sum(axis=0).astype(int), {}),
    )


def small(name, likelihood=None, **parts):
    """A small Mult-VAE as a contender."""
    model = mv.mult_vae((), 4, likelihood=likelihood or mv.likelihoods.multinomial(), **parts)
    return Contender(name, lambda shape: model)


def blind(name="blind"):
    """A model that trains, and scores all items by their number."""
    model = mv.mult_vae((), 4)

    def score(params, batch):
        scores = model.score(params, batch)
        return jnp.broadcast_to(jnp.arange(scores.shape[1], dtype=scores.dtype), scores.shape)

    return Contender(name, lambda shape: model._replace(score=score, made_by=None))


def training(epochs=3):
    return Training(adaptive, epochs, "ndcg@10", NDCG, layouts.default())


def trial(level, seeds=3, users=60, problem=None, metrics=("ndcg@10",), seed=0):
    """A trial whose metrics are around a level, for every user and seed another."""
    rng = np.random.default_rng(seed)
    tested = [
        Evaluation({metric: level + 0.05 * rng.normal(size=users) for metric in metrics}, 0)
        for _ in range(seeds)
    ]
    found = Calibration([0.0] * 5 + [20.0] * 6, [0.0] * 5 + [24.0] * 6, 0.2, 0.1)
    noise = GradientNoise(2.5, 0.25)
    diagnosis = Diagnosis(noise, GradientNoise(None, 0.5), found)
    if level < 0.3:
        diagnosis = Diagnosis(noise, noise, None, "exp(log p) does not sum to 1")
    return Trial(tested, [4] * seeds, 1.25, 3_000_000, diagnosis, problem)
