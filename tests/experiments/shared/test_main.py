"""The runner: files, exit status, and one line after bad input."""

import json

import pytest
from matplotlib.figure import Figure

import multvae_jax as mv
from experiments.main_table import TableOptions, main_table
from experiments.shared.main import Report, main
from experiments.shared.options import load_split
from tests.experiments.builders import read, run_quick


def test_bad_input_is_one_line(tmp_path, capsys):
    assert run_quick(main_table, tmp_path / "none.csv", tmp_path, options=TableOptions) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "none.csv" in line
    assert list(tmp_path.iterdir()) == []


def test_the_help_names_the_command_and_the_question(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(main_table, TableOptions, ["--help"])
    usage, _, description = capsys.readouterr().out.splitlines()[:3]
    assert usage.startswith("usage: python -m experiments.main_table ")
    assert description == main_table.__doc__


def test_each_report_of_a_series_replaces_the_one_before(ratings, tmp_path):
    """A series that fails keeps its last report."""

    def series(options):
        split = load_split(options)
        for seed in (0, 1):
            yield Report(split, {"seeds": [seed]}, f"| seed |\n| --- |\n| {seed} |\n", Figure())
        raise mv.InputError("the third seed fails")

    assert run_quick(series, ratings, tmp_path) == 2
    results, table = read(tmp_path / "series" / "tastes-quick")
    assert table == {"1": {}}
    assert results["seeds"] == [1]
    assert (results["epochs"], results["batch_size"], results["data"]) == (2, 5, "tastes")
    assert results["training_interactions"] < len(ratings.read_text().splitlines())
    assert results["seconds"] >= 0
    assert json.dumps(results).count("validation_users") == 1
