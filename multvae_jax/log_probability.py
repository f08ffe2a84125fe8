"""The form of a likelihood, and the log likelihood of a batch of users.

`multvae_jax.likelihoods` has the likelihoods of the paper, and offers what is defined here.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from multvae_jax.batching import Batch, sum_per_user, totals
from multvae_jax.checks.out_of_bounds import index_error
from multvae_jax.errors import InputError
from multvae_jax.keys import CLICK, DRAW, NORMALIZER, user_keys
from multvae_jax.sampling import Draw, Drawn, DrawPer, LogitsAt, draw_for
from multvae_jax.types import Theta, missing_named, no_parameters


class Likelihood(NamedTuple):
    """A likelihood, from pure functions of one click and of one user's logits.

    `click` and `normalizer` may have further parameters, which they receive by name: `item`, or
    `items` in the normalizer, the index of each logit among all items; `key`, for random numbers,
    of the user in `normalizer` and of the user and the item in `click`; and `drawn`, see `draw`.

    Attributes:
        click: `(f, x, theta) -> scalar`, the term of one interaction with value x and logit f.
        normalizer: `(f, summary, theta) -> scalar`, the term to subtract for a user, given the
            logits `f` of all items, or of those that are drawn; None: nothing is subtracted. With
            `merge`, it may return a tuple of scalars instead, from which `merge` makes the term.
        summary: `(batch) -> array` with one row per user, which the normalizer receives; by
            default the sum N of the user's interactions.
        constants: numbers that a sweep may vary; they are passed in `theta`.
        init: `(key, n_items) -> dict` of parameters to train; they are also passed in `theta`.
        merge: `(normalizers, summary, theta) -> scalar`, the term of all items from what
            `normalizer` returns for blocks of items, in arrays with an entry for each; None if the
            items cannot be split into blocks.
        draw: `(key, n_items, theta) -> (items, log_q)`, the items whose logits are computed beside
            those of the user's own, see `draws`; None: the logits of all items are computed.
        draw_per: whether each "user" has draws of its own, or all of an "update" share them, which
            is cheaper.
    """

    click: Callable[..., Array]
    normalizer: Callable[..., Any] | None
    summary: Callable[[Batch], Array] = totals
    constants: dict[str, Any] = {}  # noqa: RUF012 - a NamedTuple's default, never written to
    init: Callable[[PRNGKeyArray, int], dict[str, Any]] = no_parameters
    merge: Callable[[Any, Array, Theta], Array] | None = None
    draw: Draw | None = None
    draw_per: DrawPer = "user"


def log_likelihood(
    likelihood: Likelihood,
    theta: Theta,
    logits: Float[Array, "users items"],
    batch: Batch,
    key: PRNGKeyArray | None = None,
) -> Float[Array, " users"]:
    """The log likelihood of every user of a ragged batch; padding counts as having no clicks.

    Args:
        likelihood: the likelihood.
        theta: its constants and parameters.
        logits: logits of all items.
        batch: the users.
        key: key of the update, for a likelihood that draws; see `needs_key`.

    Raises:
        InputError: the likelihood needs a key and there is none.
    """
    if likelihood.draw is not None:

        def logits_at(items: Array, rows: Array | None = None) -> Array:
            if rows is None:
                return logits[:, items]
            return logits.at[rows[:, None], items].get(mode="clip")

        return log_likelihood_of_draws(likelihood, theta, logits_at, batch, _given(key))
    summary = likelihood.summary(batch)
    clicks = sum_of_clicks(likelihood, theta, logits, batch, key)
    keys = _keys_of_normalizers(key, batch)
    return clicks - normalizers_of(likelihood, theta, logits, summary, keys=keys)


def log_likelihood_of_draws(
    likelihood: Likelihood, theta: Theta, logits_at: LogitsAt, batch: Batch, key: PRNGKeyArray
) -> Float[Array, " users"]:
    """The log likelihood of every user of a ragged batch, by a likelihood that draws.

    Arguments are as in `log_likelihood`, except that `logits_at` computes chosen logits.
    """
    assert likelihood.draw is not None
    at_clicks = logits_at(batch.items, batch.owner)
    of_draws = jax.random.fold_in(key, DRAW)
    with missing_named(theta):
        drawn = draw_for(
            likelihood.draw, likelihood.draw_per, theta, logits_at, at_clicks, batch, of_draws
        )
    clicks = click_sums(likelihood, theta, at_clicks, batch, key, drawn)
    values, _ = drawn
    normalizers = normalizers_of(
        likelihood,
        theta,
        values.f,
        likelihood.summary(batch),
        items=values.items,
        keys=_keys_of_normalizers(key, batch),
        drawn=drawn,
    )
    return clicks - normalizers


# --- the parameters that a click or a normalizer may have beside the first three ------------------

FURTHER = {"click": ("item", "key", "drawn"), "normalizer": ("items", "key", "drawn")}


def needs_key(likelihood: Likelihood) -> bool:
    """Return whether a likelihood draws random numbers.

    Raises:
        InputError: a function has a parameter that it cannot be given.
    """
    named = [further_parameters(likelihood, role) for role in FURTHER]
    return likelihood.draw is not None or any("key" in names for names in named)


def further_parameters(likelihood: Likelihood, role: str) -> tuple[str, ...]:
    """The parameters, beside the first three, that the click or the normalizer is given by name.

    Raises:
        InputError: it has others, or asks for draws that nothing makes.
    """
    known, names = FURTHER[role], []
    for one in parameters_of(getattr(likelihood, role))[3:]:
        if one.name in known:
            names.append(one.name)
        elif one.default is one.empty:
            raise InputError(
                f"{role} has the parameter '{one.name}'; after the first three, it may have "
                f"{', '.join(known[:-1])} and {known[-1]}"
            )
    if "drawn" in names and likelihood.draw is None:
        raise InputError(
            f"{role} has the parameter 'drawn', but the likelihood has no draw; give "
            "Likelihood(..., draw=multvae_jax.likelihoods.draws(100))"
        )
    return tuple(names)


def parameters_of(function: Any) -> list[inspect.Parameter]:
    """Parameters of a function, in their order; none if it has no signature."""
    try:
        parameters = inspect.signature(function).parameters.values()
    # `None` and functions in C have no signature.
    except (TypeError, ValueError):
        return []
    # `*args` and `**kwargs` name no single argument.
    return [one for one in parameters if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]


def _given(key: Any) -> Any:
    if key is None:
        raise InputError(
            "the likelihood draws, and is given no key; use log_likelihood(..., key), or "
            "objectives.make_log_p in an objective of your own"
        )
    return key


def _keys_of_normalizers(key: PRNGKeyArray | None, batch: Batch) -> Array | None:
    return None if key is None else user_keys(jax.random.fold_in(key, NORMALIZER), batch.users)


# --- the two parts of log p -----------------------------------------------------------------------


def sum_of_clicks(
    likelihood: Likelihood,
    theta: Theta,
    logits: Float[Array, "users items"],
    batch: Batch,
    key: PRNGKeyArray | None = None,
) -> Float[Array, " users"]:
    """Sum of the click terms of each user, whose logits are among those of all items."""
    at_clicks = logits.at[batch.owner[:, None], batch.items].get(mode="clip")
    return click_sums(likelihood, theta, at_clicks, batch, key)


def click_sums(
    likelihood: Likelihood,
    theta: Theta,
    at_clicks: Float[Array, "chunks width"],
    batch: Batch,
    key: PRNGKeyArray | None = None,
    drawn: tuple[Drawn, Drawn] | None = None,
) -> Float[Array, " users"]:
    """Sum of the click terms of each user, given the logits of the interactions.

    Args:
        likelihood: the likelihood.
        theta: its constants and parameters.
        at_clicks: logits of the interactions; those of value 0 do not matter.
        batch: the users.
        key: key of the update.
        drawn: the draws of the users, and the axes of the users in them.
    """
    clicked = batch.values != 0
    # Padding also gets harmless arguments: where a click function is undefined (log 0) or
    # overflows, its gradient would turn the zero that masks it into NaN.
    at_clicks = jnp.where(clicked, at_clicks, 0.0)
    values = jnp.where(clicked, batch.values, 1.0)
    names = further_parameters(likelihood, "click")
    of_chunk, axes = _of_chunks(drawn, batch) if "drawn" in names else (None, None)
    keys = None
    if "key" in names:
        owners = batch.users.at[batch.owner].get(mode="clip")
        of_owner = user_keys(jax.random.fold_in(_given(key), CLICK), owners)
        keys = jax.vmap(user_keys)(of_owner, batch.items)

    def click(f: Array, x: Array, item: Array, key: Any, drawn: Any) -> Array:
        named = {"item": item, "key": key, "drawn": drawn}
        return likelihood.click(f, x, theta, **{name: named[name] for name in names})

    if "item" in names:
        _check_rows_of_items(likelihood, theta, batch.n_items, names)
    with missing_named(theta):
        per_chunk = jax.vmap(click, (0, 0, 0, 0, None))
        of_all = jax.vmap(per_chunk, (0, 0, 0, 0, axes))
        each = of_all(at_clicks, values, batch.items, keys, of_chunk)
    if each.shape != batch.values.shape:
        raise InputError(
            f"click returns an array of shape {each.shape[2:]} for one interaction instead of a "
            "scalar; it sees one logit, and with a fourth parameter `item` the index of its item"
        )
    return sum_per_user(batch, jnp.where(clicked, each, 0.0))


def _check_rows_of_items(
    likelihood: Likelihood, theta: Theta, n_items: int, names: tuple[str, ...]
) -> None:
    """Refuse parameters of the items that have fewer rows than the catalogue."""
    last = {"item": np.int32(n_items - 1)}

    def click(theta: Theta) -> Any:
        return likelihood.click(0.0, 1.0, theta, **{name: last.get(name) for name in names})

    problem = index_error(click, dict(theta))
    if problem is not None:
        raise InputError(
            f"click: {problem}; an array of theta with a row per item needs {n_items:,} rows"
        )


def _of_chunks(drawn: tuple[Drawn, Drawn] | None, batch: Batch) -> tuple[Drawn, Drawn]:
    """The draws of the owner of each chunk, and their axes."""
    assert drawn is not None
    parts, axes = drawn
    return Drawn(
        *(
            part if axis is None else part.at[batch.owner].get(mode="clip")
            for part, axis in zip(parts, axes, strict=True)
        )
    ), axes


def whole_normalizer(likelihood: Likelihood) -> Callable[..., Array]:
    """The normalizer of all items, merged if it returns a tuple."""
    of_items, merge = likelihood.normalizer, likelihood.merge
    assert of_items is not None

    def normalizer(f: Array, summary: Array, theta: Theta, **further: Any) -> Array:
        found = of_items(f, summary, theta, **further)
        if merge is None or not isinstance(found, tuple):
            return found
        return merge(tuple(part[None] for part in found), summary, theta)

    return normalizer


def normalizers_of(
    likelihood: Likelihood,
    theta: Theta,
    logits: Float[Array, "users items"],
    summary: Array,
    *,
    items: Array | None = None,
    keys: Array | None = None,
    drawn: tuple[Drawn, Drawn] | None = None,
    in_blocks: bool = False,
) -> Any:
    """Normalizer of each user, given the summaries of their interactions.

    Args:
        likelihood: the likelihood.
        theta: its constants and parameters.
        logits: logits of the items that are normalized over.
        summary: summaries of the users.
        items: indices of the items, the same for all users or a row for each; by default 0, 1, ...
        keys: one key per user.
        drawn: the draws of the users, and the axes of the users in them.
        in_blocks: whether the items are a block, of which a tuple that is to be merged stays one.

    Returns:
        an array with an entry per user; in blocks, what the normalizer returns, in such arrays.

    Raises:
        InputError: the normalizer does not return scalars.
    """
    if likelihood.normalizer is None:
        return jnp.zeros(logits.shape[:1], logits.dtype)
    normalizer = likelihood.normalizer if in_blocks else whole_normalizer(likelihood)
    names = further_parameters(likelihood, "normalizer")
    items = jnp.arange(logits.shape[1]) if items is None else items
    values, axes = drawn or (None, None)
    if "key" in names:
        keys = _given(keys)

    def of_user(f: Array, summary: Array, items: Array, key: Any, drawn: Any) -> Any:
        named = {"items": items, "key": key, "drawn": drawn}
        return normalizer(f, summary, theta, **{name: named[name] for name in names})

    with missing_named(theta):
        in_axes = (0, 0, 0 if items.ndim == 2 else None, 0, axes)
        each = jax.vmap(of_user, in_axes)(logits, summary, items, keys, values)
    for part in jax.tree.leaves(each):
        if part.shape != logits.shape[:1]:
            raise InputError(
                f"normalizer returns an array of shape {part.shape[1:]} for one user instead of a "
                "scalar; it sees the logits of all items, and sums over them"
            )
    return each


def dense_log_likelihood(
    likelihood: Likelihood,
    theta: Theta,
    logits: Float[Array, " items"],
    x: Float[Array, " items"],
    key: PRNGKeyArray | None = None,
) -> Float[Array, ""]:
    """The log likelihood of one user from the dense row x; a reference for the ragged form."""
    n_items = x.shape[0]
    batch = Batch(
        items=jnp.arange(n_items, dtype=jnp.int32)[None],
        values=x[None],
        owner=jnp.zeros(1, jnp.int32),
        part=jnp.zeros(1, jnp.int32),
        users=jnp.zeros(1, jnp.int32),
        n_items=n_items,
    )
    return log_likelihood(likelihood, theta, logits[None], batch, key)[0]
