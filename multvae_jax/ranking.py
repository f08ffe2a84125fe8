"""Ranking the items of a batch of users, and finding targets in it without ranking them all."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from multvae_jax.batching import Batch, sum_per_user
from multvae_jax.objectives import user_keys


def mark(batch: Batch, n_items: int) -> Bool[Array, "users items"]:
    """Which items each user of the batch has."""
    # Padding points one past the catalogue, where the scatter drops it.
    items = jnp.where(batch.values != 0, batch.items, n_items)
    nothing = jnp.zeros((batch.users.shape[0], n_items), bool)
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
    unseen = jnp.where(mark(history, scores.shape[1]), -jnp.inf, scores)
    best, items = jax.lax.top_k(unseen, k)
    return best, items


BLOCK_WIDTH = 8
"""Items in a block of `find`, a power of 2: wider ones leave fewer maxima to choose from and more
candidates."""


def _folded(combine: Callable[[Array, Array], Array], values: Array) -> Array:
    """A last axis of n times `BLOCK_WIDTH` values, each n-th combined: n values.

    Halves are combined until n are left. XLA compiles that to vector instructions on a CPU, and a
    reduction over a short axis to a loop for each of them, which takes ten times as long.
    """
    width = values.shape[-1]
    n = width // BLOCK_WIDTH
    while width > n:
        width //= 2
        values = combine(values[..., :width], values[..., width:])
    return values


def find(
    scores: Float[Array, "users items"], history: Batch, targets: Batch, k: int
) -> tuple[Bool[Array, "users k"], Int[Array, " users"], Bool[Array, " users"]]:
    """Whether the item at each rank that `rank` would give is a target.

    Beside it: how many targets a user has, and whether all the user's scores are numbers. Those
    that are not rank somehow, too, and no figure may come of it.

    Nothing is sorted: a target's rank is the number of items that come before it. The best k
    items lie in the k blocks of neighbouring items that have the highest maxima, the block that
    is numbered first among equals: the maxima of k other blocks would all come before an item
    outside. So only those blocks are searched; with k or more items before it there, a target
    is not among the best k.

    Args:
        scores: higher is better; finite, or not a number, or -inf for what is not ranked.
        history: what the same users have, which comes last.
        targets: what is to be found.
        k: at most the number of items.
    """
    n_users, n_items = scores.shape
    known = history.owner[:, None], jnp.where(history.values != 0, history.items, n_items)
    seen = scores.at[known].get(mode="fill", fill_value=0.0)
    unseen = scores.at[known].set(-jnp.inf, mode="drop")

    n_blocks = -(-n_items // BLOCK_WIDTH)
    whole = ((0, 0), (0, n_blocks * BLOCK_WIDTH - n_items))
    blocks = jnp.pad(unseen, whole, constant_values=-jnp.inf).reshape(n_users, n_blocks, -1)
    maxima = _folded(jnp.maximum, blocks)[..., 0]
    # XLA orders -0 below 0, which would break a tie.
    _, best = jax.lax.top_k(jnp.where(maxima == 0.0, 0.0, maxima), min(k, n_blocks))
    within = jnp.arange(BLOCK_WIDTH)[None, None]
    candidates = (best[:, :, None] * BLOCK_WIDTH + within).reshape(n_users, -1)
    found = jnp.take_along_axis(unseen, candidates, axis=1, mode="fill", fill_value=-jnp.inf)

    # Each chunk of targets with its user's candidates, as arrays: a gather inside the comparison
    # would be done again for each target.
    candidates, found = jax.lax.optimization_barrier(
        (
            candidates.at[targets.owner].get(mode="clip")[:, None],
            found.at[targets.owner].get(mode="clip")[:, None],
        )
    )
    items = targets.items[:, :, None]
    wanted = unseen.at[targets.owner[:, None, None], items].get(mode="clip")
    before = (found > wanted) | ((found == wanted) & (candidates < items))
    n_before = _folded(jnp.add, before.astype(jnp.int32)).sum(axis=2)
    ranks = jnp.where(targets.values != 0, n_before, k)
    hits = jnp.zeros((n_users, k), bool)
    hits = hits.at[targets.owner[:, None], ranks].set(True, mode="drop")
    n_targets = sum_per_user(targets, (targets.values != 0).astype(jnp.float32))
    # A maximum is not a number where one of its items is not.
    strange = jnp.isnan(maxima).any(axis=1) | (
        sum_per_user(history, jnp.isnan(seen).astype(jnp.float32)) > 0
    )
    return hits, n_targets.astype(jnp.int32), ~strange


Candidates = Callable[[Array, Array, Array], Array]
"""`(users, known, wanted) -> users x items`: which items are ranked, of those a user does not
have. `known` and `wanted` are the history and the targets, users x items; a `Partial`, as a
`Scorer` is."""


def _every_item(users: Array, known: Array, wanted: Array) -> Array:
    del users, known
    return jnp.ones_like(wanted)


every_item: Candidates = Partial(_every_item)
"""All items that the user does not have: what the paper ranks."""


def _sampled(key: PRNGKeyArray, n: Array, users: Array, known: Array, wanted: Array) -> Array:
    drawn = jax.vmap(lambda key: jax.random.uniform(key, known.shape[1:]))(user_keys(key, users))
    drawn = jnp.where(known | wanted, jnp.inf, drawn)
    place = jnp.argsort(jnp.argsort(drawn, axis=1), axis=1)
    return wanted | ((place < n) & jnp.isfinite(drawn))


def sampled(key: PRNGKeyArray, n: int = 100) -> Candidates:
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
    return Partial(_sampled, key, jnp.int32(n))
