"""Train extensions beside Mult-VAE: same split, same seeds, same number of updates.

    python -m experiments.extensions all --dataset ml-1m --hidden 200 --latent 64

What was found is in the README beside this file.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import optax

from experiments.common import (
    SELECT_BY,
    Row,
    circumstances,
    command,
    draw_means,
    heading,
    say,
    summarize,
    train,
    write,
)
from experiments.extensions.trials import (
    EXTENSIONS,
    REFERENCE,
    ExtensionOptions,
    Trial,
    of_mult_vae,
)
from multvae_jax.config.load_data import load_split
from multvae_jax.data.types import Split
from multvae_jax.errors import InputError
from multvae_jax.evaluation.evaluator import Evaluation, evaluate, prepare_users
from multvae_jax.evaluation.significance import holm, mean_over_runs, sign_flip_test
from multvae_jax.selection import Entry

CAPTION = f"""
Mean ± half of its 95% interval over seeds. p: paired sign-flip test of {SELECT_BY.upper()} against
{REFERENCE}, over users, of their means over seeds; after Holm's correction for the rows.
"""


def against_reference(rows: Mapping[str, Row]) -> dict[str, tuple[float, float | None]]:
    """How far each row's NDCG@100 is above the reference's, and the corrected p-value."""
    means = {name: mean_over_runs(row.evaluations).values[SELECT_BY] for name, row in rows.items()}
    gains = {name: mean - means[REFERENCE] for name, mean in means.items()}
    others = [name for name in rows if name != REFERENCE]
    tests: dict[str, float | None] = {REFERENCE: None}
    if others:
        p_values = holm(sign_flip_test(np.stack([gains[name] for name in others], axis=1)))
        tests |= dict(zip(others, p_values.tolist(), strict=True))
    return {name: (float(gain.mean()), tests[name]) for name, gain in gains.items()}


def markdown(summary: Sequence[Mapping[str, Any]]) -> str:
    """One row a model: `mean ± interval`, what it gains over the reference, the test."""
    metrics = list(summary[0]["metrics"])
    header = ["", *map(heading, metrics), f"over {REFERENCE}", "p"]
    lines = [header, ["---", *["---:"] * (len(header) - 1)]]
    for row in summary:
        cells = []
        for metric in metrics:
            numbers = row["metrics"][metric]
            interval = "" if numbers["interval"] is None else f" ± {numbers['interval']:.4f}"
            cells.append(f"{numbers['mean']:.4f}{interval}")
        test = ["", ""]
        if row["name"] != REFERENCE:
            test = [f"{row['difference']:+.4f}", f"{row['corrected_p_value']:.4f}"]
        lines.append([row["name"], *cells, *test])
    return "".join("| " + " | ".join(line) + " |\n" for line in lines) + CAPTION


class Result(NamedTuple):
    """What is kept of a run: the log's entry of its best epoch, the seconds, the test."""

    best: Entry
    seconds: float
    evaluation: Evaluation


def row_of(trial: Trial, results: Sequence[Result]) -> Row:
    """A row of the table, from a run with each seed."""
    setting = {
        "constants": dict(trial.constants),
        "best_epochs": [result.best["epoch"] for result in results],
        "validation": [result.best["validation"][SELECT_BY] for result in results],
        "seconds": [round(result.seconds, 1) for result in results],
    }
    return Row([result.evaluation for result in results], setting)


def chosen_trials(split: Split, options: ExtensionOptions) -> dict[str, Trial]:
    """What is trained, by the name of its row.

    Raises:
        InputError: if an extension has no such constant.
    """
    names = {"all": list(EXTENSIONS), "mult-vae": []}.get(options.name, [options.name])
    trials = of_mult_vae(split, options, **({} if names else options.constants))
    for name in names:
        try:
            trials |= EXTENSIONS[name](split, options, **options.constants)
        except TypeError as error:
            raise InputError(f"{name} --constants: {error}") from None
    return trials


def summarized(rows: Mapping[str, Row]) -> list[dict[str, Any]]:
    """What the table and the files say of each row, tested against the reference."""
    tests = against_reference(rows)
    parts = ("difference", "corrected_p_value")
    return [{**row, **dict(zip(parts, tests[row["name"]], strict=True))} for row in summarize(rows)]


def extensions(options: ExtensionOptions) -> None:
    """Run the experiment; its files are written anew after each seed, which may take minutes."""
    began = time.perf_counter()
    split = load_split(options.data)
    test = prepare_users(split.test)
    trials = chosen_trials(split, options)
    done: dict[str, list[Result]] = {name: [] for name in trials}
    for seed in options.all_seeds:
        for name, trial in trials.items():
            say(name)
            chosen = {"optimizer": optax.adam(options.learning_rate), **trial.chosen}
            run = train(trial.model, split, options, seed, **chosen)
            seconds = sum(entry["seconds"] for entry in run.log)
            best = run.log[run.best_epoch - 1]
            done[name].append(Result(best, seconds, evaluate(run.scorer, test)))
        summary = summarized({name: row_of(trials[name], kept) for name, kept in done.items()})
        circumstance = circumstances(split, options, time.perf_counter() - began)
        record = {**circumstance, "seeds": list(range(seed + 1)), "rows": summary}
        figure = draw_means(summary, options.source)
        write(options.folder(f"extensions/{options.name}"), record, markdown(summary), figure)


if __name__ == "__main__":
    words = "Extensions of Mult-VAE, and Mult-VAE."
    sys.exit(command(extensions, words, kind=ExtensionOptions))
