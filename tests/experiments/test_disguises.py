"""Multinomials in disguise: the same loss, and seldom called different."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from experiments import disguises
from tests.builders import batch_of
from tests.tournament.builders import tastes

pytestmark = pytest.mark.updates

LOSSES = 30


def test_few_losses_in_disguise_are_called_different():
    """Half of them with the same keys, half with others; one in a thousand right tests fails."""
    found = disguises.study(
        tastes(), 0, disguises.DISGUISES["shifted logits"], LOSSES // 2,
        each=LOSSES, seeds=3, epochs=2, latent=4,
    )  # fmt: skip
    assert found.losses == LOSSES
    assert found.different <= scipy.stats.binom.ppf(0.999, LOSSES, disguises.LEVEL)


@pytest.mark.parametrize("name", disguises.DISGUISES)
def test_a_disguise_has_the_loss_of_the_multinomial(name):
    rng = np.random.default_rng(0)
    batch = batch_of((rng.random((5, 70)) < 0.2).astype(np.float64))
    plain, other = (
        disguises.model_of(each, 4) for each in (disguises.Disguise(), disguises.DISGUISES[name])
    )
    params = plain.init(jax.random.key(0), 70)
    losses = [
        model.loss(
            params,
            {**model.hyper, "beta": lambda step: 0.2},
            batch,
            jax.random.key(1),
            jnp.int32(0),
        )[0]
        for model in (plain, other)
    ]
    factor = 2 if name == "twice the loss" else 1
    assert float(losses[1]) == pytest.approx(factor * float(losses[0]), rel=1e-5)
