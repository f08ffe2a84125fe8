"""Checks of an optimizer before a training: that it descends with the gradient alone."""

from __future__ import annotations

import re
from typing import Any

import jax
import jax.numpy as jnp
import optax

from multvae_jax.by_value import remembered
from multvae_jax.checks.bounds import check_kind
from multvae_jax.checks.signatures import cannot_take
from multvae_jax.errors import InputError


def check_optimizer(optimizer: Any) -> None:
    """Refuse what is not an optimizer, or does not descend with the gradient alone."""
    check_kind("optimizer", optimizer, optax.GradientTransformation, "optax.adam(1e-3)")
    if problem := problem_of_optimizer(optimizer):
        raise InputError(f"optimizer: {problem}")


@remembered(most=64)
def problem_of_optimizer(optimizer: optax.GradientTransformation) -> str | None:
    """Return the fault of an optimizer, found by a few updates with the same gradient.

    An optimizer that expects parameters of certain names cannot be tried, and passes.
    """

    def update(state: Any, _: None) -> tuple[Any, None]:
        params, opt_state = state
        gradient = jax.tree.map(lambda leaf: jnp.full_like(leaf, 1e3), params)
        updates, opt_state = optimizer.update(gradient, opt_state, params)
        return (optax.apply_updates(params, updates), opt_state), None

    def moved() -> Any:
        params = {"w": jnp.zeros(2)}
        # An even number: some optimizers look ahead against the gradient in every other update.
        (end, _), _ = jax.lax.scan(update, (params, optimizer.init(params)), length=8)
        return sum(leaf.sum() for leaf in jax.tree.leaves(end))

    if cannot_take(optimizer.update, 3):
        return "its update must take (gradient, state, params)"
    try:
        distance = float(jax.jit(moved)())
    except Exception as error:
        needed = re.search(r"missing \d+ required keyword-only arguments?: (.*)", str(error))
        return needed and f"needs more than the gradient: {needed[1]}"
    if distance > 0:
        return "its updates raise the loss; end it with optax.scale(-1e-3) or the like"
    return None
