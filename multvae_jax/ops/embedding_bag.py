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
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Float, Int

from multvae_jax.batching import Batch
from multvae_jax.checks.bounds import check_kind
from multvae_jax.ops.rows import Rows
from multvae_jax.parallel.meshes import (
    DATA,
    ITEMS,
    on_parts,
    padded_to,
    parts_of_items,
    parts_of_users,
)


def reference_embedding_bag(
    kernel: Float[Array, "items features"], batch: Batch
) -> Float[Array, "users features"]:
    """Sum x_i kernel_i over the interactions of each user.

    This is the definition of `embedding_bag`; it needs a `chunks x width x features` array.
    """
    return _gather(kernel, batch.items, batch.values, batch.owner, batch.users.shape[0])


def embedding_bag(
    kernel: Float[Array, "items features"] | Rows, batch: Batch
) -> Float[Array, "users features"]:
    """Multiply the rows of a batch by a kernel: sum x_i kernel_i over each user's interactions.

    Values and gradients are those of `reference_embedding_bag`, without its temporary arrays. For
    `Rows` of a kernel, the gradient has as many rows.

    Raises:
        InputError: the batch is not a `Batch`.

    Example:
        >>> import scipy.sparse as sp
        >>> from multvae_jax.batching import take, to_device
        >>> batch = take(to_device(sp.csr_array([[0.0, 2.0, 1.0]])), jnp.array([0]), 1)
        >>> embedding_bag(jnp.array([[1.0], [10.0], [100.0]]), batch).tolist()
        [[120.0]]
    """
    check_kind("batch", batch, Batch, "take(histories, users, capacity)")
    n_users = batch.users.shape[0]
    if isinstance(kernel, Rows):
        return _embedding_bag(n_users, None, kernel.values, *kernel.places(batch), batch.owner)
    return _embedding_bag(n_users, batch.mesh, kernel, batch.items, batch.values, batch.owner)


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


def _sums(
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


def _gradients(
    kernel: Array, items: Array, values: Array, owner: Array, gradient: Array
) -> tuple[Array, Array]:
    """The gradients of the sums with respect to the kernel and to the values."""
    per_chunk = gradient.at[owner].get(mode="fill", fill_value=0)
    of_kernel = jax.lax.platform_dependent(
        per_chunk,
        items,
        values,
        cpu=partial(_scatter_by_column, n_items=kernel.shape[0]),
        default=partial(_scatter, n_items=kernel.shape[0]),
    )
    # Compiled away unless the gradient with respect to the values is used.
    return of_kernel, (kernel[items] * per_chunk[:, None, :]).sum(axis=2)


# --- over several devices -------------------------------------------------------------------------

# Each device sums its own rows for its own users, and only the sums are communicated. XLA by itself
# would communicate every row that is gathered.


def _own(kernel: Array, items: Items, values: Values) -> tuple[Items, Values]:
    """Interactions with the items of this device, counted from its first; others have value 0."""
    places = items - jax.lax.axis_index(ITEMS) * kernel.shape[0]
    is_here = (places >= 0) & (places < kernel.shape[0])
    return jnp.where(is_here, places, 0), jnp.where(is_here, values, 0.0)


def _sums_on(
    mesh: Mesh, n_users: NumberOfUsers, kernel: Array, items: Array, values: Array, owner: Array
) -> Array:
    own_users = n_users // parts_of_users(mesh)

    def of_part(kernel: Array, items: Array, values: Array, owner: Array) -> Array:
        own_owner = owner - jax.lax.axis_index(DATA) * own_users
        sums = _sums(own_users, kernel, *_own(kernel, items, values), own_owner)
        return jax.lax.psum(sums, ITEMS)

    rows = padded_to(parts_of_items(mesh), kernel, axis=0)
    in_specs = P(ITEMS), P(DATA), P(DATA), P(DATA)
    of_parts = on_parts(of_part, mesh, in_specs, P(DATA))
    return of_parts(rows, items, values, owner)


def _gradients_on(
    mesh: Mesh, kernel: Array, items: Array, values: Array, owner: Array, gradient: Array
) -> tuple[Array, Array]:
    def of_part(
        kernel: Array, items: Array, values: Array, owner: Array, gradient: Array
    ) -> tuple[Array, Array]:
        own_items, own_values = _own(kernel, items, values)
        own_owner = owner - jax.lax.axis_index(DATA) * gradient.shape[0]
        of_kernel, of_values = _gradients(kernel, own_items, own_values, own_owner, gradient)
        is_here = own_values != 0
        return jax.lax.psum(of_kernel, DATA), jax.lax.psum(
            jnp.where(is_here, of_values, 0.0), ITEMS
        )

    rows = padded_to(parts_of_items(mesh), kernel, axis=0)
    in_specs = P(ITEMS), P(DATA), P(DATA), P(DATA), P(DATA)
    of_parts = on_parts(of_part, mesh, in_specs, (P(ITEMS), P(DATA)))
    of_kernel, of_values = of_parts(rows, items, values, owner, gradient)
    return of_kernel[: kernel.shape[0]], of_values


# --- the operation --------------------------------------------------------------------------------


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _embedding_bag(
    n_users: NumberOfUsers,
    mesh: Mesh | None,
    kernel: Array,
    items: Array,
    values: Array,
    owner: Array,
) -> Array:
    if mesh is None:
        return _sums(n_users, kernel, items, values, owner)
    return _sums_on(mesh, n_users, kernel, items, values, owner)


Saved = tuple[Array, Array, Array, Array]


def _forward(
    n_users: NumberOfUsers,
    mesh: Mesh | None,
    kernel: Array,
    items: Array,
    values: Array,
    owner: Array,
) -> tuple[Array, Saved]:
    saved = kernel, items, values, owner
    return _embedding_bag(n_users, mesh, *saved), saved


def _backward(
    n_users: NumberOfUsers,
    mesh: Mesh | None,
    saved: Saved,
    gradient: Float[Array, "users features"],
) -> tuple[Array, np.ndarray, Array, np.ndarray]:
    del n_users
    _, items, _, owner = saved
    gradients = _gradients if mesh is None else partial(_gradients_on, mesh)
    of_kernel, of_values = gradients(*saved, gradient)
    nothing = partial(np.zeros, dtype=jax.dtypes.float0)
    return of_kernel, nothing(items.shape), of_values, nothing(owner.shape)


_embedding_bag.defvjp(_forward, _backward)
