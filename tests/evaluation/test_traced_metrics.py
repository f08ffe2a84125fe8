"""Metrics of one's own that fail are refused before anything is compiled."""

import jax
import jax.numpy as jnp
import pytest

import multvae_jax as mv
from multvae_jax.evaluation.catalogue_metrics import CatalogueMetric
from multvae_jax.evaluation.list_metrics import ListMetric
from multvae_jax.evaluation.metrics import Metric
from multvae_jax.evaluation.traced_metrics import check_traced_metrics
from tests.builders import checkerboard, refusal

SPLIT = checkerboard()


def missing(*given, **about):
    raise KeyError("prices")


LINE = missing.__code__.co_firstlineno + 1


def per_rank(hits, n_targets, k):
    return hits.astype(jnp.float32)


def of_prices(user_list, prices):
    return user_list.mean(prices[user_list.items])


@pytest.mark.parametrize(
    ("metric", "ends"),
    [
        (Metric(missing, 5), f"test_traced_metrics.py:{LINE}: KeyError: 'prices'"),
        (ListMetric(missing, 5), f"test_traced_metrics.py:{LINE}: KeyError: 'prices'"),
        (CatalogueMetric(missing, 5), f"test_traced_metrics.py:{LINE}: KeyError: 'prices'"),
        (Metric(per_rank, 5), "metrics['own']: returns an array of shape (5,), and must return a"),
        # Lists are as long as the catalogue at most.
        (Metric(per_rank, 500), "metrics['own']: returns an array of shape (40,), and must"),
        (Metric(lambda hits, n, k: None, 5), "metrics['own']: returns NoneType, and must"),
        (ListMetric(of_prices, 5), "prices"),
        (
            ListMetric(of_prices, 5, {"prices": jnp.ones(20)}),
            "metrics['own']: index 39 is out of bounds for axis 0 with size 20; an array in",
        ),
        (Metric(of_prices, 5), "; a Metric takes (hits, n_targets, k), and a ListMetric the "),
    ],
)
def test_a_metric_that_fails(metric, ends):
    for function, arguments, named in (
        (mv.evaluate, (jnp.ones_like, SPLIT.test, {"own": metric}), {}),
        (
            mv.fit,
            (jax.random.key(0), mv.mult_vae((4,), 2), SPLIT),
            {"metrics": {"own": metric}, "select_by": "own", "epochs": 1},
        ),
    ):
        assert ends in refusal(function, *arguments, **named)


def test_those_of_the_package_and_sound_ones_pass():
    own = {
        "share": Metric(lambda hits, n, k: hits.mean(), 3),
        "price": ListMetric(of_prices, 5, {"prices": jnp.arange(40.0)}),
    }
    check_traced_metrics({**mv.metrics.at_cutoffs([1, 100]), **own}, 40)
