"""Averages of the parameters, which an optimizer keeps beside them, and which are evaluated.

`ema` and `swa` add an average to any optimizer. `fit` finds it in the state of the training, as
`evaluated` does, and validates, keeps and saves it instead of the parameters themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike
from jaxtyping import Array
from optax.contrib import ScheduleFreeState

from multvae_jax.checks.bounds import NotNegative, Rate, check_function, check_number
from multvae_jax.checks.signatures import checked
from multvae_jax.errors import InputError
from multvae_jax.types import Params

Evaluated = Callable[[Any], Params]
"""From a `TrainState` to the parameters that are evaluated, kept and saved."""


class AverageState(NamedTuple):
    """State of an optimizer that keeps an average of the parameters.

    Attributes:
        updates: number of updates so far.
        average: the average, of the shapes of the parameters.
        inner: state of the optimizer itself.
    """

    updates: Array
    average: Params
    inner: Any


_OPTIMIZER = (optax.GradientTransformation, "optax.adam(1e-3)")


@checked(optimizer=_OPTIMIZER, share=partial(check_function, what="a function of the update"))
def averaged(
    optimizer: optax.GradientTransformation, share: Callable[[Array], Array]
) -> optax.GradientTransformationExtraArgs:
    """The same optimizer, which also keeps an average of the parameters after each update.

    Args:
        optimizer: the optimizer; the parameters that it trains are the same as without an average.
        share: from the number of the update, from 1, to the share that its parameters have in the
            average; with 1 / n it is the mean of all.

    Example:
        >>> mean = mv.averages.averaged(optax.sgd(0.1), lambda number: 1 / number)  # of all updates
    """
    own = optax.with_extra_args_support(optimizer)

    def init(params: Params) -> AverageState:
        copied = jax.tree.map(jnp.copy, params)
        return AverageState(jnp.int32(0), copied, own.init(params))

    def update(
        gradients: Params, state: AverageState, params: Params | None = None, **extra: Any
    ) -> tuple[Params, AverageState]:
        assert params is not None
        updates, inner = own.update(gradients, state.inner, params, **extra)
        number = state.updates + 1
        newest = share(number.astype(jnp.float32))

        def mixed(average: Array, after: Array) -> Array:
            return (average + newest * (after - average)).astype(average.dtype)

        average = jax.tree.map(mixed, state.average, optax.apply_updates(params, updates))
        return updates, AverageState(number, average, inner)

    return optax.GradientTransformationExtraArgs(init, update)


@checked(optimizer=_OPTIMIZER)
def ema(
    optimizer: optax.GradientTransformation, decay: ArrayLike
) -> optax.GradientTransformationExtraArgs:
    """Keep an exponential moving average of the parameters.

    The parameters after an update that lies n updates back have a weight in proportion to
    decay^n. Those before the first update have none.

    Args:
        optimizer: any optax transformation.
        decay: from 0, the parameters themselves, to below 1, such as 0.999.

    Raises:
        InputError: if the decay is out of its bounds.

    Example:
        >>> optimizer = mv.averages.ema(optax.adam(1e-3), 0.99)  # mv.fit(..., optimizer=optimizer)
    """
    check_number("decay", decay, Rate)
    log_decay = jnp.log(jnp.float32(decay))

    # (1 - d) / (1 - d^n), exactly 1 in the first update.
    return averaged(optimizer, lambda n: jnp.expm1(log_decay) / jnp.expm1(n * log_decay))


@checked(optimizer=_OPTIMIZER)
def swa(
    optimizer: optax.GradientTransformation, start: ArrayLike
) -> optax.GradientTransformationExtraArgs:
    """Keep the mean of the parameters after all updates from a certain one on.

    This is the stochastic weight averaging of Izmailov et al. (UAI 2018), after every update.

    Args:
        optimizer: any optax transformation.
        start: number of updates that are left out, rounded down; until then, the parameters
            themselves are evaluated.

    Raises:
        InputError: if the number is negative.

    Example:
        The mean of the last quarter of all updates:

        >>> def optimizer(learning_rate, updates):
        ...     return mv.averages.swa(optax.adam(learning_rate), 0.75 * updates)
        >>> kept = optimizer(1e-3, updates=400)  # mv.fit(..., optimizer=optimizer)
    """
    check_number("start", start, NotNegative)
    left_out = jnp.floor(start)
    return averaged(optimizer, lambda n: 1.0 / jnp.maximum(n - left_out, 1.0))


def _of_average(params: Array, own: Array, state: AverageState) -> Array:
    del params, state
    return own


def _of_schedule_free(params: Array, own: Array, state: ScheduleFreeState) -> Array:
    # As in `optax.contrib.schedule_free_eval_params`.
    return (params - (1.0 - state.b1) * own) / state.b1


_KEPT: dict[type, tuple[str, Callable[[Array, Array, Any], Array]]] = {
    AverageState: ("average", _of_average),
    ScheduleFreeState: ("z", _of_schedule_free),
}
"""The states that keep other parameters: the field of these, and what is evaluated."""


def evaluated(state: Any) -> Params:
    """The parameters to evaluate: those of an average that the optimizer keeps, if it keeps one.

    Found are `ema`, `swa` and `optax.contrib.schedule_free`, also inside `optax.chain` and the
    like. Where only a part of the parameters is averaged, the others are those of the state.

    Args:
        state: a `TrainState`.

    Raises:
        InputError: if it has no parameters or no state of an optimizer.

    Example:
        >>> optimizer = mv.averages.ema(optax.adam(1e-3), 0.99)
        >>> beta = mv.schedules.constant(0.2)
        >>> state = mv.training.init_state(key, model, optimizer, split.train.shape[1], beta)
        >>> scorer = mv.models.scorer(model, mv.averages.evaluated(state))
    """
    if not hasattr(state, "params") or not hasattr(state, "opt_state"):
        raise InputError(f"state: of type {type(state).__name__}; use a TrainState, as run.state")
    kinds = tuple(_KEPT)
    nodes = jax.tree.leaves(state.opt_state, is_leaf=lambda node: isinstance(node, kinds))
    found = {
        path: (own, node)
        for node in nodes
        if isinstance(node, kinds)
        for path, own in jax.tree.leaves_with_path(getattr(node, _KEPT[type(node)][0]))
    }

    def of(path: Any, params: Array) -> Array:
        if path not in found:
            return params
        own, node = found[path]
        return _KEPT[type(node)][1](params, own, node)

    return jax.tree_util.tree_map_with_path(of, state.params) if found else state.params
