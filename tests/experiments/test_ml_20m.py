"""The recipe of MovieLens 20M, on small data: it ends, goes on, and skips what is finished."""

import json

import pytest

from experiments import ml_20m
from experiments.ml_20m import ROWS, RUNS, RecipeOptions
from experiments.shared.main import main
from tests.experiments.builders import read

pytestmark = pytest.mark.updates

ROWS_HERE = ["popularity", "EASE", "Mult-DAE", "RecVAE"]


def run(ratings, folder, *arguments):
    small = ["--quick", "--held-out", "16", "--fraction", "0.75", "--rows", *ROWS_HERE]
    given = ["--data", str(ratings), *small, "--runs", str(folder / "runs")]
    return main(ml_20m.ml_20m, RecipeOptions, [*given, "--out", str(folder / "out"), *arguments])


@pytest.fixture(scope="module")
def made(ratings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("recipe")
    assert run(ratings, folder) == 0
    return folder


def test_every_row_is_a_run_and_a_line_of_the_table(made):
    results, table = read(made / "out" / "ml_20m" / "tastes-quick-0.75")
    assert list(table) == ROWS_HERE
    # 60 of 80 users, of whom three quarters of 16 are held out, twice.
    assert (results["training_users"], results["test_users"], results["fraction"]) == (36, 12, 0.75)
    runs = made / "runs" / "tastes-quick-0.75-recipe"
    for row in results["rows"]:
        directory = runs / f"{row['name'].lower()}-0"
        tested = json.loads((directory / "test.json").read_text())
        for metric, numbers in row["metrics"].items():
            assert numbers["mean"] == pytest.approx(tested["model"][metric]["mean"])
        kept = json.loads((directory / "config.json").read_text())
        assert kept["model"]["model"] == row["name"].lower()
        if row["name"] in ("Mult-DAE", "RecVAE"):
            assert kept["training"]["epochs"] == 2


def test_the_same_command_trains_nothing_again(made, ratings, monkeypatch):
    before = (made / "out" / "ml_20m" / "tastes-quick-0.75" / "table.md").read_text()
    monkeypatch.setattr(ml_20m, "multvae", lambda words: pytest.fail(f"trained again: {words}"))
    assert run(ratings, made) == 0
    assert (made / "out" / "ml_20m" / "tastes-quick-0.75" / "table.md").read_text() == before


def test_an_unfinished_run_is_resumed_and_an_interrupted_one_ends_the_command(
    made, ratings, monkeypatch, capsys
):
    resumed = made / "runs" / "tastes-quick-0.75-recipe" / "recvae-0"
    asked = []

    def interrupted(words):
        asked.append(words)
        return 143

    monkeypatch.setattr(ml_20m, "is_resumable", lambda directory: directory == resumed)
    monkeypatch.setattr(ml_20m, "multvae", interrupted)
    assert run(ratings, made) == 2
    assert asked == [["train", "--resume", str(resumed)]]
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.endswith("RecVAE, seed 0: not finished; the same command goes on")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epochs", "3"], "--epochs: every row has its own, see RUNS"),
        (["--split-seed", "3"], "holds results of other data or another split; use another folder"),
    ],
)
def test_what_would_be_ignored_is_refused(arguments, message, made, ratings, capsys):
    assert run(ratings, made, *arguments) == 2
    assert capsys.readouterr().err.splitlines()[-1].endswith(message)


def test_the_row_of_the_paper_has_the_papers_numbers():
    """Section 4.4 and the authors' notebook; RecVAE's are the defaults of its authors' code."""
    assert set(RUNS) == set(ROWS)
    paper = {"recipe": "paper", "hidden": "600", "latent": "200", "batch-size": "500"}
    assert paper.items() <= RUNS["Mult-VAE, paper"].items()
    assert (RUNS["RecVAE"]["model-constants"], RUNS["RecVAE"]["epochs"]) == ("gamma 0.005", "200")
