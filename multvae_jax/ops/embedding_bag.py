"""The product of a ragged batch and a matrix: an embedding bag with its own gradient.

`reference_embedding_bag` is the definition. `embedding_bag` computes the same in a form that each
backend compiles well: on an accelerator, XLA fuses a gather into a sum over it; on a CPU, only if
the sum is written out as additions. Scatter-add on a CPU is fastest with one row of updates at a
time.
"""

from __future__ import annotations

from functools import partial, reduce
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from multvae_jax.batching import Batch


def reference_embedding_bag(
    kernel: Float[Array, "items features"], batch: Batch
) -> Float[Array, "users features"]:
    """Sum x_i kernel_i over the interactions of each user.

    This is the definition of `embedding_bag`; it needs a `chunks x width x features` array.
    """
    return _gather(kernel, batch.items, batch.values, batch.owner, batch.users.shape[0])


def embedding_bag(
    kernel: Float[Array, "items features"], batch: Batch
) -> Float[Array, "users features"]:
    """Multiply the rows of a batch by a kernel: sum x_i kernel_i over each user's interactions.

    Values and gradients are those of `reference_embedding_bag`, without its temporary arrays.

    Example:
        >>> import scipy.sparse as sp
        >>> from multvae_jax.batching import take, to_device
        >>> batch = take(to_device(sp.csr_array([[0.0, 2.0, 1.0]])), jnp.array([0]), 1)
        >>> embedding_bag(jnp.array([[1.0], [10.0], [100.0]]), batch).tolist()
        [[120.0]]
    """
    return _embedding_bag(batch.users.shape[0], kernel, batch.items, batch.values, batch.owner)


Items = Int[Array, "chunks width"]
Values = Float[Array, "chunks width"]
Owner = Int[Array, " chunks"]
NumberOfUsers = Any
"""An int, or a dimension without a value in a program that `jax.export` writes."""


def _per_user(
    per_chunk: Float[Array, "chunks features"], owner: Owner, n_users: NumberOfUsers
) -> Float[Array, "users features"]:
    return jax.ops.segment_sum(per_chunk, owner, num_segments=n_users, indices_are_sorted=True)


def _gather(
    kernel: Float[Array, "items features"],
    items: Items,
    values: Values,
    owner: Owner,
    n_users: NumberOfUsers,
) -> Float[Array, "users features"]:
    return _per_user((kernel[items] * values[:, :, None]).sum(axis=1), owner, n_users)


def _gather_by_addition(
    kernel: Float[Array, "items features"],
    items: Items,
    values: Values,
    owner: Owner,
    n_users: NumberOfUsers,
) -> Float[Array, "users features"]:
    # Unrolled over the width, so that all gathers of a chunk are fused into one loop.
    terms = (kernel[items[:, j]] * values[:, j, None] for j in range(items.shape[1]))
    return _per_user(reduce(jnp.add, terms), owner, n_users)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _embedding_bag(
    n_users: NumberOfUsers, kernel: Array, items: Array, values: Array, owner: Array
) -> Array:
    return jax.lax.platform_dependent(
        kernel,
        items,
        values,
        owner,
        cpu=partial(_gather_by_addition, n_users=n_users),
        default=partial(_gather, n_users=n_users),
    )


def _scatter(
    gradient: Float[Array, "chunks features"], items: Items, values: Values, n_items: int
) -> Float[Array, "items features"]:
    nothing = jnp.zeros((n_items, gradient.shape[1]), gradient.dtype)
    return nothing.at[items].add(values[:, :, None] * gradient[:, None, :])


def _scatter_by_column(
    gradient: Float[Array, "chunks features"], items: Items, values: Values, n_items: int
) -> Float[Array, "items features"]:
    def add(j: Array, sums: Array) -> Array:
        return sums.at[items[:, j]].add(values[:, j, None] * gradient)

    nothing = jnp.zeros((n_items, gradient.shape[1]), gradient.dtype)
    return jax.lax.fori_loop(0, items.shape[1], add, nothing)


Saved = tuple[Array, Array, Array, Array]


def _forward(
    n_users: NumberOfUsers, kernel: Array, items: Array, values: Array, owner: Array
) -> tuple[Array, Saved]:
    return _embedding_bag(n_users, kernel, items, values, owner), (kernel, items, values, owner)


def _backward(
    n_users: NumberOfUsers, saved: Saved, gradient: Float[Array, "users features"]
) -> tuple[Array, np.ndarray, Array, np.ndarray]:
    kernel, items, values, owner = saved
    per_chunk = gradient.at[owner].get(mode="fill", fill_value=0)
    of_kernel = jax.lax.platform_dependent(
        per_chunk,
        items,
        values,
        cpu=partial(_scatter_by_column, n_items=kernel.shape[0]),
        default=partial(_scatter, n_items=kernel.shape[0]),
    )
    # Compiled away unless the gradient with respect to the values is used.
    of_values = (kernel[items] * per_chunk[:, None, :]).sum(axis=2)
    nothing = partial(np.zeros, dtype=jax.dtypes.float0)
    return of_kernel, nothing(items.shape), of_values, nothing(owner.shape)


_embedding_bag.defvjp(_forward, _backward)
