"""Probes behind the checks: one function under many transformations and inputs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from multvae_jax.batching import Batch
from multvae_jax.checks.bounds import check_kind
from multvae_jax.errors import first_line
from multvae_jax.likelihoods import Likelihood
from multvae_jax.priors import Prior
from multvae_jax.types import missing_named

STEP = 1e-2
"""Step of the finite differences, along a direction of length 1."""
USERS = (
    "a full history",
    "a history",
    "a single interaction",
    "another history",
    "an empty history",
)
"""The histories of the test batch, as error messages name them."""

Arguments = dict[str, Any]
"""Arguments to differentiate with respect to, by the names that error messages use."""

# These programs run a few times on small arrays, so most of the time is spent compiling.
jit = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


@dataclasses.dataclass(frozen=True)
class RowFunction:
    """A function under test, whose output arrays have one row per user.

    Attributes:
        name: name of the output, for error messages.
        function: `(arguments, batch) -> outputs`.
        per_user: names of the arguments that have one row per user as well.
    """

    name: str
    function: Callable[[Arguments, Batch], Any]
    per_user: tuple[str, ...] = ()

    @cached_property
    def compiled(self) -> Callable[[Arguments, Batch], Any]:
        """The function under `jit`."""
        return jit(self.function)

    @cached_property
    def value_and_gradient(self) -> Callable[[Arguments, Batch], Any]:
        """`(arguments, batch) -> ((total, outputs), gradient)`, under `jit`.

        The total is a sum of all outputs in which each has a weight of its own.
        """

        def total(arguments: Arguments, batch: Batch) -> tuple[Array, Any]:
            outputs, draw = self.function(arguments, batch), np.random.default_rng(2)
            weighted = [
                jnp.sum(leaf * jnp.asarray(draw.uniform(0.5, 1.5, leaf.shape), leaf.dtype))
                for leaf in jax.tree.leaves(outputs)
            ]
            return jnp.sum(jnp.stack(weighted)), outputs

        return jit(jax.value_and_grad(total, has_aux=True))


def call(name: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Return the result of a function; raise any exception as an `AssertionError` of one line."""
    try:
        return function(*arguments)
    except AssertionError:
        raise
    except Exception as error:
        raise AssertionError(f"{name} raises {first_line(error, with_type=True)}") from error


def differ(one: Any, two: Any, tolerance: float = 1e-4) -> bool:
    """Return whether two trees of arrays differ by more than rounding."""
    if str(jax.tree.structure(one)) != str(jax.tree.structure(two)):
        return True
    for left, right in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True):
        a, b = np.asarray(left, np.float64), np.asarray(right, np.float64)
        scale = max([1e-3, *np.abs(b[np.isfinite(b)]).ravel()])
        if a.shape != b.shape or not np.allclose(a, b, tolerance, tolerance * scale, True):
            return True
    return False


def example_histories(n_items: int, values: Sequence[float]) -> np.ndarray:
    """Return the histories that `USERS` names, as the rows of a users x items matrix."""
    x = np.resize(np.asarray(values, np.float64), (len(USERS), n_items))
    keep = np.random.default_rng(0).random(x.shape) < 0.5
    keep[0], keep[-1], keep[2] = True, False, np.arange(n_items) == 1
    keep[1, :2], keep[3, :2] = (True, False), (False, True)
    return x * keep


def make_batch(x: np.ndarray, users: Sequence[int] | None = None, width: int = 3) -> Batch:
    """Return the ragged batch of some rows; the number of chunks does not depend on which.

    Args:
        x: users x items.
        users: rows, -1 for padding; all rows unless given.
        width: interactions in a chunk.
    """
    places = range(len(x)) if users is None else users
    n_chunks = len(x) * -(-x.shape[1] // width)
    items, values = np.zeros((2, n_chunks, width))
    owner, part = np.full(n_chunks, len(places)), np.zeros(n_chunks)
    at = 0
    for place, user in enumerate(places):
        history = x[user].nonzero()[0] if user >= 0 else np.zeros(0, int)
        for n, start in enumerate(range(0, len(history), width)):
            chunk = history[start : start + width]
            items[at, : len(chunk)], values[at, : len(chunk)] = chunk, x[user, chunk]
            owner[at], part[at] = place, n
            at += 1
    return Batch(
        items=jnp.asarray(items, jnp.int32),
        values=jnp.asarray(values, jnp.float32),
        owner=jnp.asarray(owner, jnp.int32),
        part=jnp.asarray(part, jnp.int32),
        users=jnp.asarray(places, jnp.int32),
        n_items=x.shape[1],
    )


def check_init(init: Callable[..., Any], n_items: int, *, may_ignore_key: bool) -> Any:
    """Check an `init` function, and return its parameters."""
    with jax.debug_key_reuse(True):
        params = call("init", init, jax.random.key(0), n_items)
    check_tree(params, "init(...)")

    def fresh(key: Array) -> Any:
        return init(key, n_items)

    if differ(fresh(jax.random.key(0)), params):
        raise AssertionError("init returns different parameters for the same key")
    if differ(call("init under jit", jit(fresh), jax.random.key(0)), params):
        raise AssertionError("init returns different parameters under jit")
    keys = jax.vmap(jax.random.key)(np.arange(2))
    seeds = call("init mapped over keys", jit(jax.vmap(fresh)), keys) if params else {}
    first, second = (jax.tree.map(lambda leaf, n=n: np.asarray(leaf)[n], seeds) for n in range(2))
    if differ(first, params):
        raise AssertionError("init returns different parameters when mapped over keys")
    if not may_ignore_key and not differ(second, params):
        raise AssertionError("init ignores its key: two keys give the same parameters")
    return params


def check_tree(tree: Any, place: str) -> None:
    """Check that a tree consists of nested dicts with string keys and of float arrays."""
    if isinstance(tree, dict):
        for name, part in tree.items():
            if not isinstance(name, str):
                raise AssertionError(f"{place} has the key {name!r}, which is not a string")
            check_tree(part, f"{place}['{name}']")
    elif not (isinstance(tree, jax.Array) and jnp.issubdtype(tree.dtype, jnp.floating)):
        kind = f"an array of {tree.dtype}" if isinstance(tree, jax.Array) else type(tree).__name__
        raise AssertionError(f"{place} is {kind}, but must be a dict or an array of floats")


def initial_theta(part: Likelihood | Prior, n_items: int) -> dict[str, Any]:
    """Return the constants and the initial parameters of a part, as training passes them."""
    if not isinstance(part, Likelihood | Prior):
        check_kind("part", part, Likelihood, "multinomial(), or a Prior")
    params = check_init(part.init, n_items, may_ignore_key=True)
    for name in part.constants:
        if name in params:
            raise AssertionError(f"'{name}' is both a constant and a trained parameter")
    constants = {
        name: call(f"the constant '{name}'", jnp.float32, value)
        for name, value in part.constants.items()
    }
    return {**constants, **params}


def cast_floats(tree: Any, dtype: Any) -> Any:
    """Convert the float arrays of a tree to another precision."""

    def cast(leaf: Array) -> Array:
        return leaf.astype(dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

    return jax.tree.map(cast, tree)


def check_dtype(name: str, function: Callable[..., Any], *arguments: Any) -> None:
    """Check that the outputs have the precision of the inputs."""
    for dtype in (jnp.float32, jnp.bfloat16):
        of_dtype = f"{name} of {jnp.dtype(dtype)}"
        outputs = call(of_dtype, jax.eval_shape, function, *cast_floats(arguments, dtype))
        for leaf in jax.tree.leaves(outputs):
            if leaf.dtype != dtype:
                raise AssertionError(f"{of_dtype} returns {leaf.dtype}")


def check_scalar(name: str, function: Callable[..., Any], user: Any, theta: Any) -> None:
    """Check that a function returns a scalar for one user, of the precision of its inputs."""

    def named(*arguments: Any) -> Any:
        with missing_named(theta):
            return function(*arguments)

    shape = jnp.shape(call(name, jax.eval_shape, named, *user, theta))
    if shape != ():
        raise AssertionError(f"{name} returns an array of shape {shape} instead of a scalar")
    check_dtype(name, function, *user, theta)


def check_transformations(
    rows: RowFunction,
    arguments: Arguments,
    batch: Batch,
    user_by_user: Callable[[], Any] | None = None,
) -> None:
    """Check that repeated calls, `jit` and two uses of `vmap` do not change the outputs."""
    name, function = rows.name, rows.function
    alone = None if user_by_user is None else call(f"{name} of one user", user_by_user)
    if user_by_user is not None and differ(user_by_user(), alone):
        raise AssertionError(f"{name} changes from one call to the next")
    once = call(f"{name} mapped over users", function, arguments, batch)
    if differ(function(arguments, batch), once):
        raise AssertionError(f"{name} changes from one call to the next")
    if user_by_user is not None and differ(once, alone):
        raise AssertionError(f"{name} changes when mapped over users")
    if differ(call(f"{name} under jit", rows.compiled, arguments, batch), once):
        raise AssertionError(f"{name} changes under jit")
    other = jax.tree.map(lambda leaf: jnp.asarray(0.75 * np.asarray(leaf)), arguments)
    together = call(
        f"{name} mapped over settings",
        jit(jax.vmap(function, (0, None))),
        jax.tree.map(lambda *leaves: np.stack(leaves), arguments, other),
        batch,
    )
    apart = jax.tree.map(lambda *leaves: np.stack(leaves), once, rows.compiled(other, batch))
    if differ(together, apart):
        raise AssertionError(f"{name} changes when mapped over settings")


def check_independence(rows: RowFunction, arguments: Arguments, x: np.ndarray) -> None:
    """Check that the outputs of a user depend on the history of that user alone."""
    everyone = list(range(len(x)))

    def outputs(users: Sequence[int], width: int = 3) -> Any:
        own = {
            name: jax.tree.map(lambda leaf: leaf[np.asarray(users)], arguments[name])
            for name in rows.per_user
        }
        return call(rows.name, rows.compiled, {**arguments, **own}, make_batch(x, users, width))

    def select(tree: Any, places: Sequence[int]) -> Any:
        return jax.tree.map(lambda leaf: np.asarray(leaf)[np.asarray(places)], tree)

    expected = outputs(everyone)
    for width in (2, x.shape[1]):
        if differ(outputs(everyone, width), expected):
            raise AssertionError(f"{rows.name} depends on how a history is split into chunks")
    if differ(select(outputs(everyone[::-1]), everyone[::-1]), expected):
        raise AssertionError(f"{rows.name} depends on the order of the users")
    for user in everyone:
        if differ(outputs([user]), select(expected, [user])):
            raise AssertionError(f"{rows.name} of a user depends on the other users of the batch")
    if differ(select(outputs([-1, *everyone, -1]), [n + 1 for n in everyone]), expected):
        raise AssertionError(f"{rows.name} depends on the padding of the batch")


def check_finite(rows: RowFunction, arguments: Arguments, batch: Batch, where: str = "") -> None:
    """Check that the outputs and their gradient contain neither infinity nor NaN.

    Args:
        rows: the function.
        arguments: its arguments.
        batch: the histories that `USERS` names.
        where: end of the error message, if the arguments are unusual.
    """
    of_rows = f"the gradient of {rows.name}"
    (_, outputs), gradient = call(of_rows, rows.value_and_gradient, arguments, batch)
    for leaf in jax.tree.leaves(outputs):
        for user, row in zip(USERS, np.asarray(leaf), strict=True):
            if not np.isfinite(row).all():
                raise AssertionError(f"{rows.name} of {user} is not finite{where}")
    of_users = [(name, leaf) for name in rows.per_user for leaf in jax.tree.leaves(gradient[name])]
    for name, leaf in of_users:
        for user, row in zip(USERS, np.asarray(leaf), strict=True):
            if not np.isfinite(row).all():
                raise AssertionError(
                    f"{of_rows} with respect to {name} is not finite for {user}{where}"
                )
    for path, leaf in jax.tree_util.tree_leaves_with_path(gradient):
        if not np.isfinite(np.asarray(leaf)).all():
            name = jax.tree_util.keystr(path, simple=True, separator=".")
            raise AssertionError(f"{of_rows} with respect to {name} is not finite{where}")


def check_gradient(rows: RowFunction, arguments: Arguments, batch: Batch) -> None:
    """Compare the gradient with central differences, in three random directions per array."""
    (total, _), gradient = rows.value_and_gradient(arguments, batch)
    draw, rounding = np.random.default_rng(3), 8 * np.finfo(np.float32).eps / STEP
    leaves, tree = jax.tree_util.tree_flatten_with_path(arguments)
    for n, ((path, leaf), slope) in enumerate(zip(leaves, jax.tree.leaves(gradient), strict=True)):
        for _ in range(3):
            direction = draw.normal(size=leaf.shape)
            direction /= np.linalg.norm(direction)

            def moved(step: float, n: int = n, direction: np.ndarray = direction) -> float:
                at = [other for _, other in leaves]
                at[n] = at[n] + jnp.asarray(step * direction, jnp.float32)
                (value, _), _ = rows.value_and_gradient(jax.tree.unflatten(tree, at), batch)
                return float(value)

            found = (moved(STEP) - moved(-STEP)) / (2 * STEP)
            expected = float(np.sum(np.asarray(slope, np.float64) * direction))
            scale = np.linalg.norm(slope) / np.sqrt(leaf.size)
            allowed = 0.02 * max(scale, abs(found)) + rounding * max(1, abs(float(total)))
            if abs(found - expected) > allowed:
                name = jax.tree_util.keystr(path, simple=True, separator=".")
                raise AssertionError(
                    f"the gradient of {rows.name} with respect to {name} is {expected:.4g}, but "
                    f"finite differences give {found:.4g}"
                )


def check_signs(rows: RowFunction, arguments: Arguments, batch: Batch, x: np.ndarray) -> None:
    """Check the signs of the gradient of log p with respect to the logits.

    They are those of a single interaction whose logit is low, while the others are high: any
    likelihood that prefers what was chosen must raise the one and lower the others, or not look at
    them.

    Args:
        rows: log p.
        arguments: its arguments; the logits are replaced.
        batch: the histories that `USERS` names; the one with a single interaction is used.
        x: the same, users x items.
    """
    user = USERS.index("a single interaction")
    (item,) = x[user].nonzero()[0]
    if x[user, item] < 0:
        return
    logits = jnp.where(jnp.arange(x.shape[1]) == item, -1.0, 1.0)
    at = {**arguments, "logits": arguments["logits"].at[user].set(logits)}
    _, gradient = rows.value_and_gradient(at, batch)
    slope = np.asarray(gradient["logits"][user], np.float64)
    others = float(np.delete(slope, item).sum())
    if slope[item] < 0:
        raise AssertionError(
            f"{rows.name} falls as the logit of an interaction rises; is the sign of click right?"
        )
    if others > 0:
        raise AssertionError(
            f"{rows.name} rises with the logits of items without an interaction; is the sign of "
            "normalizer right?"
        )
