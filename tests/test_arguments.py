"""Arguments that no training can use are refused in one sentence, before anything is compiled."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import multvae_jax as mv
from multvae_jax.arguments import (
    check_beta,
    check_member,
    check_optimizer,
    check_training,
    problem_of_optimizer,
)
from multvae_jax.errors import InputError
from multvae_jax.likelihoods import gaussian, log_likelihood, multinomial, poisson
from multvae_jax.mlp import variational_mlp
from multvae_jax.objectives import checked_loss
from multvae_jax.priors import standard_normal
from tests.builders import batch_of, checkerboard

MODEL = mv.mult_vae((4,), 2)
HYPER = mv.mult_vae((4,), 2, likelihood=gaussian()).hyper


def refusal(function, *arguments, **named) -> str:
    # Without the suite's own check of annotations, which users do not have.
    with pytest.raises(InputError) as caught:
        inspect.unwrap(function)(*arguments, **named)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture(scope="module")
def split():
    return checkerboard()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"keys": {"key": 42}}, "key: 42 is an integer; use jax.random.key(42)"),
        ({"keys": {"key": np.int64(3)}}, "key: 3 is an integer; use jax.random.key(3)"),
        ({"keys": {"key": "a"}}, "key: of type str; use jax.random.key(0)"),
        ({"keys": {"key": jnp.zeros(2)}}, "key: an array of float32 and shape (2,); use"),
        ({"model": mv.mult_vae}, "model: mult_vae is a function; call it; use a Model, such as "),
        ({"model": "mult-vae"}, "model: 'mult-vae' is a name; use a Model, such as mult_vae()"),
        ({"model": mv.baselines.EASE}, "model: ease is a baseline, which has no epochs; use fit_b"),
        ({"split": 3}, "split: of type int; use a Split, such as hold_out_users(data)"),
        ({"epochs": 0}, "epochs: expected `int` >= 1"),
        ({"epochs": 2.0}, "epochs: expected `int`, got `float`"),
        ({"batch_size": -1}, "batch_size: expected `int` >= 1"),
        ({"validate_every": 0}, "validate_every: expected `int` >= 1"),
        ({"patience": 0}, "patience: expected `int` >= 1"),
        ({"select_by": "ndcg"}, "select_by: 'ndcg' is not a metric of this training; did you mean"),
    ],
)
def test_a_training_that_cannot_start(changed, message, split):
    usual = {
        "model": MODEL,
        "split": split,
        "keys": {"key": jax.random.key(0)},
        "metrics": mv.metrics.PAPER_METRICS,
        "select_by": "ndcg@100",
        "epochs": np.int64(1),
        "batch_size": None,
        "validate_every": 1,
        "patience": None,
    }
    check_training(**usual)
    assert refusal(check_training, **{**usual, **changed}).startswith(message)


def test_fit_and_sweep_check_their_arguments(split):
    message = "epochs: expected `int` >= 1"
    assert refusal(mv.fit, jax.random.key(0), MODEL, split, epochs=0) == message
    assert refusal(mv.sweep, [mv.Member(jax.random.key(0))], MODEL, split, epochs=0) == message
    assert refusal(mv.fit, jax.random.key(0), MODEL, split, beta=0.2).startswith("beta: 0.2 is a ")
    assert refusal(mv.fit, jax.random.key(0), MODEL, split, optimizer="adam").startswith(
        "optimizer: 'adam' is a name; use a GradientTransformation, such as optax.adam(1e-3)"
    )
    assert refusal(mv.fit, jax.random.key(0), MODEL, split, on_nan="ignore").startswith(
        "on_nan: 'ignore' is not a choice. There are: stop, skip"
    )
    assert refusal(mv.fit, jax.random.key(0), MODEL, split, callback=3).startswith("callback: of ")
    member = mv.Member(jax.random.key(0))
    assert refusal(mv.sweep, member, MODEL, split).startswith("members: a single Member; give a l")
    assert refusal(mv.sweep, [3], MODEL, split).startswith("members[0]: of type int; use a Member")
    member = mv.Member(jax.random.key(0), hyper={"drop": 0.3})
    assert refusal(mv.sweep, [member], MODEL, split).startswith("hyper['drop']: no such number")


def test_a_model_larger_than_the_memory(split):
    wide = mv.mult_vae((10**9, 10**9), 10**9)
    message = refusal(mv.fit, jax.random.key(0), wide, split)
    # Two matrices of 10^18 weights on either side, and one more for log-variances.
    assert message.startswith("the parameters take 20,000,000,")
    assert "--hidden" in message


@pytest.mark.parametrize("beta", [0.2, 1, np.float32(0.5), jnp.float32(0.1), "linear", None])
def test_what_is_not_a_schedule(beta):
    assert refusal(check_beta, beta).startswith("beta: ")


@pytest.mark.updates
@pytest.mark.parametrize(
    "optimizer",
    [
        optax.adam(1e-3),
        optax.sgd(optax.warmup_cosine_decay_schedule(0.0, 1e-3, 100, 1000)),
        optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(1e-3)),
        optax.contrib.sam(optax.sgd(0.01), optax.sgd(0.05), sync_period=2),
        # For parameters of other names than the trial has.
        optax.multi_transform({"a": optax.sgd(1.0)}, {"network": "a"}),
        optax.set_to_zero(),
    ],
)
def test_optimizers_that_descend(optimizer):
    assert problem_of_optimizer(optimizer) is None


@pytest.mark.updates
@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        (optax.clip(1.0), "optimizer: its updates raise the loss"),
        (optax.scale_by_adam(), "optimizer: its updates raise the loss"),
        (optax.lbfgs(), "optimizer: needs more than the gradient: 'value', 'grad', and 'value_fn'"),
        (optax.adam, "optimizer: adam is a function; call it"),
    ],
)
def test_what_is_not_an_optimizer_of_a_gradient(optimizer, message):
    assert refusal(check_optimizer, optimizer).startswith(message)


@pytest.mark.parametrize(
    ("hyper", "message"),
    [
        ({"drop": 0.3}, "hyper['drop']: no such number; did you mean dropout?"),
        ({"dropout": 1.5}, "hyper['dropout']: expected `float` < 1.0"),
        ({"weight_penalty": -1.0}, "hyper['weight_penalty']: expected `float` >= 0.0"),
        ({"beta": 0.2}, "hyper['beta']: give beta as an argument of its own"),
        ({"likelihood": {"c2": 1.0}}, "hyper['likelihood']['c2']: the likelihood has no such con"),
        ({"likelihood": 1.0}, "hyper['likelihood']: give a dict of constants, such as {'c1': "),
        ({"likelihood": {"c1": "1"}}, "hyper['likelihood']['c1']: expected `float`, got `str`"),
    ],
)
def test_numbers_that_a_member_cannot_have(hyper, message):
    assert refusal(check_member, hyper, 1e-3, HYPER).startswith(message)


def test_numbers_that_a_member_can_have():
    check_member({"dropout": np.float32(0.2), "weight_penalty": 0}, 1e-3, HYPER)
    check_member({"likelihood": {"c1": jnp.float32(2)}}, np.float64(1e-3), HYPER)
    check_member({}, 0, HYPER)
    assert refusal(check_member, {}, -1.0, HYPER) == "learning_rate: expected `float` >= 0.0"


@pytest.mark.parametrize("factory", [mv.mult_vae, mv.mult_dae])
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"dropout": 1.5}, "dropout: expected `float` < 1.0"),
        ({"dropout": float("nan")}, "dropout: expected `float` >= 0.0"),
        ({"weight_penalty": -1e-3}, "weight_penalty: expected `float` >= 0.0"),
        ({"latent": 0}, "latent: expected `int` >= 1"),
        ({"hidden": (8, 0)}, "hidden: expected `int` >= 1"),
        ({"hidden": (1,) * 2_000}, "hidden: expected `array` of length <= 500"),
    ],
)
def test_a_model_of_numbers_out_of_bounds(factory, changed, message):
    assert refusal(factory, **changed).startswith(message)


@pytest.mark.parametrize("hidden", [60, (60,), [60], np.int64(60), np.array([60])])
def test_widths_in_any_form(hidden):
    assert inspect.unwrap(mv.mult_vae)(hidden, 5).made_by["hidden"] == (60,)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"hidden": "60"}, "hidden: expected `int`, got `str`"),
        ({"hidden": (6.5,)}, "hidden: expected `int`, got `float`"),
        ({"latent": 2.5}, "latent: expected `int`, got `float`"),
        ({"activation": "tanh"}, "activation: 'tanh' is a name; use a function such as jax.nn.tan"),
        ({"network": "mlp"}, "network: 'mlp' is a name; use a function such as variational_mlp"),
        ({"network": variational_mlp((3,), 2)}, "network: a Network of its own shape; use a func"),
        ({"objective": 3}, "objective: of type int; use a function such as negative_elbo"),
    ],
)
def test_functions_of_a_model_that_are_something_else(changed, message):
    assert refusal(mv.mult_vae, **changed).startswith(message)


def test_click_of_one_interaction_is_a_scalar():
    per_item = gaussian()._replace(click=lambda f, x, theta: f * theta["a"])
    batch, logits = batch_of(np.array([[1.0, 0.0, 1.0]])), jnp.zeros((1, 3))
    message = refusal(log_likelihood, per_item, {"a": jnp.ones(3)}, logits, batch)
    assert message.startswith("click returns an array of shape (3,) for one interaction instead")


@pytest.mark.parametrize(
    ("network", "likelihood", "prior", "message"),
    [
        (variational_mlp, multinomial(), standard_normal(), "network: variational_mlp is a "),
        (None, "poisson", standard_normal(), "likelihood: 'poisson' is a name; use a Likelihood"),
        (None, poisson, standard_normal(), "likelihood: poisson is a function; call it; use a "),
        (None, multinomial(), standard_normal, "prior: standard_normal is a function; call it"),
    ],
)
def test_parts_of_another_kind(network, likelihood, prior, message):
    network = network or variational_mlp((3,), 2)
    assert refusal(mv.vae, network, likelihood, prior).startswith(message)
    if "prior" not in message:
        assert refusal(mv.dae, network, likelihood).startswith(message)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (1.0, "the objective returns the loss alone or something else, but must return (loss, "),
        ((1.0, {"los": 1.0}), "the objective returns terms without 'loss'; add the loss to them; "),
        ((jnp.zeros(2), {"loss": 1.0}), "the objective returns a loss of shape (2,)"),
    ],
)
def test_an_objective_that_returns_something_else(result, message):
    assert refusal(checked_loss(lambda *_: result), None).startswith(message)


def test_a_constant_that_theta_does_not_have():
    batch, logits = batch_of(np.array([[1.0, 0.0, 1.0]])), jnp.zeros((1, 3))
    broken = gaussian()._replace(click=lambda f, x, theta: f * theta["pow"])
    message = "theta has no 'pow'; did you mean power? There are: power, c1"
    theta = {"c1": jnp.float32(1), "power": jnp.float32(2)}
    assert refusal(log_likelihood, broken, theta, logits, batch) == message
