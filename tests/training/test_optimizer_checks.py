"""Optimizers that do not descend with the gradient alone are refused."""

import optax
import pytest

from multvae_jax.training.optimizer_checks import check_optimizer, problem_of_optimizer
from tests.builders import refusal

pytestmark = pytest.mark.updates


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
