"""Metrics of given lists, against those of RecTools, ranx, ir-measures and Elliot.

`peers/make_golden.py` wrote their values.
"""

import json
from functools import partial
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse as sp

from multvae_jax.data.types import Catalogue, HeldOut
from multvae_jax.evaluation import catalogue_metrics, diversity_metrics, popularity_metrics
from multvae_jax.evaluation.catalogue_metrics import CatalogueMetric
from multvae_jax.evaluation.evaluator import evaluate_lists
from multvae_jax.evaluation.list_metrics import ListMetric
from multvae_jax.evaluation.lists import Lists
from multvae_jax.evaluation.metrics import FAMILIES, Metric, rank_biased_precision

GOLDEN = json.loads((Path(__file__).parent / "peers" / "golden.json").read_text("utf-8"))
CUTOFFS = (3, 10)
VECTORS = np.array(GOLDEN["vectors"], np.float32)


def rows_of(columns):
    matrix = sp.lil_array((len(columns), len(VECTORS)), dtype=np.float32)
    for row, items in enumerate(columns):
        matrix[row, items] = 1
    return matrix.tocsr()


TRAIN = rows_of(GOLDEN["train"])
ABOUT = {
    "popularity": jnp.asarray(TRAIN.sum(axis=0), jnp.float32),
    "n_users": jnp.float32(TRAIN.shape[0]),
    "vectors": jnp.asarray(VECTORS),
}
OF_HITS = ("precision", "uncapped_recall", "hit_rate", "mrr", "uncapped_map", "ndcg")
OF_LISTS = {
    "novelty": ("popularity", "n_users"),
    "average_popularity": ("popularity",),
    "popularity_serendipity": ("popularity",),
    "aplt": ("popularity",),
    "aclt": ("popularity",),
    "intra_list_diversity": ("vectors",),
}


def metrics_at(k):
    of_hits = {
        **{name: FAMILIES[name] for name in OF_HITS},
        "rbp": rank_biased_precision,
        "rbp, p = 0.5": partial(rank_biased_precision, persistence=0.5),
    }
    of_lists = {**popularity_metrics.FAMILIES, **diversity_metrics.FAMILIES}
    return {
        **{name: Metric(function, k) for name, function in of_hits.items()},
        **{
            name: ListMetric(of_lists[name], k, {one: ABOUT[one] for one in used})
            for name, used in OF_LISTS.items()
        },
        **{
            name: CatalogueMetric(function, k)
            for name, function in catalogue_metrics.FAMILIES.items()
        },
    }


METRICS = {f"{name}@{k}": metric for k in CUTOFFS for name, metric in metrics_at(k).items()}


@pytest.fixture(scope="module")
def ours():
    items = np.array(GOLDEN["lists"], np.int32)
    ids = np.array([str(user) for user in range(len(items))], object)
    catalogue = Catalogue(
        np.array([str(i) for i in range(len(VECTORS))], object), VECTORS[:, 0], {}
    )
    lists = Lists(ids, items, np.zeros(items.shape, np.float32), catalogue)
    users = HeldOut(TRAIN, rows_of(GOLDEN["targets"]), ids)
    return evaluate_lists(lists, users, METRICS)


@pytest.mark.parametrize("k", CUTOFFS)
@pytest.mark.parametrize("peer", ["rectools", "ranx", "ir-measures", "elliot"])
def test_every_value_is_that_of_the_peer(peer, k, ours):
    """To seven digits, as far as float32 goes."""
    theirs = GOLDEN["values"][f"{peer}@{k}"]
    for name, values in theirs.items():
        if name == "1 - gini":
            assert 1 - ours.overall[f"gini@{k}"] == pytest.approx(values, rel=3e-7)
        elif isinstance(values, float):
            assert ours.overall[f"{name}@{k}"] == pytest.approx(values, rel=3e-7), name
        else:
            assert np.ptp(values) > 0
            np.testing.assert_allclose(
                ours.values[f"{name}@{k}"], values, rtol=1e-6, atol=1e-7, err_msg=name
            )


def test_every_metric_that_a_peer_has_is_compared():
    compared = {name for values in GOLDEN["values"].values() for name in values}
    assert {*compared, "gini"} - {"1 - gini"} == {name.partition("@")[0] for name in METRICS}
