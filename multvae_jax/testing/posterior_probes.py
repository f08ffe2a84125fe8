"""Probes of posteriors other than the normal."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from multvae_jax.batching import Batch
from multvae_jax.networks import Network
from multvae_jax.posteriors import (
    Posterior,
    fields_of,
    names_of,
    posterior_mean,
    sample_posterior,
)
from multvae_jax.testing.probes import (
    USERS,
    Arguments,
    RowFunction,
    call,
    check_finite,
    check_independence,
    check_transformations,
    example_histories,
)


def example_posterior(posterior: Any) -> Any:
    """Repeat the rows of a posterior until there is one for each user of the test batch."""
    shared = getattr(posterior, "shared", ())
    fields = zip(names_of(posterior), fields_of(posterior), strict=True)

    def repeated(leaf: Any) -> Array:
        leaf = jnp.asarray(leaf)
        return jnp.resize(leaf, (len(USERS), *leaf.shape[1:]))

    return type(posterior)(
        *(field if name in shared else jax.tree.map(repeated, field) for name, field in fields)
    )


def rows_of_code(code: Any) -> Any:
    """The parts of an encoder's output that have a row per user."""
    if isinstance(code, Posterior) or not hasattr(code, "sample"):
        return code
    shared = getattr(code, "shared", ())
    named = zip(names_of(code), fields_of(code), strict=True)
    return {name: field for name, field in named if name not in shared}


def check_sample(network: Network, params: Any, batch: Batch, posterior: Any) -> Any:
    """Check a posterior other than the normal, and return its samples."""
    key = jax.random.key(1)
    with jax.debug_key_reuse(True):
        z = call("sample", sample_posterior, jax.random.clone(key), batch.users, posterior)
    wrong = [jnp.shape(leaf) for leaf in jax.tree.leaves(z) if leaf.shape[:1] != batch.users.shape]
    if wrong:
        raise AssertionError(f"sample returns {wrong[0]} for {len(USERS)} users")

    def sample(arguments: Arguments, batch: Batch) -> Any:
        code = network.encode(arguments["params"], batch)
        return sample_posterior(jax.random.clone(key), batch.users, code)

    def mean(arguments: Arguments, batch: Batch) -> Any:
        return posterior_mean(network.encode(arguments["params"], batch))

    x, arguments = example_histories(batch.n_items, (1.0,)), {"params": params}
    x /= np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-6)
    for rows in (RowFunction("the sample", sample), RowFunction("the mean", mean)):
        check_transformations(rows, arguments, batch)
        check_independence(rows, arguments, x)
        check_finite(rows, arguments, batch)
    _, slopes = RowFunction("the sample", sample).value_and_gradient(arguments, batch)
    if not any(np.asarray(slope).any() for slope in jax.tree.leaves(slopes)):
        raise AssertionError(
            "the sample has no gradient with respect to the parameters; is it reparameterized?"
        )
    return z
