"""The main table: its files agree with each other, and its baselines rank as they should."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

import experiments.main_table
import multvae_jax.model_selection.blending
from experiments.main_table import LARGE, TableOptions, main_table
from experiments.shared.main import main
from multvae_jax.baselines import RP3BETA
from tests.experiments.builders import METRICS, read, results_in, run_quick

pytestmark = pytest.mark.updates

TUNED = ["EASE", "EDLAE", "SLIM", "linear autoencoder", "WMF", "item kNN", "RP3beta"]
MODELS = [
    "Mult-VAE",
    "Mult-VAE, default recipe",
    "Mult-VAE and EDLAE",
    "Mult-DAE",
    "RecVAE",
    "VampPrior VAE",
]
ROWS = [*MODELS, *TUNED, "popularity"]

needs_implicit = pytest.mark.skipif(
    importlib.util.find_spec("implicit") is None or importlib.util.find_spec("sklearn") is None,
    reason="the extra `baselines` is not installed",
)


def run(ratings: Path, out: Path, *arguments: str) -> int:
    return run_quick(main_table, ratings, out, *arguments, options=TableOptions)


@pytest.fixture(scope="module")
def written(ratings, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("results")
    assert run(ratings, out) == 0
    return out / "main_table" / "tastes-quick"


@needs_implicit
def test_the_main_table_writes_a_table_its_numbers_and_a_plot(written):
    assert sorted(path.name for path in written.iterdir()) == [
        "finished",
        "plot.png",
        "results.json",
        "table.md",
    ]
    results, _ = read(written)
    assert [row["name"] for row in results["rows"]] == ROWS
    assert (results["training_users"], results["test_users"]) == (48, 16)
    assert results["seeds"] == [0, 1]


@needs_implicit
def test_the_table_agrees_with_the_json_file(written):
    results, table = read(written)
    assert list(table) == ROWS
    for row in results["rows"]:
        cells = table[row["name"]]
        for heading, metric in METRICS.items():
            numbers = row["metrics"][metric]
            assert numbers["mean"] == pytest.approx(np.mean(numbers["by_seed"]))
            expected = f"{numbers['mean']:.4f}"
            if len(numbers["by_seed"]) == 2:
                expected += f" ± {numbers['interval']:.4f}"
            assert cells[heading] == f"{expected} ({numbers['standard_error']:.4f})"
        p_value = row["corrected_p_value"]
        assert cells["p"] == ("" if p_value is None else f"{p_value:.4f}")


@needs_implicit
def test_each_baseline_has_the_setting_that_validates_best(written):
    rows = results_in(written)["rows"]
    n_tried = {row["name"]: len(row["tried"]) for row in rows}
    assert n_tried == {**dict.fromkeys(ROWS, 0), **dict.fromkeys(TUNED, 2)}
    for row in rows:
        if row["tried"]:
            best = max(setting["ndcg@100"] for setting in row["tried"])
            assert {**row["setting"], "ndcg@100": best} in row["tried"]
    seeds = {row["name"]: len(row["metrics"]["ndcg@100"]["by_seed"]) for row in rows}
    assert seeds == dict.fromkeys(ROWS, 1) | dict.fromkeys([*MODELS, "WMF"], 2)


@needs_implicit
def test_the_baselines_find_the_tastes_and_popularity_does_not(written):
    rows = results_in(written)["rows"]
    found = {row["name"]: row["metrics"]["recall@20"]["mean"] for row in rows}
    for name in TUNED:
        assert found[name] > found["popularity"] + 0.2, found


def without_seconds(record):
    """A record without what depends on the machine."""
    if isinstance(record, dict):
        return {k: without_seconds(value) for k, value in record.items() if k != "seconds"}
    return [without_seconds(each) for each in record] if isinstance(record, list) else record


@needs_implicit
def test_the_same_command_gives_the_same_numbers(ratings, written, tmp_path):
    assert run(ratings, tmp_path) == 0
    again = tmp_path / "main_table" / "tastes-quick"
    assert without_seconds(results_in(again)["rows"]) == without_seconds(
        results_in(written)["rows"]
    )


def test_a_call_goes_on_where_an_earlier_one_stopped(ratings, tmp_path, capsys):
    assert run(ratings, tmp_path, "--rows", "popularity", "EASE") == 0
    folder = tmp_path / "main_table" / "tastes-quick"
    before = results_in(folder)["rows"]
    (folder / "finished" / "popularity.json").unlink()
    capsys.readouterr()
    assert run(ratings, tmp_path, "--rows", "popularity", "EASE") == 0
    assert re.findall(r"^(.+): \d+ s$", capsys.readouterr().err, re.M) == ["popularity"]
    assert without_seconds(results_in(folder)["rows"]) == without_seconds(before)


def test_a_table_may_have_some_of_the_rows(ratings, tmp_path):
    assert run(ratings, tmp_path, "--rows", "popularity", "EASE") == 0
    (folder,) = (tmp_path / "main_table").iterdir()
    _, table = read(folder)
    assert list(table) == ["EASE", "popularity"]


def test_a_blend_that_is_not_the_usual_one_of_the_data_is_refused(ratings, tmp_path, capsys):
    assert run(ratings, tmp_path, "--rows", "Mult-VAE and RP3beta") == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == "--rows: on this data, the blend is that of Mult-VAE and EDLAE"


@pytest.fixture(scope="module")
def given_split(tmp_path_factory):
    """Two tastes of 20 items; every user has ten in training and two to be found."""
    folder = tmp_path_factory.mktemp("given")
    random = np.random.default_rng(0)
    parts = {"train": [], "test": []}
    for user in range(40):
        items = 20 * (user % 2) + random.permutation(20)[:12]
        for part, some in (("train", items[:10]), ("test", items[10:])):
            parts[part].append(" ".join(map(str, [user, *some])))
    for part, lines in parts.items():
        (folder / f"{part}.txt").write_text("\n".join(lines) + "\n")
    return folder


def run_given(folder: Path, out: Path, *arguments: str) -> dict:
    """The results of a quick run on a given split without validation."""
    data = ["--train", str(folder / "train.txt"), "--test", str(folder / "test.txt")]
    small = ["--quick", "--hidden", "8", "--latent", "4", "--out", str(out)]
    assert main(main_table, TableOptions, [*data, *small, *arguments]) == 0
    (written,) = (out / "main_table").iterdir()
    assert "| Uncapped recall@20 |" in (written / "table.md").read_text()
    return results_in(written)


def test_a_split_without_validation_is_selected_on_a_part_and_trained_on_all(given_split, tmp_path):
    rows = ["popularity", "EASE", "Mult-DAE", "Mult-VAE, default recipe", "Mult-VAE and EDLAE"]
    results = run_given(given_split, tmp_path, "--rows", *rows)
    assert results["training_interactions"] == 400
    found = {row["name"]: row for row in results["rows"]}
    assert sorted(found) == sorted(rows)
    ease = max(found["EASE"]["tried"], key=lambda setting: setting["ndcg@20"])
    assert found["EASE"]["setting"] == {k: v for k, v in ease.items() if k != "ndcg@20"}
    assert found["Mult-DAE"]["setting"]["stop_after"] in (1, 2)
    # The seeds share what was selected on a part, and were validated on nothing afterwards.
    for name in ("Mult-VAE, default recipe", "Mult-VAE and EDLAE"):
        first, second = found[name]["setting"]["by_seed"]
        assert {**first, "seconds": 0} == {**second, "seconds": 0}
        assert "validation" not in first
    # The taste of a user is plain to EASE; popularity has forty items to choose from.
    recall = {name: row["metrics"]["uncapped_recall@20"]["mean"] for name, row in found.items()}
    assert recall["EASE"] > 0.95
    assert recall["popularity"] < 0.9


def test_a_large_catalogue_has_shorter_grids_and_another_blend(given_split, tmp_path, monkeypatch):
    for module in (experiments.main_table, multvae_jax.model_selection.blending):
        monkeypatch.setattr(module, "usual_baseline", lambda split: RP3BETA)
    rows = ["EASE", "RP3beta", "Mult-VAE and RP3beta"]
    results = run_given(given_split, tmp_path, "--rows", *rows)
    found = {row["name"]: row for row in results["rows"]}
    assert sorted(found) == sorted(rows)
    tried = [setting["regularization"] for setting in found["EASE"]["tried"]]
    assert tried == list(LARGE["ease"]["regularization"][:2])
    # The taste of a user is plain to EASE.
    assert found["EASE"]["metrics"]["uncapped_recall@20"]["mean"] == 1.0
    assert {setting["neighbors"] for setting in found["RP3beta"]["tried"]} == {300}
    assert found["Mult-VAE and RP3beta"]["setting"]["by_seed"][0]["alpha"] == 0.7
