"""Beyond accuracy: which items six recommenders show, and what a split by time costs them.

    python -m experiments.beyond_accuracy --dataset ml-1m --seeds 5

648 s on one of two shared cores of an AMD EPYC; NDCG@100 and coverage at 20 on 600 test users:

    Mult-VAE .4225 .325   EASE .4245 .177   WMF .4271 .210   popularity .2235 .019

All metrics, and a split by time: results/beyond_accuracy/README.md.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from matplotlib.figure import Figure

import multvae_jax as mv
from experiments.shared.main import Report, main
from experiments.shared.options import Options, load_split, movies_file
from experiments.shared.tables import cell, format_markdown
from experiments.shared.vectors import item_vectors
from multvae_jax.baselines import BASELINES, popularity
from multvae_jax.data import read_item_features
from multvae_jax.evaluation import EvaluationSet, prepare_users
from multvae_jax.evaluation.comparison import summarize
from multvae_jax.evaluation.metrics import heading
from multvae_jax.evaluation.named import named_metrics, split_facts
from multvae_jax.host.console import say

METRICS = (
    *("ndcg@100", "recall@20", "map@20", "auc"),
    *("coverage@20", "gini@20", "shannon_entropy@20"),
    *("novelty@20", "average_popularity@20", "aplt@20", "popularity_lift@20"),
    *("popularity_serendipity@20", "vector_serendipity@20", "intra_list_diversity@20"),
)
OF_GENRES = ("genre_diversity@20", "miscalibration@20")

TUNED = {"EASE": "ease", "WMF": "wmf", "item kNN": "item-knn"}
NETWORKS = {"Mult-VAE": mv.mult_vae, "Mult-DAE": mv.mult_dae}

CAPTION = """
Mean ± half of its 95% interval over seeds (standard error over users). A metric of all lists
together has no spread over users.
"""


def metrics_of(split: mv.Split, options: Options) -> dict[str, Any]:
    """The metrics of the table; those of genres where the data has a file of items."""
    facts = {"vectors": lambda: jnp.asarray(item_vectors(split.train))}
    names = METRICS
    path = movies_file(options)
    if path.is_file():
        genres = read_item_features(path, split.catalogue)
        facts["genres"] = lambda: jnp.asarray(genres.values)
        names += OF_GENRES
    return named_metrics(names, split_facts(split, **facts))


def recommenders(split: mv.Split, options: Options) -> Iterator[tuple[int, str, mv.Scorer]]:
    """Every recommender, seed by seed: those without randomness with the first one only."""
    yield 0, "popularity", popularity(split.catalogue.counts)
    settings = {}
    for name, baseline in TUNED.items():
        run = mv.fit_baseline(baseline, split, callback=lambda _: options.quick)
        say(f"{name}: {dict(run.constants)}")
        settings[name] = run.constants
        yield 0, name, run.scorer
    for seed in options.all_seeds:
        wmf = BASELINES["wmf"]
        if seed:
            params = wmf.fit(split.train, **{**settings["WMF"], "seed": seed})
            yield seed, "WMF", Partial(wmf.score, params)
        for name, network in NETWORKS.items():
            length = {"epochs": 2} if options.quick else {}
            run = mv.fit(jax.random.key(seed), network, split, **length)
            yield seed, name, run.scorer


ORDER = ("Mult-VAE", "Mult-DAE", "EASE", "WMF", "item kNN", "popularity")


def summary_of(
    found: Mapping[str, Sequence[mv.Evaluation]], metrics: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Metric -> recommender -> mean, intervals and values by seed."""
    return {
        metric: {name: summarize(found[name], metric)._asdict() for name in ORDER if name in found}
        for metric in metrics
    }


def markdown(summary: Mapping[str, Mapping[str, Any]]) -> str:
    """One line per metric, one column per recommender."""
    names = list(next(iter(summary.values())))
    lines = [
        [heading(metric), *(cell(row[name]) for name in names)] for metric, row in summary.items()
    ]
    return format_markdown(["", *names], lines) + CAPTION


SHOWN = ("coverage@20", "novelty@20", "aplt@20", "intra_list_diversity@20")


def draw(summary: Mapping[str, Mapping[str, Any]], title: str) -> Figure:
    """NDCG@100 against what is shown: a point per recommender."""
    figure = Figure(figsize=(12, 3.2), layout="constrained")
    panels = figure.subplots(1, len(SHOWN), sharey=True)
    for axes, metric in zip(panels, SHOWN, strict=True):
        for (name, number), marker in zip(summary["ndcg@100"].items(), "osD^vX", strict=False):
            axes.plot(summary[metric][name]["mean"], number["mean"], marker, label=name)
        axes.set(xlabel=heading(metric))
        axes.margins(x=0.15, y=0.15)
        axes.grid(visible=True, alpha=0.3)
    panels[0].set(ylabel=heading("ndcg@100"))
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right center")
    figure.suptitle(title)
    return figure


def beyond_accuracy(options: Options) -> Iterator[Report]:
    """Accuracy, popularity, diversity and coverage of the lists of six recommenders."""
    split = load_split(options)
    test: EvaluationSet = prepare_users(split.test)
    metrics = metrics_of(split, options)
    found: dict[str, list[mv.Evaluation]] = {}
    for seed, name, scorer in recommenders(split, options):
        found.setdefault(name, []).append(mv.evaluate(scorer, test, metrics))
        say(f"{name}, seed {seed}: {found[name][-1].mean('ndcg@100'):.4f}")
        # A series ends with the last network of each seed.
        if name == list(NETWORKS)[-1]:
            summary = summary_of(found, list(metrics))
            figure = draw(summary, options.data_name)
            yield Report(split, {"metrics": summary}, markdown(summary), figure)


if __name__ == "__main__":
    sys.exit(main(beyond_accuracy))
