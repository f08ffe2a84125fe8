"""Ranking and metrics of held-out users."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import jax

from benchmarks.contestants.accelerator.sizes import Sizes
from benchmarks.contestants.evaluation.ours import METRICS, all_metrics, network_scorer
from benchmarks.harness.given_scores import given_scorer
from benchmarks.harness.sections import Budget, Found, Row
from benchmarks.harness.synthetic import random_held_out
from benchmarks.harness.timing import largest_that_fits, samples
from multvae_jax.data.types import HeldOut
from multvae_jax.evaluation.evaluation_set import prepare_users
from multvae_jax.evaluation.evaluator import evaluate
from multvae_jax.evaluation.values import AnyMetric
from multvae_jax.types import Scorer

BATCH = 500
"""Users who are ranked at once, if the memory suffices."""


def timed_evaluation(
    held_out: HeldOut, scorer: Scorer, metrics: Mapping[str, AnyMetric], batch_size: int
) -> Callable[[], float]:
    """A function that evaluates users who are on the device, and returns its seconds."""
    users = prepare_users(held_out, batch_size)

    def timed() -> float:
        began = time.perf_counter()
        evaluation = evaluate(scorer, users, metrics)
        # The means wait for the device.
        for metric in metrics:
            evaluation.mean(metric)
        return time.perf_counter() - began

    timed()
    return timed


def ranking(sizes: Sizes, budget: Budget, found: Found) -> Iterator[Row]:
    """Users per second, of given scores and of Mult-VAE's, by few metrics and by all."""
    del found
    held_out = random_held_out(sizes.held_out, sizes.items, sizes.mean)
    scorers = {
        "given": given_scorer(jax.random.normal(jax.random.key(0), held_out.history.shape)),
        "Mult-VAE's": network_scorer(sizes.items),
    }
    sets = {"recall and NDCG": METRICS, "all": all_metrics(held_out.history)}
    cases = [(scores, names) for names in sets for scores in scorers]
    for done, (scores, names) in enumerate(cases):
        if budget.left() < 0:
            return
        make = partial(timed_evaluation, held_out, scorers[scores], sets[names])
        batch, timed = largest_that_fits(make, BATCH)
        taken = samples(timed, budget.share(len(cases) - done) / 2)
        yield {
            "scores": scores,
            "metrics": names,
            "users/s": sizes.held_out / statistics.median(taken),
            "users at once": batch,
            "samples": taken,
        }
