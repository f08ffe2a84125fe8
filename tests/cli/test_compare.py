"""`multvae compare`, with runs that are written from Python."""

import json
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

import multvae_jax as mv
from multvae_jax.cli.main import main
from multvae_jax.config.options import ModelOptions, TrainConfig, TrainingOptions
from multvae_jax.evaluation.overlap import overlaps
from multvae_jax.runs.run import write_run

CUTOFF = ["--cutoffs", "5"]


def split_of(seed=0, users=40, items=30, tested=20):
    """Random users with tastes; a test user's last items are held out."""
    rng = np.random.default_rng(seed)
    tastes = rng.normal(size=(users + tested, 3)) @ rng.normal(size=(3, items))
    liked = (tastes + rng.normal(size=tastes.shape) > 0.5).astype(np.float32)
    of_train, of_test = liked[:users], liked[users:]
    is_target = rng.random(of_test.shape) < 0.3
    held_out = mv.HeldOut(
        sp.csr_array(of_test * ~is_target),
        sp.csr_array(of_test * is_target),
        np.array([f"t{user}" for user in range(tested)], object),
    )
    catalogue = mv.Catalogue(
        np.array([f"i{item}" for item in range(items)], object), of_train.sum(0).astype(int), {}
    )
    names = np.array([f"u{user}" for user in range(users)], object)
    return mv.Split(sp.csr_array(of_train), None, held_out, names, catalogue)


def moved(split):
    """The same split with its items and test users in the opposite order."""
    test, catalogue = split.test, split.catalogue
    return replace(
        split,
        train=split.train[:, ::-1],
        test=mv.HeldOut(test.history[::-1, ::-1], test.targets[::-1, ::-1], test.user_ids[::-1]),
        catalogue=replace(catalogue, ids=catalogue.ids[::-1], counts=catalogue.counts[::-1]),
    )


def ease(split, regularization=1.0):
    return mv.fit_baseline("ease", split, constants={"regularization": regularization})


@pytest.fixture(scope="module")
def split():
    return split_of()


@pytest.fixture(scope="module")
def runs(split, tmp_path_factory):
    """EASE, the same with its items in another order, and two "seeds" of a noisy EASE."""
    folder = tmp_path_factory.mktemp("runs")
    run = ease(split)
    run.save(folder / "ease")
    ease(moved(split)).save(folder / "moved")
    for seed in (0, 1):
        noise = np.random.default_rng(seed).normal(scale=0.2, size=(30, 30)).astype(np.float32)
        noisy = replace(run, params={"item_weights": run.params["item_weights"] + noise})
        model = ModelOptions("ease", {"regularization": 7.0})
        config = TrainConfig(model=model, training=TrainingOptions(seed=seed))
        tested = {"model": mv.evaluate(noisy.scorer, split.test)}
        write_run(folder / f"noisy-{seed}", config, split, noisy, tested)
    return folder


def compared(capsys, *words):
    status = main(["compare", *map(str, words)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_the_table_the_numbers_and_the_picture(runs, split, tmp_path, capsys):
    seeds = [runs / f"noisy-{seed}" for seed in (0, 1)]
    out = tmp_path / "new" / "comparison"
    status, printed, said = compared(capsys, runs / "ease", *seeds, *CUTOFF, "--out", out)
    assert (status, said.splitlines()[0]) == (0, f"noisy: 2 seeds: {seeds[0]}, {seeds[1]}")
    for words in ("NDCG@5", "Hit rate@5", "reference", "Jaccard@20", "(the best by NDCG@5)"):
        assert words in " ".join(printed.split())
    assert (out / "plot.png").read_bytes().startswith(b"\x89PNG")
    assert "| NDCG@5 | mean | difference | 95%, users |" in (out / "table.md").read_text()
    found = json.loads((out / "comparison.json").read_text())
    tested_users = np.flatnonzero(split.test.targets.sum(axis=1))
    assert (found["users"], found["reference"]) == (len(tested_users), "ease")
    assert found["users"] + found["users_without_target"] == 20
    best, noisy = found["systems"]
    assert (best["name"], noisy["runs"]) == ("ease", list(map(str, seeds)))

    # The same numbers from the functions for Python.
    metrics = mv.metrics.at_cutoffs([5])
    loaded = {path: mv.load_run(path) for path in (runs / "ease", *seeds)}
    tested = [mv.evaluate(run.scorer, split.test, metrics) for run in loaded.values()]
    for metric, numbers in noisy["metrics"].items():
        one, *others = (evaluation.values[metric] for evaluation in tested)
        per_user = np.mean(others, axis=0) - one
        difference = numbers["difference"]
        assert difference["difference"] == pytest.approx(per_user.mean())
        low, high = difference["interval_95_over_users"]
        assert (low + high) / 2 == pytest.approx(per_user.mean())
        assert numbers["by_seed"] == pytest.approx([users.mean() for users in others])
        assert best["metrics"][metric]["difference"] is None
    lists = [
        mv.recommend_lists(
            run.scorer, run.catalogue, split.test.history, split.test.user_ids, 30
        ).rows(tested_users)
        for run in loaded.values()
    ]
    shared = [np.mean(overlaps(lists[0].items, each.items), axis=1) for each in lists[1:]]
    overlap = noisy["overlap_with_reference"]
    assert list(overlap.values()) == pytest.approx(np.mean(shared, axis=0).tolist())
    assert best["overlap_with_reference"] is None


def test_items_and_users_in_another_order_make_no_difference(runs, tmp_path, capsys):
    status, _, said = compared(
        capsys, runs / "ease", runs / "moved", "--out", tmp_path / "out", *CUTOFF
    )
    assert status == 0
    assert said.splitlines()[0] == "moved: every metric of every user is as with ease"
    other = json.loads((tmp_path / "out" / "comparison.json").read_text())["systems"][1]
    assert other["overlap_with_reference"] == {"rbo": 1.0, "jaccard": 1.0}
    for numbers in other["metrics"].values():
        assert (numbers["difference"]["p_holm"], numbers["difference"]["users_needed"]) == (1, None)


def test_lists_of_other_systems(runs, split, tmp_path, capsys):
    """The run's own lists are the run; a system that leaves users out does not gain by it."""
    run = mv.load_run(runs / "ease")
    users = split.test.user_ids
    lists = mv.recommend_lists(run.scorer, run.catalogue, split.test.history, users, k=30)
    lists.write(tmp_path / "own.csv")
    lists.rows(slice(0, 10)).write(tmp_path / "half.jsonl")
    files = [tmp_path / "own.csv", tmp_path / "half.jsonl"]
    metrics = ["--metrics", "ndcg@5", "auc", "coverage@5"]
    out = tmp_path / "out"
    status, _, said = compared(capsys, runs / "ease", "--lists", *files, *metrics, "--out", out)
    assert status == 0
    assert "auc: of a whole ranking, which lists do not tell; left out" in said
    assert f"{files[1]}: has no list for" in said
    assert "own: every metric of every user is as with ease" in said
    found = json.loads((out / "comparison.json").read_text())
    rows = {row["name"]: row for row in found["systems"]}
    assert rows["own"]["overlap_with_reference"] == {"rbo": 1.0, "jaccard": 1.0}
    has_target = split.test.targets.sum(axis=1) > 0
    share = has_target[:10].sum() / has_target.sum()
    overlap = rows["half"]["overlap_with_reference"]
    assert list(overlap.values()) == pytest.approx([share, share])
    coverage = rows["half"]["metrics"]["coverage@5"]
    assert coverage["difference"]["difference"] <= 0
    assert (coverage["standard_error_over_users"], coverage["difference"]["p"]) == (None, None)


def test_a_reference_by_its_run_and_seeds_one_by_one(runs, capsys):
    seeds = [str(runs / f"noisy-{seed}") for seed in (0, 1)]
    status, printed, said = compared(
        capsys, runs / "ease", *seeds, "--each-run", "--reference", seeds[1], *CUTOFF
    )
    assert (status, said) == (0, "")
    assert "from the reference, noisy-1 (as given)" in printed
    assert "correction for all systems but the reference" in " ".join(printed.split())


def damaged(runs, split, to):
    """Runs that cannot be compared with the others."""
    ease(split_of(seed=1)).save(to / "other-data")
    run = ease(split)
    params = {"item_weights": run.params["item_weights"].at[0, 1].set(np.nan)}
    replace(run, params=params).save(to / "nan")


def test_what_cannot_be_compared_is_one_line(runs, split, tmp_path, capsys):
    damaged(runs, split, tmp_path)
    here, seeds = runs / "ease", [runs / f"noisy-{seed}" for seed in (0, 1)]
    cases = [
        ([here], "ease: is compared with nothing; give another RUN, or --lists FILE"),
        ([here, runs / "." / "ease"], "ease: is given twice"),
        (seeds, "differ only in their seed, so that there is a single system; --each-run"),
        ([here, tmp_path / "other-data"], "other-data: 20 users ("),
        ([here, tmp_path / "nan"], "nan: ndcg@5 of "),
        ([here, tmp_path / "none"], "none: not a run, it has no config.json"),
        ([here, runs / "moved", "--part", "validation"], "ease: it has no validation users"),
        ([here, runs / "moved", "--reference", "eaze"], "did you mean ease?"),
        ([here, runs / "moved", "--metrics", "ndgc"], "--metrics ndgc"),
        ([here, runs / "moved", "--metrics"], "--metrics: give at least one"),
        ([here, runs / "moved", "--out", here / "config.json"], "config.json: is not a directory"),
        ([], "RUN: give the directories of two or more runs, or of one and --lists FILE"),
    ]
    for words, message in cases:
        status, printed, said = compared(capsys, *words, *CUTOFF)
        assert (status, printed, len(said.splitlines())) == (2, "", 1), said
        assert message in said
