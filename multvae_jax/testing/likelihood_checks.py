"""Checks that only a likelihood needs: its draws, blocks of items, and whether log p is bounded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from multvae_jax.keys import CLICK, DRAW, NORMALIZER
from multvae_jax.likelihoods import Likelihood, log_likelihood
from multvae_jax.log_probability import (
    further_parameters,
    needs_key,
    normalizers_of,
    whole_normalizer,
)
from multvae_jax.ops.logsumexp import logsumexp
from multvae_jax.sampling import NOTHING, Drawn
from multvae_jax.testing.probes import (
    USERS,
    call,
    check_scalar,
    differ,
    jit,
    make_batch,
)

KEY = 4
"""Seed of the key of the update."""
FAR = 30.0
"""How far the logits are moved to see whether log p is bounded."""
TRIES = 2000
"""Draws by which the frequency of an item is compared with its log_q."""


def _further_arguments(
    likelihood: Likelihood, theta: Any, f: Array, row: np.ndarray, user: int
) -> dict[str, Any]:
    """The arguments that the functions of a likelihood may have beside the first three."""
    key, n_items = jax.random.key(KEY), len(f)
    named: dict[str, Any] = {"items": jnp.arange(n_items), "drawn": None, "logits": f}
    named["key"] = jax.random.fold_in(jax.random.fold_in(key, NORMALIZER), user)
    named["click_key"] = jax.random.fold_in(jax.random.fold_in(key, CLICK), user)
    if likelihood.draw is not None:
        of_draws = jax.random.fold_in(key, DRAW)
        if likelihood.draw_per == "user":
            of_draws = jax.random.fold_in(of_draws, user)
        items, log_q = call("draw", likelihood.draw, of_draws, n_items, theta)
        own = row != 0
        of_own = logsumexp(f[own.nonzero()[0]]) if own.any() else jnp.full((), NOTHING, f.dtype)
        log_q = jnp.asarray(log_q, f.dtype)
        named["drawn"] = Drawn(items, log_q, f[items], jnp.asarray(own)[items], of_own)
        named |= {"items": items, "logits": f[items]}
    return named


def _of_click(likelihood: Likelihood, named: dict[str, Any], item: int) -> dict[str, Any]:
    given = {"item": jnp.int32(item), "drawn": named["drawn"]}
    names = further_parameters(likelihood, "click")
    if "key" in names:
        given["key"] = jax.random.fold_in(named["click_key"], item)
    return {name: given[name] for name in names}


def _of_normalizer(likelihood: Likelihood, named: dict[str, Any]) -> dict[str, Any]:
    return {name: named[name] for name in further_parameters(likelihood, "normalizer")}


def log_p_of_user(
    likelihood: Likelihood, theta: Any, f: Array, row: np.ndarray, summary: Array, user: int
) -> Array:
    """Log p of one user, term by term."""
    named = _further_arguments(likelihood, theta, f, row, user)
    total = jnp.float32(0)
    for i in row.nonzero()[0]:
        further = _of_click(likelihood, named, int(i))
        total = total + likelihood.click(f[i], jnp.float32(row[i]), theta, **further)
    if likelihood.normalizer is None:
        return total
    normalizer, further = whole_normalizer(likelihood), _of_normalizer(likelihood, named)
    return total - normalizer(named["logits"], summary, theta, **further)


def check_parts(
    likelihood: Likelihood, theta: Any, f: Array, row: np.ndarray, summary: Array, value: float
) -> None:
    """Check that `click` and `normalizer` return scalars, and that their parameters are known."""
    named = call("click", _further_arguments, likelihood, theta, f, row, 0)

    def click(f: Array, x: Array, further: Any, theta: Any) -> Array:
        return likelihood.click(f, x, theta, **further)

    further = call("click", _of_click, likelihood, named, 0)
    check_scalar("click", click, (f[0], jnp.float32(value), further), theta)
    if likelihood.normalizer is None:
        return
    of_normalizer = whole_normalizer(likelihood)

    def normalizer(f: Array, summary: Array, further: Any, theta: Any) -> Array:
        return of_normalizer(f, summary, theta, **further)

    further = call("normalizer", _of_normalizer, likelihood, named)
    check_scalar("normalizer", normalizer, (named["logits"], summary, further), theta)


BLOCK = 3
"""Items in a block of `check_blocks`."""


def check_blocks(
    likelihood: Likelihood, theta: Any, logits: Array, summary: Array, largest_logit: float
) -> None:
    """Check that `merge` makes the normalizer of all items from those of blocks of them."""
    merge, n_items = likelihood.merge, logits.shape[1]
    draws = likelihood.draw is not None or "key" in further_parameters(likelihood, "normalizer")
    if merge is None or draws:
        return
    weights = jnp.asarray(np.random.default_rng(2).uniform(0.5, 1.5, len(logits)), logits.dtype)

    def merged(logits: Array) -> Array:
        parts = [
            normalizers_of(
                likelihood,
                theta,
                logits[:, start : start + BLOCK],
                summary,
                items=jnp.arange(start, min(start + BLOCK, n_items)),
                in_blocks=True,
            )
            for start in range(0, n_items, BLOCK)
        ]
        stacked = jax.tree.map(lambda *of_blocks: jnp.stack(of_blocks), *parts)
        return jax.vmap(merge, (1, 0, None))(stacked, summary, theta)

    def with_gradient(normalizers: Callable[..., Array]) -> Callable[..., Any]:
        def weighted(logits: Array) -> tuple[Array, Array]:
            values = normalizers(logits)
            return jnp.sum(values * weights), values

        return jit(jax.grad(weighted, has_aux=True))

    def of_all(logits: Array) -> Array:
        return normalizers_of(likelihood, theta, logits, summary)

    in_blocks, whole = with_gradient(merged), with_gradient(of_all)
    far = jnp.asarray(largest_logit * np.sign(logits), logits.dtype)
    for at in (logits, far):
        gradient, values = call("merge", in_blocks, at)
        slopes, expected = whole(at)
        if differ(values, expected, 1e-3):
            raise AssertionError(
                f"merge gives another normalizer of blocks of {BLOCK} items than of all "
                f"items{'' if at is logits else f' at logits of ±{largest_logit:g}'}"
            )
        if differ(gradient, slopes, 1e-3):
            raise AssertionError(
                f"the gradient through merge of blocks of {BLOCK} items is not that of all items"
            )


def check_draws(likelihood: Likelihood, theta: Any, n_items: int) -> None:
    """Check that draws are of the catalogue, are made of their key, and are as frequent as said."""
    draw = likelihood.draw
    if draw is None:
        return

    def of_key(key: Array) -> tuple[Array, Array]:
        return draw(key, n_items, theta)

    keys = jax.vmap(jax.random.key)(np.arange(TRIES))
    once, again = (call("draw", of_key, jax.random.key(0)) for _ in range(2))
    items, log_q = (np.asarray(leaf) for leaf in call("draw", jit(jax.vmap(of_key)), keys))
    if differ(once, (items[0], log_q[0])) or differ(again, once):
        raise AssertionError("draw returns different items for the same key")
    if items.min() < 0 or items.max() >= n_items:
        raise AssertionError(
            f"draw returns the item {items.max() if items.max() >= n_items else items.min()} of "
            f"{n_items} items"
        )
    is_exhaustive = all(set(row) == set(range(n_items)) for row in items[:10])
    if not is_exhaustive and (items == items[:1]).all():
        raise AssertionError("draw ignores its key: all keys give the same items")
    if not _uses_log_q(likelihood, theta, n_items):
        return
    for item in range(n_items):
        counts = (items == item).sum(axis=1)
        if not counts.any():
            continue
        said = np.exp(log_q[items == item])
        # A right log_q is refused once in 1e8 items.
        allowed = 6 * counts.std() / np.sqrt(TRIES) + 1e-3 * said.mean()
        if np.ptp(said) > 1e-3 * said.mean() or abs(counts.mean() - said.mean()) > allowed:
            raise AssertionError(
                f"draw returns the log_q {np.log(said.mean()):.3g} for item {item}, which is drawn "
                f"{counts.mean():.3g} times on average, so that it must be "
                f"{np.log(counts.mean()):.3g}"
            )


def _uses_log_q(likelihood: Likelihood, theta: Any, n_items: int) -> bool:
    """Return whether log p changes with log_q."""
    f, x = np.random.default_rng(5).normal(size=(2, len(USERS), n_items))
    batch, logits = make_batch((x > 0).astype(float)), jnp.asarray(f, jnp.float32)

    def at(shift: Array) -> Array:
        def shifted(key: Array, n_items: int, theta: Any) -> tuple[Array, Array]:
            items, log_q = likelihood.draw(key, n_items, theta)  # type: ignore[misc]
            return items, log_q + shift

        moved = likelihood._replace(draw=shifted)
        return log_likelihood(moved, theta, logits, batch, jax.random.key(KEY))

    compiled = jit(at)
    return differ(compiled(jnp.float32(0)), compiled(jnp.float32(1)))


def check_bounded(likelihood: Likelihood, theta: Any, logits: Array, x: np.ndarray) -> None:
    """Check that log p of clicks of value 1 is bounded as logits rise or fall together."""
    own = x != 0
    batch = make_batch(own.astype(np.float64))
    # By chance, the draws of a key may hold what those of another one lack.
    keys = jax.vmap(jax.random.key)(np.arange(16 if needs_key(likelihood) else 1))

    def of_keys(logits: Array) -> Array:
        def of_key(key: Array) -> Array:
            return log_likelihood(likelihood, theta, logits, batch, key)

        return jax.vmap(of_key)(keys)

    compiled = jit(of_keys)
    for which, moved in (
        ("all logits", np.ones(x.shape)),
        ("the logits of the interactions", own),
        ("the logits of the other items", ~own),
    ):
        for sign, word in ((1.0, "rise"), (-1.0, "fall")):
            near, far = (
                np.asarray(compiled(logits + jnp.asarray(sign * distance * moved, jnp.float32)))
                for distance in (FAR, 2 * FAR)
            )
            grows = far - near > 0.01 * FAR + 1e-4 * np.abs(far)
            for user, of_user in zip(USERS, grows.any(axis=0), strict=True):
                if of_user:
                    raise AssertionError(
                        f"log p of {user} grows without bound as {which} {word}, so that it cannot "
                        "be a log probability; are the sign and the scale of the normalizer right?"
                    )


def check_probabilities(likelihood: Likelihood, theta: Any, n_items: int) -> None:
    """Check that the probabilities of a softmax do not sum to more than one.

    A likelihood is a softmax if log p of one click at an item rises with the item's logit as the
    logit does, beside what is common to all items, and stays as it is when all logits move. One
    that draws is given every item, and then some items twice, which is to make no difference.
    """
    singles = make_batch(np.eye(n_items))
    draw = np.random.default_rng(6)
    f, moved = draw.normal(size=(2, n_items))

    def function(logits: Array) -> Array:
        key = jax.random.key(KEY)
        every = likelihood
        if likelihood.draw is not None:
            every = likelihood._replace(draw=lambda key, n, theta: (jnp.arange(n), jnp.zeros(n)))
        rows = jnp.broadcast_to(logits, (n_items, n_items))
        return log_likelihood(every, theta, rows, singles, key)

    compiled = jit(jax.vmap(function))
    three = jnp.asarray(np.stack([f, moved, f + 5.0]), jnp.float32)
    log_p, other, shifted = np.asarray(call("log p", compiled, three), np.float64)
    slopes = (log_p - other) - (f - moved)
    if np.ptp(slopes) > 1e-3 or np.abs(shifted - log_p).max() > 1e-3:
        return
    total = np.exp(log_p).sum()
    if total > 1.001:
        raise AssertionError(
            f"the probabilities of the items sum to {total:.4g} and not to 1; is the scale of the "
            "normalizer right?"
        )
    if likelihood.draw is None:
        return
    items = np.r_[np.arange(n_items), np.arange(0, n_items, 2)]
    log_q = np.log(np.bincount(items))[items]

    def uneven(key: Array, n: int, theta: Any) -> tuple[Array, Array]:
        return jnp.asarray(items), jnp.asarray(log_q, jnp.float32)

    rows = jnp.broadcast_to(three[0], (n_items, n_items))
    key, some_twice = jax.random.key(KEY), likelihood._replace(draw=uneven)
    twice = jit(lambda rows: log_likelihood(some_twice, theta, rows, singles, key))(rows)
    if differ(twice, log_p, 1e-3):
        raise AssertionError(
            "log p changes with how often items are drawn, though log_q says it; subtract log_q "
            "from the logits of the draws"
        )
