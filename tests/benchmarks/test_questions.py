"""The list of questions, their options, and which modules they may import."""

import ast
import importlib
from dataclasses import asdict
from pathlib import Path

import pytest

from benchmarks.__main__ import QUESTIONS, main
from benchmarks.harness.runner import parse_options

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def question(name):
    return importlib.import_module(f"benchmarks.{name}")


def imported(file):
    """The modules below benchmarks/ that a file imports."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("benchmarks"):
            # `from package import module` names a module as well.
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("benchmarks"))


def test_every_module_at_the_top_is_a_question_and_is_listed(capsys):
    files = {path.stem for path in BENCHMARKS.glob("*.py") if not path.stem.startswith("__")}
    assert set(QUESTIONS) == files
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name, words in QUESTIONS.items():
        assert any(line.split(maxsplit=1) == [name, words] for line in lines)


def test_an_unknown_question_is_an_error(capsys):
    assert main(["speed"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("speed: not a question\n")
    assert "scaling" in shown.err


def test_an_option_that_cannot_be_used_is_one_line(capsys):
    assert main(["training", "--data", "no/such/file"]) == 2
    assert capsys.readouterr().err == "no/such/file: no such file\n"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("counters", {}),
        ("roofline --precision bfloat16 --batches 4 --rounds 2", {"precision": "bfloat16"}),
        ("growth --rounds 5 --curves users seeds", {"rounds": 5, "curves": ("users", "seeds")}),
        ("preparation --file some.csv --scale 0.5", {"file": "some.csv", "scale": 0.5}),
        ("startup --rounds 3", {"rounds": 3}),
        ("training --data a.csv.gz --name ml-1m --batches 8", {"name": "ml-1m", "batches": 8}),
        (
            "training --precisions bfloat16 --without RecBole Cornac --shape ml-1m",
            {"precisions": ("bfloat16",), "without": ("RecBole", "Cornac"), "shape": "ml-1m"},
        ),
        ("training --batch-size 4000 --batches 2 --rounds 3", {"batch_size": 4000}),
        ("streaming --batches 4 --gigabytes 0", {"batches": 4, "gigabytes": 0.0}),
        ("evaluation --users 300 --batch-size 100 --rounds 2", {"users": 300, "batch_size": 100}),
        ("requests --number 9 --parts memory", {"number": 9, "parts": ("memory",)}),
        ("evaluation --without RecBole numpy", {"without": ("RecBole", "numpy")}),
        (
            "quality_over_time --data a.csv.gz --held-out 600 --epochs 100",
            {"data": "a.csv.gz", "held_out": 600, "epochs": 100},
        ),
        (
            "serving --sizes ml-1m --rounds 2 --memory 1000",
            {"sizes": ("ml-1m",), "rounds": 2, "memory": 1000},
        ),
        (
            "sweep --sizes ml-100k --processes 16 --peer-python python",
            {"sizes": ("ml-100k",), "processes": 16, "peer_python": "python"},
        ),
    ],
)
def test_options_are_read_from_the_command_line(words, expected):
    name, *given = words.split()
    options = asdict(parse_options(question(name), given))
    defaults = asdict(parse_options(question(name), []))
    assert options.keys() == defaults.keys()
    assert {**options, **expected} == options


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_says_what_it_asks_how_to_run_it_where_and_how_long(name):
    words = question(name).__doc__
    assert words.partition("\n")[0].endswith("?")
    assert f"    python -m benchmarks {name}" in words
    assert "On two cores of an AMD EPYC, about " in words
    assert "minute" in words


def test_no_question_imports_another_and_nothing_imports_upward():
    questions = {f"benchmarks.{name}" for name in QUESTIONS}
    for file in sorted(BENCHMARKS.rglob("*.py")):
        used = set(imported(file))
        assert not used & questions, file
        room = file.relative_to(BENCHMARKS).parts[0]
        if room == "harness":
            assert not any(name.startswith("benchmarks.contestants") for name in used), file
