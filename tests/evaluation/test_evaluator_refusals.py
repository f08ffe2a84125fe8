"""What `evaluate` refuses, and the scorers that it takes."""

import inspect

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse as sp
from jax.tree_util import Partial

import multvae_jax as mv
from tests.builders import checkerboard

# The suite checks types by itself, before the function does.
evaluate = inspect.unwrap(mv.evaluate)
SCORES = jnp.asarray(np.random.default_rng(0).normal(size=40), jnp.float32)


def same_for_all(scores, batch):
    return jnp.broadcast_to(scores, (batch.users.shape[0], batch.n_items))


def test_a_plain_function_is_a_scorer():
    users = checkerboard().test
    expected = evaluate(Partial(same_for_all, SCORES), users)
    for scorer in (lambda batch: same_for_all(SCORES, batch), Partial(same_for_all, SCORES)):
        assert evaluate(scorer, users).summary() == expected.summary()


@pytest.mark.parametrize(
    ("scorer", "users", "metrics", "message"),
    [
        (None, "split", None, "users: Split is not held-out users; those of a split are split.te"),
        (None, sp.csr_array((2, 3)), None, "users: csr_array is not held-out users"),
        ("mult-vae", None, None, "scorer: str is not a scorer"),
        (mv.mult_vae((), 2), None, None, "scorer: Model is not a scorer"),
        (None, None, ["ndcg@10"], "metrics: give metrics by name"),
        (None, None, {}, "metrics: give metrics by name"),
        (lambda batch: batch.values, None, None, "scorer: gives the shape"),
    ],
)
def test_other_types_are_refused_in_one_sentence(scorer, users, metrics, message):
    split = checkerboard()
    scorer = Partial(same_for_all, SCORES) if scorer is None else scorer
    users = split.test if users is None else split if isinstance(users, str) else users
    given = {} if metrics is None else {"metrics": metrics}
    with pytest.raises(mv.InputError, match=message) as error:
        evaluate(scorer, users, **given)
    assert "\n" not in str(error.value)
