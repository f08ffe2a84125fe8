"""The runner of all questions, with a question that measures nothing."""

import json
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from matplotlib.figure import Figure

from benchmarks.harness.report import Report
from benchmarks.harness.runner import parse_options, run_question
from multvae_jax.checks.bounds import Count
from multvae_jax.errors import InputError


@dataclass(frozen=True)
class Options:
    """Options of the question."""

    rounds: Count = 5
    """Number of rounds."""


def measure(options):
    yield Report("one", f"{options.rounds} rounds", {"rounds": options.rounds}, Figure((1, 1)))
    yield Report("two", "no files", None, Figure((1, 1)))


QUESTION = SimpleNamespace(
    __name__="benchmarks.nothing", __doc__="How long is nothing?", Options=Options, measure=measure
)


def test_tables_are_printed_and_records_and_figures_written(tmp_path, capsys):
    run_question(QUESTION, ["--rounds", "3"], tmp_path)
    files = [tmp_path / "nothing" / name for name in ("one.json", "one.png")]
    assert capsys.readouterr().out == f"3 rounds\n\n{files[0]}\n{files[1]}\nno files\n\n"
    assert sorted((tmp_path / "nothing").iterdir()) == files
    record = json.loads(files[0].read_text())
    assert record["rounds"] == 3
    assert {"processor", "devices", "jax", "commit"} <= record["machine"].keys()
    assert files[1].read_bytes().startswith(b"\x89PNG")


def test_help_shows_the_docstring_and_the_options(capsys):
    with pytest.raises(SystemExit, match="0"):
        parse_options(QUESTION, ["--help"])
    shown = capsys.readouterr().out
    assert "python -m benchmarks nothing" in shown
    assert "How long is nothing?" in shown
    assert "Number of rounds." in shown


def test_an_option_out_of_bounds_is_one_line():
    with pytest.raises(InputError, match=r"^--rounds: expected `int` >= 1$"):
        parse_options(QUESTION, ["--rounds", "0"])
