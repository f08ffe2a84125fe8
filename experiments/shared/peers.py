"""Metrics of given lists as other libraries compute them, in an environment of theirs.

    python experiments/shared/peers.py LISTS.json VALUES.json

The input has the columns of the items in `train` and `targets` (a row per user), the item
`vectors`, the `cutoffs`, and `lists` by name of the recommender. The output has, by recommender,
peer and metric, the values of the users in this order, or one number for all lists. The names of
the metrics are those of `multvae_jax.evaluation`. This package is not imported.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

Rows = Sequence[Sequence[int]]
Values = Mapping[str, Any]


def table(rows: Rows) -> Any:
    """Users, items and ranks, as a frame."""
    import pandas as pd

    parts = [(user, item, i + 1) for user, row in enumerate(rows) for i, item in enumerate(row)]
    return pd.DataFrame(parts, columns=["user_id", "item_id", "rank"])


def of_rectools(data: Mapping[str, Any], k: int) -> Values:
    """Values of RecTools' metrics, with 1 - cosine as the distance of items."""
    import rectools.metrics as rectools
    from rectools.metrics.distances import PairwiseDistanceCalculator

    vectors = np.array(data["vectors"], np.float64)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    class CosineDistance(PairwiseDistanceCalculator):
        def _get_distances_for_item_pairs(self, items_0: Any, items_1: Any) -> Any:
            return 1 - (unit[items_0] * unit[items_1]).sum(axis=1)

    shown, train, targets = (table(data[name]) for name in ("lists", "train", "targets"))
    catalog = list(range(len(vectors)))
    return {
        "precision": rectools.Precision(k).calc_per_user(shown, targets),
        "uncapped_recall": rectools.Recall(k).calc_per_user(shown, targets),
        "hit_rate": rectools.HitRate(k).calc_per_user(shown, targets),
        "mrr": rectools.MRR(k).calc_per_user(shown, targets),
        "uncapped_map": rectools.MAP(k).calc_per_user(shown, targets),
        "novelty": rectools.MeanInvUserFreq(k).calc_per_user(shown, train),
        "average_popularity": rectools.AvgRecPopularity(k).calc_per_user(shown, train),
        "popularity_serendipity": rectools.Serendipity(k).calc_per_user(
            shown, targets, train, catalog
        ),
        "intra_list_diversity": rectools.IntraListDiversity(k, CosineDistance()).calc_per_user(
            shown
        ),
        "coverage": rectools.CatalogCoverage(k, normalize=True).calc(shown, catalog),
    }


def of_elliot(data: Mapping[str, Any], k: int) -> Values:
    """Values of Elliot's metrics; its checkout is on the path."""
    import scipy.sparse as sp
    from elliot.evaluation.metrics.bias.aclt import ACLT
    from elliot.evaluation.metrics.bias.aplt import APLT
    from elliot.evaluation.metrics.bias.arp import ARP
    from elliot.evaluation.metrics.diversity.gini_index import GiniIndex
    from elliot.evaluation.metrics.diversity.shannon_entropy import (
        ShannonEntropy,
    )
    from elliot.evaluation.popularity_utils.popularity import Popularity

    n_items = len(data["vectors"])
    train = np.zeros((len(data["train"]), n_items))
    for user, items in enumerate(data["train"]):
        train[user, items] = 1
    train = sp.csr_matrix(train)
    items = {item: item for item in range(n_items)}
    known = SimpleNamespace(private_items=items, sp_i_train=train, transactions=int(train.sum()))
    about = SimpleNamespace(cutoff=k, pop=Popularity(known), num_items=n_items)
    recommended = {
        user: [(item, -i) for i, item in enumerate(row)] for user, row in enumerate(data["lists"])
    }

    def metric(kind: Any) -> Any:
        return kind(recommended, None, None, about)

    return {
        "average_popularity": list(metric(ARP).eval_user_metric().values()),
        "aplt": list(metric(APLT).eval_user_metric().values()),
        "aclt": list(metric(ACLT).eval_user_metric().values()),
        "1 - gini": metric(GiniIndex).eval(),
        "shannon_entropy": metric(ShannonEntropy).eval(),
    }


def judged(data: Mapping[str, Any], k: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Targets, and lists cut at k, in the form of ranx and ir-measures.

    The names of the users sort in their order.
    """
    targets = {
        f"{user:09}": {str(item): 1 for item in row} for user, row in enumerate(data["targets"])
    }
    lists = {
        f"{user:09}": {str(item): float(k - i) for i, item in enumerate(row[:k])}
        for user, row in enumerate(data["lists"])
    }
    return targets, lists


def of_ranx(data: Mapping[str, Any], k: int) -> Values:
    """Values of ranx's metrics."""
    import ranx

    targets, lists = judged(data, k)
    names = {"map": "uncapped_map", "rbp.80": "rbp", "rbp.50": "rbp, p = 0.5"}
    found = ranx.evaluate(ranx.Qrels(targets), ranx.Run(lists), list(names), return_mean=False)
    return {names[name]: values for name, values in found.items()}


def of_ir_measures(data: Mapping[str, Any], k: int) -> Values:
    """Values of ir-measures' metrics."""
    import ir_measures

    targets, lists = judged(data, k)
    names = {
        ir_measures.nDCG @ k: "ndcg",
        ir_measures.P @ k: "precision",
        ir_measures.R @ k: "uncapped_recall",
        ir_measures.RR @ k: "mrr",
        ir_measures.Success @ k: "hit_rate",
        ir_measures.AP @ k: "uncapped_map",
        # RBP has no cutoff there.
        ir_measures.RBP(rel=1): "rbp",
        ir_measures.RBP(rel=1, p=0.5): "rbp, p = 0.5",
    }
    found: dict[str, list[Any]] = {name: [None] * len(targets) for name in names.values()}
    for one in ir_measures.iter_calc(list(names), targets, lists):
        found[names[one.measure]][int(one.query_id)] = one.value
    return found


PEERS: Mapping[str, Callable[[Mapping[str, Any], int], Values]] = {
    "rectools": of_rectools,
    "ranx": of_ranx,
    "ir-measures": of_ir_measures,
    "elliot": of_elliot,
}


def values_of(data: Mapping[str, Any], peers: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Peer and cutoff -> metric -> the values of users, or one number for all lists."""

    def plain(value: Any) -> Any:
        return float(value) if np.ndim(value) == 0 else [float(one) for one in value]

    return {
        f"{peer}@{k}": {name: plain(value) for name, value in PEERS[peer](data, k).items()}
        for peer in peers
        for k in data["cutoffs"]
    }


if __name__ == "__main__":
    given, output = map(Path, sys.argv[1:])
    all_lists = json.loads(given.read_text(encoding="utf-8"))
    found = {
        name: values_of({**all_lists, "lists": rows}, ["rectools", "ir-measures"])
        for name, rows in all_lists["lists"].items()
    }
    output.write_text(json.dumps(found), encoding="utf-8")
