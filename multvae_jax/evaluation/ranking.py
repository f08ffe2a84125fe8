"""Ranking the items of a batch of users, and finding targets in it without ranking them all."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from multvae_jax.batching import Batch, sum_per_user
from multvae_jax.keys import user_keys


def item_mask(batch: Batch) -> Bool[Array, "users items"]:
    """Which items each user of the batch has."""
    # Padding points one past the catalogue, where the scatter drops it.
    items = jnp.where(batch.values != 0, batch.items, batch.n_items)
    nothing = jnp.zeros((batch.users.shape[0], batch.n_items), bool)
    return nothing.at[batch.owner[:, None], items].set(True, mode="drop")


def rank(
    scores: Float[Array, "users items"], history: Batch, k: int
) -> tuple[Float[Array, "users k"], Int[Array, "users k"]]:
    """Scores and items of each user's best k, best first; the history comes last, at -inf.

    Among equal scores the item that is numbered first comes first.

    Args:
        scores: higher is better; finite.
        history: the same users' interactions.
        k: at most the number of items.
    """
    # XLA orders -0 below 0, which would break a tie.
    scores = jnp.where(scores == 0.0, 0.0, scores)
    unseen = jnp.where(item_mask(history), -jnp.inf, scores)
    best, items = jax.lax.top_k(unseen, k)
    return best, items


def _order_preserving_bits(scores: Float[Array, "*any"]) -> Int[Array, "*any"]:
    """Integers in the order of the scores, with one for both zeros."""
    integer = jnp.dtype(f"int{jnp.finfo(scores.dtype).bits}")
    bits = jax.lax.bitcast_convert_type(scores, integer)
    # The bits of floats below zero, from that of -0 on, count upwards as the floats fall.
    return jnp.where(bits < 0, jnp.iinfo(integer).min - bits, bits)


Scores = Float[Array, "users items"]
Owner = Int[Array, " chunks"]
Items = Int[Array, "chunks width"]


def _count_before(
    scores: Scores, owner: Owner, items: Items
) -> tuple[Items, Bool[Array, " users"]]:
    """How many of a user's items come before each of the given ones.

    Those are the ones that score higher, and of those that score the same the ones that are
    numbered lower. Beside it: whether a score of the user is no number.
    """
    of_user = scores.at[owner].get(mode="clip")[:, None]
    own = scores.at[owner[:, None], items].get(mode="clip")[:, :, None]
    lower = jnp.arange(scores.shape[1])[None, None] < items[:, :, None]
    before = (of_user > own) | ((of_user == own) & lower)
    return before.sum(axis=2, dtype=jnp.int32), jnp.isnan(scores).any(axis=1)


BLOCK_WIDTH = 128
"""Items that each pass of `_count_before_in_blocks` compares with."""


def _count_before_in_blocks(
    scores: Scores, owner: Owner, items: Items
) -> tuple[Items, Bool[Array, " users"]]:
    """The same as `_count_before`.

    XLA on a CPU compiles the sum over the items to a loop of scalars, and a sum that is written
    out to vector instructions over the given items.
    """
    n_users, n_items = scores.shape
    width = min(BLOCK_WIDTH, n_items)
    own = _order_preserving_bits(scores.at[owner[:, None], items].get(mode="clip"))

    def count(n_before: Items, block: Scores, start: Array | int) -> Items:
        of_user = (
            jax.lax.optimization_barrier(_order_preserving_bits(block)).at[owner].get(mode="clip")
        )
        of_user = jax.lax.optimization_barrier(of_user)
        # In a block that is numbered lower, an item that scores the same comes before, too.
        bar = jnp.where(start + block.shape[1] <= items, own - 1, own)
        items_of_block = jnp.split(of_user, block.shape[1], axis=1)
        return reduce(jnp.add, ((one > bar).astype(jnp.int32) for one in items_of_block), n_before)

    def add(i: Array, found: tuple[Items, Array]) -> tuple[Items, Array]:
        n_before, strange = found
        block = jax.lax.dynamic_slice_in_dim(scores, i * width, width, axis=1)
        return count(n_before, block, i * width), strange | jnp.isnan(block)

    nothing = jnp.zeros(items.shape, jnp.int32), jnp.zeros((n_users, width), bool)
    n_before, strange = jax.lax.fori_loop(0, n_items // width, add, nothing)
    counted = n_items - n_items % width
    rest = scores[:, counted:]
    if counted < n_items:
        n_before = count(n_before, rest, counted)

    # What is left are those of an item's own block that score the same and are numbered lower.
    within = (items - items % width)[:, :, None] + jnp.arange(width)[None, None]
    block = _order_preserving_bits(scores.at[owner[:, None, None], within].get(mode="clip"))
    lower = (block == own[:, :, None]) & (within < items[:, :, None])
    return (
        n_before + lower.sum(axis=2, dtype=jnp.int32),
        strange.any(axis=1) | jnp.isnan(rest).any(axis=1),
    )


def target_hits(
    scores: Float[Array, "users items"], history: Batch, targets: Batch, k: int
) -> tuple[Bool[Array, "users k"], Int[Array, " users"], Bool[Array, " users"]]:
    """Whether the item at each rank that `rank` would give is a target.

    Beside it: how many targets a user has, and whether all the user's scores are numbers. Those
    that are not rank somehow, too, and no figure may come of it.

    Nothing is sorted: a target's rank is the number of items that come before it.

    Args:
        scores: higher is better; finite, or not a number, or -inf for what is not ranked.
        history: what the same users have, which comes last.
        targets: what is to be found.
        k: at most the number of items.
    """
    n_users, n_items = scores.shape
    known = history.owner[:, None], jnp.where(history.values != 0, history.items, n_items)
    n_before, strange = jax.lax.platform_dependent(
        # The smaller of the two is not a number where the score is none.
        scores.at[known].min(-jnp.inf, mode="drop"),
        targets.owner,
        targets.items,
        cpu=_count_before_in_blocks,
        default=_count_before,
    )
    # One past the last rank, where the scatter drops it.
    ranks = jnp.where(targets.values != 0, n_before, k)
    hits = jnp.zeros((n_users, k), bool)
    hits = hits.at[targets.owner[:, None], ranks].set(True, mode="drop")
    n_targets = sum_per_user(targets, (targets.values != 0).astype(jnp.float32))
    return hits, n_targets.astype(jnp.int32), ~strange


Candidates = Callable[[Array, Array, Array], Array]
"""`(users, known, wanted) -> users x items`: which items are ranked, of those a user does not
have. `known` and `wanted` are the history and the targets, users x items; a `Partial`, as a
`Scorer` is."""


def _all_items(users: Array, known: Array, wanted: Array) -> Array:
    del users, known
    return jnp.ones_like(wanted)


all_items: Candidates = Partial(_all_items)
"""All items that the user does not have: what the paper ranks."""


def _sampled_items(key: PRNGKeyArray, n: Array, users: Array, known: Array, wanted: Array) -> Array:
    drawn = jax.vmap(lambda key: jax.random.uniform(key, known.shape[1:]))(user_keys(key, users))
    drawn = jnp.where(known | wanted, jnp.inf, drawn)
    place = jnp.argsort(jnp.argsort(drawn, axis=1), axis=1)
    return wanted | ((place < n) & jnp.isfinite(drawn))


def sampled_items(key: PRNGKeyArray, n: int = 100) -> Candidates:
    """The targets, and `n` items drawn of those that are neither history nor target.

    The protocol of He et al. (WWW 2017), for comparison alone. A target that comes R-th among
    all N + 1 items comes, among n of the N others drawn without replacement, at one more than
    a hypergeometric number of the R - 1 better ones: (R - 1) n / N in the mean. A cut-off k
    among the candidates is therefore about k N / n among all items, and a metric at it says
    little of the top of the list (Krichene and Rendle, KDD 2020).

    Args:
        key: of the draws; it is folded with a user's row, so that all recommenders meet the
            same candidates, in whatever batches.
        n: items drawn a user; all there are where they are fewer.
    """
    return Partial(_sampled_items, key, jnp.int32(n))
