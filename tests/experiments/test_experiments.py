"""The experiments run, and what they write agrees with itself and with scipy."""

import importlib.util
import json
import math
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import scipy.stats

from multvae_jax.data.types import HeldOut
from multvae_jax.errors import InputError
from multvae_jax.evaluation.evaluator import Evaluation

ROOT = Path(__file__).parents[2]
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


def run_experiment(experiment, ratings: Path, out: Path, *options: str, kind=None) -> int:
    from experiments.common import Options, command

    small = ["--quick", "--hidden", "16", "--latent", "4", "--held-out", "16"]
    given = ["--data", str(ratings), "--out", str(out), *small, *options]
    return command(experiment, "", given, kind=kind or Options)


def run(ratings: Path, out: Path, *options: str) -> int:
    from experiments.main_table import TableOptions, main_table

    return run_experiment(main_table, ratings, out, *options, kind=TableOptions)


def read(folder: Path) -> tuple[dict, dict[str, dict[str, str]]]:
    """What an experiment wrote: its JSON file, and its table as row -> column -> cell."""
    assert (folder / "plot.png").read_bytes().startswith(b"\x89PNG")
    results = json.loads((folder / "results.json").read_text())
    return results, table_of((folder / "table.md").read_text())


def cell_of(numbers: dict) -> str:
    """`mean ± interval (standard error)`, computed from the seeds' own figures."""
    mean, by_seed = numbers["mean"], numbers["by_seed"]
    assert mean == pytest.approx(np.mean(by_seed))
    interval = ""
    if len(by_seed) > 1:
        half = scipy.stats.t.ppf(0.975, len(by_seed) - 1) * scipy.stats.sem(by_seed)
        interval = f" ± {half:.4f}"
    return f"{mean:.4f}{interval} ({numbers['standard_error']:.4f})"


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


@pytest.mark.updates
def test_likelihoods_are_tuned_and_tested(ratings, tmp_path, monkeypatch):
    """One of the eight rows, with a constant of its own: each compiles programs of its own."""
    from experiments import likelihoods

    for table, name in (("NETWORKS", "VAE"), ("LIKELIHOODS", "gaussian")):
        monkeypatch.setattr(likelihoods, table, {name: getattr(likelihoods, table)[name]})
    assert run_experiment(likelihoods.likelihoods, ratings, tmp_path, "--seeds", "1") == 0
    results, table = read(tmp_path / "likelihoods" / "tastes-quick")
    (row,) = results["rows"]
    assert list(table) == [row["name"]] == ["VAE, gaussian"]
    for heading, metric in METRICS.items():
        assert table[row["name"]][heading] == cell_of(row["metrics"][metric])
    assert len(row["tried"]) == 2
    best = max(setting["ndcg@100"] for setting in row["tried"])
    assert {**row["setting"], "ndcg@100": best} in row["tried"]
    assert row["setting"].keys() == {"beta", "learning_rate", "ratio"}


def test_every_setting_of_a_likelihood_reaches_the_model(monkeypatch):
    from experiments import likelihoods
    from experiments.common import Options

    made = []

    def caught(model, split, options, seed, **chosen):
        made.append((model, chosen))

    monkeypatch.setattr(likelihoods, "train", caught)
    split = likelihoods.load_split(Options().data)
    gaussian = likelihoods.LIKELIHOODS["gaussian"][0]
    likelihoods.train_vae(gaussian, split, Options(), 0, beta=0.7, learning_rate=0.01, ratio=0.2)
    likelihoods.train_dae(
        gaussian, split, Options(), 0, weight_penalty=0.3, learning_rate=0.01, ratio=0.2
    )
    (vae, chosen), (dae, more) = made
    for model in (vae, dae):
        assert model.hyper["likelihood"] == {"c1": 10.0, "c0": pytest.approx(2.0)}
    assert float(chosen["beta"](10**9)) == pytest.approx(0.7)
    assert dae.hyper["weight_penalty"] == 0.3
    assert "optimizer" in chosen
    assert "optimizer" in more


@pytest.mark.updates
def test_the_fifths_of_the_users_are_written(ratings, tmp_path):
    from experiments.activity import activity

    assert run_experiment(activity, ratings, tmp_path, "--seeds", "1") == 0
    results, table = read(tmp_path / "activity" / "tastes-quick")
    assert sum(group["users"] for group in results["groups"]) == results["test_users"] == 16
    assert len(table) == len(results["groups"]) > 1
    for (span, cells), group in zip(table.items(), results["groups"], strict=True):
        assert span == f"{group['fewest']} to {group['most']}"
        for name in ("Mult-VAE", "Mult-DAE"):
            assert cells[name] == cell_of(group["models"][name])


def test_users_are_compared_within_their_fifth():
    """Ten users with 1 to 10 items, two a fifth; the second model is .1 worse for every second."""
    from experiments.activity import by_activity, fold_in_counts, quintiles
    from experiments.common import Row

    counts = np.array([7, 1, 10, 3, 5, 9, 2, 8, 4, 6])
    assert quintiles(counts).tolist() == [3, 0, 4, 1, 2, 4, 0, 3, 1, 2]
    assert quintiles(np.array([3, 3, 3, 3, 3, 3, 3, 9])).tolist() == [0] * 7 + [4]

    one = counts / 10
    other = one - np.where(counts % 2 == 0, 0.1, 0.0)
    seeds = [Evaluation({"ndcg@100": one + shift}, 0) for shift in (-0.01, 0.01)]
    groups = by_activity(
        {"one": Row(seeds), "other": Row([Evaluation({"ndcg@100": other}, 0)])}, counts
    )
    assert [(g["fewest"], g["most"], g["users"]) for g in groups] == [
        (1, 2, 2),
        (3, 4, 2),
        (5, 6, 2),
        (7, 8, 2),
        (9, 10, 2),
    ]
    for group in groups:
        mine = np.array([group["fewest"], group["most"]]) / 10
        numbers = group["models"]["one"]
        assert numbers["by_seed"] == pytest.approx([mine.mean() - 0.01, mine.mean() + 0.01])
        # The users' means over the seeds are a tenth apart.
        assert numbers["standard_error"] == pytest.approx(0.05 / math.sqrt(2))
        assert group["difference"] == pytest.approx(0.05)
        expected = scipy.stats.ttest_1samp([0.0, 0.1], 0.0).confidence_interval(0.95)
        assert group["difference_interval"] == pytest.approx((expected.high - expected.low) / 2)

    history = sp.csr_array(np.array([[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 0]]))
    targets = sp.csr_array(np.array([[0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 1]]))
    assert fold_in_counts(HeldOut(history, targets, np.arange(3))).tolist() == [2, 3]


@pytest.mark.updates
def test_depths_and_sizes_are_written(ratings, tmp_path, monkeypatch):
    """Two of the shapes: each compiles programs of its own."""
    from experiments import depth

    some = [depth.Shape("Mult-VAE", 2, 4), depth.Shape("Mult-DAE", 0, 1)]
    assert set(some) < set(depth.shapes(4, quick=True))
    monkeypatch.setattr(depth, "shapes", lambda latent, quick: some)
    assert run_experiment(depth.depth, ratings, tmp_path, "--seeds", "1") == 0
    results, table = read(tmp_path / "depth" / "tastes-quick")
    assert list(table) == [row["name"] for row in results["rows"]]
    assert list(table) == [
        "Mult-VAE, 2 hidden of 16, code 4",
        "Mult-DAE, none hidden, code 1",
    ]
    for row in results["rows"]:
        for heading, metric in METRICS.items():
            assert table[row["name"]][heading] == cell_of(row["metrics"][metric])


def test_no_network_is_trained_twice():
    from experiments.depth import Shape, shapes

    every = shapes(64, quick=False)
    assert len(every) == len(set(every)) == 12
    of_vae = [shape[1:] for shape in every if shape.model == "Mult-VAE"]
    assert sorted(of_vae) == [(0, 64), (1, 16), (1, 32), (1, 64), (1, 128), (2, 64)]
    of_dae = [shape[1:] for shape in every if shape.model == "Mult-DAE"]
    assert sorted(of_dae) == [(0, 16), (0, 32), (0, 64), (0, 128), (1, 64), (2, 64)]
    assert Shape("Mult-VAE", 1, 4) in shapes(4, quick=True)


def test_depth_needs_a_width(ratings, tmp_path, capsys):
    from experiments.depth import depth

    assert run_experiment(depth, ratings, tmp_path, "--hidden") == 2
    assert capsys.readouterr().err.splitlines() == [
        "--hidden: takes the width that every hidden layer has"
    ]


@pytest.mark.updates
def test_the_last_item_is_found_among_candidates_and_among_all(ratings, tmp_path, monkeypatch):
    from experiments import leave_one_out

    for curve in ("CURVE", "SAMPLED_CURVE"):
        monkeypatch.setattr(leave_one_out, curve, (5, 10))
    assert run_experiment(leave_one_out.leaving_one_out, ratings, tmp_path, "--seeds", "1") == 0
    results, table = read(tmp_path / "leave_one_out" / "tastes-quick")
    assert list(table) == ["Mult-VAE", "Mult-DAE", "EASE", "popularity"]
    assert results["last"] == "drawn: the data has no times"
    assert results["training_users"] == results["test_users"] == 80
    for row in results["rows"]:
        numbers = row["metrics"]
        columns = {"HR@10 of 101": "hr@10 of 101", "NDCG@10": "ndcg@10", "HR@10": "hr@10"}
        for heading, metric in columns.items():
            assert table[row["name"]][heading] == cell_of(numbers[metric])
        # 60 items in all, so that all are candidates.
        assert numbers["hr@10 of 101"]["mean"] == pytest.approx(numbers["hr@10"]["mean"])
    found = {row["name"]: row["metrics"]["hr@10"]["mean"] for row in results["rows"]}
    assert found["EASE"] > found["popularity"] + 0.1, found


def test_leaving_one_out_takes_all_interactions_in_one(tmp_path, capsys):
    from experiments.leave_one_out import leaving_one_out

    part = tmp_path / "part.txt"
    part.write_text("1 2 3\n2 3 4\n")
    from experiments.common import command

    options = ["--train", str(part), "--test", str(part), "--out", str(tmp_path)]
    assert command(leaving_one_out, "", options) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "comes as a split" in line
