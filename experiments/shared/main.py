"""The runner: from the command line to an experiment's report, and to its files."""

from __future__ import annotations

import inspect
import json
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import tyro
from matplotlib.figure import Figure

import multvae_jax as mv
from experiments.shared.figures import draw_means
from experiments.shared.options import Options, complete, fit_options
from experiments.shared.tables import TableRow, markdown_table, summarize
from multvae_jax.host.console import say
from multvae_jax.recipe import SELECT_BY


class Report(NamedTuple):
    """The results of an experiment.

    Attributes:
        split: the data that they were found on.
        record: content of `results.json`, after the provenance.
        table: content of `table.md`.
        figure: content of `plot.png`.
    """

    split: mv.Split
    record: Mapping[str, Any]
    table: str
    figure: Figure


Experiment = Callable[[Any], Report | Iterator[Report]]
"""Options -> a report, or a series of them, each of which replaces the one before."""


def report_rows(
    split: mv.Split, rows: Mapping[str, TableRow], title: str, tested: str = SELECT_BY
) -> Report:
    """Report a table of recommenders.

    Args:
        split: the data.
        rows: name -> recommender.
        title: title of the figure.
        tested: metric of the paired test.
    """
    summary = summarize(rows, tested)
    return Report(
        split, {"rows": summary}, markdown_table(summary, tested), draw_means(summary, title)
    )


def main(
    experiment: Experiment,
    options: type[Options] = Options,
    arguments: Sequence[str] | None = None,
) -> int:
    """Run an experiment with the options of the command line, and write its files.

    Args:
        experiment: its name is that of the folder, its docstring the description in `--help`.
        options: class of its options.
        arguments: of the command line; by default those of this process.

    Returns:
        The exit status: 0, or 2 after bad input, which is reported on one line of standard error.
    """
    try:
        parsed = tyro.cli(
            tyro.conf.OmitArgPrefixes[options],
            prog=f"python -m experiments.{experiment.__name__}",
            description=inspect.getdoc(experiment),
            args=arguments,
        )
        run(experiment, complete(parsed))
    except mv.InputError as error:
        say(str(error))
        return 2
    return 0


def run(experiment: Experiment, options: Options) -> None:
    """Run an experiment and write its files."""
    began = time.perf_counter()
    reports = experiment(options)
    for report in [reports] if isinstance(reports, Report) else reports:
        seconds = round(time.perf_counter() - began, 1)
        record = {
            **provenance(report.split, options),
            **machine(),
            "seconds": seconds,
            **report.record,
        }
        write(options.folder(experiment.__name__), record, report.table, report.figure)


def provenance(split: mv.Split, options: Options) -> dict[str, Any]:
    """The data and the options of a run."""
    held_out = {"validation": split.validation, "test": split.test}
    return {
        "data": options.data_name,
        "training_users": split.train.shape[0],
        "items": split.train.shape[1],
        "training_interactions": split.train.nnz,
        **{f"{name}_users": len(part.user_ids) for name, part in held_out.items() if part},
        "seeds": list(options.all_seeds),
        **fit_options(options, split),
        "beta": options.beta,
        "hidden": list(options.hidden),
        "latent": options.latent,
    }


def machine() -> dict[str, str]:
    """The machine of a run and its version of jax."""
    return {
        "machine": f"{os.cpu_count()} CPU cores ({platform.machine()}), jax on "
        f"{jax.devices()[0].device_kind}",
        "jax": jax.__version__,
    }


def write(folder: Path, record: Mapping[str, Any], table: str, figure: Figure) -> None:
    """Write `results.json`, `table.md` and `plot.png`."""
    folder.mkdir(parents=True, exist_ok=True)
    results = json.dumps(record, indent=1, allow_nan=False)
    (folder / "results.json").write_text(results + "\n", encoding="utf-8")
    (folder / "table.md").write_text(table, encoding="utf-8")
    figure.savefig(folder / "plot.png", dpi=120)
    print(table, flush=True)
    say(f"written to {folder}")
