"""`multvae evaluate`, and runs that cannot be read."""

import json
import shutil

import pytest

from multvae_jax.cli.main import main

pytestmark = pytest.mark.updates


def test_evaluate_gives_the_figures_of_the_run_again(folder, run, capsys):
    out = folder / "figures.json"
    assert main(["evaluate", str(run), "--cutoffs", "5", "1000", "--out", str(out)]) == 0
    found = json.loads(out.read_text())
    tested = json.loads((run / "test.json").read_text())
    for recommender in ("model", "popularity"):
        for metric in ("recall@20", "recall@50", "ndcg@100"):
            assert found[recommender][metric] == tested[recommender][metric]
        assert found[recommender]["recall@1000"]["mean"] == 1.0
    assert "Hit rate@5" in capsys.readouterr().out
    assert main(["evaluate", str(run), "--part", "validation"]) == 0


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda run: (run / "config.json").unlink(), "not a run, it has no config.json"),
        (
            lambda run: (run / "config.json").write_text("{"),
            "config.json: Input data was truncated",
        ),
        (
            lambda run: (run / "config.json").write_text('{"training": {"epochs": "many"}}'),
            "config.json: Expected `int | null`, got `str` - at `$.training.epochs`",
        ),
        (lambda run: (run / "items.csv").unlink(), "items.csv: No such file or directory"),
        (lambda run: (run / "items.csv").write_text("a,b\n1,2\n"), "not the item list of a run"),
        (lambda run: (run / "checkpoint" / "params").rename(run / "x"), "params: cannot be read"),
    ],
)
def test_a_damaged_run_is_one_line(damage, message, run, tmp_path, capsys):
    damaged = tmp_path / "run"
    shutil.copytree(run, damaged)
    damage(damaged)
    assert main(["evaluate", str(damaged)]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert len(said.splitlines()) == 1


def test_data_that_changed_since_the_run_is_noticed(run, ratings, tmp_path, capsys):
    text = (run / "config.json").read_text()
    changed = tmp_path / "ratings.csv"
    changed.write_text(ratings.read_text().replace(",100,", ",999,"))
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / "config.json").write_text(text.replace(str(ratings), str(changed)))
    assert main(["evaluate", str(tmp_path / "run")]) == 2
    assert "its data has changed: the items are not the same" in capsys.readouterr().err
