"""Features of users on the command line: train, evaluate and recommend."""

import csv
import json

import numpy as np
import pytest

import multvae_jax as mv
from multvae_jax.cli.main import main
from multvae_jax.config.build_model import build_model
from multvae_jax.config.describe import describe_model
from multvae_jax.config.options import ModelOptions
from tests.builders import see_through_shape_checks

pytestmark = pytest.mark.updates

MY_FILE = """
import jax.numpy as jnp
import multvae_jax as mv
from experiments.extensions import conditional as parts

def conditional(hidden, latent, activation, n_user_features):
    plain = mv.mlp.variational_mlp(hidden, latent, activation)
    return parts.conditional(plain, n_user_features)

def prior():
    return parts.standard_normal_of_z()
"""
N_ITEMS, SIDE = 24, 8
PARTS = ("--network", "my_file.py:conditional", "--prior", "my_file.py:prior")
SMALL = ("--hidden", "8", "--latent", "4", "--dropout", "0.2", "--baselines", "none")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Users of two sexes with tastes of their own, beside items that all like."""
    folder = tmp_path_factory.mktemp("features")
    rng = np.random.default_rng(0)
    for name, first, n in (("ratings.csv", 0, 90), ("others.csv", 500, 30)):
        rows = ["user,item"]
        for user in range(first, first + n):
            own = (user % 2) * SIDE + rng.permutation(SIDE)[:5]
            common = 2 * SIDE + rng.permutation(SIDE)[:5]
            rows += [f"{user},{item}" for item in (*own, *common)]
        (folder / name).write_text("\n".join(rows) + "\n")
    users = [f"{user},{'FM'[user % 2]}" for user in (*range(90), *range(500, 530), 900, 901)]
    (folder / "users.csv").write_text("\n".join(["user,sex", *users]) + "\n")
    (folder / "my_file.py").write_text(MY_FILE)
    return folder


@pytest.fixture
def run(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)

    def call(*words):
        status = main([*words])
        out = capsys.readouterr()
        return status, out.out, out.err

    return call


def test_a_run_needs_the_features_and_keeps_what_they_are(folder, run, tmp_path):
    data = ("--data", "ratings.csv", "--user-features", "sex", "--held-out", "12")
    fitted = ("--epochs", "12", "--learning-rate", "0.02", "--batch-size", "20")
    status, _, err = run("train", *data, *PARTS, *SMALL, *fitted, "--out", "run")
    assert status == 0, err
    assert "sex has 2 categories" in err
    config = json.loads((folder / "run" / "config.json").read_text())
    assert config["model"]["n_user_features"] == 2
    loaded = mv.load_run("run", trust_code=True)
    assert loaded.user_encoder.names == ("sex=F", "sex=M")
    assert mv.load_held_out_users("run").user_features.sum(axis=1).tolist() == [1.0] * 12

    # The same users again, from what the run has kept of them.
    tested = json.loads((folder / "run" / "test.json").read_text())["model"]
    status, _, err = run("evaluate", "run", "--trust-code", "--out", "again.json")
    assert status == 0, err
    again = json.loads((folder / "again.json").read_text())["model"]
    assert again["ndcg@100"] == tested["ndcg@100"]

    # Beside its own lists, it is compared as it is evaluated: with the features.
    users = mv.load_held_out_users("run")
    given = {"user_ids": users.user_ids, "user_features": users.user_features}
    mv.recommend_lists(loaded.scorer, loaded.catalogue, users.history, k=24, **given).write("o.csv")
    words = ("--trust-code", "--metrics", "ndcg@5", "--out", "compared")
    status, _, err = run("compare", "run", "--lists", "o.csv", *words)
    assert status == 0, err
    other = json.loads((folder / "compared" / "comparison.json").read_text())["systems"][1]
    assert other["overlap_with_reference"] == {"rbo": 1.0, "jaccard": 1.0}

    # Other users, whose features are those of the file: with the sexes exchanged they are worse.
    means = []
    for number, text in enumerate(((folder / "users.csv").read_text(),) * 2):
        swapped = text if not number else text.translate(str.maketrans("FM", "MF"))
        (tmp_path / "users.csv").write_text(swapped)
        words = ("--users-file", str(tmp_path / "users.csv"), "--out", f"{number}.json")
        status, _, err = run(
            "evaluate", "run", "--trust-code", "--data", "others.csv", "--cutoffs", "5", *words
        )
        assert status == 0, err
        means.append(json.loads((folder / f"{number}.json").read_text())["model"]["ndcg@5"]["mean"])
    assert means[0] > means[1] + 0.05

    (folder / "new.csv").write_text("user,item\n900,17\n901,what\n77777,17\n")
    status, out, err = run("recommend", "run", "--history", "new.csv", "-k", "3", "--trust-code")
    assert status == 0, err
    assert "1 of 3 users have no row; their features are 0" in err
    assert "user 901: no item of the history is known; ranked by the features of the user" in err
    items = {user: [] for user in ("900", "901", "77777")}
    for row in csv.DictReader(out.splitlines()):
        items[row["user"]].append(int(row["item"]))
    assert items["900"] != items["901"]
    # The same in a stream, and all users of the data with their own features.
    (folder / "new.jsonl").write_text('{"user": 900, "items": [17]}\n["what"]\n77777 17\n')
    status, out, err = run("recommend", "run", "--stream", "new.jsonl", "-k", "3", "--trust-code")
    assert status == 0, err
    # The list alone is of user 2, the number of its line.
    assert "users.csv: 1 of 3 users have no row; their features are 0" in err
    assert "1 of 3 histories have no known item; ranked by the features of the user" in err
    rows = list(csv.DictReader(out.splitlines()))
    for user in ("900", "77777"):
        assert [int(row["item"]) for row in rows if row["user"] == user] == items[user]
    status, out, err = run("recommend", "run", "--all", "-k", "1", "--trust-code")
    assert (status, len(out.splitlines())) == (0, 91), err
    (tmp_path / "new.csv").write_text("user,item\n900,17\n")
    (tmp_path / "users.csv").unlink()
    status, _, err = run("recommend", "run", "--history", str(tmp_path / "new.csv"), "--trust-code")
    assert status == 2
    assert err.splitlines()[-1].endswith(
        "--users-file: the model reads sex of each user, and no users.dat, u.user, users.csv or "
        ".user file is beside the data; name one"
    )


REFUSED = {
    "reads features of users; name their columns with --user-features": PARTS,
    "--user-features: the model reads no features of users": ("--user-features", "sex"),
    "--user-features: --model ease reads no features of users": (
        *("--user-features", "sex", "--model", "ease"),
    ),
    "no column 'age'; the columns are user, sex": ("--user-features", "age", *PARTS),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_has_no_effect_or_is_missing_is_one_line(message, run, folder):
    status, _, err = run("train", "--data", "ratings.csv", *REFUSED[message], "--out", "none")
    assert status == 2
    assert message in err.splitlines()[-1]
    assert not (folder / "none").exists()


def test_the_number_of_features_is_described(folder, monkeypatch):
    see_through_shape_checks(monkeypatch)
    monkeypatch.chdir(folder)
    path = str(folder / "my_file.py")
    options = ModelOptions(network=f"{path}:conditional", n_user_features=3, latent=4, hidden=(8,))
    described = describe_model(build_model(options))
    assert (described.network, described.n_user_features) == (f"{path}:conditional", 3)
