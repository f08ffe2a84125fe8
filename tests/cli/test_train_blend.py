"""`multvae train --blend`."""

import json

import pytest

from multvae_jax.cli.main import main
from tests.cli.builders import SMALL

pytestmark = pytest.mark.updates


@pytest.fixture(scope="module")
def made(folder, ratings):
    out = folder / "blend"
    given = ["train", "--data", str(ratings), "--held-out", "8", "--epochs", "2", *SMALL]
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
