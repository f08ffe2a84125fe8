"""Arguments of `fit` and `sweep` that cannot be used, each refused in one sentence."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from multvae_jax.baselines import Baseline
from multvae_jax.batching import Batch, empty_batch
from multvae_jax.by_value import remembered
from multvae_jax.checks.bounds import (
    Count,
    NotNegative,
    Rate,
    Size,
    check_function,
    check_kind,
    check_mapping,
    check_number,
    check_text,
    map_arrays,
)
from multvae_jax.checks.signatures import cannot_take
from multvae_jax.data.types import Split
from multvae_jax.errors import InputError, failure_of, first_line, names_like
from multvae_jax.evaluation.evaluator import check_named_metrics
from multvae_jax.evaluation.traced_metrics import check_traced_metrics
from multvae_jax.host.memory import available_memory
from multvae_jax.keys import check_key
from multvae_jax.models import Model
from multvae_jax.models.parts import check_constants
from multvae_jax.objectives import checked_loss
from multvae_jax.schedules import constant
from multvae_jax.types import Hyper, n_bytes

NUMBERS = {
    "epochs": Count,
    "batch_size": Size | None,
    "validate_every": Count,
    "patience": Count | None,
    "stop_after": Count | None,
}


def check_training(
    model: Any,
    split: Any,
    *,
    keys: Mapping[str, Any],
    metrics: Mapping[str, Any],
    select_by: Any,
    **numbers: Any,
) -> None:
    """Refuse what no training can start from.

    Args:
        model: the model.
        split: the split.
        keys: root keys, by the name of their argument.
        metrics: validation metrics by name.
        select_by: one of them.
        **numbers: the arguments that `NUMBERS` names.

    Raises:
        InputError: naming the argument and what to give.
    """
    for name, key in keys.items():
        check_key(name, key)
    if isinstance(model, Baseline):
        raise InputError(
            f"model: {model.name} is a baseline, which has no epochs; use fit_baseline(...)"
        )
    check_kind("model", model, Model, "mult_vae()")
    check_kind("split", split, Split, "hold_out_users(data)")
    for name, number in numbers.items():
        check_number(name, number, NUMBERS[name])
    n_items = split.train.shape[1]
    check_metrics(metrics, select_by, n_items)
    _check_model(model)
    _check_memory(model, n_items)
    check_traced(model, n_items, split.user_features)


def _check_model(model: Model) -> None:
    """Refuse fields of a model that are not what they must be."""
    for name, of in (
        ("init", "key, n_items"),
        ("loss", "params, hyper, batch, key, step"),
        ("score", "params, batch"),
    ):
        check_function(f"model.{name}", getattr(model, name), f"a function of ({of})")
    if model.optimizer is not None:
        check_function("model.optimizer", model.optimizer, "a function of an optimizer")
    check_mapping("model.hyper", model.hyper, "numbers by name, such as {'dropout': 0.5}")
    for name, part in model.hyper.items():
        if isinstance(part, Mapping):
            check_constants(f"model.hyper['{name}']", part)
    check_hyper(model.hyper)


SOME_USERS = 7
"""Users of the batch that a model is tried with."""


def check_traced(model: Model, n_items: int, user_features: Any = None) -> None:
    """Refuse a model whose functions fail, or return something else than they should.

    They are called with shapes alone, so that nothing is compiled or computed.

    Args:
        model: the model.
        n_items: size of the catalogue.
        user_features: data about the training users, if there is any.

    Raises:
        InputError: saying what is returned and what is expected, or what has failed, and where.
    """

    def some_users() -> Batch:
        return dataclasses.replace(
            empty_batch(n_items),
            users=jnp.zeros(SOME_USERS, jnp.int32),
            per_user=None
            if user_features is None
            else map_arrays(lambda leaf: jnp.zeros((SOME_USERS, *leaf.shape[1:])), user_features),
        )

    batch = jax.eval_shape(some_users)
    try:
        scores = jax.eval_shape(partial(used, model), batch)
    except InputError:
        raise
    # Any exception of the user's functions is reported in one line.
    except Exception as error:
        raise InputError(failure_of("model", error)) from error
    if jnp.shape(scores) != (SOME_USERS, n_items):
        raise InputError(
            f"model: its scores, or the logits of its decoder, are of shape {jnp.shape(scores)} "
            f"for {SOME_USERS} users and {n_items:,} items, and must be users x items"
        )


def used(model: Model, batch: Batch) -> Any:
    """Call the functions of a model that receive a batch, and return the scores."""
    key = jax.random.key(0)
    params = model.init(key, batch.n_items)
    scores = model.score(params, batch)
    if not hasattr(scores, "shape"):
        raise InputError(
            f"model: its scores, or the logits of its decoder, are of type {type(scores).__name__},"
            " and must be an array, users x items"
        )
    if jnp.shape(scores) != (batch.users.shape[0], batch.n_items):
        return scores
    hyper: dict[str, Any] = jax.tree.map(jnp.float32, model.hyper)
    hyper["beta"] = lambda step: jnp.float32(0)
    checked_loss(model.loss)(params, hyper, batch, jax.random.clone(key), jnp.int32(0))
    return scores


def check_metrics(metrics: Any, select_by: Any, n_items: int) -> None:
    """Refuse what are not metrics by name, fail, or do not have the one that selects.

    Raises:
        InputError: naming the argument and what to give.
    """
    check_named_metrics(metrics)
    check_text("select_by", select_by, "the name of a metric")
    if select_by not in metrics:
        raise InputError(
            f"select_by: '{select_by}' is not a metric of this training"
            f"{names_like(str(select_by), metrics)}"
        )
    check_traced_metrics(metrics, n_items)


def check_callback(callback: Any, name: str = "callback") -> None:
    """Refuse a callback that is not a function of one argument."""
    if callback is not None:
        check_function(name, callback, "a function of one argument")
        if cannot_take(callback, 1):
            raise InputError(f"{name}: it must take one argument")


def check_functions(callback: Any, evaluated: Any, measure: Any) -> None:
    """Refuse arguments of a training that are not functions of what they are called with."""
    check_callback(callback)
    check_function("evaluated", evaluated, "a function of the training state")
    if cannot_take(evaluated, 1):
        raise InputError("evaluated: it must take one argument, the training state")
    if measure is not None:
        what = "a function of (params, gradient, updates)"
        check_function("measure", measure, what)
        if cannot_take(measure, 3):
            raise InputError(f"measure: it must be {what}")


def as_beta(beta: Any) -> optax.Schedule:
    """The schedule of beta; a number is its value in every update.

    Raises:
        InputError: if it is neither, or the schedule does not give a number.
    """
    is_number = isinstance(beta, int | float | np.number | jax.Array) and jnp.ndim(beta) == 0
    if is_number and jnp.issubdtype(jnp.result_type(beta), jnp.number):
        number = beta if isinstance(beta, int) else float(beta)
        check_number("beta", number, NotNegative)
        return constant(number)
    check_function("beta", beta, "a number, or a schedule: a function of the number of the update")
    try:
        step = jax.ShapeDtypeStruct((), jnp.int32)
        shape = jax.eval_shape(lambda step: jnp.asarray(beta(step)), step).shape
    except InputError:
        raise
    # Any exception of the caller's function is reported in one line.
    except Exception as error:
        raise InputError(f"beta: {first_line(error, with_type=True)}") from error
    if shape != ():
        raise InputError(f"beta: the schedule gives the shape {shape}, and not a number")
    schedule: optax.Schedule = beta
    return schedule


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


def _check_memory(model: Model, n_items: int) -> None:
    """Refuse a model whose training cannot fit, before anything is compiled."""
    key = jax.eval_shape(lambda: jax.random.key(0))
    try:
        size = n_bytes(jax.eval_shape(lambda key: model.init(key, n_items), key))
    # What else is wrong with the model is said when all of its functions are tried.
    except Exception:
        return
    statistics = jax.local_devices()[0].memory_stats() or {}
    limit = statistics.get("bytes_limit", available_memory())
    # The parameters, their gradient, and the two moments of Adam.
    if 4 * size > limit:
        raise InputError(
            f"the parameters take {size / 1e9:,.1f} GB and their training four times that, more "
            f"than the memory of {limit / 1e9:,.1f} GB; use fewer or narrower layers (hidden, "
            "latent)"
        )


# --- members of a sweep -------------------------------------------------------------------------

_HYPER = {"dropout": Rate, "weight_penalty": NotNegative, "gamma": NotNegative}


def check_hyper(hyper: Hyper) -> None:
    """Refuse numbers of a model that are out of bounds."""
    for name, bounds in _HYPER.items():
        if name in hyper:
            check_number(f"model.hyper['{name}']", hyper[name], bounds)


def check_member(hyper: Any, learning_rate: Any, model: Hyper) -> None:
    """Refuse numbers of a member that its model does not have, or that are out of bounds.

    Args:
        hyper: the replacements of the member.
        learning_rate: its learning rate.
        model: numbers of the model.

    Raises:
        InputError: naming the number, and the closest one that there is.
    """
    check_number("learning_rate", learning_rate, NotNegative | None)
    check_mapping("hyper", hyper, "numbers by name, such as {'dropout': 0.3}")
    for name, value in hyper.items():
        if name == "beta":
            raise InputError("hyper['beta']: give beta as an argument of its own, Member(beta=...)")
        known = {**model, "weight_penalty": None}
        if name not in known:
            raise InputError(f"hyper['{name}']: no such number{names_like(name, known)}")
        if isinstance(known[name], Mapping):
            _check_constants(name, value, known[name])
        else:
            check_number(f"hyper['{name}']", value, _HYPER.get(name, float))


def _check_constants(part: str, given: Any, known: Mapping[str, Any]) -> None:
    if not isinstance(given, Mapping):
        raise InputError(f"hyper['{part}']: give a dict of constants, such as {dict(known)}")
    for name, value in given.items():
        if name not in known:
            raise InputError(
                f"hyper['{part}']['{name}']: the {part} has no such constant"
                f"{names_like(name, known)}"
            )
        check_number(f"hyper['{part}']['{name}']", value, float)
