"""Values of other libraries' metrics on generated lists, for `test_peers.py`.

In an environment of its own, with a checkout of Elliot (https://github.com/sisinflab/elliot):

    pip install rectools ranx ir-measures cwl-eval
    PYTHONPATH=PATH/TO/elliot python tests/evaluation/peers/make_golden.py
"""

import json
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import ir_measures
import numpy as np
import pandas as pd
import ranx
import rectools.metrics as rectools
import scipy.sparse as sp
from elliot.evaluation.metrics.bias.aclt import ACLT
from elliot.evaluation.metrics.bias.aplt import APLT
from elliot.evaluation.metrics.bias.arp import ARP
from elliot.evaluation.metrics.diversity.gini_index import GiniIndex
from elliot.evaluation.metrics.diversity.shannon_entropy import ShannonEntropy
from elliot.evaluation.popularity_utils.popularity import Popularity
from rectools.metrics.distances import PairwiseDistanceCalculator

N_USERS, N_ITEMS, LENGTH, CUTOFFS = 12, 40, 10, (3, 10)


def generated():
    """Training interactions of skewed popularity, and lists and targets of the same users."""
    random = np.random.default_rng(15)
    # Few levels, so that items are equally popular; the last five items have no training user.
    chance = np.where(np.arange(N_ITEMS) < N_ITEMS - 5, 0.8 / (1 + np.arange(N_ITEMS) // 4), 0.0)
    train = random.random((N_USERS, N_ITEMS)) < random.permutation(chance)
    lists, targets = [], []
    for row in train:
        new = random.permutation(np.flatnonzero(~row))
        lists.append(new[:LENGTH].tolist())
        targets.append(
            sorted(random.permutation(new[: LENGTH + 6])[: random.integers(1, 9)].tolist())
        )
    vectors = random.normal(size=(N_ITEMS, 3)).round(2)
    vectors[[3, 4]] = vectors[2]
    return {
        "train": [np.flatnonzero(row).tolist() for row in train],
        "lists": lists,
        "targets": targets,
        "vectors": vectors.tolist(),
    }


def table(rows):
    """Users, items and ranks."""
    parts = [(user, item, i + 1) for user, row in enumerate(rows) for i, item in enumerate(row)]
    return pd.DataFrame(parts, columns=["user_id", "item_id", "rank"])


class CosineDistance(PairwiseDistanceCalculator):
    """1 - cosine of the items' vectors."""

    def __init__(self, vectors):
        self.unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def _get_distances_for_item_pairs(self, items_0, items_1):
        return 1 - (self.unit[items_0] * self.unit[items_1]).sum(axis=1)


def of_rectools(data, k):
    reco, train, targets = (table(data[name]) for name in ("lists", "train", "targets"))
    catalog = list(range(N_ITEMS))
    distance = CosineDistance(np.array(data["vectors"]))
    return {
        "uncapped_map": rectools.MAP(k).calc_per_user(reco, targets),
        "novelty": rectools.MeanInvUserFreq(k).calc_per_user(reco, train),
        "average_popularity": rectools.AvgRecPopularity(k).calc_per_user(reco, train),
        "popularity_serendipity": rectools.Serendipity(k).calc_per_user(
            reco, targets, train, catalog
        ),
        "intra_list_diversity": rectools.IntraListDiversity(k, distance).calc_per_user(reco),
        "coverage": rectools.CatalogCoverage(k, normalize=True).calc(reco, catalog),
    }


def of_elliot(data, k):
    train = np.zeros((N_USERS, N_ITEMS))
    for user, items in enumerate(data["train"]):
        train[user, items] = 1
    train = sp.csr_matrix(train)
    items = {item: item for item in range(N_ITEMS)}
    known = SimpleNamespace(private_items=items, sp_i_train=train, transactions=int(train.sum()))
    about = SimpleNamespace(cutoff=k, pop=Popularity(known), num_items=N_ITEMS)
    recommended = {
        user: [(item, -i) for i, item in enumerate(row)] for user, row in enumerate(data["lists"])
    }

    def metric(kind):
        return kind(recommended, None, None, about)

    return {
        "average_popularity": list(metric(ARP).eval_user_metric().values()),
        "aplt": list(metric(APLT).eval_user_metric().values()),
        "aclt": list(metric(ACLT).eval_user_metric().values()),
        "1 - gini": metric(GiniIndex).eval(),
        "shannon_entropy": metric(ShannonEntropy).eval(),
    }


def judged(data):
    """Targets and rankings in the form of ranx and ir-measures."""
    targets = {
        f"{user:02}": {str(item): 1 for item in row} for user, row in enumerate(data["targets"])
    }
    lists = {
        f"{user:02}": {str(item): float(LENGTH - i) for i, item in enumerate(row)}
        for user, row in enumerate(data["lists"])
    }
    return targets, lists


def of_ranx(data, k):
    targets, lists = judged(data)
    lists = {user: dict(list(row.items())[:k]) for user, row in lists.items()}
    run = ranx.Run(lists)
    found = ranx.evaluate(ranx.Qrels(targets), run, ["map", "rbp.80", "rbp.50"], return_mean=False)
    names = {"map": "uncapped_map", "rbp.80": "rbp", "rbp.50": "rbp, p = 0.5"}
    return {names[name]: values for name, values in found.items()}


def of_ir_measures(data, k):
    targets, lists = judged(data)
    names = {
        ir_measures.AP @ k: "uncapped_map",
        ir_measures.RBP(rel=1): "rbp",
        ir_measures.RBP(rel=1, p=0.5): "rbp, p = 0.5",
    }
    # RBP has no cutoff there.
    lists = {user: dict(list(row.items())[:k]) for user, row in lists.items()}
    found = {name: [None] * N_USERS for name in names.values()}
    for one in ir_measures.iter_calc(list(names), targets, lists):
        found[names[one.measure]][int(one.query_id)] = one.value
    return found


PEERS = {
    "rectools": of_rectools,
    "ranx": of_ranx,
    "ir-measures": of_ir_measures,
    "elliot": of_elliot,
}


def plain(value):
    return float(value) if np.ndim(value) == 0 else [float(one) for one in value]


def main():
    data = generated()
    values = {
        f"{peer}@{k}": {name: plain(value) for name, value in of_peer(data, k).items()}
        for peer, of_peer in PEERS.items()
        for k in CUTOFFS
    }
    versions = {name: metadata.version(name) for name in ("rectools", "ranx", "ir-measures")}
    lines = [
        f'"versions": {json.dumps(versions)}',
        *(f'"{name}": {json.dumps(rows)}' for name, rows in data.items()),
        '"values": ' + json.dumps(values, indent=1),
    ]
    file = Path(__file__).with_name("golden.json")
    file.write_text("{" + ",\n".join(lines) + "}\n", encoding="utf-8")
    print(f"{file}: {file.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
