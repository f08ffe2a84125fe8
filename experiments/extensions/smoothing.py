"""Label smoothing: a share of each user's clicks is spread over all items.

    python -m experiments.extensions smoothing --dataset ml-1m --hidden 100 --latent 32 --epochs 50

The multinomial of the smoothed counts (1 - s) x_i + s N / I, with N the user's interactions and I
the number of items. What is spread over the items is the same for all of them, so it belongs to
the normalizer, and the dense counts are never made.
"""

from __future__ import annotations

from jaxtyping import Array, Float

import multvae_jax as mv
from multvae_jax.ops import logsumexp
from multvae_jax.types import Theta


def smoothed(share: float = 0.05) -> mv.Likelihood:
    """The multinomial with a share of each user's clicks spread over all items."""

    def click(f: Array, x: Array, theta: Theta) -> Array:
        return (1.0 - theta["share"]) * x * f

    def normalizer(f: Float[Array, " items"], total: Array, theta: Theta) -> Array:
        return total * (logsumexp(f) - theta["share"] * f.mean())

    return mv.Likelihood(click, normalizer, constants={"share": share})
