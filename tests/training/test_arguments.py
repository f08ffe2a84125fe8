"""Arguments that no training can use are refused in one sentence, before anything is compiled."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import multvae_jax as mv
from multvae_jax.likelihoods import gaussian, log_likelihood, multinomial, poisson
from multvae_jax.mlp import variational_mlp
from multvae_jax.objectives import checked_loss
from multvae_jax.priors import standard_normal
from multvae_jax.training.arguments import as_beta, check_training
from tests.builders import batch_of, checkerboard, refusal

MODEL = mv.mult_vae((4,), 2)


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
        ({"metrics": ["ndcg@100"]}, "metrics: give metrics by name, such as metrics.at_cutoffs"),
        ({"metrics": {}}, "metrics: give metrics by name, such as metrics.at_cutoffs([10])"),
        (
            {"metrics": {"ndcg@100": mv.metrics.ndcg}},
            "metrics['ndcg@100']: a function; use a metric, such as Metric(ndcg, 10)",
        ),
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
    assert refusal(mv.fit, jax.random.key(0), MODEL, split, beta="a").startswith("beta: 'a' is a ")
    assert refusal(mv.fit, jax.random.key(0), MODEL, split, callback=lambda: None) == (
        "callback: it must take one argument"
    )
    assert refusal(mv.fit, jax.random.key(0), MODEL, split, recipe=lambda data: 3).startswith(
        "recipe: its result: of type int; use a Recipe"
    )
    assert refusal(mv.fit, jax.random.key(0), MODEL, split, state=3).startswith("state: of type in")
    high = MODEL._replace(hyper={**MODEL.hyper, "dropout": 1.5})
    assert refusal(mv.fit, jax.random.key(0), high, split) == (
        "model.hyper['dropout']: expected `float` < 1.0"
    )
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
    assert message.endswith("use fewer or narrower layers (hidden, latent)")


@pytest.mark.parametrize("beta", [0.2, 1, np.float32(0.5), jnp.float32(0.1), lambda step: 0.3])
def test_a_number_or_a_function_is_a_schedule(beta):
    value = beta(3) if callable(beta) else float(beta)
    assert float(as_beta(beta)(jnp.int32(3))) == pytest.approx(value)


@pytest.mark.parametrize(
    ("beta", "message"),
    [
        (-0.5, "beta: expected `float` >= 0.0"),
        (float("nan"), "beta: expected `float` >= 0.0"),
        ("linear", "beta: 'linear' is a name; use a number, or a schedule"),
        (None, "beta: of type NoneType; use a number, or a schedule"),
        (mv.schedules.linear_annealing, "beta: TypeError: "),
        (lambda: 0.2, "beta: TypeError: "),
        (lambda step: jnp.ones(2), "beta: the schedule gives the shape (2,), and not a num"),
    ],
)
def test_what_is_not_a_schedule(beta, message):
    assert refusal(as_beta, beta).startswith(message)


def test_a_factory_stands_for_what_it_makes():
    model = inspect.unwrap(mv.mult_vae)((4,), 2, likelihood=poisson, prior=standard_normal)
    assert model.made_by["likelihood"].click is poisson().click
    assert set(inspect.unwrap(mv.mult_dae)((4,), 2, likelihood=gaussian).hyper["likelihood"]) == {
        "c1",
        "c0",
    }
    parts = (variational_mlp, multinomial, standard_normal)
    assert isinstance(inspect.unwrap(mv.vae)(*parts), mv.Model)
    parts = (variational_mlp(), mv.likelihoods.dense, standard_normal())
    assert refusal(mv.vae, *parts).startswith("likelihood: dense is a function; call it")


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        (lambda params, hyper, batch, key, step: (0.0, {}), "objective: it must be called with "),
        (lambda *parts: None, "objective: its result: of type NoneType; use a function of (par"),
    ],
)
def test_what_is_not_an_objective(objective, message):
    for factory in (mv.mult_vae, mv.mult_dae, mv.recvae):
        assert refusal(factory, objective=objective).startswith(message)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: gaussian(-1.0), "c1: expected `float` >= 0.0"),
        (lambda: gaussian(1.0, float("inf")), "c0: inf is not a finite number"),
        (lambda: mv.schedules.linear_annealing(0.2, 0), "updates: expected `float` > 0.0"),
        (
            lambda: inspect.unwrap(mv.schedules.linear_annealing)("a", 1),
            "cap: expected `float`, got `str`",
        ),
        (lambda: mv.schedules.constant(-1.0), "value: expected `float` >= 0.0"),
        (lambda: mv.schedules.cosine_decay(1e-3, 10, 1.5), "warmup: expected `float` <= 1.0"),
    ],
)
def test_numbers_of_likelihoods_and_schedules(make, message):
    assert refusal(make).startswith(message)


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
        (None, "poisson", standard_normal(), "likelihood: 'poisson' is a name; use a Likelihood"),
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
