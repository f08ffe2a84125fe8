"""Lazy Adam: rows of a parameter that a batch does not touch cost nothing.

Where a gradient is given as `multvae_jax.ops.Rows`, only these rows of the parameter and of both
moments are read and written. All other parameters are updated as in Adam.

It differs from Adam in the rows without a gradient. In Adam their moments decay, and the first
moment keeps moving them; here the moments and the rows stay as they are. This is how `LazyAdam` of
TensorFlow Addons and `SparseAdam` of PyTorch work: the bias correction of the moments counts all
updates, not those of a row. If every update touches every row, the two optimizers are equal. The
moments of a rare row are thus averages over the updates that touch it, and each of these moves it
by about the learning rate. In Adam they are averages over all updates, in which the zeros make the
second moment small, so that such an update and those after it move a rare row further.

The moments are not decayed for the missed updates when a row is next touched: that would need a
number per row, and without the moves in the missed updates it would still not be Adam.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike
from jaxtyping import Array

from multvae_jax.ops.rows import Rows
from multvae_jax.types import Params


class LazyAdamState(NamedTuple):
    """State of lazy Adam.

    Attributes:
        step: number of updates so far.
        mu: first moments, of the shapes of the parameters.
        nu: second moments.
    """

    step: Array
    mu: Params
    nu: Params


def lazy_adam(
    learning_rate: ArrayLike | optax.Schedule,
    b1: ArrayLike = 0.9,
    b2: ArrayLike = 0.999,
    eps: ArrayLike = 1e-8,
    eps_root: ArrayLike = 0.0,
    *,
    mu_dtype: Any = None,
) -> optax.GradientTransformation:
    """Adam that reads and writes only the rows that a gradient has.

    `fit` gives it such gradients for the parameters that the model reads by `embedding_bag` alone,
    as the package's networks read their first kernel. See the module for how it differs from Adam.

    Args:
        learning_rate: a number, or a schedule.
        b1: decay of the first moment.
        b2: decay of the second moment.
        eps: added to the root of the second moment.
        eps_root: added to the second moment under the root.
        mu_dtype: type of the first moment, such as "bfloat16"; by default that of the parameters.

    Example:
        A gradient of the second of three rows, as `fit(..., optimizer=lazy_adam)` computes it.

        >>> params, optimizer = jnp.ones((3, 1)), lazy_adam(0.5)
        >>> gradient = Rows(jnp.array([[2.0]]), jnp.array([1]), n_items=3)
        >>> updates, state = optimizer.update(gradient, optimizer.init(params))
        >>> optax.apply_updates(params, updates).round(3).ravel().tolist()
        [1.0, 0.5, 1.0]
    """
    return optax.chain(
        scale_by_lazy_adam(b1, b2, eps, eps_root, mu_dtype=mu_dtype),
        optax.scale_by_learning_rate(learning_rate),
    )


def scale_by_lazy_adam(
    b1: ArrayLike = 0.9,
    b2: ArrayLike = 0.999,
    eps: ArrayLike = 1e-8,
    eps_root: ArrayLike = 0.0,
    *,
    mu_dtype: Any = None,
) -> optax.GradientTransformation:
    """`lazy_adam` before the updates are scaled by the learning rate; see there."""

    def init(params: Params) -> LazyAdamState:
        mu = jax.tree.map(lambda leaf: jnp.zeros_like(leaf, dtype=mu_dtype), params)
        return LazyAdamState(jnp.int32(0), mu, jax.tree.map(jnp.zeros_like, params))

    def update(
        gradients: Params, state: LazyAdamState, params: Params | None = None
    ) -> tuple[Params, LazyAdamState]:
        del params
        after = optax.safe_increment(state.step)
        number = after.astype(jnp.float32)

        def moved(gradient: Array, mu: Array, nu: Array) -> tuple[Array, Array, Array]:
            one, two, floor, under = (
                jnp.asarray(constant, gradient.dtype) for constant in (b1, b2, eps, eps_root)
            )
            mu = (1 - one) * gradient + one * mu.astype(gradient.dtype)
            nu = (1 - two) * gradient**2 + two * nu
            first = mu / (1 - one**number).astype(gradient.dtype)
            second = nu / (1 - two**number).astype(gradient.dtype)
            return first / (jnp.sqrt(second + under) + floor), mu, nu

        def of_leaf(gradient: Array | Rows, mu: Array, nu: Array) -> tuple[Any, Array, Array]:
            if not isinstance(gradient, Rows):
                update, new, nu = moved(gradient, mu, nu)
                return update, new.astype(mu.dtype), nu
            rows, one, two = moved(gradient.values, gradient.gather(mu), gradient.gather(nu))
            return gradient.with_values(rows), gradient.scatter(mu, one), gradient.scatter(nu, two)

        found = jax.tree.map(of_leaf, gradients, state.mu, state.nu)
        updates, mu, nu = (
            jax.tree.map(lambda _, one: one[part], gradients, found)  # noqa: B023 - called here
            for part in range(3)
        )
        return updates, LazyAdamState(after, mu, nu)

    return optax.GradientTransformation(init, update)


def takes_rows(state: Any) -> bool:
    """Return whether the state of an optimizer has one of lazy Adam in it."""
    nodes = jax.tree.leaves(state, is_leaf=lambda node: isinstance(node, LazyAdamState))
    return any(isinstance(node, LazyAdamState) for node in nodes)
