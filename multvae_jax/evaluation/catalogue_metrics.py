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
    """Share of the catalogue that is in at least one list.

    As `CatalogCoverage` in RecTools. Elliot and WarpRec give the number of these items
    (`ItemCoverage`).

    Example:
        >>> float(coverage(jnp.array([0, 3, 1, 0])))
        0.5
    """
    return (counts > 0).astype(jnp.float32).mean()


def gini(counts: Int[Array, " items"]) -> Float[Array, ""]:
    """Gini index of how often the items are shown: 0 if all equally often, 1 if only one is.

    With p(1) <= ... <= p(n) the shares of all n items of the catalogue in what is shown,

        gini = sum over j of (2 j - n - 1) p(j) / (n - 1)

    as in Shani and Gunawardana (Recommender Systems Handbook, 2011) and in WarpRec. Elliot gives
    1 - gini, and RecBole divides by n. It is 0 if nothing is shown.

    Example:
        >>> float(gini(jnp.array([5, 5, 5, 5]))), float(gini(jnp.array([0, 0, 9, 0])))
        (0.0, 1.0)
    """
    n = counts.shape[0]
    weights = 2.0 * jnp.arange(1, n + 1, dtype=jnp.float32) - (n + 1.0)
    return (weights * _shares(jnp.sort(counts))).sum() / max(n - 1, 1)


def shannon_entropy(counts: Int[Array, " items"]) -> Float[Array, ""]:
    """Shannon entropy of what is shown, in bits; log2 of the catalogue's size if all equally often.

    With p(i) the share of item i in what is shown,

        entropy = -sum over items of p(i) log2(p(i))

    as in Elliot for lists of one length. WarpRec takes the natural logarithm, and so gives ln(2)
    times this value, and RecBole divides that by the number of items shown. It is 0 if nothing is
    shown.

    Example:
        >>> float(shannon_entropy(jnp.array([5, 5, 5, 5, 0])))
        2.0
    """
    shares = _shares(counts)
    return (shares * jnp.log2(1.0 / jnp.where(shares > 0, shares, 1.0))).sum()


def _shares(counts: Int[Array, " items"]) -> Float[Array, " items"]:
    return counts.astype(jnp.float32) / jnp.maximum(counts.sum(), 1).astype(jnp.float32)


FAMILIES: Mapping[str, Callable[..., Array]] = {
    "coverage": coverage,
    "gini": gini,
    "shannon_entropy": shannon_entropy,
}
"""The metrics of this module by the names that tables and options call them."""
