"""Runs of baselines on disk."""

import csv
import os
import sys

import pytest

import multvae_jax as mv
from multvae_jax.baselines import BASELINES
from multvae_jax.cli.main import main
from tests.baselines.builders import needs_implicit, needs_scikit_learn
from tests.builders import assert_same, checkerboard, found_at

BY = {"select_by": "recall@4", "metrics": found_at(4)}
FEW = {
    "popularity": {},
    "ease": {},
    "edlae": {"dropout": 0.5},
    "slim": {"l1": 1, "l2": 10.5},
    "linear-autoencoder": {"rank": 3, "regularization": 1},
    "item-knn": {"neighbors": 10},
    "rp3beta": {"alpha": 1, "beta": 0.25, "neighbors": 10},
    "wmf": {"factors": 4, "regularization": 1, "alpha": 2},
}
NEEDS = {"slim": needs_scikit_learn, "wmf": needs_implicit, "item-knn": needs_implicit}


def test_every_baseline_of_the_table_is_saved_here():
    assert FEW.keys() == BASELINES.keys()


@pytest.mark.parametrize("name", [pytest.param(n, marks=NEEDS.get(n, ())) for n in FEW])
def test_a_loaded_baseline_is_the_one_that_was_saved(tmp_path, name):
    run = mv.fit_baseline(name, checkerboard(), constants=FEW[name], **BY)
    run.save(tmp_path / "run")
    assert not (tmp_path / "run" / "curves.png").exists()
    loaded = mv.load_run(tmp_path / "run")
    assert loaded.model == run.model
    assert loaded.constants == run.constants
    assert FEW[name].items() <= loaded.constants.items()
    assert_same(loaded.params, run.params)
    assert loaded.log == run.log
    assert loaded.best_epoch == 0
    history = [["i1", "i3", "i5"]]
    before, after = (mv.recommend(each.scorer, each.catalogue, history) for each in (run, loaded))
    assert before == after
    # A run that was loaded can be saved again.
    loaded.save(tmp_path / "again")
    assert_same(mv.load_run(tmp_path / "again").params, run.params)


MINE = """
import jax.numpy as jnp
import multvae_jax as mv

def fit(train, power):
    return {"counts": jnp.asarray(train.sum(axis=0), jnp.float32) ** power}

def score(params, batch):
    return jnp.broadcast_to(params["counts"], (batch.users.shape[0], params["counts"].size))

mine = mv.Baseline("mine", fit, score, {"power": 1.0}, {"power": (0.5, 1.0)})
"""


def test_a_baseline_of_the_users_is_found_again_if_its_code_is_trusted(tmp_path):
    from multvae_jax.config.vocabulary import MODEL

    (tmp_path / "mine.py").write_text(MINE)
    baseline = MODEL.find(f"{tmp_path}/mine.py:mine")
    run = mv.fit_baseline(baseline, checkerboard(), constants={"power": 3}, **BY)
    run.save(tmp_path / "run")
    with pytest.raises(mv.InputError, match="--trust-code"):
        mv.load_run(tmp_path / "run")
    loaded = mv.load_run(tmp_path / "run", trust_code=True)
    assert loaded.constants == {"power": 3.0}
    assert_same(loaded.params, run.params)


def test_a_baseline_without_a_name_is_loaded_with_itself(tmp_path):
    ease = BASELINES["ease"]
    unnamed = ease._replace(score=lambda params, batch: ease.score(params, batch))
    run = mv.fit_baseline(unnamed, checkerboard(), constants={"regularization": 5}, **BY)
    with pytest.warns(UserWarning, match="the baseline has no name by which it can be found"):
        run.save(tmp_path / "run")
    with pytest.raises(mv.InputError, match="load_run"):
        mv.load_run(tmp_path / "run")
    assert_same(mv.load_run(tmp_path / "run", model=unnamed).params, run.params)


def without_manifest(tmp_path, name="ease"):
    run = mv.fit_baseline(name, checkerboard(), constants=FEW[name], **BY)
    run.save(tmp_path / "run")
    (tmp_path / "run" / "manifest.json").unlink()
    return tmp_path / "run"


def test_other_items_are_refused(tmp_path):
    path = without_manifest(tmp_path)
    with (path / "items.csv").open() as file:
        rows = list(csv.reader(file))
    with (path / "items.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows[:-2])
    with pytest.raises(mv.InputError, match=r"38 items in items.csv, 40 in the checkpoint"):
        mv.load_run(path)


def test_parameters_of_another_baseline_are_refused(tmp_path):
    path = without_manifest(tmp_path)
    text = (path / "config.json").read_text()
    (path / "config.json").write_text(
        text.replace('"ease"', '"popularity"').replace('"regularization": 1.0', "")
    )
    with pytest.raises(
        mv.InputError, match="does not belong to this run: they are of another model"
    ):
        mv.load_run(path)


@pytest.mark.parametrize("line", ["[1]", '{"constants": 3}', "{"])
def test_a_damaged_log_is_refused(tmp_path, line):
    path = without_manifest(tmp_path)
    (path / "metrics.jsonl").write_text(line + "\n")
    with pytest.raises(mv.InputError, match=r"metrics\.jsonl: not the log of a run"):
        mv.load_run(path)


def test_a_damaged_checkpoint_is_refused(tmp_path):
    path = without_manifest(tmp_path)
    for file in (path / "checkpoint" / "params").rglob("*"):
        if file.is_file() and not file.name.startswith("_"):
            file.write_bytes(b"")
    with pytest.raises(mv.InputError, match="it is damaged or incomplete"):
        mv.load_run(path)


@pytest.mark.parametrize("name", ["a[1]", "b*", "c?", "d\\e"])
def test_where_the_storage_takes_a_name_for_a_pattern_nothing_is_written_or_read(name, tmp_path):
    run = mv.fit_baseline("popularity", checkerboard(), constants={}, **BY)
    moved = tmp_path / name
    refused = pytest.raises(mv.InputError, match=r"arrays cannot be stored below a name with '.+'")
    with refused:
        run.save(moved / "run")
    assert not moved.exists()
    run.save(tmp_path / "run")
    moved.mkdir()
    (tmp_path / "run").rename(moved / "run")
    with refused:
        mv.load_run(moved / "run")


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are bytes on Linux alone")
def test_names_that_are_not_utf8_are_refused_before_anything_is_read_or_written(tmp_path, capsys):
    odd = tmp_path / os.fsdecode(b"caf\xe9")
    odd.write_text("user,item\n")
    shown = str(odd).replace("\udce9", r"\udce9")
    for options, message in {
        ("--data", str(odd)): "the name is not UTF-8 text; rename the file",
        ("--out", str(odd)): "arrays cannot be stored below a name that is not UTF-8 text",
    }.items():
        assert main(["train", "--model", "popularity", *options]) == 2
        assert capsys.readouterr().err.startswith(f"multvae: {shown}: {message}")
    odd.unlink()
    mv.fit_baseline("popularity", checkerboard(), constants={}, **BY).save(tmp_path / "run")
    (tmp_path / "run").rename(odd)
    with pytest.raises(mv.InputError, match="a name that is not UTF-8 text"):
        mv.load_run(odd)


def test_a_training_whose_run_could_not_be_stored_does_not_begin(tmp_path, capsys):
    place = tmp_path / "run [2]"
    assert main(["train", "--model", "popularity", "--out", str(place)]) == 2
    assert capsys.readouterr().err.endswith(
        f"{place}: arrays cannot be stored below a name with '[', as in 'run [2]'; rename it\n"
    )
    assert not place.exists()
