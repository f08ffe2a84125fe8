"""Schedules of beta and of the learning rate: functions from update to value, as in optax."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
import optax
from jax.tree_util import Partial
from jax.typing import ArrayLike
from jaxtyping import Array

from multvae_jax.checks.bounds import NotNegative, Positive, Weight, check_number


def _linear(cap: Array, updates: Array, step: ArrayLike) -> Array:
    return jnp.minimum(cap, cap * jnp.float32(step) / updates)


def linear_annealing(cap: float, updates: float) -> Partial:
    """Beta rises from 0 to `cap` over the first `updates` updates and stays there.

    The schedule is a pytree with the leaves `cap` and `updates`, so that a compiled step
    takes them as arguments and a sweep may vary them (section 2.2.2).

    Args:
        cap: the largest beta.
        updates: number of updates until the cap is reached, positive.

    Example:
        The paper's min(0.2, step / 200,000):

        >>> beta = linear_annealing(0.2, 0.2 * 200_000)
        >>> [round(float(beta(step)), 3) for step in (0, 20_000, 100_000)]
        [0.0, 0.1, 0.2]
    """
    check_number("cap", cap, NotNegative)
    check_number("updates", updates, Positive)
    return Partial(_linear, jnp.float32(cap), jnp.float32(updates))


def _constant(value: Array, step: ArrayLike) -> Array:
    del step
    return value


def constant(value: float) -> Partial:
    """Beta is `value` in every update; with 1 the objective is the ELBO itself.

    Example:
        >>> float(constant(1.0)(10_000))
        1.0
    """
    check_number("value", value, NotNegative)
    return Partial(_constant, jnp.float32(value))


# --- learning rates -----------------------------------------------------------------------------


def _warmed(rate: Array, warmup: Array, step: Array) -> Array:
    """The rate after its rise from 0 over the first `warmup` updates."""
    return rate * jnp.where(step < warmup, step / jnp.maximum(warmup, 1.0), 1.0)


def _done(updates: Array, warmup: Array, step: Array) -> Array:
    """The share of the updates after the rise that has been made."""
    return jnp.clip((step - warmup) / jnp.maximum(updates - warmup, 1.0), 0.0, 1.0)


def _constant_rate(rate: Array, updates: Array, warmup: Array, step: ArrayLike) -> Array:
    return _warmed(rate, warmup * updates, jnp.float32(step))


def _linear_decay(rate: Array, updates: Array, warmup: Array, step: ArrayLike) -> Array:
    rise, now = warmup * updates, jnp.float32(step)
    return _warmed(rate, rise, now) * (1.0 - _done(updates, rise, now))


def _cosine_decay(rate: Array, updates: Array, warmup: Array, step: ArrayLike) -> Array:
    rise, now = warmup * updates, jnp.float32(step)
    return _warmed(rate, rise, now) * (1.0 + jnp.cos(jnp.pi * _done(updates, rise, now))) / 2.0


def _step_decay(rate: Array, updates: Array, warmup: Array, step: ArrayLike) -> Array:
    now = jnp.float32(step)
    scale = jnp.where(now < 0.5 * updates, 1.0, jnp.where(now < 0.75 * updates, 0.1, 0.01))
    return _warmed(rate, warmup * updates, now) * scale


def _numbers(rate: ArrayLike, updates: float, warmup: ArrayLike) -> tuple[Array, Array, Array]:
    check_number("rate", rate, NotNegative)
    check_number("updates", updates, Positive)
    check_number("warmup", warmup, Weight)
    return jnp.float32(rate), jnp.float32(updates), jnp.float32(warmup)


def constant_rate(rate: ArrayLike, updates: float, warmup: ArrayLike = 0.0) -> Partial:
    """The learning rate is `rate` after its warm-up.

    Args:
        rate: the largest learning rate.
        updates: number of updates of the whole training: epochs times batches in an epoch.
        warmup: share of the updates over which the rate rises linearly from 0.

    Example:
        The rate rises over the first 100 of 1,000 updates:

        >>> round(float(constant_rate(1e-3, 1_000, warmup=0.1)(50)), 6)
        0.0005
    """
    return Partial(_constant_rate, *_numbers(rate, updates, warmup))


def linear_decay(rate: ArrayLike, updates: float, warmup: ArrayLike = 0.0) -> Partial:
    """The learning rate falls linearly from `rate`, after its warm-up, to 0 after the last update.

    The arguments are those of `constant_rate`.

    Example:
        >>> round(float(linear_decay(1e-3, 1_000)(250)), 6)
        0.00075
    """
    return Partial(_linear_decay, *_numbers(rate, updates, warmup))


def cosine_decay(rate: ArrayLike, updates: float, warmup: ArrayLike = 0.0) -> Partial:
    """The learning rate falls from `rate`, after its warm-up, to 0 along half a cosine.

    Like all schedules of this module it is a pytree, whose numbers are not constants of a
    compiled step. The arguments are those of `constant_rate`.

    Example:
        >>> rate = cosine_decay(3e-3, 1_000, warmup=0.1)
        >>> [round(float(rate(step)), 6) for step in (0, 50, 100, 550, 1_000)]
        [0.0, 0.0015, 0.003, 0.0015, 0.0]
        >>> optimizer = optax.adam(rate)  # mv.fit(..., optimizer=optimizer)
    """
    return Partial(_cosine_decay, *_numbers(rate, updates, warmup))


def step_decay(rate: ArrayLike, updates: float, warmup: ArrayLike = 0.0) -> Partial:
    """The learning rate is cut to a tenth at half of the updates, and again at three quarters.

    The arguments are those of `constant_rate`.

    Example:
        >>> [round(float(step_decay(1e-3, 100)(step)), 6) for step in (49, 50, 75)]
        [0.001, 0.0001, 1e-05]
    """
    return Partial(_step_decay, *_numbers(rate, updates, warmup))


OptimizerFactory = Callable[..., optax.GradientTransformation]
"""A function from a learning rate, its first argument, to an optimizer, such as `optax.adam`."""


def with_rate(
    factory: OptimizerFactory, rate: ArrayLike | optax.Schedule
) -> optax.GradientTransformation:
    """The optimizer with its learning rate, a number or a schedule, in its state.

    Also optimizers that take no schedule get one in this way. Nothing but the rate is traced.

    Example:
        >>> optimizer = with_rate(optax.rprop, cosine_decay(1e-3, 1_000))
    """

    def of_rate(learning_rate: ArrayLike) -> optax.GradientTransformation:
        return factory(learning_rate)

    return optax.inject_hyperparams(of_rate)(rate)


def scheduled(
    factory: OptimizerFactory, schedule: Callable[[ArrayLike], Partial]
) -> OptimizerFactory:
    """From the largest learning rate to the optimizer whose rate follows a schedule.

    Args:
        factory: from a learning rate to an optimizer.
        schedule: from the largest learning rate to the schedule.

    Example:
        >>> adam = scheduled(optax.adam, lambda rate: cosine_decay(rate, 1_000))
        >>> optimizer = adam(3e-3)
    """

    def optimizer(learning_rate: ArrayLike) -> optax.GradientTransformation:
        return with_rate(factory, schedule(learning_rate))

    return optimizer
