"""The checks of a network and a prior with another posterior than the normal."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import pytest

from multvae_jax.networks import Network
from multvae_jax.ops.embedding_bag import embedding_bag
from multvae_jax.priors import Prior
from multvae_jax.testing import check_network, check_prior

LATENT = 3


class Uniform(NamedTuple):
    """Uniform around a center, with a width of its own in each dimension that users share."""

    center: Any
    log_width: Any
    shared = ("log_width",)

    def sample(self, key):
        noise = jax.random.uniform(key, self.center.shape, self.center.dtype) - 0.5
        return {"z": self.center + jnp.exp(self.log_width) * noise}

    def mean(self):
        return {"z": self.center}


class Detached(Uniform):
    def sample(self, key):
        return jax.lax.stop_gradient(super().sample(key))


class Reused(Uniform):
    def sample(self, key):
        return jax.tree.map(lambda z: z + jax.random.normal(key), super().sample(key))


class Infinite(Uniform):
    def mean(self):
        return {"z": self.center / jnp.abs(self.center).sum()}


def network(kind=Uniform):
    def init(key, n_items):
        first, second = jax.random.split(key)
        shape = n_items, LATENT
        return {
            "up": jax.random.normal(first, shape),
            "width": jnp.zeros(LATENT),
            "down": jax.random.normal(second, shape[::-1]),
        }

    def encode(params, batch):
        return kind(embedding_bag(params["up"], batch), params["width"])

    return Network(init, encode, lambda params, z: z["z"] @ params["down"])


def squares(center, log_width, z, theta):
    return jnp.sum(z["z"] ** 2 + center**2 - log_width)


EXAMPLES = Uniform(jnp.array([[0.5, -1.0, 2.0], [0.0, 0.0, 0.0]]), jnp.array([0.1, 0.2, 0.3]))


def test_a_sound_network_and_its_prior_pass():
    check_network(network())
    check_prior(Prior(squares), posterior=EXAMPLES)


BROKEN = {
    "the sample has no gradient": lambda: check_network(network(Detached)),
    "sample raises KeyReuseError": lambda: check_network(network(Reused)),
    "the mean of an empty history is not finite": lambda: check_network(network(Infinite)),
    "divergence raises InputError: prior: its divergence takes (center, z, theta)": (
        lambda: check_prior(Prior(lambda center, z, theta: 0.0), posterior=EXAMPLES)
    ),
    "divergence returns an array of shape (3,)": (
        lambda: check_prior(Prior(lambda c, w, z, theta: z["z"]), posterior=EXAMPLES)
    ),
    "the divergence of a history is not finite": (
        lambda: check_prior(
            Prior(lambda c, w, z, theta: jnp.sum(jnp.log(c**2) - w)), posterior=EXAMPLES
        )
    ),
}


@pytest.mark.parametrize("message", BROKEN)
def test_a_broken_one_gets_its_message(message):
    with pytest.raises(AssertionError) as caught:
        BROKEN[message]()
    assert str(caught.value).startswith(message)
