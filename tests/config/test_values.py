"""Values of a user's own file where a function that makes one is usual."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from multvae_jax.config.build_model import build_model
from multvae_jax.config.build_training import build_beta, build_optimizer, optimizer_factory
from multvae_jax.config.complete import complete
from multvae_jax.config.options import ModelOptions, TrainConfig, TrainingOptions
from multvae_jax.config.unions import AnnealShare, AnnealSteps
from multvae_jax.errors import InputError
from multvae_jax.schedules import constant
from tests.builders import batch_of

OWN = """
import jax.numpy as jnp
import optax
from multvae_jax import Likelihood, Prior, mult_dae, mult_vae
from multvae_jax.likelihoods import gaussian, multinomial
from multvae_jax.mlp import variational_mlp
from multvae_jax.objectives import negative_elbo
from multvae_jax.priors import standard_normal

def focal(): return gaussian(c1=3.0)
focal_value = focal()
def prior(): return standard_normal()._replace(constants={"weight": 2.0})
prior_value = prior()
def network(hidden, latent, activation): return variational_mlp((6,), 3)
network_value = variational_mlp((6,), 3)
def objective(network, likelihood, prior):
    def loss(params, hyper, batch, key, step):
        return jnp.float32(7), {"loss": jnp.float32(7)}
    return loss
objective_value = objective(None, None, None)
def model(): return mult_vae((6,), 3)
model_value = model()
def beta(cap, updates): return optax.linear_schedule(0.0, 0.2, 100)
beta_value = beta(1, 1)
def optimizer(learning_rate): return optax.sgd(learning_rate)
optimizer_value = optax.sgd(1e-3)
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "own.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)


def shapes_of(model):
    return jax.eval_shape(lambda key: model.init(key, 4), jax.random.key(0))


def loss_of(model):
    """The loss of some parameters on some users, from a fixed key."""
    params = jax.tree.map(lambda a: jnp.ones(a.shape) / 7, shapes_of(model))
    hyper = {**model.hyper, "beta": constant(0.1)}
    batch = batch_of(np.eye(3, 4))
    value, _ = jax.jit(model.loss)(params, hyper, batch, jax.random.key(1), jnp.int32(0))
    return float(value)


@pytest.mark.parametrize(
    "option", [{"likelihood": "own.py:focal"}, {"prior": "own.py:prior"}], ids=list
)
def test_a_likelihood_and_a_prior_may_be_values(own, option):
    ((name, function),) = option.items()
    small = {"hidden": (6,), "latent": 3}
    made = build_model(ModelOptions(**small, **option))
    given = build_model(ModelOptions(**small, **{name: f"{function}_value"}))
    usual = build_model(ModelOptions(**small))
    assert given.hyper == made.hyper
    assert given.hyper[name] != usual.hyper[name]
    assert loss_of(given) == loss_of(made)


def test_a_network_may_be_a_value(own):
    made, given = (
        build_model(ModelOptions(network=f"own.py:{name}")) for name in ("network", "network_value")
    )
    assert shapes_of(given) == shapes_of(made)
    assert shapes_of(given)["network"]["encoder"]["layers_0"]["kernel"].shape == (4, 6)
    assert loss_of(given) == loss_of(made)


def test_an_objective_may_be_the_loss_itself(own):
    for name in ("objective", "objective_value"):
        model = build_model(ModelOptions(objective=f"own.py:{name}", hidden=(6,), latent=3))
        assert loss_of(model) == 7.0


def test_a_model_may_be_a_value(own):
    made, given = (build_model(ModelOptions(f"own.py:{name}")) for name in ("model", "model_value"))
    assert shapes_of(given) == shapes_of(made)
    assert loss_of(given) == loss_of(made)


def test_beta_may_be_a_schedule(own):
    for name in ("beta", "beta_value"):
        beta = build_beta(TrainingOptions(beta=f"own.py:{name}"), n_users=50)
        assert [float(beta(step)) for step in (0, 50, 100)] == pytest.approx([0.0, 0.1, 0.2])


def test_an_optimizer_may_be_a_value(own):
    """A step of gradient descent with the rate 1e-3, or the one that the function receives."""

    def step(optimizer):
        params = jnp.float32(1.0)
        updates, _ = optimizer.update(jnp.float32(2.0), optimizer.init(params), params)
        return float(updates)

    made, given = (
        TrainingOptions(optimizer=f"own.py:{n}") for n in ("optimizer", "optimizer_value")
    )
    assert step(build_optimizer(made, 10)) == pytest.approx(-2e-3)
    assert step(build_optimizer(given, 10)) == pytest.approx(-2e-3)
    assert step(optimizer_factory(made, 10)(0.5)) == pytest.approx(-1.0)
    assert isinstance(build_optimizer(given, 10), optax.GradientTransformation)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"likelihood": "own.py:focal_value", "constants": {"c1": 2.0}},
            "--constants: --likelihood own.py:focal_value is a likelihood with constants of its "
            "own",
        ),
        (
            {"prior": "own.py:prior_value", "prior_constants": {"weight": 1.0}},
            "--prior-constants: --prior own.py:prior_value is a prior with constants of its own",
        ),
        (
            {"network": "own.py:network_value", "hidden": (5,)},
            "--hidden: --network own.py:network_value is a network of its own shape",
        ),
        (
            {"network": "own.py:network_value", "precision": "bfloat16"},
            "--precision: --network own.py:network_value is a network of its own shape",
        ),
        (
            {"network": "own.py:network_value", "latent": 5},
            "--latent: --network own.py:network_value is a network of its own shape",
        ),
        (
            {"objective": "own.py:objective_value", "item_block": 2},
            "--item-block: --objective own.py:objective_value is a loss that is computed in its "
            "own way",
        ),
        (
            {"model": "own.py:model_value", "dropout": 0.1},
            "--dropout: --model own.py:model_value is a model",
        ),
        (
            {"model": "own.py:model_value", "model_constants": {"a": 0.1}},
            "--model-constants: --model own.py:model_value is a model",
        ),
        ({"likelihood": "own.py:OWN"}, "there is no 'OWN' in own.py"),
        ({"likelihood": "own.py:optax"}, "is a module, not a Likelihood or a function"),
        ({"model": "own.py:prior_value"}, "is a Prior, not a Model or a function"),
        ({"network": "own.py:prior_value"}, "is a Prior, not a Network or a function"),
        ({"activation": "own.py:prior_value"}, "is not a function, but of type Prior"),
    ],
)
def test_an_option_that_a_value_cannot_take_is_one_line(own, options, message):
    with pytest.raises(InputError) as caught:
        build_model(ModelOptions(**options))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_length_of_z_may_be_set_for_the_prior_of_a_network_value(own, tmp_path):
    (tmp_path / "own.py").write_text(
        OWN + "def long(latent): return standard_normal()._replace(constants={'n': latent})\n"
    )
    options = ModelOptions(network="own.py:network_value", prior="own.py:long", latent=3)
    assert build_model(options).hyper["prior"] == {"n": 3}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beta": "own.py:beta_value", "beta_cap": 0.5}, "--beta-cap: --beta own.py:beta_value is"),
        (
            {"beta": "own.py:beta_value", "rise": AnnealShare(0.5)},
            "--anneal-share: --beta own.py:beta_value is a schedule with values of its own",
        ),
        (
            {"beta": "own.py:beta_value", "rise": AnnealSteps(5)},
            "--anneal-steps: --beta own.py:beta_value is a schedule with values of its own",
        ),
        (
            {"optimizer": "own.py:optimizer_value", "decay": "cosine"},
            "--decay: --optimizer own.py:optimizer_value is an optimizer with a rate of its own",
        ),
        (
            {"optimizer": "own.py:optimizer_value", "learning_rate": 0.1},
            "--learning-rate: --optimizer own.py:optimizer_value is an optimizer with a rate of "
            "its own",
        ),
    ],
)
def test_a_number_that_a_schedule_or_an_optimizer_cannot_take_is_one_line(own, options, message):
    training = TrainingOptions(**options)

    def build():
        complete(TrainConfig(training=training))
        build_beta(training, n_users=10)
        build_optimizer(training, 10)

    with pytest.raises(InputError) as caught:
        build()
    assert str(caught.value).startswith(message)
