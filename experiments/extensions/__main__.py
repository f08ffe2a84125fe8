"""Train extensions and Mult-VAE: same split, same seeds, same number of updates.

    python -m experiments.extensions all --dataset ml-1m --hidden 200 --latent 64

Results: ../results/extensions/README.md.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import optax

import multvae_jax as mv
from experiments.extensions.variants import (
    EXTENSIONS,
    REFERENCE,
    ExtensionOptions,
    Variant,
    reference,
)
from experiments.shared.figures import draw_means
from experiments.shared.main import Report, main
from experiments.shared.options import load_split, users_file
from experiments.shared.tables import (
    TableRow,
    format_markdown,
    mean_and_interval,
    summarize,
)
from experiments.shared.training import train
from multvae_jax.data.attributes import columns_of
from multvae_jax.evaluation import prepare_users
from multvae_jax.evaluation.metrics import heading
from multvae_jax.evaluation.significance import holm, mean_over_runs, sign_flip_test
from multvae_jax.host.console import say
from multvae_jax.recipe import SELECT_BY
from multvae_jax.selection import Entry

CAPTION = f"""
Mean ± half of its 95% interval over seeds. p: paired sign-flip test of {heading(SELECT_BY)} against
{REFERENCE}, over users, of their means over seeds; after Holm's correction for the rows.
"""


def against_reference(rows: Mapping[str, TableRow]) -> dict[str, tuple[float, float | None]]:
    """The gain in NDCG@100 of each row over the reference, and the corrected p-value."""
    means = {name: mean_over_runs(row.evaluations).values[SELECT_BY] for name, row in rows.items()}
    gains = {name: mean - means[REFERENCE] for name, mean in means.items()}
    others = [name for name in rows if name != REFERENCE]
    tests: dict[str, float | None] = {REFERENCE: None}
    if others:
        p_values = holm(sign_flip_test(np.stack([gains[name] for name in others], axis=1)))
        tests |= dict(zip(others, p_values.tolist(), strict=True))
    return {name: (float(gain.mean()), tests[name]) for name, gain in gains.items()}


def markdown(summary: Sequence[Mapping[str, Any]]) -> str:
    """One line per model: `mean ± interval`, its gain over the reference, the test."""
    metrics = list(summary[0]["metrics"])
    header = ["", *map(heading, metrics), f"over {REFERENCE}", "p"]
    lines = []
    for row in summary:
        cells = [mean_and_interval(row["metrics"][metric]) for metric in metrics]
        test = ["", ""]
        if row["name"] != REFERENCE:
            test = [f"{row['difference']:+.4f}", f"{row['corrected_p_value']:.4f}"]
        lines.append([row["name"], *cells, *test])
    return format_markdown(header, lines) + CAPTION


class SeedRun(NamedTuple):
    """The part of a run that is kept: the log's entry of its best epoch, the seconds, the test."""

    best: Entry
    seconds: float
    evaluation: mv.Evaluation


def table_row(variant: Variant, runs: Sequence[SeedRun]) -> TableRow:
    """A row of the table, from one run per seed."""
    setting = {
        "constants": dict(variant.constants),
        "best_epochs": [run.best["epoch"] for run in runs],
        "validation": [run.best["validation"][SELECT_BY] for run in runs],
        "seconds": [round(run.seconds, 1) for run in runs],
    }
    return TableRow([run.evaluation for run in runs], setting)


def variants_of(split: mv.Split, options: ExtensionOptions) -> dict[str, Variant]:
    """The variants to train, by the name of their row.

    Raises:
        InputError: if an extension does not have a given constant.
    """

    def make(name: str, function: Callable[..., dict[str, Variant]]) -> dict[str, Variant]:
        try:
            return function(split, options, **options.constants)
        except TypeError as error:
            raise mv.InputError(f"{name} --constants: {error}") from None

    if not options.all_names:
        return make("mult-vae", reference)
    variants = reference(split, options)
    for name in options.all_names:
        variants |= make(name, EXTENSIONS[name])
    return variants


def summarize_against_reference(rows: Mapping[str, TableRow]) -> list[dict[str, Any]]:
    """Summarize each row for the table and the files, tested against the reference."""
    tests = against_reference(rows)
    parts = ("difference", "corrected_p_value")
    return [{**row, **dict(zip(parts, tests[row["name"]], strict=True))} for row in summarize(rows)]


def with_users_file(split: mv.Split, options: ExtensionOptions) -> mv.Split:
    """The split, with the features of its users if a row needs them and a file has them.

    Raises:
        InputError: if the one row that was asked for needs a file, and there is none.
    """
    if "conditional" not in options.all_names or split.user_encoder is not None:
        return split
    path = users_file(options)
    if path is None:
        # Many data sets have no file about users, and the other rows need none.
        problem = (
            "conditional: no users.dat, u.user, users.csv or .user file is beside the data; name "
            "one with --users-file"
        )
        if "all" not in options.names:
            raise mv.InputError(problem)
        say(f"{problem}; the row is left out")
        return split
    # All but the postal code, which few users share.
    columns = [name for name in columns_of(path, "user") if "zip" not in name.lower()]
    with_features = mv.with_user_features(split, mv.data.read_user_features(path, columns))
    for note in with_features.notes[len(split.notes) :]:
        say(note)
    return with_features


def extensions(options: ExtensionOptions) -> Iterator[Report]:
    """Extensions of Mult-VAE, and Mult-VAE."""
    split = with_users_file(load_split(options), options)
    test = prepare_users(split.test)
    variants = variants_of(split, options)
    runs: dict[str, list[SeedRun]] = {name: [] for name in variants}
    for seed in options.all_seeds:
        for name, variant in variants.items():
            say(name)
            overrides = {"optimizer": optax.adam(options.learning_rate), **variant.fit_options}
            run = train(variant.model, split, options, seed, **overrides)
            seconds = sum(entry["seconds"] for entry in run.log)
            best = run.log[run.best_epoch - 1]
            runs[name].append(SeedRun(best, seconds, mv.evaluate(run.scorer, test)))
        # The files are written anew after each seed: the next one may take many minutes.
        summary = summarize_against_reference(
            {name: table_row(variants[name], by_seed) for name, by_seed in runs.items()}
        )
        record = {"seeds": list(range(seed + 1)), "rows": summary}
        yield Report(split, record, markdown(summary), draw_means(summary, options.data_name))


if __name__ == "__main__":
    sys.exit(main(extensions, ExtensionOptions))
