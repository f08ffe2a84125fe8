"""Indices out of bounds, such as those of an array with fewer rows than the catalogue has items.

NumPy raises an error for them; jax takes the last row in their place, without a warning.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np


def index_error(function: Callable[..., Any], *arguments: Any) -> str | None:
    """Return NumPy's message about an index that is out of bounds in a function; None if none is.

    Args:
        function: a function of the user's, which is called for its errors alone.
        *arguments: its arguments; arrays and shapes of jax become NumPy arrays of zeros, and all
            else stays.

    Example:
        >>> index_error(lambda rows: rows[np.int32(3)], jnp.ones(3))
        'index 3 is out of bounds for axis 0 with size 3'
    """
    plain = jax.tree.map(_zeros_like, arguments)
    try:
        # Traced, so that what jax computes of them costs nothing.
        jax.eval_shape(lambda: function(*plain))
    except IndexError as error:
        return str(error)
    # A function that needs arrays of jax fails here, and is not checked.
    except Exception:
        return None
    return None


def _zeros_like(leaf: Any) -> Any:
    if not isinstance(leaf, jax.Array | jax.ShapeDtypeStruct):
        return leaf
    return np.broadcast_to(np.zeros((), leaf.dtype), leaf.shape)
