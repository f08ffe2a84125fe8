"""Runs go both ways between Python and the command line."""

import csv
import dataclasses
import json
import sys
import warnings
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import multvae_jax as mv
from multvae_jax.cli.main import main
from multvae_jax.config.build_model import build_model
from multvae_jax.config.describe import describe_model
from tests.builders import assert_same, checkerboard, see_through_shape_checks

pytestmark = pytest.mark.updates

OWN = """
import jax.numpy as jnp
import multvae_jax as mv

def tempered(power=0.5) -> mv.Likelihood:
    def click(f, x, theta):
        return theta["power"] * x * f
    def normalizer(f, total, theta):
        return theta["power"] * total * mv.ops.logsumexp(f)
    return mv.Likelihood(click, normalizer, constants={"power": power})

def flat(latent, scale=1.0) -> "mv.Prior":
    def divergence(mu, logvar, z, theta):
        return theta["scale"] * jnp.sum(mu**2)
    return mv.Prior(divergence, {"scale": scale})

def softened(f):
    return jnp.tanh(f / 2)

def tied(hidden, latent, activation):
    return mv.mlp.variational_mlp(hidden, latent, activation)

SHARP = tempered(3.0)

def experiment(power=2.0):
    calls.append(power)
    return tempered(power)._replace(click=lambda f, x, theta: theta["power"] * x * f)

calls = []
"""


@pytest.fixture(autouse=True)
def _see_through_the_shape_checks(monkeypatch):
    see_through_shape_checks(monkeypatch)


def fit(model, **options):
    return mv.fit(jax.random.key(0), model, checkerboard(), epochs=2, batch_size=20, **options)


def assert_same_run(loaded, run):
    assert_same(loaded.params, run.params)
    assert (loaded.best_epoch, loaded.log) == (run.best_epoch, run.log)
    assert loaded.catalogue.ids.tolist() == run.catalogue.ids.tolist()
    assert loaded.model.hyper == run.model.hyper
    held_out = checkerboard().test
    again, before = (mv.evaluate(one.scorer, held_out).values for one in (loaded, run))
    for metric, values in before.items():
        np.testing.assert_array_equal(again[metric], values)


@pytest.mark.parametrize(
    "model",
    [
        mv.mult_vae((8,), 4),
        mv.mult_vae((), 4, likelihood=mv.likelihoods.gaussian(2.0, 0.5), weight_penalty=1e-4),
        mv.mult_dae((), 4, activation=jax.nn.relu),
        mv.recvae(8, 4, gamma=0.25, encoder_epochs=2, likelihood=mv.likelihoods.poisson()),
        mv.vamp_vae((), 4, network=mv.mlp.variational_mlp, pseudo_inputs=3),
    ],
    ids=["mult-vae", "gaussian", "mult-dae", "recvae", "vamp-vae"],
)
def test_a_run_saved_in_python_is_loaded_by_python_and_by_the_commands(model, tmp_path, capsys):
    run = fit(model)
    run.save(tmp_path / "run")
    assert_same_run(mv.load_run(tmp_path / "run"), run)

    (tmp_path / "history.csv").write_text("user,item\na,i0\na,i2\na,i4\n")
    words = ["recommend", str(tmp_path / "run"), "--history", str(tmp_path / "history.csv")]
    assert main([*words, "-k", "3", "--out", str(tmp_path / "out.csv")]) == 0
    (best,) = mv.recommend(run.scorer, run.catalogue, [["i0", "i2", "i4"]], k=3)
    rows = csv.DictReader((tmp_path / "out.csv").read_text().splitlines())
    assert [row["item"] for row in rows] == best.items

    for part in ("test", "validation"):
        out = tmp_path / f"{part}.json"
        words = ["evaluate", str(tmp_path / "run"), "--part", part, "--out", str(out)]
        assert main(words) == 0
        found = json.loads(out.read_text())["model"]["ndcg@100"]["mean"]
        assert found == mv.evaluate(run.scorer, checkerboard().test).mean("ndcg@100")


def test_the_best_epoch_by_another_metric_is_kept(tmp_path):
    metrics = mv.metrics.at_cutoffs([3])
    run = fit(mv.mult_vae((), 2), metrics=metrics, select_by="recall@3")
    run.save(tmp_path / "run")
    assert mv.load_run(tmp_path / "run").best_epoch == run.best_epoch


def test_a_run_of_the_command_line_is_loaded_in_python_and_saved_again(tmp_path):
    rows = [f"{u},{i}" for u in range(40) for i in range(u % 2, 24, 2 + u % 3)]
    (tmp_path / "ratings.csv").write_text("\n".join(["user,item", *rows]))
    words = ["train", "--data", str(tmp_path / "ratings.csv"), "--held-out", "8", "--hidden", "6"]
    words += ["--latent", "3", "--epochs", "2", "--out", str(tmp_path / "run")]
    assert main([*words, "--min-user-count", "3", "--baselines", "none"]) == 0
    run = mv.load_run(tmp_path / "run")
    assert len(run.log) == 2
    assert (run.state, run.split) == (None, None)
    run.save(tmp_path / "copy")
    copy = mv.load_run(str(tmp_path / "copy"))
    assert_same(copy.params, run.params)
    assert copy.best_epoch == run.best_epoch
    # The copy keeps the options of the data, and the users to evaluate on.
    data = [json.loads((tmp_path / name / "config.json").read_text()) for name in ("run", "copy")]
    assert data[1]["data"] == data[0]["data"]
    found = []
    for name in ("run", "copy"):
        assert main(["evaluate", str(tmp_path / name), "--out", str(tmp_path / "found.json")]) == 0
        found.append(json.loads((tmp_path / "found.json").read_text()))
    assert found[0] == found[1]


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A module of the user's, imported as from a script beside it."""
    (tmp_path / "own_parts.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    import own_parts

    yield own_parts
    del sys.modules["own_parts"]


def test_parts_of_the_users_own_file_are_stored_by_file_and_name(own, tmp_path):
    file = str(tmp_path / "own_parts.py")
    model = mv.mult_vae(
        (6,),
        3,
        activation=own.softened,
        network=own.tied,
        likelihood=own.tempered(0.25),
        prior=own.flat(3, scale=2.0),
    )
    options = describe_model(model)
    assert options.likelihood == f"{file}:tempered"
    assert options.constants == {"power": 0.25}
    assert (options.prior, options.prior_constants) == (f"{file}:flat", {"scale": 2.0})
    assert (options.network, options.activation) == (f"{file}:tied", f"{file}:softened")
    again = build_model(options)
    assert again.hyper == model.hyper
    assert describe_model(again) == options
    value = describe_model(mv.mult_vae(likelihood=own.SHARP))
    assert build_model(value).hyper["likelihood"] == {"power": 3.0}


def test_a_function_that_declares_nothing_is_not_called(own):
    """It may do more than make a likelihood: train, and save, and so call itself again."""
    likelihood = own.experiment(2.0)
    assert own.calls == [2.0]
    with pytest.raises(mv.InputError, match="the likelihood has no name"):
        describe_model(mv.mult_vae(likelihood=likelihood))
    assert own.calls == [2.0]


@pytest.mark.parametrize("precision", [jnp.float32, jnp.bfloat16])
def test_the_precision_is_described(precision):
    half = partial(mv.mlp.variational_mlp, matmul=mv.ops.matmul_in(precision))
    assert describe_model(mv.mult_vae(network=half)).precision == jnp.dtype(precision).name


def test_a_model_without_a_name_is_saved_with_a_warning_and_loaded_with_the_model(tmp_path, capsys):
    def local(f):
        return jnp.sin(f)

    run = fit(mv.mult_vae((6,), 3, activation=local))
    with pytest.warns(UserWarning, match="the activation has no name by which it can be found"):
        run.save(tmp_path / "run")
    with pytest.raises(mv.InputError, match=r"run: saved from Python with a model that no option"):
        mv.load_run(tmp_path / "run")
    assert_same_run(mv.load_run(tmp_path / "run", model=run.model), run)
    assert main(["evaluate", str(tmp_path / "run")]) == 2
    assert "saved from Python with a model that no option describes" in capsys.readouterr().err


def test_a_model_of_other_parts_is_saved_with_a_warning(tmp_path):
    parts = (mv.mlp.variational_mlp((6,), 3), mv.likelihoods.multinomial())
    run = fit(mv.vae(*parts, mv.priors.standard_normal()))
    with pytest.warns(UserWarning, match="the model was not made by mult_vae"):
        run.save(tmp_path / "run")


def test_what_a_factory_was_given_decides_not_its_name():
    """A likelihood with the code of one factory and other numbers is not taken for it."""
    changed = mv.likelihoods.poisson()._replace(click=lambda f, x, theta: x * f * 2)
    with pytest.raises(mv.InputError, match="the likelihood has no name"):
        describe_model(mv.mult_vae(likelihood=changed))


def test_a_folder_that_is_not_empty_is_refused_and_left_alone(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine").write_text("mine")
    run = fit(mv.mult_vae((), 2))
    with pytest.raises(mv.InputError, match="run: already exists"):
        run.save(tmp_path / "run")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["mine"]


def test_without_validation_users_the_last_epoch_is_loaded(tmp_path):
    split = dataclasses.replace(checkerboard(), validation=None)
    run = mv.fit(jax.random.key(0), mv.mult_vae((), 2), split, epochs=2, batch_size=20)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run.save(tmp_path / "run")
    assert mv.load_run(tmp_path / "run").best_epoch == 2
    assert main(["evaluate", str(tmp_path / "run"), "--part", "validation"]) == 2


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("metrics.jsonl", "", r"metrics.jsonl: not the log of a run \(no epoch\)"),
        ("metrics.jsonl", "[1]\n", r"metrics.jsonl: not the log of a run"),
        ("metrics.jsonl", None, r"metrics.jsonl: No such file"),
        ("config.json", None, r"run: not a run, it has no config.json"),
    ],
)
def test_a_damaged_run_is_one_line(name, text, message, tmp_path):
    fit(mv.mult_vae((), 2)).save(tmp_path / "run")
    # Without checksums, as older versions wrote it.
    for file in ("manifest.json", name):
        (tmp_path / "run" / file).unlink()
    if text is not None:
        (tmp_path / "run" / name).write_text(text)
    with pytest.raises(mv.InputError, match=message):
        mv.load_run(tmp_path / "run")


def test_a_blend_is_loaded_as_it_was_saved(tmp_path):
    blended = mv.blend(fit(mv.mult_vae((), 2)), "edlae", constants={"weight": 0.3})
    blended.save(tmp_path / "run")
    loaded = mv.load_run(tmp_path / "run")
    assert loaded.constants == blended.constants
    assert loaded.constants["weight"] == 0.3
    assert_same(loaded.params, blended.params)
    history = [["i1", "i3", "i5"]]
    before, after = (mv.recommend(r.scorer, r.catalogue, history, k=5) for r in (blended, loaded))
    assert before == after
