"""Arrays with a row per item that are shorter than the catalogue, found by NumPy's rules.

jax takes the last row of an array for any row beyond it, and says nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np


def index_error(function: Callable[..., Any], *arguments: Any) -> str | None:
    """What NumPy says of an index that is out of bounds; None if it finds none.

    Args:
        function: a function of the user's, which is called in vain.
        *arguments: its arguments; arrays of jax and their shapes become arrays of NumPy with zeros,
            and all else stays.

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
    # Whatever needs an array of jax has failed, and has not been checked.
    except Exception:
        return None
    return None


def _zeros_like(leaf: Any) -> Any:
    if not isinstance(leaf, jax.Array | jax.ShapeDtypeStruct):
        return leaf
    return np.broadcast_to(np.zeros((), leaf.dtype), leaf.shape)
