"""Items that a likelihood draws instead of looking at all of them.

A likelihood with a `draw` sees the logits of its draws and of the user's own items alone, so that
no other column of the decoder is computed. `draws` makes the usual ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from multvae_jax.batching import Batch, sum_per_user
from multvae_jax.checks.bounds import Size, whole_number
from multvae_jax.checks.signatures import cannot_take
from multvae_jax.errors import InputError
from multvae_jax.keys import user_keys
from multvae_jax.types import Theta

Draw = Callable[[PRNGKeyArray, int, Theta], tuple[Array, Array]]
"""`(key, n_items, theta) -> (items, log_q)`: indices of the items that are drawn, and the logarithm
of the expected number of times that each of them is drawn, the number of draws times its
probability; two arrays of one length."""

DrawPer = Literal["user", "update"]

LogitsAt = Callable[..., Array]
"""`(items, rows) -> logits`: for `items` of `n x m`, those of the users in `rows`, of length n; for
`items` of length m without `rows`, those of every user."""

NOTHING = -1e30
"""Logarithm of a sum of nothing. It is finite, so that no gradient becomes NaN."""


class Drawn(NamedTuple):
    """The draws of one user, as a likelihood's `click` and `normalizer` receive them.

    Attributes:
        items: indices of the items; one may be drawn more than once.
        log_q: logarithm of the expected number of times that each item is drawn.
        f: logits of the items.
        own: whether the user has the item.
        own_logsumexp: log sum of exp(f_i) over the user's own items, which need not be drawn.
    """

    items: Int[Array, " draws"]
    log_q: Float[Array, " draws"]
    f: Float[Array, " draws"]
    own: Bool[Array, " draws"]
    own_logsumexp: Float[Array, ""]


def draws(number: int | float, weights: Any = None) -> Draw:
    """Draw items with replacement, uniformly or in proportion to weights.

    Args:
        number: number of draws.
        weights: one per item, such as its number of interactions or a power of it; items of weight
            0 are never drawn. None: all items alike.

    Raises:
        InputError: the number is not a positive whole number, or the weights are not numbers of
            which one is positive and none is negative.

    Example:
        >>> items, log_q = draws(3)(jax.random.key(0), 10, {})
        >>> items.shape, round(float(jnp.exp(log_q[0])), 2)
        ((3,), 0.3)
    """
    number = whole_number("number", number, Size)
    if weights is None:

        def uniform(key: PRNGKeyArray, n_items: int, theta: Theta) -> tuple[Array, Array]:
            del theta
            items = jax.random.randint(key, (number,), 0, n_items)
            return items, jnp.full(number, np.log(number / n_items), jnp.float32)

        return uniform

    try:
        weights = np.asarray(weights, np.float64)
        total = weights.sum() if weights.ndim == 1 else np.nan
    except (TypeError, ValueError):
        total = np.nan
    if not (np.isfinite(total) and total > 0 and weights.min() >= 0):
        raise InputError(
            "weights: must be one number per item, not negative, and with a positive sum"
        )
    ends = np.cumsum(weights / total).astype(np.float32)
    # From the last item with a weight on, so that rounding leaves nothing beyond it.
    ends[np.flatnonzero(weights)[-1] :] = 1.0
    shares = np.diff(ends, prepend=np.float32(0))
    with np.errstate(divide="ignore"):
        log_shares = np.maximum(np.log(shares), NOTHING).astype(np.float32)

    def weighted(key: PRNGKeyArray, n_items: int, theta: Theta) -> tuple[Array, Array]:
        del theta
        if n_items != len(ends):
            raise InputError(f"weights: {len(ends)} weights for {n_items} items")
        places = jax.random.uniform(key, (number,))
        items = jnp.searchsorted(jnp.asarray(ends), places, side="right").astype(jnp.int32)
        return items, np.float32(np.log(number)) + jnp.asarray(log_shares)[items]

    return weighted


def draw_for(
    draw: Draw,
    per: DrawPer,
    theta: Theta,
    logits_at: LogitsAt,
    at_clicks: Float[Array, "chunks width"],
    batch: Batch,
    key: PRNGKeyArray,
) -> tuple[Drawn, Drawn]:
    """Draw for every user of a batch, with a key for each or with one for all of them.

    Args:
        draw: the function that draws.
        per: whether each user has draws of its own, or all of an update share them.
        theta: constants and parameters, for `draw`.
        logits_at: logits of chosen items.
        at_clicks: logits of the interactions.
        batch: the users.
        key: key of the draws of this update.

    Returns:
        The draws of all users, and for each of their arrays the axis of the users, as for `vmap`.

    Raises:
        InputError: `draw` does not return two arrays of one length, the first of integers.
    """
    if cannot_take(draw, 3):
        raise InputError("draw: it must take (key, n_items, theta), and return (items, log_q)")
    if per == "update":
        items, log_q = _checked(draw(key, batch.n_items, theta))
        f, axis = logits_at(items), None
    else:
        keys = user_keys(key, batch.users)
        items, log_q = jax.vmap(lambda key: _checked(draw(key, batch.n_items, theta)))(keys)
        f, axis = logits_at(items, jnp.arange(len(items))), 0
    own, own_logsumexp = _own(batch, items), _own_logsumexp(batch, at_clicks)
    drawn = Drawn(items, log_q.astype(f.dtype), f, own, own_logsumexp)
    return drawn, Drawn(axis, axis, 0, 0, 0)  # type: ignore[arg-type]


def _checked(returned: Any) -> tuple[Array, Array]:
    if not (isinstance(returned, tuple) and len(returned) == 2):
        raise InputError("draw must return (items, log_q)")
    items, log_q = map(jnp.asarray, returned)
    is_whole = jnp.issubdtype(items.dtype, jnp.integer)
    if items.ndim != 1 or log_q.shape != items.shape or not is_whole:
        raise InputError(
            f"draw returns arrays of shape {items.shape} ({items.dtype}) and {log_q.shape}, but "
            "must return the indices of items, and log_q of the same length"
        )
    return items, log_q


def _own(batch: Batch, items: Array) -> Bool[Array, "users draws"]:
    """Return whether each user has an interaction with each of the items."""
    of_chunk = items[None] if items.ndim == 1 else items.at[batch.owner].get(mode="clip")
    same = (batch.items[:, :, None] == of_chunk[:, None, :]) & (batch.values != 0)[:, :, None]
    found = jax.ops.segment_max(
        same.any(axis=1).astype(jnp.int32),
        batch.owner,
        num_segments=batch.users.shape[0],
        indices_are_sorted=True,
    )
    return found > 0


def _own_logsumexp(batch: Batch, at_clicks: Float[Array, "chunks width"]) -> Float[Array, " users"]:
    """Log sum of exp(f_i) over the interactions of each user."""
    clicked = batch.values != 0
    largest = jax.ops.segment_max(
        jax.lax.stop_gradient(jnp.where(clicked, at_clicks, NOTHING).max(axis=1)),
        batch.owner,
        num_segments=batch.users.shape[0],
        indices_are_sorted=True,
    )
    largest = jnp.maximum(largest, NOTHING)
    shifted = jnp.where(clicked, at_clicks - largest.at[batch.owner].get(mode="clip")[:, None], 0.0)
    total = sum_per_user(batch, jnp.where(clicked, jnp.exp(shifted), 0.0))
    is_some = total > 0
    return jnp.where(is_some, largest + jnp.log(jnp.where(is_some, total, 1.0)), NOTHING)
