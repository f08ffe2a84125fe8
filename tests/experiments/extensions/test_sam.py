"""Sharpness-aware minimization."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import multvae_jax as mv
from experiments.extensions.sam import sharpness_aware

pytestmark = pytest.mark.updates


def test_the_gradient_is_that_at_the_steepest_point_around():
    """By hand, of a loss whose gradient is w^3; the noise is the same at both points."""
    keys = []

    def loss(params, hyper, batch, key, step):
        keys.append(key)
        value = jnp.sum(params["w"] ** 4) / 4
        return value, {"loss": value}

    model = sharpness_aware(mv.mult_vae()._replace(loss=loss, hyper={}), rho=0.5)
    w = np.array([1.0, -2.0])
    gradient, terms = jax.grad(model.loss, has_aux=True)(
        {"w": jnp.array(w)}, model.hyper, None, "the key", 0
    )
    point = w + 0.5 * w**3 / np.linalg.norm(w**3)
    np.testing.assert_allclose(gradient["w"], point**3, rtol=1e-6)
    assert terms["loss"] == pytest.approx((point**4).sum() / 4, rel=1e-6)
    assert keys == ["the key"] * 2


def test_without_a_distance_it_is_the_model_itself():
    def loss(params, *others):
        return jnp.cos(params["w"]), {}

    model = sharpness_aware(mv.mult_vae()._replace(loss=loss, hyper={}), rho=0.0)
    of_both = (jax.grad(f, has_aux=True)({"w": 0.3}, {"rho": 0.0})[0] for f in (model.loss, loss))
    assert len({float(gradient["w"]) for gradient in of_both}) == 1
