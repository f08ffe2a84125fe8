"""The largest entries of rows that may be divided over several devices."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Float, Int

from multvae_jax.parallel.meshes import DATA, ITEMS, on_parts, padded_to, parts_of_items


def top_k(
    scores: Float[Array, "users items"], k: int, mesh: Mesh | None = None
) -> tuple[Float[Array, "users k"], Int[Array, "users k"]]:
    """Return each row's k largest entries in descending order, and their columns.

    Among equal entries, the one with the lower column comes first, as in `jax.lax.top_k`. On a
    mesh, each device finds the best of its own columns, and only these are compared.

    Args:
        scores: the entries.
        k: at most the number of items.
        mesh: the devices that the rows and columns are divided over; None for one.

    Example:
        >>> top_k(jnp.array([[0.1, 0.9, 0.5]]), 2)[1].tolist()
        [[1, 2]]
    """
    parts = parts_of_items(mesh)
    if mesh is None or parts == 1:
        best, items = jax.lax.top_k(scores, k)
        return best, items

    def of_part(scores: Array) -> tuple[Array, Array]:
        width = scores.shape[1]
        best, items = jax.lax.top_k(scores, min(k, width))
        items = items + jax.lax.axis_index(ITEMS) * width
        # In the order of the parts, so that among equal entries the lower column stays first.
        best = jax.lax.all_gather(best, ITEMS, axis=1, tiled=True)
        items = jax.lax.all_gather(items, ITEMS, axis=1, tiled=True)
        best, places = jax.lax.top_k(best, k)
        return best, jnp.take_along_axis(items, places, axis=1)

    columns = padded_to(parts, scores, axis=1, value=-jnp.inf)
    found: tuple[Array, Array] = on_parts(of_part, mesh, P(DATA, ITEMS), (P(DATA), P(DATA)))(
        columns
    )
    return found
