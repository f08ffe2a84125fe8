"""The metrics of one set of lists by this package, RecTools and ir-measures: are they equal?

    python -m experiments.peer_metrics --dataset ml-1m

The peers are installed in an environment of their own, on first use. 376 s on two cores of an AMD
EPYC, which other work shared. NDCG@20 of Mult-VAE on ML-1M, by this package and by ir-measures:

    .3263 .3263

All metrics: results/peer_metrics/README.md.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp
from matplotlib.figure import Figure

import multvae_jax as mv
from benchmarks.harness.environments import Environment, interpreter
from experiments.shared import peers
from experiments.shared.main import Report, main
from experiments.shared.options import Options, load_split
from experiments.shared.tables import format_markdown
from experiments.shared.vectors import item_vectors
from multvae_jax.baselines import popularity
from multvae_jax.evaluation.metrics import heading, rank_biased_precision
from multvae_jax.evaluation.named import named_metrics, split_facts
from multvae_jax.host.console import say

ENVIRONMENT = Environment(
    ("rectools==0.19.0", "ir-measures==0.4.3", "cwl-eval==1.0.12", "pandas==2.3.3"),
    pythons=range(11, 13),
)
CUTOFFS = (10, 20)
CAPTION = """
Means over users, rounded to six digits; the difference is the largest over users, or of the one
number that all lists have together.
"""

Values = Mapping[str, Any]
"""Metric -> a value per user, or one number for all lists."""


def recommenders(split: mv.Split, options: Options) -> Iterator[tuple[str, mv.Scorer]]:
    """A network, a linear model and a constant list."""
    length = {"epochs": 2} if options.quick else {}
    yield "Mult-VAE", mv.fit(jax.random.key(0), mv.mult_vae, split, **length).scorer
    yield "EASE", mv.baselines.ease(split.train)
    yield "popularity", popularity(split.catalogue.counts)


def rows_of(matrix: sp.csr_array) -> list[list[int]]:
    """The columns of each row."""
    return [row.tolist() for row in np.split(matrix.indices, matrix.indptr[1:-1])]


def ours(lists: mv.Lists, split: mv.Split, test: mv.HeldOut, vectors: np.ndarray) -> Values:
    """This package's values, by metric and cutoff."""
    names = ("ndcg", "precision", "uncapped_recall", "mrr", "hit_rate", "uncapped_map", "rbp")
    names += ("novelty", "average_popularity", "popularity_serendipity")
    names += ("intra_list_diversity", "coverage")
    facts = split_facts(split, vectors=lambda: jnp.asarray(vectors))
    metrics = named_metrics(names, facts, CUTOFFS)
    for k in CUTOFFS:
        impatient = partial(rank_biased_precision, persistence=0.5)
        metrics[f"rbp, p = 0.5@{k}"] = mv.Metric(impatient, k)
    found = mv.evaluate_lists(lists, test, metrics)
    return {**found.values, **found.overall}


def theirs(data: Mapping[str, Any], python: Path) -> dict[str, dict[str, Values]]:
    """Recommender -> peer and cutoff -> the peer's values."""
    with tempfile.TemporaryDirectory() as name:
        given, output = Path(name) / "lists.json", Path(name) / "values.json"
        given.write_text(json.dumps(data), encoding="utf-8")
        subprocess.run([python, peers.__file__, given, output], check=True, stdout=sys.stderr)
        return json.loads(output.read_text(encoding="utf-8"))


def compared(
    own: Mapping[str, Values], by_peers: Mapping[str, Mapping[str, Values]]
) -> list[dict[str, Any]]:
    """A row per metric, cutoff and peer: the means by recommender, and the largest difference."""
    recommenders = list(own)
    rows = []
    for peer_at_k, metrics in by_peers[recommenders[0]].items():
        peer, k = peer_at_k.rsplit("@", 1)
        for metric in metrics:
            pairs = {
                name: (own[name][f"{metric}@{k}"], by_peers[name][peer_at_k][metric])
                for name in recommenders
            }
            rows.append(
                {
                    "metric": f"{metric}@{k}",
                    "peer": peer,
                    "ours": {name: float(np.mean(pair[0])) for name, pair in pairs.items()},
                    "theirs": {name: float(np.mean(pair[1])) for name, pair in pairs.items()},
                    "difference": max(
                        float(np.abs(np.subtract(*pair)).max()) for pair in pairs.values()
                    ),
                }
            )
    return sorted(rows, key=lambda row: row["metric"])


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """One line per metric and peer."""
    recommenders = list(rows[0]["ours"])
    header = [
        "",
        "peer",
        *(f"{name}, {whose}" for name in recommenders for whose in ("ours", "peer's")),
        "largest difference",
    ]
    lines = [
        [
            _heading(row["metric"]),
            row["peer"],
            *(f"{row[side][name]:.6g}" for name in recommenders for side in ("ours", "theirs")),
            f"{row['difference']:.1e}",
        ]
        for row in rows
    ]
    return format_markdown(header, lines) + CAPTION


def _heading(metric: str) -> str:
    name, k = metric.rsplit("@", 1)
    family, _, constant = name.partition(", ")
    return heading(f"{family}@{k}") + (f", {constant}" if constant else "")


def draw(rows: Sequence[Mapping[str, Any]], title: str) -> Figure:
    """The largest relative difference of each metric."""
    figure = Figure(figsize=(8, 6), layout="constrained")
    axes = figure.subplots()
    names = [f"{_heading(row['metric'])}, {row['peer']}" for row in rows]
    sizes = [
        row["difference"] / max(*map(abs, row["theirs"].values()), np.finfo(float).tiny)
        for row in rows
    ]
    axes.plot(np.maximum(sizes, 1e-17), range(len(rows)), "o")
    axes.axvline(np.finfo(np.float32).eps, color="gray", linestyle="--", label="float32")
    axes.set_yticks(range(len(rows)), names, fontsize=7)
    axes.set(xscale="log", xlabel="largest difference / largest mean", title=title)
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    return figure


def peer_metrics(options: Options) -> Report:
    """Metrics of the same lists by this package, RecTools and ir-measures."""
    split = load_split(options)
    users = np.asarray((split.test.targets != 0).sum(axis=1)).ravel() > 0
    test = mv.HeldOut(
        split.test.history[users], split.test.targets[users], split.test.user_ids[users]
    )
    vectors = item_vectors(split.train)
    own, lists = {}, {}
    for name, scorer in recommenders(split, options):
        made = mv.recommend_lists(
            scorer, split.catalogue, test.history, test.user_ids, k=max(CUTOFFS)
        )
        own[name] = ours(made, split, test, vectors)
        lists[name] = made.items.tolist()
        say(f"{name}: NDCG@{CUTOFFS[0]} {own[name][f'ndcg@{CUTOFFS[0]}'].mean():.4f}")
    data = {
        "train": rows_of(split.train),
        "targets": rows_of(test.targets),
        "vectors": vectors.tolist(),
        "cutoffs": CUTOFFS,
        "lists": lists,
    }
    python = interpreter("metrics", ENVIRONMENT)
    rows = compared(own, theirs(data, python))
    return Report(split, {"rows": rows}, markdown(rows), draw(rows, options.data_name))


if __name__ == "__main__":
    sys.exit(main(peer_metrics))
