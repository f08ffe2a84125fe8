"""Checks that the numbers of a training are finite, in an epoch and in an update."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from multvae_jax.batching import Batch, Histories, take
from multvae_jax.by_value import remembered
from multvae_jax.checks.signatures import checked
from multvae_jax.parallel.meshes import placed
from multvae_jax.parallel.partition import Partition
from multvae_jax.selection import SKIPPED
from multvae_jax.training.updates import PROGRAMS, STEP, TrainState, TrainStep, means


class Check(NamedTuple):
    """Result of the check that the numbers of an epoch are finite.

    Attributes:
        loss: whether the loss of each update is.
        params: whether the parameters after each update are, apart from large arrays.
        state: whether the parameters and the optimizer's arrays after the last update are.
    """

    loss: Bool[Array, " batches"]
    params: Bool[Array, " batches"]
    state: Bool[Array, ""]


CheckedEpoch = Callable[
    [TrainState, Histories, Array, int], tuple[TrainState, dict[str, Array], Check]
]
"""An `Epoch` that also returns a `Check`."""

LARGE = 2**20
"""Number of entries above which an array is checked only after the last update: reading the kernels
of a large catalogue once more takes a twentieth of an update."""


@checked(train_step=STEP)
def make_checked_epoch(train_step: TrainStep) -> CheckedEpoch:
    """Make an epoch that also checks whether its numbers are finite.

    In common networks, a number that is not finite in the gradient of a large kernel comes with one
    in the gradient of a bias, which is checked after each update.
    """

    def epoch(
        state: TrainState,
        histories: Histories,
        order: Int[Array, "batches users"],
        capacity: int,
    ) -> tuple[TrainState, dict[str, Array], Check]:
        def update(
            state: TrainState, users: Int[Array, " users"]
        ) -> tuple[TrainState, tuple[dict[str, Array], tuple[Array, Array]]]:
            state, terms = train_step(state, take(histories, users, capacity))
            return state, (terms, (all_finite(_loss(terms)), all_finite(state.params, LARGE)))

        state, (terms, finite) = jax.lax.scan(update, state, order)
        whole = all_finite((state.params, _arrays(state.opt_state)))
        return state, means(terms, order), Check(*finite, whole)

    return epoch


@remembered(most=PROGRAMS)
def compiled_epoch(
    train_step: TrainStep, skips: bool, sizes: tuple[Any, ...], partition: Partition
) -> Any:
    """The jitted `make_checked_epoch`; the same one for steps that are equal by value.

    Args:
        train_step: see `make_train_step`.
        skips: whether updates whose result is not finite are left out.
        sizes: what the shapes of its arguments depend on. A program of other sizes is another one,
            so that the number of programs that are kept is bounded.
        partition: the placement of the state on the devices.
    """
    del sizes
    epoch = make_checked_epoch(skip_nonfinite(train_step) if skips else train_step)
    return jax.jit(
        divided_epoch(epoch, partition), static_argnames="capacity", donate_argnames="state"
    )


def divided_epoch(epoch: CheckedEpoch, partition: Partition) -> CheckedEpoch:
    """The same epoch, of a state that is divided over several devices."""
    if partition.mesh is None:
        return epoch

    def divided(
        state: TrainState, histories: Histories, order: Array, capacity: int
    ) -> tuple[TrainState, dict[str, Array], Check]:
        state, terms, check = epoch(partition.plain(state), histories, order, capacity)
        # On every device, so that each of several processes can read them.
        return partition.placed(state), *placed(partition.mesh, (terms, check))

    return divided


@checked(train_step=STEP)
def skip_nonfinite(train_step: TrainStep) -> TrainStep:
    """The same step, except that an update is left out if its result is not finite.

    The parameters and the state of the optimizer stay as they are, the number of updates advances,
    and the term `skipped` is 1. Every array of the state is checked and copied, which takes time
    and memory.
    """

    def step(state: TrainState, batch: Batch) -> tuple[TrainState, dict[str, Array]]:
        new, terms = train_step(state, batch)
        finite = all_finite((_loss(terms), new.params, _arrays(new.opt_state)))
        params, opt_state = jax.tree.map(
            lambda after, before: jnp.where(finite, after, before),
            (new.params, new.opt_state),
            (state.params, state.opt_state),
        )
        terms = {
            name: jnp.where(finite, term, jnp.zeros_like(term)) for name, term in terms.items()
        }
        terms[SKIPPED] = 1 - finite.astype(jnp.int32)
        return dataclasses.replace(new, params=params, opt_state=opt_state), terms

    return step


def all_finite(tree: Any, largest: int | None = None) -> Bool[Array, ""]:
    """Return whether all floating-point numbers of a pytree are finite.

    Args:
        tree: the pytree.
        largest: number of entries above which an array is not checked.
    """
    leaves = (jnp.asarray(leaf) for leaf in jax.tree.leaves(tree))
    checks = [
        jnp.all(jnp.isfinite(leaf))
        for leaf in leaves
        if jnp.issubdtype(leaf.dtype, jnp.floating) and (largest is None or leaf.size <= largest)
    ]
    return jnp.all(jnp.stack(checks)) if checks else jnp.bool_(True)


def _loss(terms: dict[str, Array]) -> Array | dict[str, Array]:
    """The loss among the terms; all terms if none has that name."""
    return terms.get("loss", terms)


def _arrays(opt_state: Any) -> list[Array]:
    """The arrays of an optimizer's state; a scalar may be infinite, such as a best loss."""
    return [leaf for leaf in jax.tree.leaves(opt_state) if jnp.ndim(leaf) > 0]
