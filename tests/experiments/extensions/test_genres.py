"""Items that share the weights of their genres."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import multvae_jax as mv
from experiments.extensions.genres import with_genres
from tests.builders import (
    as_numpy64,
    assert_same,
    batch_of,
    counts,
    mlp,
    randomized,
)

pytestmark = pytest.mark.updates


@pytest.mark.parametrize("hidden", [(), (5,)])
def test_what_a_genre_shares_is_added_to_each_of_its_items(hidden):
    genres = np.array([[1, 0], [0, 1], [1, 1], [0, 0]], np.float32)
    plain = mv.mlp.variational_mlp(hidden, 3)
    network = with_genres(plain, genres)
    x = counts(9, 5, 4)
    start = network.init(jax.random.key(0), 4)
    same = plain.init(jax.random.key(0), 4)
    assert_same(network.encode(start, batch_of(x)), plain.encode(same, batch_of(x)))

    params = randomized(network.init, 4)
    wide = as_numpy64(params)
    first, last = "layers_0", f"layers_{2 * len(hidden)}"
    encoder = {**wide["encoder"]}
    encoder[first] = {
        "kernel": encoder[first]["kernel"] + genres @ wide["shared"]["encoder"],
        "bias": encoder[first]["bias"],
    }
    decoder = {**wide["decoder"]}
    decoder[last] = {
        "kernel": decoder[last]["kernel"] + wide["shared"]["decoder"] @ genres.T,
        "bias": decoder[last]["bias"] + genres @ wide["shared"]["bias"],
    }
    code = jax.jit(network.encode)(params, batch_of(x))
    expected = mlp(encoder, x, np.tanh)
    np.testing.assert_allclose(jnp.concatenate(code, axis=1), expected, rtol=1e-4, atol=1e-5)
    logits = jax.jit(network.decode)(params, code.mu)
    np.testing.assert_allclose(logits, mlp(decoder, expected[:, :3], np.tanh), rtol=1e-3, atol=1e-4)
