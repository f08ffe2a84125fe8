"""Numbers that no member of a sweep can have are refused in one sentence."""

import jax.numpy as jnp
import numpy as np
import pytest

import multvae_jax as mv
from multvae_jax.likelihoods import gaussian
from multvae_jax.sweeps.member_checks import check_member
from tests.builders import refusal

HYPER = mv.mult_vae((4,), 2, likelihood=gaussian()).hyper


@pytest.mark.parametrize(
    ("hyper", "message"),
    [
        ({"drop": 0.3}, "hyper['drop']: no such number; did you mean dropout?"),
        ({"dropout": 1.5}, "hyper['dropout']: expected `float` < 1.0"),
        ({"weight_penalty": -1.0}, "hyper['weight_penalty']: expected `float` >= 0.0"),
        ({"beta": 0.2}, "hyper['beta']: give beta as an argument of its own"),
        ({"likelihood": {"c2": 1.0}}, "hyper['likelihood']['c2']: the likelihood has no such con"),
        ({"likelihood": 1.0}, "hyper['likelihood']: give a dict of constants, such as {'c1': "),
        ({"likelihood": {"c1": "1"}}, "hyper['likelihood']['c1']: expected `float`, got `str`"),
    ],
)
def test_numbers_that_a_member_cannot_have(hyper, message):
    assert refusal(check_member, hyper, 1e-3, HYPER).startswith(message)


def test_numbers_that_a_member_can_have():
    check_member({"dropout": np.float32(0.2), "weight_penalty": 0}, 1e-3, HYPER)
    check_member({"likelihood": {"c1": jnp.float32(2)}}, np.float64(1e-3), HYPER)
    check_member({}, 0, HYPER)
    assert refusal(check_member, {}, -1.0, HYPER) == "learning_rate: expected `float` >= 0.0"
