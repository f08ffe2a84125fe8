"""Metrics of all lists together, as pure functions of how often each item is shown.

Every metric takes `counts`, in how many lists each item of the catalogue is, and further arrays by
name. A metric of your own is a function of the same form.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class CatalogueMetric:
    """A metric of all lists together.

    Attributes:
        function: `(counts, **about) -> value`.
        cutoff: length of the lists that are counted.
        about: the arrays that the function takes besides the counts, by name.

    Example:
        >>> float(CatalogueMetric(coverage, 10)(jnp.array([0, 3, 1, 0])))
        0.5
    """

    function: Callable[..., Array] = dataclasses.field(metadata={"static": True})
    cutoff: int = dataclasses.field(metadata={"static": True})
    about: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __call__(self, counts: Int[Array, " items"]) -> Float[Array, ""]:
        """Return the value."""
        return jnp.asarray(self.function(counts, **self.about), jnp.float32)


def coverage(counts: Int[Array, " items"]) -> Float[Array, ""]:
    """Share of the catalogue that is in at least one list."""
    return (counts > 0).astype(jnp.float32).mean()


FAMILIES: Mapping[str, Callable[..., Array]] = {"coverage": coverage}
"""The metrics of this module by the names that tables and options call them."""
