"""`multvae try`: what an idea is, what is written, and wrong input. The trials are made up."""

import base64
import json
import re
from html.parser import HTMLParser

import jax.numpy as jnp
import numpy as np
import pytest

import multvae_jax as mv
from multvae_jax.cli.main import main
from multvae_jax.config.contenders import kind_of_value, options_of
from multvae_jax.config.options import ModelOptions
from multvae_jax.evaluation.metrics import PAPER_METRICS
from multvae_jax.tournament import rounds
from tests.builders import write_ratings
from tests.tournament.builders import trial

MINE = """
import multvae_jax as mv

def loss(power=0.5):
    def click(f, x, theta):
        return theta["power"] * x * f
    def normalizer(f, total, theta):
        return theta["power"] * total * mv.ops.logsumexp(f)
    return mv.Likelihood(click, normalizer, constants={"power": power})

def broken():
    raise ZeroDivisionError("mine")

number = 3
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_file.py").write_text(MINE)
    write_ratings(tmp_path / "ratings.csv", n_users=60)
    return tmp_path


@pytest.fixture
def tried(monkeypatch):
    """The models that are made, by the name of the contender."""
    made = {}

    def run_trial(contender, split, users, seeds, how, until):
        made[contender.name] = contender.make(mv.recipe.DataShape(10, 10, 50))
        level = 0.2 if contender.name == "loss" else 0.4
        number = sum(map(ord, contender.name))
        return trial(level, len(seeds), metrics=tuple(PAPER_METRICS), seed=number)

    monkeypatch.setattr(rounds, "run_trial", run_trial)
    return made


TRY = ["try", "my_file.py:loss", "--data", "ratings.csv", "--seeds", "3"]


def test_an_idea_is_compared_with_the_package_and_the_further_rivals(folder, tried, capsys):
    given = ["--constants", "power", "0.7", "--against", "gaussian", "ease", "--out", "found"]
    assert main([*TRY, *given]) == 0
    assert set(tried) == {"loss", "mult-vae", "gaussian", "ease"}
    assert tried["loss"].hyper["likelihood"] == {"power": 0.7}
    assert set(tried["gaussian"].hyper["likelihood"]) == {"c1", "c0"}
    # All of the recipe's network, which has no hidden layer.
    assert {tried[name].made_by["hidden"] for name in ("loss", "mult-vae", "gaussian")} == {()}
    shown = capsys.readouterr().out
    words = " ".join(shown.split())
    assert "ratings: loss is worse than mult-vae (-0.2" in words
    assert "Holm's correction for 3 matches" in words
    assert "not defined" in words
    found = json.loads((folder / "found" / "result.json").read_text())
    assert found["verdicts"][0] in words
    assert [(one["rival"], one["verdict"]) for one in found["matches"]] == [
        ("mult-vae", "worse"), ("gaussian", "worse"), ("ease", "worse"),
    ]  # fmt: skip
    low, high = found["matches"][0]["metrics"]["ndcg@100"]["interval_95"]
    assert low < found["matches"][0]["metrics"]["ndcg@100"]["difference"] < high < 0
    assert found["data"][0]["contenders"]["mult-vae"]["bytes"] == 3_000_000
    assert found["peak_memory_of_process"] > 1e8
    assert found["command"].startswith("multvae try my_file.py:loss --data ratings.csv")


class Tags(HTMLParser):
    """The open tags of a page, its images and its cells."""

    def __init__(self):
        super().__init__()
        self.open, self.images, self.cells = [], [], 0

    def handle_starttag(self, tag, attrs):
        self.cells += tag == "td"
        if tag == "img":
            self.images.append(dict(attrs))
        elif tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_one_file_with_all_tables_and_pictures(folder, tried):
    assert main([*TRY, "--out", "found"]) == 0
    page = (folder / "found" / "page.html").read_text()
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert len(tags.images) == 2
    for image in tags.images:
        kind, _, data = image["src"].partition(",")
        assert kind == "data:image/svg+xml;base64"
        assert b"</svg>" in base64.b64decode(data)
    assert tags.cells == 2 * (8 + 7) + len(PAPER_METRICS) * 8
    # Nothing is loaded from elsewhere.
    assert not re.search(r"(src|href)=[\"'](?!data:)", page)
    assert "loss is worse than mult-vae" in page


def loss_of_five(params, hyper, batch, key, step):
    return jnp.float32(0), {}


def objective(network, likelihood, prior):
    return loss_of_five


def of_two(network, likelihood):
    return loss_of_five


def prior_of_latent(latent):
    return mv.priors.standard_normal()._replace(constants={"latent": latent})


def with_constant(power):
    return mv.likelihoods.multinomial()._replace(constants={"power": power})


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (mv.likelihoods.gaussian, "likelihood"),
        (mv.likelihoods.gaussian(), "likelihood"),
        (mv.priors.standard_normal, "prior"),
        (prior_of_latent, "prior"),
        (mv.mlp.gated_mlp, "network"),
        (mv.mlp.variational_mlp((), 3, jnp.tanh), "network"),
        (mv.objectives.negative_elbo, "objective"),
        (objective, "objective"),
        (of_two, "objective"),
        (loss_of_five, "objective"),
        (mv.mult_vae, "model"),
        (mv.recvae, "model"),
        (mv.baselines.EASE, "model"),
        (np.sum, None),
        (3, None),
        (lambda: 1 / 0, None),
    ],
)
def test_what_an_idea_is_can_be_seen_from_what_it_returns(value, kind):
    assert kind_of_value(value) == kind


def test_names_of_the_package_and_constants_reach_the_option_of_their_part():
    assert options_of("poisson", "IDEA") == ModelOptions(likelihood="poisson")
    assert options_of("gated-mlp", "IDEA") == ModelOptions(network="gated-mlp")
    assert options_of("recvae", "IDEA", None, {"gamma": 0.1}) == ModelOptions(
        model="recvae", model_constants={"gamma": 0.1}
    )
    assert kind_of_value(with_constant, {"power": 0.5}) == "likelihood"


WRONG = {
    "no-such-name": (["gausian"], "IDEA gausian: no such idea; did you mean gaussian"),
    "no-file": (["no.py:loss"], "IDEA no.py: no such file"),
    "no-function": (["my_file.py:lost"], "there is no 'lost' in my_file.py; did you mean loss"),
    "a-number": (["my_file.py:number"], "IDEA my_file.py:number: is a int that is not"),
    "not-recognized": (["my_file.py:broken"], "say which it is with --as"),
    "broken": (
        ["my_file.py:broken", "--as", "likelihood"],
        "--likelihood my_file.py:broken: ZeroDivisionError: mine (line 12)",
    ),
    "another-kind": (["my_file.py:loss", "--as", "prior"], "returns a Likelihood, not a Prior"),
    "constant": (
        ["my_file.py:loss", "--constants", "pow", "1"],
        "--constants pow: --likelihood my_file.py:loss has no",
    ),
    "constants": (
        ["gated_mlp", "--constants", "a", "1"],
        "--network-constants a: --network gated_mlp has no",
    ),
    "seeds": (["gaussian", "--seeds", "1"], "--seeds 1: a test over seeds needs 2 or more"),
    "minutes": (["gaussian", "--minutes", "0"], "--minutes: expected `float` > 0.0"),
    "dataset": (["gaussian", "--dataset", "ml-0m"], "no data set is named 'ml-0m'"),
    "reading": (["gaussian", "--separator", ","], "--separator: belongs to the files of --data"),
    "out": (["gaussian", "--out", "ratings.csv"], "--out ratings.csv: is not a directory"),
    "twice": (
        ["gaussian", "--data", "ratings.csv", "ratings.csv"],
        "ratings: is the name of two data sets",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_one_line(folder, case, capsys):
    words, message = WRONG[case]
    assert main(["try", *words]) == 2
    said = capsys.readouterr().err.splitlines()
    assert message in said[-1]
    assert said[-1].startswith("multvae: ")
    assert not any("Traceback" in line for line in said)
