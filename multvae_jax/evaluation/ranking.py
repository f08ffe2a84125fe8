"""Ranking the items for a batch of users, and the ranks of targets without sorting."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from multvae_jax.batching import Batch, sum_per_user
from multvae_jax.checks.bounds import Count, check_number
from multvae_jax.keys import check_key, user_keys
from multvae_jax.ops.top_k import top_k


def item_mask(batch: Batch) -> Bool[Array, "users items"]:
    """Return whether each user of the batch has each item."""
    # Padding points one past the catalogue, where the scatter drops it.
    items = jnp.where(batch.values != 0, batch.items, batch.n_items)
    nothing = jnp.zeros((batch.users.shape[0], batch.n_items), bool)
    return nothing.at[batch.owner[:, None], items].set(True, mode="drop")


def count_items(
    batch: Batch, among: Bool[Array, "users items"] | None = None
) -> Int[Array, " users"]:
    """Return how many items each user has, or how many among some of them.

    The sum of an `item_mask` is the same, and a pass over users x items.
    """
    counted = batch.values != 0
    if among is not None:
        counted &= among.at[batch.owner[:, None], batch.items].get(mode="clip")
    return sum_per_user(batch, counted.astype(jnp.float32)).astype(jnp.int32)


def rank(
    scores: Float[Array, "users items"], history: Batch, k: int
) -> tuple[Float[Array, "users k"], Int[Array, "users k"]]:
    """Return each user's k best items and their scores, best first.

    Among equal scores, the item with the lower number comes first. Items of the history come
    last, with the score -inf. A score that is NaN comes first.

    Args:
        scores: higher is better; -inf for items that are not candidates.
        history: interactions of the same users.
        k: at most the number of items.

    Returns:
        The scores and the numbers of the items.

    Example:
        >>> import scipy.sparse as sp
        >>> from multvae_jax.batching import take, to_device
        >>> history = take(to_device(sp.csr_array([[0.0, 1.0, 0.0]])), jnp.array([0]), 1)
        >>> rank(jnp.array([[0.1, 0.9, 0.5]]), history, 2)[1].tolist()
        [[2, 0]]
    """
    return top_k(unseen_scores(scores, history), k, history.mesh)


def unseen_scores(
    scores: Float[Array, "users items"], history: Batch
) -> Float[Array, "users items"]:
    """Return the scores with -inf for the items of the history."""
    # XLA orders -0 below 0, which would break a tie, and a NaN by its sign.
    scores = jnp.where(scores == 0.0, 0.0, jnp.where(jnp.isnan(scores), jnp.nan, scores))
    return jnp.where(item_mask(history), -jnp.inf, scores)


def scores_are_valid(
    best: Float[Array, "users k"], scores: Float[Array, "users items"], history: Batch
) -> Bool[Array, " users"]:
    """Return whether no score of each user is NaN, those of the history included.

    Args:
        best: the scores that `rank` returns, whose first is NaN if any item outside the history
            has one.
        scores: as in `rank`.
        history: as in `rank`.
    """
    known = scores.at[history.owner[:, None], history.items].get(mode="clip")
    is_nan = jnp.isnan(known) & (history.values != 0)
    return ~jnp.isnan(best[:, 0]) & (sum_per_user(history, is_nan.astype(jnp.float32)) == 0)


def is_among(items: Int[Array, "users k"], batch: Batch) -> Bool[Array, "users k"]:
    """Return whether each item is one of the user's items in the batch.

    A look into an `item_mask` gives the same, and a pass over users x items.
    """
    mine = items.at[batch.owner].get(mode="clip")
    is_same = (batch.items[:, :, None] == mine[:, None, :]) & (batch.values != 0)[:, :, None]
    return sum_per_user(batch, is_same.astype(jnp.float32)) > 0


def _order_preserving_bits(scores: Float[Array, "*any"]) -> Int[Array, "*any"]:
    """Map scores to integers in the same order; 0 and -0 map to the same integer."""
    integer = jnp.dtype(f"int{jnp.finfo(scores.dtype).bits}")
    bits = jax.lax.bitcast_convert_type(scores, integer)
    # The bits of negative floats, read as integers, increase as the floats decrease.
    return jnp.where(bits < 0, jnp.iinfo(integer).min - bits, bits)


Scores = Float[Array, "users items"]
Owner = Int[Array, " chunks"]
Items = Int[Array, "chunks width"]


def _count_before(
    scores: Scores, owner: Owner, items: Items
) -> tuple[Items, Bool[Array, " users"]]:
    """Count the user's items that come before each of the given items.

    These are the items with a higher score, and those with the same score and a lower number.
    Returns also whether any score of each user is NaN.
    """
    user_scores = scores.at[owner].get(mode="clip")[:, None]
    item_scores = scores.at[owner[:, None], items].get(mode="clip")[:, :, None]
    lower = jnp.arange(scores.shape[1])[None, None] < items[:, :, None]
    before = (user_scores > item_scores) | ((user_scores == item_scores) & lower)
    return before.sum(axis=2, dtype=jnp.int32), jnp.isnan(scores).any(axis=1)


BLOCK_WIDTH = 64
"""Number of items that each pass of `_count_before_in_blocks` compares with."""


def _count_before_in_blocks(
    scores: Scores, owner: Owner, items: Items
) -> tuple[Items, Bool[Array, " users"]]:
    """Return the same as `_count_before`, in a form that is fast on a CPU.

    There XLA compiles the sum over all items to a scalar loop, but a sum that is written out as
    additions to vector instructions over the given items.
    """
    n_users, n_items = scores.shape
    width = min(BLOCK_WIDTH, n_items)
    item_bits = _order_preserving_bits(scores.at[owner[:, None], items].get(mode="clip"))

    def count(n_before: Items, block: Scores, start: Array | int) -> Items:
        user_bits = (
            jax.lax.optimization_barrier(_order_preserving_bits(block)).at[owner].get(mode="clip")
        )
        user_bits = jax.lax.optimization_barrier(user_bits)
        # In a block of lower numbers, items with an equal score come before as well.
        bar = jnp.where(start + block.shape[1] <= items, item_bits - 1, item_bits)
        columns = jnp.split(user_bits, block.shape[1], axis=1)
        return reduce(jnp.add, ((one > bar).astype(jnp.int32) for one in columns), n_before)

    def add(i: Array, sums: tuple[Items, Array]) -> tuple[Items, Array]:
        n_before, is_nan = sums
        block = jax.lax.dynamic_slice_in_dim(scores, i * width, width, axis=1)
        return count(n_before, block, i * width), is_nan | jnp.isnan(block)

    zeros = jnp.zeros(items.shape, jnp.int32), jnp.zeros((n_users, width), bool)
    n_before, is_nan = jax.lax.fori_loop(0, n_items // width, add, zeros)
    counted = n_items - n_items % width
    rest = scores[:, counted:]
    if counted < n_items:
        n_before = count(n_before, rest, counted)

    # Still missing: equal scores with a lower number within an item's own block.
    within = (items - items % width)[:, :, None] + jnp.arange(width)[None, None]
    block = _order_preserving_bits(scores.at[owner[:, None, None], within].get(mode="clip"))
    lower = (block == item_bits[:, :, None]) & (within < items[:, :, None])
    return (
        n_before + lower.sum(axis=2, dtype=jnp.int32),
        is_nan.any(axis=1) | jnp.isnan(rest).any(axis=1),
    )


def _ranks_of_targets(scores: Scores, targets: Batch) -> tuple[Items, Bool[Array, " users"]]:
    """Return the rank of each target, from 0, and whether each user's scores are free of NaN.

    Nothing is sorted: a target's rank is the number of items that come before it.
    """
    if targets.mesh is not None:
        # The blocks of the other form would be gathered from all devices.
        n_before, has_nan = _count_before(scores, targets.owner, targets.items)
        return n_before, ~has_nan
    n_before, has_nan = jax.lax.platform_dependent(
        scores,
        targets.owner,
        targets.items,
        cpu=_count_before_in_blocks,
        default=_count_before,
    )
    return n_before, ~has_nan


def target_hits(
    scores: Float[Array, "users items"], history: Batch, targets: Batch, k: int
) -> tuple[Bool[Array, "users k"], Int[Array, " users"], Bool[Array, " users"]]:
    """Return whether the item at each of the first k ranks is a target, ranked as by `rank`.

    Args:
        scores: higher is better; finite, NaN, or -inf for items that are not candidates.
        history: interactions of the same users; these items come last.
        targets: items to be found, of the same users.
        k: at most the number of items.

    Returns:
        The hits, best rank first; each user's number of targets; and whether the user's scores
        are free of NaN. NaN scores get arbitrary ranks: discard the hits of those users.
    """
    known = history.owner[:, None], jnp.where(history.values != 0, history.items, scores.shape[1])
    # `min` and not `set`, so that a NaN in the history stays NaN.
    unseen = scores.at[known].min(-jnp.inf, mode="drop")
    ranks, are_valid = _ranks_of_targets(unseen, targets)
    # One past the last rank, where the scatter drops it.
    ranks = jnp.where(targets.values != 0, ranks, k)
    hits = jnp.zeros((scores.shape[0], k), bool)
    hits = hits.at[targets.owner[:, None], ranks].set(True, mode="drop")
    return hits, count_items(targets), are_valid


def mean_ranks(unseen: Float[Array, "users items"], targets: Batch) -> Float[Array, " users"]:
    """Return the mean rank of each user's targets, from 1, ranked as by `rank`.

    Args:
        unseen: the `unseen_scores`.
        targets: as in `target_hits`; a user without any gets NaN.
    """
    ranks, _ = _ranks_of_targets(unseen, targets)
    is_target = targets.values != 0
    sums = sum_per_user(targets, jnp.where(is_target, ranks + 1, 0).astype(jnp.float32))
    return sums / count_items(targets).astype(jnp.float32)


Candidates = Callable[[Array, Array, Array], Array]
"""`(users, history, targets) -> mask`: the items to rank for each user, besides the history.

`users` are rows of the held-out users; the other arrays are boolean, users x items. Like a
`Scorer`, it is a `jax.tree_util.Partial`, so that its arrays are arguments of the program.
"""


def _all_items(users: Array, history: Array, targets: Array) -> Array:
    del users, history
    return jnp.ones_like(targets)


all_items: Candidates = Partial(_all_items)
"""All items outside the user's history, as in the paper (section 4.2)."""


def _sampled_items(
    key: PRNGKeyArray, n: Array, users: Array, history: Array, targets: Array
) -> Array:
    draws = jax.vmap(lambda key: jax.random.uniform(key, history.shape[1:]))(user_keys(key, users))
    draws = jnp.where(history | targets, jnp.inf, draws)
    ranks = jnp.argsort(jnp.argsort(draws, axis=1), axis=1)
    return targets | ((ranks < n) & jnp.isfinite(draws))


def sampled_items(key: PRNGKeyArray, n: int = 100) -> Candidates:
    """Rank the targets among `n` random items that are in neither history nor targets.

    This is the protocol of He et al. (WWW 2017); use it only to compare with results that do.
    Suppose that a target has rank R among itself and N other items. If n of the N are drawn
    without replacement, the number of better items drawn is hypergeometric with mean
    (R - 1) n / N. A cutoff k among the candidates thus corresponds to about k N / n among all
    items, so a metric at k tells little about the top of the list (Krichene and Rendle, KDD
    2020).

    Args:
        key: random key. It is folded with the row of each user, so that the candidates depend
            neither on the recommender nor on the batches.
        n: number of items drawn per user; all items are candidates where fewer remain.

    Raises:
        InputError: the key is not a key, or the number is not a positive integer.

    Example:
        >>> candidates = sampled_items(jax.random.key(0), n=99)

        Pass them to `evaluate(scorer, users, candidates=candidates)`.
    """
    check_key("key", key)
    check_number("n", n, Count)
    return Partial(_sampled_items, key, jnp.int32(n))
