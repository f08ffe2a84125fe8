"""What the experiments share: their options, seeds, tuning, and the files they write."""

from __future__ import annotations

import itertools
import json
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import numpy as np
import tyro
from matplotlib.figure import Figure

from multvae_jax.config.build import AUTO, batch_size, build_beta, n_epochs, updates_of_rise
from multvae_jax.config.options import (
    Count,
    DataOptions,
    TrainConfig,
    TrainingOptions,
    validated,
    with_preset,
)
from multvae_jax.data.types import HeldOut, Split
from multvae_jax.errors import InputError
from multvae_jax.evaluation.evaluator import Evaluation, EvaluationSet, evaluate, prepare_users
from multvae_jax.evaluation.metrics import PAPER_METRICS, Metric
from multvae_jax.evaluation.significance import against_best, confidence_half_width, mean_over_runs
from multvae_jax.fitting import BetaSearch, Run, fit, search_beta
from multvae_jax.host.console import say
from multvae_jax.models import Model
from multvae_jax.schedules import linear_annealing
from multvae_jax.types import Scorer

SELECT_BY = "ndcg@100"
"""What is tuned for, on the validation users, and tested between the rows of a table."""

CAPTION = """
Mean ± half of its 95% interval over seeds (standard error over users). p: paired sign-flip test
of {tested} over users, after Holm's correction for all pairs of rows.
"""

Setting = dict[str, Any]
Grid = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Options:
    """Options of every experiment."""

    data: DataOptions = field(default_factory=DataOptions)
    seeds: Count = 5
    """how many seeds everything trained is trained with: 0, 1, ..."""
    epochs: Count | None = None
    """passes over the training users; unless set, the data set's own, else 100"""
    batch_size: Count | None = None
    """users in an update; unless set, as `multvae train` has it"""
    beta: str = "linear_annealing"
    """weight of Mult-VAE's KL term, as of `multvae train`: "auto" searches for its cap, anew for
    every seed"""
    anneal_steps: Count | None = None
    """updates from beta 0 to 1; unless set, as `multvae train` has it"""
    hidden: tuple[Count, ...] = (600,)
    """widths of Mult-VAE between the items and the code; Mult-DAE has none"""
    latent: Count = 200
    """dimensions of the code"""
    quick: bool = False
    """2 seeds, 2 epochs and two settings of each grid: to see that it runs, not how good it is"""
    out: str = "experiments/results"
    """folder for the files, in <experiment>/<data set> below it; -quick is added if it is"""

    @property
    def all_seeds(self) -> range:
        """The seeds to train with."""
        return range(min(self.seeds, 2) if self.quick else self.seeds)

    @property
    def training(self) -> TrainingOptions:
        """How a model is trained: as `multvae train` does, on the same data."""
        asked = TrainingOptions(
            epochs=2 if self.quick else self.epochs,
            batch_size=self.batch_size,
            beta=self.beta,
            anneal_steps=self.anneal_steps,
        )
        return with_preset(TrainConfig(data=self.data, training=asked)).training

    @property
    def source(self) -> str:
        """What the data is called."""
        file = self.data.data or self.data.train
        return self.data.dataset if file is None else Path(file).name.split(".")[0]

    def folder(self, experiment: str) -> Path:
        """Where an experiment writes to; what is quick overwrites nothing that is not."""
        return Path(self.out) / experiment / (self.source + ("-quick" if self.quick else ""))


@dataclass(frozen=True)
class Row:
    """A recommender of a table.

    Attributes:
        evaluations: on the test users, one a seed, or one where nothing is random.
        setting: the hyper-parameters it was made with.
        tried: the settings that were tried, each with its validation metric.
    """

    evaluations: Sequence[Evaluation]
    setting: Setting = field(default_factory=dict)
    tried: Sequence[Setting] = ()


def how(options: Options, split: Split) -> dict[str, Any]:
    """The arguments of `fit` that `multvae train` would give it, but for beta."""
    training = options.training
    return {
        "epochs": n_epochs(training),
        "batch_size": batch_size(training, split.train.shape[0]),
    }


def search(model: Model, split: Split, options: Options, seed: int) -> BetaSearch:
    """The search for the cap of beta, as `multvae train --beta auto` makes it."""
    began = time.perf_counter()
    to_one = updates_of_rise(options.training, split.train.shape[0], cap=1.0, share=1.0)
    found = search_beta(
        jax.random.key(seed), model, split, updates_to_one=to_one, **how(options, split)
    )
    seconds = time.perf_counter() - began
    say(f"  seed {seed}: beta {found.cap:.3g} at epoch {found.run.best_epoch}, {seconds:.0f} s")
    return found


def train(model: Model, split: Split, options: Options, seed: int, **chosen: Any) -> Run:
    """One run as `multvae train` does it, but for the `chosen` arguments of `fit`."""
    if options.beta == AUTO and "beta" not in chosen:
        found = search(model, split, options, seed)
        chosen["beta"] = linear_annealing(found.cap, found.updates)
    began = time.perf_counter()
    usual = how(options, split)
    if "beta" not in chosen:
        usual["beta"] = build_beta(options.training, split.train.shape[0])
    run = fit(jax.random.key(seed), model, split, **usual | chosen)
    say(f"  seed {seed}: best epoch {run.best_epoch}, {time.perf_counter() - began:.0f} s")
    return run


def trained_row(
    name: str, model: Model, split: Split, options: Options, test: EvaluationSet, **chosen: Any
) -> Row:
    """A network trained with every seed and tested; `chosen` as of `train`."""
    say(name)
    runs = (train(model, split, options, seed, **chosen) for seed in options.all_seeds)
    return Row([evaluate(run.scorer, test) for run in runs])


def settings(grid: Grid, quick: bool) -> list[Setting]:
    """Every combination of a grid; with `quick`, the first and the last."""
    every = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    return [every[0], every[-1]] if quick else every


def tune(
    build: Callable[..., Scorer],
    grid: Grid,
    validation: HeldOut | None,
    quick: bool = False,
    metrics: Mapping[str, Metric] = PAPER_METRICS,
    select_by: str = SELECT_BY,
) -> tuple[Setting, list[Setting]]:
    """The setting that ranks the validation users best, and all that were tried.

    Args:
        build: makes a scorer from a setting.
        grid: name -> values.
        validation: the users.
        quick: the first and the last setting only.
        metrics: `select_by` is one of them.
        select_by: the metric that decides.

    Raises:
        InputError: if there are no validation users.
    """
    if validation is None:
        raise InputError("nothing can be tuned: the split has no validation users")
    prepared = prepare_users(validation)
    deciding = {select_by: metrics[select_by]}
    tried = []
    for setting in settings(grid, quick):
        found = evaluate(build(**setting), prepared, deciding).mean(select_by)
        tried.append({**setting, select_by: found})
        say(f"  {tried[-1]}")
    best = max(tried, key=lambda setting: setting[select_by])
    return {name: value for name, value in best.items() if name != select_by}, tried


def summarize(rows: Mapping[str, Row], tested: str = SELECT_BY) -> list[dict[str, Any]]:
    """What a table, a plot and the JSON file say of each recommender.

    `mean` is over seeds and users. `interval` is half of the 95% interval of the mean over
    seeds: what another seed moves. `standard_error` is over the users, of their means over
    seeds: what other users move. The test against the best is between these means, of the metric
    `tested`.
    """
    means = {name: mean_over_runs(row.evaluations) for name, row in rows.items()}
    compared = against_best(means, tested)

    def metric_of(name: str, metric: str) -> dict[str, Any]:
        by_seed = [evaluation.mean(metric) for evaluation in rows[name].evaluations]
        return {
            "mean": means[name].mean(metric),
            "interval": confidence_half_width(by_seed),
            "standard_error": means[name].standard_error(metric),
            "by_seed": by_seed,
        }

    return [
        {
            "name": name,
            "setting": row.setting,
            "metrics": {metric: metric_of(name, metric) for metric in row.evaluations[0].values},
            "difference": compared[name].difference,
            "p_value": _json_number(compared[name].p_value),
            "corrected_p_value": _json_number(compared[name].corrected),
            "tried": list(row.tried),
        }
        for name, row in rows.items()
    ]


def markdown_table(summary: Sequence[Mapping[str, Any]], tested: str = SELECT_BY) -> str:
    """One row a recommender: `mean ± interval (standard error)`, and the test; a caption."""
    metrics = list(summary[0]["metrics"])
    best = next(row for row in summary if row["p_value"] is None)
    header = ["", *map(heading, metrics), f"{heading(tested)} below {best['name']}", "p"]
    lines = [header, ["---", *["---:"] * (len(header) - 1)]]
    for row in summary:
        cells = [cell(row["metrics"][metric]) for metric in metrics]
        test = ["", ""]
        if row["p_value"] is not None:
            test = [f"{-row['difference']:.4f}", f"{row['corrected_p_value']:.4f}"]
        lines.append([row["name"], *cells, *test])
    return "".join("| " + " | ".join(line) + " |\n" for line in lines) + CAPTION.format(
        tested=heading(tested)
    )


def heading(metric: str) -> str:
    """A metric as the paper spells it: `NDCG@100`."""
    name, _, cutoff = metric.partition("@")
    words = name.upper() if name in ("ndcg", "hr") else name.replace("_", " ").capitalize()
    return f"{words}@{cutoff}"


def cell(metric: Mapping[str, Any]) -> str:
    """`mean ± interval (standard error)`, the interval where there is one."""
    interval = "" if metric["interval"] is None else f" ± {metric['interval']:.4f}"
    return f"{metric['mean']:.4f}{interval} ({metric['standard_error']:.4f})"


def draw_means(summary: Sequence[Mapping[str, Any]], title: str) -> Figure:
    """A panel a metric, a line a recommender: wide over seeds, narrow over users."""
    metrics = list(summary[0]["metrics"])
    figure = Figure(
        figsize=(3.4 * len(metrics) + 1, 0.4 * len(summary) + 1.6), layout="constrained"
    )
    panels = np.atleast_1d(figure.subplots(1, len(metrics), sharey=True))
    lines = np.arange(len(summary))[::-1]
    for axes, metric in zip(panels, metrics, strict=True):
        of_rows = [row["metrics"][metric] for row in summary]
        means = [row["mean"] for row in of_rows]
        users = [row["standard_error"] for row in of_rows]
        seeds = [row["interval"] or 0.0 for row in of_rows]
        axes.errorbar(
            means, lines, xerr=seeds, fmt="none", ecolor="tab:blue", elinewidth=7, alpha=0.35
        )
        axes.errorbar(
            means, lines, xerr=users, fmt="o", color="black", markersize=4, elinewidth=1, capsize=3
        )
        axes.set(title=heading(metric), ylim=(-0.6, len(summary) - 0.4))
        axes.grid(visible=True, axis="x", alpha=0.3)
    panels[0].set_yticks(lines, [row["name"] for row in summary])
    figure.suptitle(title)
    figure.supxlabel("wide: 95% over seeds; narrow: standard error over users", fontsize="small")
    return figure


def write(folder: Path, record: Mapping[str, Any], text: str, figure: Figure) -> None:
    """Write `results.json`, `table.md` and `plot.png`."""
    folder.mkdir(parents=True, exist_ok=True)
    results = json.dumps(record, indent=1, allow_nan=False)
    (folder / "results.json").write_text(results + "\n", encoding="utf-8")
    (folder / "table.md").write_text(text, encoding="utf-8")
    figure.savefig(folder / "plot.png", dpi=120)
    say(f"{text}\nwritten to {folder}")


def circumstances(split: Split, options: Options, seconds: float) -> dict[str, Any]:
    """What a figure has to be read with: the data, the options, the machine and the time."""
    held_out = {"validation": split.validation, "test": split.test}
    return {
        "data": options.source,
        "training_users": split.train.shape[0],
        "items": split.train.shape[1],
        "training_interactions": split.train.nnz,
        **{f"{name}_users": len(part.user_ids) for name, part in held_out.items() if part},
        "seeds": list(options.all_seeds),
        "epochs": n_epochs(options.training),
        "batch_size": batch_size(options.training, split.train.shape[0]),
        "beta": options.beta,
        "hidden": list(options.hidden),
        "latent": options.latent,
        "machine": f"{os.cpu_count()} CPU cores ({platform.machine()}), jax on "
        f"{jax.devices()[0].device_kind}",
        "jax": jax.__version__,
        "seconds": round(seconds, 1),
    }


def _json_number(value: float) -> float | None:
    return None if np.isnan(value) else value


def command(
    experiment: Callable[[Any], None],
    words: str,
    arguments: Sequence[str] | None = None,
    kind: type[Options] = Options,
) -> int:
    """Run an experiment with the options of the command line.

    Args:
        experiment: what is run with the options.
        words: what the help says of it.
        arguments: of the command line; those of this process unless given.
        kind: the options; those of every experiment, or more.

    Returns:
        The exit status: 0 if all went well, 2 with one line on the standard error if not.
    """
    try:
        parsed = tyro.cli(tyro.conf.OmitArgPrefixes[kind], description=words, args=arguments)
        experiment(validated(parsed))
    except InputError as error:
        say(str(error))
        return 2
    return 0
