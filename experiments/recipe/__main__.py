"""The default recipe, one ingredient at a time: alone, left out, and others added.

    python -m experiments.recipe --dataset ml-100k --seeds 5

A call that was stopped goes on with the same command. Results: ../results/recipe/README.md.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array

import multvae_jax as mv
from experiments.recipe.ingredients import WITHOUT, Trial, trials
from experiments.shared.figures import draw_means
from experiments.shared.main import Report, main
from experiments.shared.options import Options, load_split
from experiments.shared.tables import format_markdown
from multvae_jax.evaluation.metrics import heading
from multvae_jax.evaluation.significance import confidence_half_width
from multvae_jax.host.console import say
from multvae_jax.recipe import SELECT_BY

CAPTION = f"""
Validation {heading(SELECT_BY)} of the best epoch, mean ± half of its 95% interval over seeds; the
difference from the row that each group changes, and half of the 95% interval of that difference,
seed by seed; the best epoch and the number of epochs trained, means over seeds.
"""

Record = dict[str, Any]


@dataclass(frozen=True)
class RecipeOptions(Options):
    """Options of the ablation."""

    only: tuple[str, ...] = ()
    """names of the rows to train; unless set, all"""


def train(trial: Trial, split: mv.Split, seed: int, epochs: int | None) -> Record:
    """Train a trial with one seed."""
    numbers = trial.numbers
    length = {} if epochs is None else {"epochs": epochs}
    key = jax.random.key(seed)
    runs = [
        mv.fit(
            key if number == 0 else jax.random.fold_in(key, number),
            trial.built(),
            split,
            **{"recipe": lambda data: numbers, **trial.fit, **length},
        )
        for number in range(trial.n_averaged)
    ]
    if len(runs) == 1:
        validation = runs[0].log[runs[0].best_epoch - 1]["validation"][SELECT_BY]
    else:
        scorer = Partial(mean_log_softmax, [run.scorer for run in runs])
        validation = mv.evaluate(scorer, split.validation).mean(SELECT_BY)
    return {
        "seed": seed,
        "validation": validation,
        "epoch": float(np.mean([run.best_epoch for run in runs])),
        "epochs": float(np.mean([len(run.log) for run in runs])),
    }


def mean_log_softmax(scorers: Sequence[mv.Scorer], batch: mv.Batch) -> Array:
    """The mean of the log probabilities that several models give to each item."""
    return sum(jax.nn.log_softmax(scorer(batch)) for scorer in scorers) / len(scorers)


def summary_of(name: str, records: Sequence[Record], reference: Sequence[Record]) -> Record:
    """The row of a trial: means over seeds, and the difference from another trial by seed."""
    of_reference = {record["seed"]: record["validation"] for record in reference}
    values = [record["validation"] for record in records]
    pairs = [
        r["validation"] - of_reference[r["seed"]] for r in records if r["seed"] in of_reference
    ]
    return {
        "name": name,
        "metrics": {
            SELECT_BY: {
                "mean": float(np.mean(values)),
                "interval": confidence_half_width(values),
                "standard_error": 0.0,
                "by_seed": values,
            }
        },
        "difference": float(np.mean(pairs)) if pairs else None,
        "difference_interval": confidence_half_width(pairs) if len(pairs) > 1 else None,
        "records": list(records),
    }


def markdown(summary: Sequence[Mapping[str, Any]]) -> str:
    """One line per trial."""

    def number(value: float | None, interval: float | None, sign: str = "") -> str:
        if value is None:
            return ""
        return f"{value:{sign}.4f}" + ("" if interval is None else f" ± {interval:.4f}")

    lines = []
    for row in summary:
        metric = row["metrics"][SELECT_BY]
        lines.append(
            [
                row["name"],
                number(metric["mean"], metric["interval"]),
                number(row["difference"], row["difference_interval"], "+"),
                f"{np.mean([record['epoch'] for record in row['records']]):.0f}",
                f"{np.mean([record['epochs'] for record in row['records']]):.0f}",
            ]
        )
    header = ["", heading(SELECT_BY), "difference", "best epoch", "epochs"]
    return format_markdown(header, lines) + CAPTION


def recipe(options: RecipeOptions) -> Iterator[Report]:
    """The ingredients of the default recipe, each alone, left out, or added."""
    split = load_split(options)
    every = trials(split)
    for name in options.only:
        if name not in every:
            raise mv.InputError(f"--only '{name}': no such row; rows: {', '.join(every)}")
    kept = {name: every[name] for name in options.only or every}
    folder = options.folder("recipe")
    folder.mkdir(parents=True, exist_ok=True)
    finished = folder / "trials.jsonl"
    records: dict[str, list[Record]] = {name: [] for name in every}
    if finished.is_file():
        for line in finished.read_text().splitlines():
            name, record = json.loads(line)
            records[name].append(record)
    for seed in options.all_seeds:
        for name, trial in kept.items():
            if any(record["seed"] == seed for record in records[name]):
                continue
            record = train(trial, split, seed, 2 if options.quick else options.epochs)
            say(f"{name}, seed {seed}: {record['validation']:.4f} at epoch {record['epoch']:g}")
            records[name].append(record)
            with finished.open("a") as file:
                file.write(json.dumps([name, record]) + "\n")
        rows = [
            summary_of(name, found, records["paper" if name.startswith("paper") else WITHOUT])
            for name, found in records.items()
            if found
        ]
        yield Report(split, {"rows": rows}, markdown(rows), draw_means(rows, options.data_name))


if __name__ == "__main__":
    sys.exit(main(recipe, RecipeOptions))
