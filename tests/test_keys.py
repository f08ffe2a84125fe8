"""Keys: no two draws share one, and a user's key does not depend on the batch."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from multvae_jax.keys import order_key, user_keys
from multvae_jax.likelihoods import multinomial
from multvae_jax.mlp import variational_mlp
from multvae_jax.models import mult_vae, vae
from multvae_jax.priors import standard_normal
from multvae_jax.schedules import constant
from multvae_jax.training.updates import init_state, make_train_step
from tests.builders import batch_of, counts, with_key_in_terms

N_ITEMS, LATENT = 7, 2
ADAM, BETA = optax.adam(1e-2), constant(0.3)


def as_tuples(keys):
    return [tuple(jax.random.key_data(key).tolist()) for key in keys]


@pytest.mark.updates
def test_no_two_uses_share_a_key():
    seen = []

    def note(init):
        def noting(key, n_items):
            seen.append(jax.random.key_data(key))
            return init(key, n_items)

        return noting

    @jax.jit
    def keys_of_init(key):
        network, likelihood, prior = variational_mlp((4,), LATENT), multinomial(), standard_normal()
        model = vae(
            network._replace(init=note(network.init)),
            likelihood._replace(init=note(likelihood.init)),
            prior._replace(init=note(prior.init)),
        )
        init_state(key, model._replace(init=note(model.init)), ADAM, N_ITEMS, BETA)
        return seen

    root, model = jax.random.key(0), mult_vae((4,), LATENT)
    keys = keys_of_init(root)
    keys += [jax.random.key_data(key) for key in (root, *(order_key(root, n) for n in range(9)))]
    state = jax.jit(lambda key: init_state(key, model, ADAM, N_ITEMS, BETA))(root)
    step = jax.jit(make_train_step(with_key_in_terms(model), ADAM))
    batch = batch_of(counts(8, 4, N_ITEMS))
    for _ in range(9):
        state, terms = step(state, batch)
        keys.append(terms["key"])
    assert len({tuple(key.tolist()) for key in keys}) == len(keys) == 4 + 1 + 9 + 9


def test_a_users_key_is_the_same_at_any_place_in_any_batch():
    key = jax.random.key(3)
    one, two = (user_keys(key, jnp.array(users)) for users in ([4, 0, 2], [2, 5, 4, 1]))
    by_user = dict(zip([4, 0, 2], as_tuples(one), strict=True))
    others = dict(zip([2, 5, 4, 1], as_tuples(two), strict=True))
    assert (by_user[4], by_user[2]) == (others[4], others[2])
    assert len(set(as_tuples(one) + as_tuples(two))) == 5


def test_the_order_of_an_epoch_depends_on_root_key_and_epoch_alone():
    keys = [order_key(jax.random.key(seed), epoch) for seed in (0, 1) for epoch in (1, 2)]
    assert len(set(as_tuples(keys))) == 4
    np.testing.assert_array_equal(as_tuples([order_key(jax.random.key(1), 2)]), as_tuples(keys[3:]))
