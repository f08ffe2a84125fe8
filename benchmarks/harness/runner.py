"""The runner of all questions: options from the command line, reports to output and files.

A question is a module with two members:

- `Options`, a frozen dataclass whose fields become the options of the command line;
- `measure(options)`, which yields a `Report` for each file of results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

import tyro

from benchmarks.harness.report import RESULTS, Report, write_report
from multvae_jax.config.convert import validated


class Question(Protocol):
    """A module that answers a question."""

    __name__: str
    Options: type[Any]
    measure: Callable[[Any], Iterable[Report]]


def name_of(question: Question) -> str:
    """The question's name on the command line, and of its folder of results."""
    return question.__name__.rpartition(".")[2]


def parse_options(question: Question, words: Sequence[str]) -> Any:
    """The question's options from the words of a command line.

    Raises:
        InputError: if an option is out of its bounds.
    """
    options = tyro.cli(
        question.Options,
        prog=f"python -m benchmarks {name_of(question)}",
        description=question.__doc__,
        args=words,
        config=(tyro.conf.FlagCreatePairsOff,),
    )
    return validated(options)


def run_question(question: Question, words: Sequence[str], results: Path = RESULTS) -> None:
    """Measure, print each table, and write each record and figure.

    Args:
        question: the module.
        words: its part of the command line.
        results: the files go to a folder below it that bears the question's name.

    Raises:
        InputError: if an option cannot be used.
    """
    for report in question.measure(parse_options(question, words)):
        print(f"{report.table}\n", flush=True)
        for path in write_report(report, results / name_of(question)):
            print(path)
