"""WMF against the normal equations of each user, and against the package `implicit`."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from multvae_jax.baselines.wmf import fold_in, wmf
from multvae_jax.errors import InputError
from tests.baselines.builders import clicks, needs_implicit
from tests.builders import assert_close, batch_of, counts


def normal_equations(y, x, regularization, alpha):
    """The factor of each row of x, from all items; those of the row have confidence alpha x."""
    solved = []
    for row in x:
        confidence = np.where(row != 0, alpha * row, 1.0)
        left = (y * confidence[:, None]).T @ y + regularization * np.eye(y.shape[1])
        solved.append(np.linalg.solve(left, y.T @ (confidence * (row != 0))))
    return np.array(solved)


compiled_fold_in = jax.jit(fold_in)


@given(
    seed=st.integers(0, 1000),
    regularization=st.sampled_from([0.1, 10.0]),
    alpha=st.sampled_from([0.5, 1.0, 40.0]),
)
def test_fold_in_solves_the_normal_equations(seed, regularization, alpha):
    x = counts(seed, 12, 20)
    y = np.random.default_rng(seed).normal(size=(20, 5))
    found = compiled_fold_in(
        jnp.asarray(y, jnp.float32),
        jnp.float32(regularization),
        jnp.float32(alpha),
        batch_of(x, capacity=100),
    )
    assert_close(np.asarray(found), normal_equations(y, x, regularization, alpha), 1e-4)


@needs_implicit
@pytest.mark.parametrize(("regularization", "alpha"), [(0.1, 1.0), (1.0, 15.0)])
def test_fold_in_agrees_with_implicit(regularization, alpha):
    """`recalculate_user` computes the factors of users that were not in the training data."""
    als = fitted_als(clicks(7, n_users=80, n_items=30), regularization, alpha)
    unseen = counts(8, 20, 30)
    expected = als.recalculate_user(np.arange(20), sp.csr_matrix(unseen, dtype=np.float32))
    found = fold_in(
        jnp.asarray(als.item_factors),
        jnp.float32(regularization),
        jnp.float32(alpha),
        batch_of(unseen),
    )
    assert np.abs(expected).max() > 0.1
    assert_close(np.asarray(found), expected, 1e-3)


def fitted_als(x, regularization, alpha):
    from implicit.cpu.als import AlternatingLeastSquares

    with warnings.catch_warnings():
        # `implicit` warns if BLAS uses more than one thread.
        warnings.simplefilter("ignore", RuntimeWarning)
        als = AlternatingLeastSquares(
            factors=6, regularization=regularization, alpha=alpha, random_state=3
        )
    als.fit(sp.csr_matrix(x, dtype=np.float32), show_progress=False)
    return als


@needs_implicit
def test_scores_agree_with_the_factors_of_implicit():
    x = clicks(9, n_users=80, n_items=30)
    als = fitted_als(x, 2.0, 8.0)
    score = wmf(sp.csr_array(x), factors=6, regularization=2.0, alpha=8.0, seed=3)
    unseen = clicks(10, 15, 30)
    factors = als.recalculate_user(np.arange(15), sp.csr_matrix(unseen, dtype=np.float32))
    assert_close(np.asarray(score(batch_of(unseen))), factors @ als.item_factors.T, 1e-3)


@needs_implicit
def test_the_seed_determines_the_result():
    train = sp.csr_array(clicks(11))
    batch = batch_of(clicks(12))
    one, again, other = (np.asarray(wmf(train, 4, seed=seed)(batch)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert not np.allclose(one, other)


@pytest.mark.parametrize(
    "options",
    [
        {"factors": 0},
        {"iterations": 0},
        {"alpha": 0.0},
        {"regularization": -1.0},
        {"alpha": np.nan},
    ],
)
def test_an_option_that_is_not_positive_is_an_error(options):
    with pytest.raises(InputError, match="all must be positive"):
        wmf(sp.csr_array(clicks(0)), **options)
