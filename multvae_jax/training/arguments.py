"""Arguments of `fit` and `sweep` that cannot be used, each refused in one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from multvae_jax.baselines import Baseline
from multvae_jax.checks.bounds import (
    Count,
    NotNegative,
    Size,
    check_function,
    check_kind,
    check_number,
    check_text,
)
from multvae_jax.checks.signatures import cannot_take
from multvae_jax.data.types import Split
from multvae_jax.errors import InputError, first_line, names_like
from multvae_jax.evaluation.evaluator import check_named_metrics
from multvae_jax.evaluation.traced_metrics import check_traced_metrics
from multvae_jax.keys import check_key
from multvae_jax.models import Model
from multvae_jax.schedules import constant
from multvae_jax.training.model_checks import check_model

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
    check_model(model, n_items, split.user_features)


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
