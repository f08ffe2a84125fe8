"""Functions that make optimizers, given the length of a training and numbers to vary in a sweep."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike
from jaxtyping import Array

from multvae_jax import averages
from multvae_jax.checks.signatures import cannot_take, has_parameter, takes_positional
from multvae_jax.errors import InputError, first_line
from multvae_jax.lazy_adam import lazy_adam as lazy_adam
from multvae_jax.ops.rows import over_rows
from multvae_jax.schedules import OptimizerFactory, constant_rate, scheduled
from multvae_jax.types import Params

Optimizer: TypeAlias = "optax.GradientTransformation | OptimizerFactory"
"""An optimizer, or a function that makes it: of the learning rate, of `updates`, or of both."""


def takes_rate(factory: Callable[..., Any]) -> bool:
    """Return whether the first argument of an optimizer's factory is a learning rate."""
    named = {"updates": 1} if has_parameter(factory, "updates") else {}
    return takes_positional(factory, 1, **named)


def of_length(factory: OptimizerFactory, updates: int) -> OptimizerFactory:
    """A function of the learning rate alone, for a training of a number of updates.

    Args:
        factory: a function of the learning rate, of `updates`, or of both.
        updates: number of updates of the whole training.

    Example:
        >>> factory = of_length(lambda rate, updates: optax.sgd(rate / updates), 100)
        >>> optimizer = factory(1.0)
    """
    made = partial(factory, updates=updates) if has_parameter(factory, "updates") else factory
    if takes_rate(factory):
        return made

    def without_rate(learning_rate: ArrayLike, **constants: Any) -> optax.GradientTransformation:
        del learning_rate
        return made(**constants)

    return without_rate


MOMENTS = "mu_dtype"
"""The argument of optax's functions that sets the type of the first moments."""


def with_moments(factory: OptimizerFactory, dtype: str) -> OptimizerFactory:
    """The same function, for an optimizer whose first moments have another type.

    The second moments stay in float32: an update changes them by a thousandth, which is less than
    half the distance between two numbers of bfloat16, so that rounding would undo it.

    Args:
        factory: a function that makes an optimizer, with a parameter `mu_dtype`, as `optax.adam`.
        dtype: name of the type, such as "bfloat16".

    Raises:
        InputError: if the function has no such parameter.

    Example:
        >>> adam = with_moments(optax.adam, "bfloat16")
        >>> adam(1e-3).init(jnp.zeros(2))[0].mu.dtype
        dtype(bfloat16)
    """
    if not has_parameter(factory, MOMENTS):
        raise InputError(f"the optimizer has no argument {MOMENTS} for the type of its moments")
    return partial(factory, **{MOMENTS: dtype})


def build(optimizer: Optimizer, learning_rate: float, updates: int) -> optax.GradientTransformation:
    """The optimizer itself, or the one that a function makes.

    Args:
        optimizer: an optimizer, or a function that makes it.
        learning_rate: learning rate for a function that takes one.
        updates: number of updates of the whole training.

    Raises:
        InputError: if the function fails, or returns something else.
    """
    if isinstance(optimizer, optax.GradientTransformation) or not callable(optimizer):
        return optimizer
    name = getattr(optimizer, "__name__", type(optimizer).__name__)
    named = {"updates": updates} if has_parameter(optimizer, "updates") else {}
    if not takes_rate(optimizer) and cannot_take(partial(optimizer, **named), 0):
        raise InputError(
            f"optimizer: {name} must take the learning rate, and may have a parameter `updates`, "
            "the number of updates of the training"
        )
    try:
        made = of_length(optimizer, updates)(learning_rate)
    except InputError:
        raise
    # Any exception of the caller's function is reported in one line.
    except Exception as error:
        raise InputError(f"optimizer: {first_line(error, with_type=True)}") from error
    if isinstance(made, optax.GradientTransformation):
        return made
    got = "a function" if callable(made) else f"a value of type {type(made).__name__}"
    raise InputError(
        f"optimizer: {name} returns {got}; it must return a GradientTransformation, such as "
        "optax.adam(1e-3)"
    )


class NumbersState(NamedTuple):
    """State of an optimizer with its numbers.

    Attributes:
        numbers: the numbers by name.
        inner: state of the optimizer itself.
    """

    numbers: dict[str, Array]
    inner: Any


def with_numbers(
    factory: OptimizerFactory, learning_rate: ArrayLike, numbers: Mapping[str, ArrayLike]
) -> optax.GradientTransformationExtraArgs:
    """The optimizer with its numbers in its state, so that one program serves all their values.

    Args:
        factory: called with the learning rate and with the numbers by name.
        learning_rate: the learning rate.
        numbers: the other numbers.

    Example:
        >>> optimizer = mv.optimizers.with_numbers(optax.adam, 1e-3, {"b1": 0.9})
        >>> sorted(optimizer.init(jnp.zeros(3)).numbers)
        ['b1', 'learning_rate']
    """
    given = {"learning_rate": learning_rate, **numbers}

    def of(numbers: Mapping[str, Array]) -> optax.GradientTransformationExtraArgs:
        others = {name: number for name, number in numbers.items() if name != "learning_rate"}
        return optax.with_extra_args_support(factory(numbers["learning_rate"], **others))

    def init(params: Params) -> NumbersState:
        own = {name: jnp.asarray(number, jnp.float32) for name, number in given.items()}
        return NumbersState(own, of(own).init(params))

    def update(
        gradients: Params, state: NumbersState, params: Params | None = None, **extra: Any
    ) -> tuple[Params, NumbersState]:
        updates, inner = of(state.numbers).update(gradients, state.inner, params, **extra)
        return updates, NumbersState(state.numbers, inner)

    return optax.GradientTransformationExtraArgs(init, update)


def composed(
    factory: OptimizerFactory,
    updates: int,
    decay: Callable[..., Any] = constant_rate,
) -> OptimizerFactory:
    """Combine an optimizer with warm-up, clipping and averages, each used if its number is given.

    The result is a function of the learning rate and of numbers by name: `warmup`, the share of the
    updates over which the rate rises; `clip`, the norm to which a longer gradient is scaled down;
    `ema`, the decay of a moving average of the parameters; `swa`, the share of the updates after
    which the parameters are averaged; and arguments of the factory, such as `b1`. All may be
    traced.

    Args:
        factory: a function of the learning rate that makes an optimizer.
        updates: number of updates of the whole training.
        decay: schedule of the learning rate, one of `multvae_jax.schedules`.

    Example:
        The gradient is clipped, to another norm in each member of a sweep with this optimizer, and
        the learning rate falls:

        >>> optimizer = mv.optimizers.composed(optax.adam, 1_000, mv.schedules.cosine_decay)
        >>> members = [mv.Member(key, optimizer={"clip": norm}) for norm in (0.5, 1.0, 2.0)]
    """

    def make(
        learning_rate: ArrayLike,
        *,
        warmup: ArrayLike | None = None,
        clip: ArrayLike | None = None,
        ema: ArrayLike | None = None,
        swa: ArrayLike | None = None,
        **constants: ArrayLike,
    ) -> optax.GradientTransformation:
        of_rate = partial(factory, **constants) if constants else factory
        if decay is not constant_rate or warmup is not None:
            share = 0.0 if warmup is None else warmup
            of_rate = scheduled(of_rate, partial(decay, updates=updates, warmup=share))
        optimizer = of_rate(learning_rate)
        if clip is not None:
            optimizer = optax.chain(over_rows(optax.clip_by_global_norm(clip)), optimizer)
        if ema is not None:
            optimizer = averages.ema(optimizer, ema)
        if swa is not None:
            optimizer = averages.swa(optimizer, jnp.float32(swa) * updates)
        return optimizer

    return make


def can_be_traced(factory: OptimizerFactory, name: str, value: float) -> bool:
    """Return whether a number of a factory may be traced: no Python code of it needs the value."""
    params = {"w": jnp.zeros((2, 2))}

    def try_(number: Array) -> Any:
        optimizer = optax.with_extra_args_support(factory(1e-3, **{name: number}))
        return optimizer.update(params, optimizer.init(params), params)

    try:
        jax.eval_shape(try_, jnp.float32(value))
    # jax and optax raise exceptions of several types where Python needs the value.
    except Exception:
        return False
    return True
