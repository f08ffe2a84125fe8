"""Functions of all items, computed and differentiated on one block of items at a time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from multvae_jax.parallel.meshes import padded_to

Function = Callable[[Array, Any, Any], Any]
"""`(start, columns, shared) -> outputs`, for the block of columns that begins at `start`."""


def blockwise(function: Function, size: int, columns: Any, shared: Any) -> Any:
    """Apply a function to every block of columns; stack the outputs along a new first axis.

    The backward pass computes each block again, so that no array as wide as the columns is kept.
    It writes the gradient of each array of columns in place, one block at a time.

    Args:
        function: function of one block; traced twice if the last block is narrower.
        size: number of columns in a block.
        columns: arrays with the same last axis, which is split into blocks.
        shared: pytree that is passed to every block as it is.

    Example:
        >>> def block_sum(start, columns, shared):
        ...     return shared * columns.sum()
        >>> blockwise(block_sum, 2, jnp.array([1.0, 2.0, 3.0]), 10.0).tolist()
        [30.0, 30.0]
    """
    leaves, structure = jax.tree.flatten(shared)
    leaves = [jnp.asarray(leaf) for leaf in leaves]
    has_gradient = [jnp.issubdtype(leaf.dtype, jnp.inexact) for leaf in leaves]

    def split(start: Array, columns: Any, numbers: list[Array], others: list[Array]) -> Any:
        kinds = {True: iter(numbers), False: iter(others)}
        return function(
            start, columns, jax.tree.unflatten(structure, [next(kinds[k]) for k in has_gradient])
        )

    size = min(size, jax.tree.leaves(columns)[0].shape[-1])
    numbers = [leaf for leaf, kind in zip(leaves, has_gradient, strict=True) if kind]
    others = [leaf for leaf, kind in zip(leaves, has_gradient, strict=True) if not kind]
    return _blockwise(split, size, columns, numbers, others)


def _blocks(size: int, columns: Any) -> tuple[int, int, int]:
    """Return the number of full blocks, and the start and size of the rest."""
    n_columns = jax.tree.leaves(columns)[0].shape[-1]
    full, rest = divmod(n_columns, size)
    return full, full * size, rest


def _slice(columns: Any, start: Array | int, size: int) -> Any:
    return jax.tree.map(
        lambda leaf: jax.lax.dynamic_slice_in_dim(leaf, start, size, axis=-1), columns
    )


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _blockwise(
    function: Callable[..., Any], size: int, columns: Any, numbers: list[Array], others: list[Array]
) -> Any:
    full, last, rest = _blocks(size, columns)

    def outputs(start: Array, size: int) -> Any:
        return function(start, _slice(columns, start, size), numbers, others)

    stacked = jax.lax.map(lambda start: outputs(start, size), size * jnp.arange(full))
    if not rest:
        return stacked
    return jax.tree.map(
        lambda leaf, other: jnp.concatenate([leaf, other[None]]),
        stacked,
        outputs(jnp.int32(last), rest),
    )


Saved = tuple[Any, list[Array], list[Array]]


def _forward(
    function: Callable[..., Any], size: int, columns: Any, numbers: list[Array], others: list[Array]
) -> tuple[Any, Saved]:
    return _blockwise(function, size, columns, numbers, others), (columns, numbers, others)


def _backward(
    function: Callable[..., Any], size: int, saved: Saved, of_outputs: Any
) -> tuple[Any, list[Array], list[np.ndarray]]:
    columns, numbers, others = saved
    full, last, rest = _blocks(size, columns)

    def add(block: Array | int, start: Array, size: int, sums: Any) -> Any:
        _, back = jax.vjp(
            lambda columns, numbers: function(start, columns, numbers, others),
            _slice(columns, start, size),
            numbers,
        )
        of_columns, of_numbers = back(jax.tree.map(lambda leaf: leaf[block], of_outputs))
        written = jax.tree.map(
            lambda whole, part: jax.lax.dynamic_update_slice_in_dim(whole, part, start, axis=-1),
            sums[0],
            of_columns,
        )
        return written, jax.tree.map(jnp.add, sums[1], of_numbers)

    sums = jax.tree.map(jnp.zeros_like, (columns, numbers))
    sums = jax.lax.fori_loop(0, full, lambda k, sums: add(k, size * k, size, sums), sums)
    if rest:
        sums = add(full, jnp.int32(last), rest, sums)
    return *sums, [np.zeros(leaf.shape, jax.dtypes.float0) for leaf in others]


_blockwise.defvjp(_forward, _backward)


def joined(columns: Any) -> Any:
    """Columns of several parts beside each other."""
    return jax.tree.map(lambda leaf: leaf.reshape(*leaf.shape[:-2], -1), columns)


def in_parts(columns: Any, n_parts: int) -> tuple[Any, Any, int]:
    """Divide the columns into parts of one width, of which the last may be incomplete.

    Args:
        columns: arrays whose last axis is the items.
        n_parts: number of parts, each of which is on other devices.

    Returns:
        The columns that every part has, `... x parts x columns`, or `... x columns` of a single
        part; those that only the last one lacks, `... x parts - 1 x columns`, or None; and the
        width of a whole part.
    """
    n_items = jax.tree.leaves(columns)[0].shape[-1]
    if n_parts == 1:
        return columns, None, n_items
    width = -(-n_items // n_parts)
    common = n_items - (n_parts - 1) * width
    divided = jax.tree.map(
        lambda leaf: padded_to(n_parts, leaf, -1).reshape(*leaf.shape[:-1], n_parts, width), columns
    )
    every = jax.tree.map(lambda leaf: leaf[..., :common], divided)
    if common == width:
        return every, None, width
    return every, jax.tree.map(lambda leaf: leaf[..., :-1, common:], divided), width
