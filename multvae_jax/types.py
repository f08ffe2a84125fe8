"""Types shared by many modules, and the `init` of a part without parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jaxtyping import Array, PRNGKeyArray

from multvae_jax.batching import Batch

Params = Any
"""Nested dicts of arrays."""

Theta = Mapping[str, Any]
"""Constants and trained parameters of a likelihood or a prior, by name."""

Hyper = Mapping[str, Any]
"""Numbers that a compiled step takes as arguments, so that a new value does not recompile it:

`dropout` (rate from 0 to below 1), `weight_penalty` (lambda; without it the term is not computed),
`beta` (a schedule that is a pytree), and the constants of the `likelihood` and the `prior`.
"""

Scorer = Callable[[Batch], Array]
"""`batch -> users x items`, higher is better. A `jax.tree_util.Partial`, so that its arrays are
arguments of the program that calls it rather than constants in it."""


def no_parameters(key: PRNGKeyArray, n_items: int) -> dict[str, Any]:
    """The `init` of a part without parameters."""
    del key, n_items
    return {}
