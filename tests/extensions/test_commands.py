"""The models of other papers by the commands: trained, swept, evaluated, and what is refused."""

import json

import jax
import numpy as np
import optax
import pytest

import multvae_jax as mv
from multvae_jax.cli.main import main
from multvae_jax.config.build_model import build_model
from multvae_jax.config.complete import complete
from multvae_jax.config.options import DataOptions, ModelOptions, TrainConfig, TrainingOptions
from multvae_jax.config.unions import AnnealSteps, NamedDataset
from multvae_jax.sweeps import groups
from multvae_jax.sweeps.layouts import vmapped
from tests.builders import batch_of, checkerboard, counts, randomized, write_ratings
from tests.cli.builders import train

pytestmark = pytest.mark.updates


@pytest.fixture(scope="module")
def ratings(tmp_path_factory):
    return write_ratings(tmp_path_factory.mktemp("extensions") / "ratings.csv")


MODELS = {
    "recvae": ["--model", "recvae", "--model-constants", "gamma", "0.01"],
    "vamp-vae": ["--model", "vamp-vae", "--model-constants", "pseudo_inputs", "5"],
}


@pytest.mark.parametrize("name", MODELS)
def test_a_run_of_the_command_is_evaluated_and_recommends(name, ratings, tmp_path):
    run = tmp_path / "run"
    lean = ["--precision", "bfloat16", "--item-block", "10", "--likelihood", "gaussian"]
    assert train(ratings, run, *MODELS[name], *lean) == 0
    assert main(["evaluate", str(run), "--out", str(tmp_path / "again.json")]) == 0
    assert (tmp_path / "again.json").read_bytes() == (run / "test.json").read_bytes()
    (tmp_path / "history.csv").write_text("user,item\na,100\na,101\n")
    asked = ["recommend", str(run), "--history", str(tmp_path / "history.csv"), "-k", "4"]
    assert main([*asked, "--out", str(tmp_path / "best.csv")]) == 0
    assert len((tmp_path / "best.csv").read_text().splitlines()) == 5


@pytest.mark.parametrize("name", MODELS)
def test_the_precision_takes_effect(name):
    batch, scores = batch_of(counts(0, 5, 7)), []
    for precision in ("float32", "bfloat16"):
        model = build_model(ModelOptions(name, hidden=(6,), latent=3, precision=precision))
        params = randomized(model.init, 7)
        scores.append(np.asarray(model.score(params, batch)))
    assert not np.array_equal(*scores)
    np.testing.assert_allclose(*scores, rtol=0.05, atol=0.05)


def test_a_sweep_over_gamma_is_one_program(ratings, tmp_path, monkeypatch):
    trained = []
    sweep = groups.sweep

    def counted(members, *args, **options):
        trained.append(len(members))
        return sweep(members, *args, **options)

    monkeypatch.setattr(groups, "sweep", counted)
    vary = ["--vary", "model-constants.gamma", "0.001", "1.0", "--vary", "learning-rate", "1e-2"]
    small = ["--held-out", "8", "--epochs", "5", "--hidden", "8", "--latent", "4", "--model"]
    swept = ["sweep", "--data", str(ratings), *small, "recvae", *vary]
    assert main([*swept, "--out", str(tmp_path / "swept")]) == 0
    assert trained == [2]
    _, *lines = (tmp_path / "swept" / "members.jsonl").read_text().splitlines()
    logs = [json.loads(line)["log"] for line in lines]
    # The KL term weighs more: the second posterior is nearer to the prior.
    assert logs[1][-1]["kl"] < logs[0][-1]["kl"]


def test_members_of_a_sweep_take_turns_as_alone():
    """An epoch of the encoder, one of the decoder, and the first of the next turn."""
    model = mv.recvae(8, 4, encoder_epochs=1)
    members = [
        mv.Member(jax.random.key(seed), rate, hyper={"gamma": gamma})
        for seed, rate, gamma in ((0, 1e-2, 0.01), (1, 3e-2, 0.3))
    ]
    options = {"epochs": 3, "batch_size": 20}
    outcomes = mv.sweep(
        members, model, checkerboard(), layout=vmapped(), keep_params=True, **options
    )
    for member, outcome in zip(members, outcomes, strict=True):
        own = model._replace(hyper={**model.hyper, **member.hyper})
        run = mv.fit(
            member.key, own, checkerboard(), optimizer=optax.adam(member.learning_rate), **options
        )
        assert outcome.best_epoch == run.best_epoch
        leaves = (jax.tree.leaves(params) for params in (outcome.params, run.params))
        for mine, other in zip(*leaves, strict=True):
            np.testing.assert_allclose(mine, other, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["recvae", "--beta-cap", "0.1"], "--beta-cap: recvae has no beta"),
        (["recvae", "--beta", "constant"], "--beta: recvae has no beta"),
        (["recvae", "--beta", "auto"], "--beta auto: recvae has no beta to search for"),
        (["recvae", "--anneal-steps", "50"], "--anneal-steps: recvae has no beta"),
        (["mult-dae", "--anneal-share", "0.5"], "--anneal-share: mult-dae has no beta"),
        (["recvae", "--prior", "standard_normal2"], "--prior standard_normal2: no such prior"),
        (["recvae", "--activation", "relu"], "--activation: --model recvae has no parameter for"),
        (["vamp-vae", "--activation", "relu"], "--activation: --model vamp-vae has no parameter"),
        (
            ["recvae", "--hidden", "9", "9"],
            "--model recvae: hidden: 2 widths, but RecVAE takes one",
        ),
        (["recvae", "--hidden", "none"], "--model recvae: hidden: 0 widths, but RecVAE takes one"),
        (
            ["recvae", "--model-constants", "gama", "1"],
            "--model-constants gama: --model recvae has no such constant; did you mean gamma?",
        ),
        (
            ["vamp-vae", "--model-constants", "pseudo_inputs", "0"],
            "--model vamp-vae: pseudo_inputs: expected `int`",
        ),
        (["recvae", "--model-constants", "latent", "3"], "--model-constants latent: has an option"),
    ],
)
def test_what_does_not_apply_is_refused_in_one_line(options, message, ratings, tmp_path, capsys):
    given = ["train", "--data", str(ratings), "--out", str(tmp_path / "run"), "--model", *options]
    assert main(given) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"multvae: {message}")
    assert list(tmp_path.iterdir()) == []


def test_a_model_without_beta_keeps_no_rise_of_a_preset():
    """A run of an earlier version has kept it, and can be resumed."""
    for kept in (None, AnnealSteps(200_000)):
        training = TrainingOptions(recipe="paper", rise=kept, beta_cap=kept and 0.2)
        config = TrainConfig(DataOptions(NamedDataset("ml-20m")), ModelOptions("recvae"), training)
        completed = complete(config)
        assert completed.training.rise is None
        assert completed.training.epochs == 200
        assert complete(completed) == completed
    paper = TrainingOptions(recipe="paper")
    with_beta = TrainConfig(DataOptions(NamedDataset("ml-20m")), training=paper)
    assert complete(with_beta).training.rise == AnnealSteps(200_000)
