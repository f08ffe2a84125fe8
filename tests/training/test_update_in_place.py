"""A training step that updates large kernels in blocks, against the same step without."""

import jax
import numpy as np
import optax
import pytest
import scipy.sparse as sp

from multvae_jax.batching import sequential_order, to_device
from multvae_jax.models import mult_vae
from multvae_jax.ops.in_place import LARGE
from multvae_jax.schedules import linear_annealing
from multvae_jax.training.updates import init_state, make_epoch, make_train_step
from tests.builders import counts

N_ITEMS, HIDDEN = 8_200, 128


@pytest.mark.updates
def test_an_epoch_in_place_equals_one_with_new_arrays():
    assert N_ITEMS * HIDDEN > LARGE
    model = mult_vae((HIDDEN,), 4)
    optimizer = optax.chain(optax.clip_by_global_norm(0.1), optax.adam(1e-2))
    histories = to_device(sp.csr_array(counts(0, 12, N_ITEMS, share=0.01)))
    order = sequential_order(12, 4)
    states = []
    for in_place in (False, True):
        step = make_train_step(model, optimizer, in_place=in_place)
        start = init_state(jax.random.key(0), model, optimizer, N_ITEMS, linear_annealing(0.2, 10))
        run = jax.jit(make_epoch(step), static_argnames="capacity", donate_argnames="state")
        states.append(run(start, histories, order, capacity=700))
    for one, other in zip(*map(jax.tree.leaves, map(_numbers, states)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def _numbers(result):
    state, terms = result
    return state.params, state.opt_state, terms
