"""Checks of a model before it is trained: its fields, its functions, the memory that it needs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from multvae_jax.batching import Batch, empty_batch
from multvae_jax.checks.bounds import (
    NotNegative,
    Rate,
    check_function,
    check_mapping,
    check_number,
    map_arrays,
)
from multvae_jax.errors import InputError, failure_of
from multvae_jax.host.memory import available_memory
from multvae_jax.models import Model
from multvae_jax.models.parts import check_constants
from multvae_jax.objectives import checked_loss
from multvae_jax.types import Hyper, n_bytes

HYPER = {"dropout": Rate, "weight_penalty": NotNegative, "gamma": NotNegative}
"""Bounds of the numbers of a model, by name."""


def check_model(model: Model, n_items: int, user_features: Any = None) -> None:
    """Refuse a model that no training can start from.

    Args:
        model: the model.
        n_items: size of the catalogue.
        user_features: data about the training users, if there is any.

    Raises:
        InputError: saying what is wrong with the model, or that its parameters need more memory
            than there is.
    """
    _check_fields(model)
    _check_memory(model, n_items)
    _check_traced(model, n_items, user_features)


def _check_fields(model: Model) -> None:
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
    _check_hyper(model.hyper)


SOME_USERS = 7
"""Users of the batch that a model is tried with."""


def _check_traced(model: Model, n_items: int, user_features: Any = None) -> None:
    """Refuse a model whose functions fail, or return something other than they should.

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
        scores = jax.eval_shape(partial(trial_scores, model), batch)
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


def trial_scores(model: Model, batch: Batch) -> Any:
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


def _check_hyper(hyper: Hyper) -> None:
    """Refuse numbers of a model that are out of bounds."""
    for name, bounds in HYPER.items():
        if name in hyper:
            check_number(f"model.hyper['{name}']", hyper[name], bounds)


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
