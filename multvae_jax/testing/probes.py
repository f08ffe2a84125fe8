"""One function under many transformations: the probes behind the checks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from multvae_jax.batching import Batch
from multvae_jax.errors import first_line
from multvae_jax.likelihoods import Likelihood
from multvae_jax.priors import Prior

STEP = 1e-2
"""Of the finite differences, in a direction of length one."""
USERS = ("a full history", "a history", "one interaction", "another history", "no history")

Arguments = dict[str, Any]
"""What a function is differentiated in, by the name that a sentence gives it."""

# A program here runs a few times on small arrays; compiling it is what takes the time.
jit = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


class RowFunction(NamedTuple):
    """A function under check: `(arguments, batch) -> rows`, one row a user in every array.

    `what` it computes, for the sentences; `per_user` names the arguments that are rows, too.
    """

    what: str
    function: Callable[[Arguments, Batch], Any]
    per_user: tuple[str, ...] = ()


def run(what: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """The function's result; what it raises becomes a sentence."""
    try:
        return function(*arguments)
    except AssertionError:
        raise
    except Exception as error:
        raise AssertionError(f"{what} raises {first_line(error, with_type=True)}") from error


def differ(one: Any, two: Any, tolerance: float = 1e-4) -> bool:
    """Whether two trees of arrays differ by more than rounding."""
    if str(jax.tree.structure(one)) != str(jax.tree.structure(two)):
        return True
    for left, right in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True):
        a, b = np.asarray(left, np.float64), np.asarray(right, np.float64)
        scale = max([1e-3, *np.abs(b[np.isfinite(b)]).ravel()])
        if a.shape != b.shape or not np.allclose(a, b, tolerance, tolerance * scale, True):
            return True
    return False


def matrix(n_items: int, values: Sequence[float]) -> np.ndarray:
    """The histories that `USERS` names, as rows."""
    x = np.resize(np.asarray(values, np.float64), (len(USERS), n_items))
    keep = np.random.default_rng(0).random(x.shape) < 0.5
    keep[0], keep[-1], keep[2] = True, False, np.arange(n_items) == 1
    keep[1, :2], keep[3, :2] = (True, False), (False, True)
    return x * keep


def batch_of(x: np.ndarray, users: Sequence[int] | None = None, width: int = 3) -> Batch:
    """The ragged batch of some rows, -1 for a place without a user, and always as many chunks."""
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


def parameters(init: Callable[..., Any], n_items: int, *, may_ignore_key: bool) -> Any:
    """What `init` gives, if it does as it should."""
    with jax.debug_key_reuse(True):
        params = run("init", init, jax.random.key(0), n_items)
    check_tree(params, "what init returns")

    def fresh(key: Array) -> Any:
        return init(key, n_items)

    if differ(fresh(jax.random.key(0)), params):
        raise AssertionError("init gives other parameters for the same key")
    if differ(run("init under jit", jit(fresh), jax.random.key(0)), params):
        raise AssertionError("init under jit gives other parameters than without")
    keys = jax.vmap(jax.random.key)(np.arange(2))
    seeds = run("init mapped over keys", jit(jax.vmap(fresh)), keys) if params else {}
    first, second = (jax.tree.map(lambda leaf, n=n: np.asarray(leaf)[n], seeds) for n in range(2))
    if differ(first, params):
        raise AssertionError("init mapped over keys gives other parameters than key by key")
    if not may_ignore_key and not differ(second, params):
        raise AssertionError("init ignores its key: two keys give the same parameters")
    return params


def check_tree(tree: Any, place: str) -> None:
    """Nested dicts with names, of arrays of floats."""
    if isinstance(tree, dict):
        for name, part in tree.items():
            if not isinstance(name, str):
                raise AssertionError(f"{place} has the key {name!r}, which is not a string")
            check_tree(part, f"{place}['{name}']")
    elif not (isinstance(tree, jax.Array) and jnp.issubdtype(tree.dtype, jnp.floating)):
        kind = f"an array of {tree.dtype}" if isinstance(tree, jax.Array) else type(tree).__name__
        raise AssertionError(f"{place} is {kind}, neither a dict nor an array of floats")


def initial_theta(part: Likelihood | Prior, n_items: int) -> dict[str, Any]:
    """Constants and parameters, as training hands them over."""
    params = parameters(part.init, n_items, may_ignore_key=True)
    for name in part.constants:
        if name in params:
            raise AssertionError(f"'{name}' is both a constant and a trained parameter")
    constants = {
        name: run(f"the constant '{name}'", jnp.float32, value)
        for name, value in part.constants.items()
    }
    return {**constants, **params}


def cast_floats(tree: Any, dtype: Any) -> Any:
    """The same tree with its floats of another precision."""

    def cast(leaf: Array) -> Array:
        return leaf.astype(dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

    return jax.tree.map(cast, tree)


def check_dtype(name: str, function: Callable[..., Any], *arguments: Any) -> None:
    """What goes in at a precision comes out at it."""
    for dtype in (jnp.float32, jnp.bfloat16):
        of = f"{name} of {jnp.dtype(dtype)}"
        made = run(of, jax.eval_shape, function, *cast_floats(arguments, dtype))
        for leaf in jax.tree.leaves(made):
            if leaf.dtype != dtype:
                raise AssertionError(f"{of} returns {leaf.dtype}")


def check_scalar(name: str, function: Callable[..., Any], user: Any, theta: Any) -> None:
    """One number for one user, of the precision of what goes in."""
    made = run(name, jax.eval_shape, function, *user, theta)
    if jnp.shape(made) != ():
        raise AssertionError(f"{name} returns the shape {jnp.shape(made)}, and not a scalar")
    check_dtype(name, function, *user, theta)


def check_transformations(
    rows: RowFunction,
    arguments: Arguments,
    batch: Batch,
    user_by_user: Callable[[], Any] | None = None,
) -> None:
    """The same numbers at every call, user by user, under jit, and mapped over settings."""
    what, function = rows.what, rows.function
    alone = None if user_by_user is None else run(f"{what} of one user", user_by_user)
    if user_by_user is not None and differ(user_by_user(), alone):
        raise AssertionError(f"{what} changes from one call to the next")
    once = run(f"{what} mapped over users", function, arguments, batch)
    if differ(function(arguments, batch), once):
        raise AssertionError(f"{what} changes from one call to the next")
    if user_by_user is not None and differ(once, alone):
        raise AssertionError(f"{what} mapped over users is not what it is user by user")
    compiled = jit(function)
    if differ(run(f"{what} under jit", compiled, arguments, batch), once):
        raise AssertionError(f"{what} under jit is not what it is without")
    other = jax.tree.map(lambda leaf: jnp.asarray(0.75 * np.asarray(leaf)), arguments)
    together = run(
        f"{what} mapped over settings",
        jit(jax.vmap(function, (0, None))),
        jax.tree.map(lambda *leaves: np.stack(leaves), arguments, other),
        batch,
    )
    in_turn = jax.tree.map(lambda *leaves: np.stack(leaves), once, compiled(other, batch))
    if differ(together, in_turn):
        raise AssertionError(f"{what} mapped over settings is not what it is one after the other")


def check_places(rows: RowFunction, arguments: Arguments, x: np.ndarray) -> None:
    """A user's row depends on the user's history alone."""
    everyone, compiled = list(range(len(x))), jit(rows.function)

    def of(users: Sequence[int], width: int = 3) -> Any:
        own = {name: arguments[name][np.asarray(users)] for name in rows.per_user}
        return run(rows.what, compiled, {**arguments, **own}, batch_of(x, users, width))

    def at(made: Any, places: Sequence[int]) -> Any:
        return jax.tree.map(lambda leaf: np.asarray(leaf)[np.asarray(places)], made)

    expected = of(everyone)
    for width in (2, x.shape[1]):
        if differ(of(everyone, width), expected):
            raise AssertionError(f"{rows.what} depends on how a history is cut into chunks")
    if differ(at(of(everyone[::-1]), everyone[::-1]), expected):
        raise AssertionError(f"{rows.what} depends on the order of the users")
    for user in everyone:
        if differ(of([user]), at(expected, [user])):
            raise AssertionError(f"{rows.what} of a user depends on the others in the batch")
    if differ(at(of([-1, *everyone, -1]), [n + 1 for n in everyone]), expected):
        raise AssertionError(f"{rows.what} depends on places without a user in the batch")


def _total(rows: RowFunction, batch: Batch) -> Callable[[Arguments], tuple[Array, Any]]:
    """A number that every row goes into with a weight of its own, and the rows."""

    def total(arguments: Arguments) -> tuple[Array, Any]:
        made, draw = rows.function(arguments, batch), np.random.default_rng(2)
        weighted = [
            jnp.sum(leaf * jnp.asarray(draw.uniform(0.5, 1.5, leaf.shape), leaf.dtype))
            for leaf in jax.tree.leaves(made)
        ]
        return jnp.sum(jnp.stack(weighted)), made

    return total


def check_finite(rows: RowFunction, arguments: Arguments, batch: Batch, where: str = "") -> None:
    """No infinity and no nan, in the values and in their gradient."""
    function = jit(jax.grad(_total(rows, batch), has_aux=True))
    gradient, made = run(f"the gradient of {rows.what}", function, arguments)
    for leaf in jax.tree.leaves(made):
        for user, row in zip(USERS, np.asarray(leaf), strict=True):
            if not np.isfinite(row).all():
                raise AssertionError(f"{rows.what} of {user} is not finite{where}")
    for name in rows.per_user:
        for user, row in zip(USERS, np.asarray(gradient[name]), strict=True):
            if not np.isfinite(row).all():
                raise AssertionError(
                    f"the gradient of {rows.what} in {name} is not finite for {user}{where}"
                )
    for path, leaf in jax.tree_util.tree_leaves_with_path(gradient):
        if not np.isfinite(np.asarray(leaf)).all():
            name = jax.tree_util.keystr(path, simple=True, separator=".")
            raise AssertionError(f"the gradient of {rows.what} in {name} is not finite{where}")


def check_gradient(rows: RowFunction, arguments: Arguments, batch: Batch) -> None:
    """Three random directions in every array, by central differences."""
    total = _total(rows, batch)
    value = jit(lambda arguments: total(arguments)[0])
    gradient, _ = jit(jax.grad(total, has_aux=True))(arguments)
    draw, rounding = np.random.default_rng(3), 8 * np.finfo(np.float32).eps / STEP
    leaves, tree = jax.tree_util.tree_flatten_with_path(arguments)
    for n, ((path, leaf), slope) in enumerate(zip(leaves, jax.tree.leaves(gradient), strict=True)):
        for _ in range(3):
            direction = draw.normal(size=leaf.shape)
            direction /= np.linalg.norm(direction)

            def moved(step: float, n: int = n, direction: np.ndarray = direction) -> float:
                at = [other for _, other in leaves]
                at[n] = at[n] + jnp.asarray(step * direction, jnp.float32)
                return float(value(jax.tree.unflatten(tree, at)))

            found = (moved(STEP) - moved(-STEP)) / (2 * STEP)
            expected = float(np.sum(np.asarray(slope, np.float64) * direction))
            scale = np.linalg.norm(slope) / np.sqrt(leaf.size)
            allowed = 0.02 * max(scale, abs(found)) + rounding * max(1, abs(moved(0.0)))
            if abs(found - expected) > allowed:
                name = jax.tree_util.keystr(path, simple=True, separator=".")
                raise AssertionError(
                    f"the gradient of {rows.what} in {name} is {expected:.4g} where finite "
                    f"differences give {found:.4g}"
                )
