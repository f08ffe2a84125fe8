"""The experiments run, and what they write agrees with itself and with scipy."""

import importlib.util
import json
import math
from pathlib import Path

import numpy as np
import pytest
import scipy.stats

from multvae_jax.errors import InputError
from multvae_jax.evaluation import Evaluation

ROOT = Path(__file__).parents[1]
ROWS = ["Mult-VAE", "Mult-DAE", "EASE", "WMF", "item kNN", "popularity"]
METRICS = {"Recall@20": "recall@20", "Recall@50": "recall@50", "NDCG@100": "ndcg@100"}

needs_implicit = pytest.mark.skipif(
    importlib.util.find_spec("implicit") is None, reason="the package implicit is not installed"
)


@pytest.fixture(scope="module", autouse=True)
def _from_the_root():
    """The experiments are no part of the package: they are found from the repository's root."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT))
        yield


@pytest.fixture(scope="module")
def ratings(tmp_path_factory) -> Path:
    """Two tastes, each with 30 items, and 80 users of both."""
    random = np.random.default_rng(0)
    lines = ["userId,movieId,rating"]
    for user in range(80):
        taste = 30 * (user % 2) + random.permutation(30)[:12]
        items = [*taste, *random.integers(0, 60, 2)]
        lines += [f"{user},{item},{random.choice([4, 5])}" for item in sorted(set(items))]
    path = tmp_path_factory.mktemp("experiments") / "tastes.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def run(ratings: Path, out: Path, *options: str) -> int:
    from experiments.common import command
    from experiments.main_table import TableOptions, main_table

    small = ["--quick", "--hidden", "16", "--latent", "4", "--held-out", "16"]
    data = ["--data", str(ratings), "--out", str(out)]
    return command(main_table, "", [*data, *small, *options], kind=TableOptions)


@pytest.fixture(scope="module")
def written(ratings, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("results")
    assert run(ratings, out) == 0
    return out / "main_table" / "tastes-quick"


def table_of(text: str) -> dict[str, dict[str, str]]:
    """A Markdown table as row -> column -> cell."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    header, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    return {row[0]: dict(zip(header[1:], row[1:], strict=True)) for row in rows}


@needs_implicit
@pytest.mark.updates
def test_the_main_table_writes_a_table_its_numbers_and_a_plot(written):
    assert sorted(path.name for path in written.iterdir()) == [
        "plot.png",
        "results.json",
        "table.md",
    ]
    assert (written / "plot.png").read_bytes().startswith(b"\x89PNG")
    results = json.loads((written / "results.json").read_text())
    assert [row["name"] for row in results["rows"]] == ROWS
    assert (results["training_users"], results["test_users"]) == (48, 16)
    assert results["seeds"] == [0, 1]


@needs_implicit
@pytest.mark.updates
def test_the_table_says_what_the_json_file_says(written):
    results = json.loads((written / "results.json").read_text())
    table = table_of((written / "table.md").read_text())
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
@pytest.mark.updates
def test_each_baseline_has_the_setting_that_validates_best(written):
    rows = json.loads((written / "results.json").read_text())["rows"]
    n_tried = {row["name"]: len(row["tried"]) for row in rows}
    assert n_tried == {**dict.fromkeys(ROWS, 0), "EASE": 2, "WMF": 2, "item kNN": 2}
    for row in rows:
        if row["tried"]:
            best = max(setting["ndcg@100"] for setting in row["tried"])
            assert {**row["setting"], "ndcg@100": best} in row["tried"]
    seeds = {row["name"]: len(row["metrics"]["ndcg@100"]["by_seed"]) for row in rows}
    assert seeds == {"Mult-VAE": 2, "Mult-DAE": 2, "WMF": 2} | {
        "EASE": 1,
        "item kNN": 1,
        "popularity": 1,
    }


@needs_implicit
@pytest.mark.updates
def test_the_baselines_know_the_tastes_and_popularity_does_not(written):
    rows = json.loads((written / "results.json").read_text())["rows"]
    found = {row["name"]: row["metrics"]["recall@20"]["mean"] for row in rows}
    for name in ("EASE", "WMF", "item kNN"):
        assert found[name] > found["popularity"] + 0.2, found


@needs_implicit
@pytest.mark.updates
def test_the_same_command_gives_the_same_numbers(ratings, written, tmp_path):
    assert run(ratings, tmp_path) == 0
    again = tmp_path / "main_table" / "tastes-quick"
    rows = [json.loads((at / "results.json").read_text())["rows"] for at in (written, again)]
    assert rows[0] == rows[1]


def test_a_table_may_have_some_of_the_rows(ratings, tmp_path):
    assert run(ratings, tmp_path, "--rows", "popularity", "EASE") == 0
    (folder,) = (tmp_path / "main_table").iterdir()
    assert list(table_of((folder / "table.md").read_text())) == ["EASE", "popularity"]


def test_what_a_user_gets_wrong_is_one_line(tmp_path, capsys):
    assert run(tmp_path / "none.csv", tmp_path) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "none.csv" in line
    assert list(tmp_path.iterdir()) == []


def test_tuning_needs_validation_users():
    from experiments.common import tune

    with pytest.raises(InputError, match="no validation users"):
        tune(lambda **setting: None, {"a": (1, 2)}, None)


def test_the_grid_is_every_combination_and_quick_the_first_and_the_last():
    from experiments.common import settings

    grid = {"a": (1, 2, 3), "b": (10, 20)}
    assert settings(grid, quick=False) == [{"a": a, "b": b} for a in (1, 2, 3) for b in (10, 20)]
    assert settings(grid, quick=True) == [{"a": 1, "b": 10}, {"a": 3, "b": 20}]


def test_the_interval_is_students():
    from experiments.common import half_width

    values = np.random.default_rng(0).normal(0.4, 0.01, 5)
    low, high = scipy.stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert half_width(values.tolist()) == pytest.approx((high - low) / 2)
    assert half_width([0.4]) is None


def test_the_two_spreads_are_of_seeds_and_of_users():
    """Two seeds of three users: by hand."""
    from experiments.common import Row, summarize

    one, other = (
        Evaluation({"ndcg@100": np.array(values)}, 0)
        for values in ([0.0, 0.5, 1.0], [0.2, 0.7, 0.6])
    )
    worse = Evaluation({"ndcg@100": np.array([0.0, 0.0, 0.1])}, 0)
    best, last = summarize({"a": Row([one, other], {"x": 1}), "b": Row([worse])})
    numbers = best["metrics"]["ndcg@100"]
    assert numbers["by_seed"] == pytest.approx([0.5, 0.5])
    assert numbers["interval"] == pytest.approx(0.0, abs=1e-9)
    # The users' means over seeds are .1, .6 and .8.
    assert numbers["mean"] == pytest.approx(0.5)
    assert numbers["standard_error"] == pytest.approx(math.sqrt(0.26 / 3) / math.sqrt(3))
    assert (best["setting"], best["difference"], best["p_value"]) == ({"x": 1}, 0.0, None)
    assert last["difference"] == pytest.approx(0.1 / 3 - 0.5)
    assert last["metrics"]["ndcg@100"]["interval"] is None
    # Three differences of one sign: two tosses of eight are as far out.
    assert last["p_value"] == pytest.approx(0.25, abs=0.02)
    assert last["corrected_p_value"] == last["p_value"]
