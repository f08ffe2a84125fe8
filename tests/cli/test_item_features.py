"""Features of items on the command line: train, sweep, evaluate, and the run that keeps them."""

import dataclasses
import json
from functools import partial

import jax
import numpy as np
import pytest

import multvae_jax as mv
from multvae_jax.cli.main import main
from multvae_jax.config.item_features import load_split_for
from multvae_jax.config.options import DataOptions, ModelOptions, TrainConfig
from multvae_jax.config.unions import InteractionFile
from tests.builders import refusal, see_through_shape_checks

pytestmark = pytest.mark.updates

MY_FILE = """
import jax.numpy as jnp
import multvae_jax as mv

def by_genre(hidden, latent, activation, item_features):
    plain = mv.mlp.variational_mlp(hidden, latent, activation)

    def init(key, n_items):
        return {**plain.init(key, n_items), "shared": jnp.zeros((latent, item_features.shape[1]))}

    def decode(params, z):
        return plain.decode(params, z) + z @ params["shared"] @ item_features.T

    return mv.Network(init, plain.encode, decode)
"""
GENRES = {f"i{n}": ("Odd|Small" if n < 6 else "Odd") if n % 2 else "Even" for n in range(24)}
PARTS = ("--data", "ratings.csv", "--network", "my_file.py:by_genre", "--held-out", "12")
SMALL = ("--hidden", "8", "--latent", "4", "--epochs", "2", "--batch-size", "40")


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(0)
    rows = [f"{user},i{item}" for user in range(90) for item in rng.permutation(24)[:9]]
    (tmp_path / "ratings.csv").write_text("\n".join(["user,item", *rows]) + "\n")
    genres = [f"{item},{genre}" for item, genre in reversed(GENRES.items())]
    (tmp_path / "genres.csv").write_text("\n".join(["item,genres", *genres]) + "\n")
    vectors = [f"{item},{item[1:]},1" for item in GENRES]
    (tmp_path / "vectors.csv").write_text("\n".join(["item,x,y", *vectors]) + "\n")
    (tmp_path / "my_file.py").write_text(MY_FILE)
    monkeypatch.chdir(tmp_path)

    def call(*words):
        return main([*words]), capsys.readouterr().err

    return call


def expected(catalogue):
    names = ("Even", "Odd", "Small")
    return [[float(name in GENRES[item].split("|")) for name in names] for item in catalogue.ids]


def test_a_network_receives_the_genres_and_the_run_keeps_them(run, tmp_path, monkeypatch):
    see_through_shape_checks(monkeypatch)
    file = ("--items-file", "genres.csv")
    status, err = run("train", *PARTS, *file, *SMALL, "--baselines", "none", "--out", "run")
    assert status == 0, err
    assert "genres: 3 of genres.csv: column 'genres'" in err
    # The run needs the file no longer.
    (tmp_path / "genres.csv").unlink()
    loaded = mv.load_run("run", trust_code=True)
    assert loaded.catalogue.features.tolist() == expected(loaded.catalogue)
    assert loaded.params["network"]["shared"].shape == (4, 3)
    assert np.abs(loaded.params["network"]["shared"]).max() > 0
    tested = json.loads((tmp_path / "run" / "test.json").read_text())["model"]
    status, err = run("evaluate", "run", "--trust-code", "--out", "again.json")
    assert status == 0, err
    again = json.loads((tmp_path / "again.json").read_text())["model"]
    assert again["ndcg@100"] == tested["ndcg@100"]
    # And a copy of it, which is saved from Python.
    loaded.save("copy")
    copy = mv.load_run("copy", trust_code=True)
    assert copy.catalogue.features.tolist() == loaded.catalogue.features.tolist()

    path = tmp_path / "copy" / "item_features.npz"
    path.write_bytes(path.read_bytes()[:-40])
    assert "item_features.npz" in refusal(mv.load_run, "copy", trust_code=True)
    path.unlink()
    assert "item_features.npz" in refusal(mv.load_run, "copy", trust_code=True)


def test_a_sweep_passes_them_too(run):
    varied = ("--vary", "learning-rate", "0.001", "0.01", "--seeds", "1")
    status, err = run(
        "sweep", *PARTS, "--item-vectors", "vectors.csv", *SMALL, *varied, "--out", "s"
    )
    assert status == 0, err


def test_vectors_follow_the_genres_and_either_may_stand_alone(run):
    def features(**files):
        data = DataOptions(source=InteractionFile("ratings.csv"), **files)
        split = load_split_for(TrainConfig(data, ModelOptions(network="my_file.py:by_genre")))
        return split.catalogue, split.catalogue.features

    catalogue, both = features(items_file="genres.csv", item_vectors="vectors.csv")
    vectors = [[float(item[1:]), 1.0] for item in catalogue.ids]
    assert both.tolist() == np.concatenate([expected(catalogue), vectors], axis=1).tolist()
    assert features(item_vectors="vectors.csv")[1].tolist() == vectors
    plain = TrainConfig(DataOptions(source=InteractionFile("ratings.csv")), ModelOptions())
    assert load_split_for(plain).catalogue.features is None
    assert refusal(features) == (
        "--network my_file.py:by_genre: item_features: needs the genres of the items, and no file "
        "of them is beside the data; name one with --items-file"
    )


def test_a_run_of_python_is_loaded_with_the_features_of_its_catalogue(run, tmp_path, monkeypatch):
    see_through_shape_checks(monkeypatch)
    monkeypatch.syspath_prepend(tmp_path)
    import my_file

    read = mv.read_interactions("ratings.csv")
    split = mv.hold_out_users(read, validation=10, test=10)
    split = mv.with_item_features(split, {item: [1.0, len(item)] for item in split.catalogue.ids})

    def model(catalogue):
        network = partial(my_file.by_genre, item_features=catalogue.features)
        return mv.mult_vae((8,), 4, network=network)

    trained = mv.fit(jax.random.key(0), model, split, epochs=1)
    trained.save("run")
    assert mv.load_run("run", trust_code=True).catalogue.features.tolist() == (
        split.catalogue.features.tolist()
    )
    # Features that the catalogue does not hold would be lost.
    bare = dataclasses.replace(
        trained, catalogue=dataclasses.replace(trained.catalogue, features=None)
    )
    with pytest.warns(UserWarning, match="not those of the catalogue; attach them with"):
        bare.save("bare")
