"""`multvae train --blend`."""

import json
import sys

import numpy as np
import pytest

import multvae_jax as mv
from multvae_jax.baselines import RP3BETA
from multvae_jax.cli.main import main
from tests.builders import assert_same
from tests.cli.builders import SMALL

pytestmark = pytest.mark.updates


@pytest.fixture(scope="module")
def made(folder, ratings):
    out = folder / "blend"
    given = ["train", "--data", str(ratings), "--held-out", "8", "--epochs", "2", *SMALL]
    given += ["--baselines", "none"]
    assert main([*map(str, given), "--blend", "auto", "--out", str(out)]) == 0
    return out


def test_a_blend_is_evaluated_and_recommends_from_its_run(made, folder, capsys):
    model = json.loads((made / "config.json").read_text())["model"]
    assert model["blend"] == "edlae"
    assert model["blend_constants"].keys() == {"dropout", "regularization", "weight"}
    again = folder / "blend.json"
    assert main(["evaluate", str(made), "--out", str(again)]) == 0
    first, second = (json.loads(path.read_text()) for path in (made / "test.json", again))
    assert first["model"] == second["model"]
    (folder / "some.csv").write_text("userId,movieId\na,101\na,102\n")
    history = str(folder / "some.csv")
    capsys.readouterr()
    assert main(["recommend", str(made), "--history", history, "-k", "3"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_its_configuration_gives_the_same_blend_without_a_choice(made, folder):
    out = folder / "blend-again"
    assert main(["train", "--config", str(made / "config.json"), "--out", str(out)]) == 0
    first, second = (json.loads((path / "test.json").read_text()) for path in (made, out))
    assert first["model"] == second["model"]


def test_on_a_given_split_the_blend_is_chosen_on_what_is_held_out(folder, capsys):
    random = np.random.default_rng(0)
    parts = {"train": [], "test": []}
    for user in range(40):
        items = 20 * (user % 2) + random.permutation(20)[:15]
        for part, some in (("train", items[:12]), ("test", items[12:])):
            parts[part].append(" ".join(map(str, [user, *some])))
    for part, lines in parts.items():
        (folder / f"blend-{part}.txt").write_text("\n".join(lines) + "\n")
    out = folder / "blend-given"
    files = [f"--{part}={folder / f'blend-{part}.txt'}" for part in parts]
    given = ["train", *files, *SMALL, "--epochs", "3", "--blend", "rp3beta", "--out", str(out)]
    given += ["--baselines", "none"]
    assert main([*map(str, given)]) == 0
    # Chosen with the epoch, and then fitted to all interactions.
    assert capsys.readouterr().err.count("blended with rp3beta") == 2
    model = json.loads((out / "config.json").read_text())["model"]
    assert model["blend_constants"].items() >= {"alpha": 0.7, "beta": 0.4}.items()
    run = mv.load_run(out)
    split = mv.given_split(
        *mv.read_given_split(folder / "blend-train.txt", None, folder / "blend-test.txt")
    )
    expected = RP3BETA.fit(split.train, **run.model.baseline.constants)
    assert_same(run.params["baseline"], expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--blend", "edle"], "--blend edle: no such baseline; did you mean edlae?"),
        (["--blend-constants", "weight", "0.2"], "--blend-constants: give the baseline, --blend"),
        (["--blend", "edlae", "--blend-constants", "lambda", "2"], "has no constant 'lambda'"),
    ],
)
def test_what_cannot_be_blended_is_refused_before_anything_is_trained(
    options, message, ratings, folder, capsys
):
    given = ["train", "--data", str(ratings), "--out", str(folder / "refused"), *options]
    assert main(given) == 2
    assert message in capsys.readouterr().err
    assert not (folder / "refused").exists()


@pytest.mark.parametrize(
    ("baseline", "module"),
    [("slim", "sklearn.linear_model"), ("wmf", "implicit.als")],
)
def test_a_missing_package_is_told_before_the_training(
    baseline, module, ratings, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, module, None)
    out = tmp_path / "run"
    given = ["train", "--data", str(ratings), "--held-out", "8", *SMALL, "--out", str(out)]
    assert main([*given, "--blend", baseline]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"needs the package {module.partition('.')[0]}" in line
    assert "pip install 'multvae-jax[baselines]'" in line
    assert not out.exists()
