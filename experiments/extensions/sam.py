"""Sharpness-aware minimization (Foret et al., ICLR 2021), as a loss around a loss.

    python -m experiments.extensions sam --dataset ml-1m --hidden 100 --latent 32

An update descends along the gradient at the parameters to which the loss rises most steeply within
a distance `rho`:

    gradient of L at  w + rho g / |g|,    g = gradient of L at w

Both gradients are of the same batch, with the same dropout and the same noise. An update takes
twice the time. `optax.contrib.sam` needs two updates in its place, on two batches, of which only
the second moves the parameters.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

import multvae_jax as mv


def sharpness_aware(model: mv.Model, rho: float = 0.05) -> mv.Model:
    """The same model, trained at the steepest point around its parameters.

    The terms of the log are those at that point. `rho` is a number of the model, which a sweep may
    vary.

    Args:
        model: the model.
        rho: distance to the point.
    """

    def loss(params: Any, hyper: Any, *others: Any) -> tuple[Array, dict[str, Array]]:
        def plain(params: Any) -> tuple[Array, dict[str, Array]]:
            result: tuple[Array, dict[str, Array]] = model.loss(params, hyper, *others)
            return result

        gradient, _ = jax.grad(plain, has_aux=True)(params)
        scale = hyper["rho"] / jnp.maximum(optax.tree.norm(gradient), 1e-12)
        # To the outer gradient, the way to the point is a constant.
        way = jax.lax.stop_gradient(jax.tree.map(lambda leaf: scale * leaf, gradient))
        return plain(jax.tree.map(jnp.add, params, way))

    return model._replace(loss=loss, hyper={**model.hyper, "rho": rho})
