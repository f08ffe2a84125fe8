"""Held-out users on the device."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Int

from multvae_jax.batching import (
    Histories,
    capacity_of,
    sequential_order,
    to_device,
)
from multvae_jax.checks.bounds import Size, check_kind, check_number
from multvae_jax.data.types import HeldOut
from multvae_jax.errors import InputError
from multvae_jax.parallel.meshes import parts_of_users
from multvae_jax.parallel.partition import on_all_devices
from multvae_jax.sizes import room_for, rounded_up, with_margin, with_users


@dataclasses.dataclass(frozen=True)
class EvaluationSet:
    """Held-out users on the device, for repeated evaluation; made by `prepare_users`.

    Attributes:
        history: interactions that a recommender is shown, of the users with a target.
        targets: the interactions of the same users that are to be found.
        order: rows of the histories, batch by batch, -1 where padded.
        capacities: chunks in a batch of histories, and in a batch of targets.
        users_without_target: number of held-out users that were left out.
        user_ids: ids of the users. Compiled programs do without them, and without the number
            before.
    """

    history: Histories
    targets: Histories
    order: Int[Array, "batches users"]
    capacities: tuple[int, int]
    users_without_target: int = 0
    user_ids: np.ndarray | None = None


jax.tree_util.register_dataclass(
    EvaluationSet,
    data_fields=["history", "targets", "order"],
    meta_fields=["capacities"],
    drop_fields=["users_without_target", "user_ids"],
)


def prepare_users(
    held_out: HeldOut, batch_size: int = 500, mesh: Mesh | None = None
) -> EvaluationSet:
    """Put held-out users on the device, to evaluate them more than once.

    Args:
        held_out: the users; those with nothing held out are counted and left out.
        batch_size: number of users ranked at once; memory holds two `users x items` arrays of
            this many users.
        mesh: devices over which batches are divided; None for one.

    Raises:
        InputError: if no user has anything held out.

    Example:
        >>> users = mv.evaluation.prepare_users(split.test)
        >>> evaluation = mv.evaluate(run.scorer, users)
    """
    check_kind("held_out", held_out, HeldOut, "split.test")
    check_number("batch_size", batch_size, Size)
    has_target = np.asarray((held_out.targets != 0).sum(axis=1)).ravel() > 0
    if not has_target.any():
        raise InputError(f"none of the {has_target.size} held-out users has an item held out")
    active = held_out.rows(has_target)
    # All sizes are rounded up, so that similar users share a program.
    history = to_device(
        active.history,
        n_chunks=room_for(active.history),
        user_features=active.user_features,
        mesh=mesh,
    )
    targets = to_device(active.targets, n_chunks=room_for(active.targets), mesh=mesh)
    n_users = int(has_target.sum())
    size = min(batch_size, rounded_up(n_users))
    order = sequential_order(n_users, size + -size % parts_of_users(mesh))
    if history.dealt is not None:
        order = history.dealt.shares.dealt(order)
    capacities = (
        with_margin(capacity_of(history, order)),
        with_margin(capacity_of(targets, order)),
    )
    return EvaluationSet(
        history,
        targets,
        jax.device_put(order) if history.dealt is None else on_all_devices(mesh, order),
        capacities,
        users_without_target=int((~has_target).sum()),
        user_ids=np.asarray(active.user_ids),
    )


def padded(users: EvaluationSet) -> EvaluationSet:
    """The users, and as many without interactions as fill the last batch."""
    n_users = users.order.size
    history, targets = with_users(users.history, n_users), with_users(users.targets, n_users)
    return dataclasses.replace(users, history=history, targets=targets)
