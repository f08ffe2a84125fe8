"""The baselines, held against what defines them: solved column by column, user by user."""

import importlib.util
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from multvae_jax.baselines import _implicit
from multvae_jax.baselines.ease import ease, item_weights
from multvae_jax.baselines.item_knn import item_knn
from multvae_jax.baselines.wmf import fold_in, wmf
from multvae_jax.errors import InputError
from multvae_jax.evaluation.evaluator import evaluate
from multvae_jax.recommending import recommend
from tests.builders import assert_close, batch_of, counted, counts, quick_jit
from tests.test_fitting import checkerboard, found_at

needs_implicit = pytest.mark.skipif(
    importlib.util.find_spec("implicit") is None, reason="the package implicit is not installed"
)

BASELINES = {
    "ease": lambda train: ease(train, 1.0),
    "wmf": lambda train: wmf(train, factors=4, regularization=0.1),
    # All of the same taste are equally near: with fewer neighbours, some would have none.
    "item kNN": lambda train: item_knn(train, 20),
}
every_baseline = pytest.mark.parametrize(
    "name",
    [
        "ease",
        pytest.param("wmf", marks=needs_implicit),
        pytest.param("item kNN", marks=needs_implicit),
    ],
)


def clicks(seed, n_users=40, n_items=15, share=0.3):
    """A users x items matrix of ones; user 0 has every item, the last one none."""
    return np.minimum(counts(seed, n_users, n_items, share=share), 1.0)


# --- all of them ----------------------------------------------------------------------------


@every_baseline
def test_every_baseline_finds_the_withheld_square(name):
    """The taste of a user never seen is plain from the history; chance would get a half."""
    split = checkerboard()
    found = evaluate(BASELINES[name](split.train), split.test, found_at(4))
    assert found.mean("recall@4") == 1.0


@every_baseline
def test_a_score_depends_on_no_other_user_and_padding_and_no_history_score_nothing(name):
    x = clicks(0)
    score = BASELINES[name](sp.csr_array(x))
    together = np.asarray(score(batch_of(x, extra=3)))
    assert together.shape == x.shape
    assert together.dtype == np.float32
    has_history = x.any(axis=1)
    assert not has_history.all()
    np.testing.assert_array_equal((together != 0.0).any(axis=1), has_history)
    # Another order, cut and amount of padding, and a place without a user.
    users = np.array([7, -1, 0, 39, 3])
    some = np.asarray(score(batch_of(x, users, width=5)))
    expected = np.where((users >= 0)[:, None], together[users], 0.0)
    np.testing.assert_allclose(some, expected, rtol=1e-4, atol=1e-5)


@every_baseline
def test_the_kind_of_index_and_value_does_not_matter(name):
    """A split counts in 64 bits, a file may in 32."""
    narrow = sp.csr_array(clicks(17))
    wide = sp.csr_array(
        (narrow.data.astype(np.int64), narrow.indices, narrow.indptr), shape=narrow.shape
    )
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    narrow.indices, narrow.indptr = narrow.indices.astype(np.int32), narrow.indptr.astype(np.int32)
    batch = batch_of(clicks(18))
    one, other = (np.asarray(BASELINES[name](train)(batch)) for train in (narrow, wide))
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


@every_baseline
def test_the_arrays_are_arguments_of_the_program_that_scores(name):
    """A second scorer of the same kind and shapes compiles nothing."""
    first, second = (BASELINES[name](sp.csr_array(clicks(seed))) for seed in (0, 1))
    program, traces = counted(lambda score, batch: score(batch))
    program = jax.jit(program)
    batch = batch_of(clicks(2))
    one, other = program(first, batch), program(second, batch)
    assert len(traces) == 1
    assert not np.array_equal(one, other)
    assert_close(np.asarray(other), np.asarray(second(batch)), 1e-4)


@every_baseline
def test_recommend_takes_a_baseline(name):
    split = checkerboard()
    (found,) = recommend(BASELINES[name](split.train), split.catalogue, [["i1", "i3", "i5"]], k=8)
    assert len(found.items) == 8
    assert all(int(item[1:]) % 2 == 1 for item in found.items)


# --- EASE -----------------------------------------------------------------------------------


def constrained_least_squares(x, regularization):
    """Column j of B minimizes |x_j - X b|^2 + lambda |b|^2 with b_j = 0: one problem a column.

    Solved by least squares on the columns other than j, with sqrt(lambda) I below them.
    """
    n_items = x.shape[1]
    weights = np.zeros((n_items, n_items))
    for j in range(n_items):
        others = np.arange(n_items) != j
        below = np.sqrt(regularization) * np.eye(n_items - 1)
        left = np.concatenate([x[:, others], below])
        right = np.concatenate([x[:, j], np.zeros(n_items - 1)])
        weights[others, j] = np.linalg.lstsq(left, right)[0]
    return weights


@given(
    seed=st.integers(0, 1000),
    regularization=st.sampled_from([0.01, 1.0, 30.0]),
    n_users=st.sampled_from([7, 11, 25]),
)
def test_ease_solves_each_columns_least_squares_problem(seed, regularization, n_users):
    """Through the users where they are fewer than the items, and else through the items."""
    x = counts(seed, n_users, 11)
    found = item_weights(sp.csr_array(x), regularization)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found.diagonal(), 0.0)
    assert_close(found, constrained_least_squares(x, regularization), 1e-5)


@pytest.mark.parametrize("n_users", [60, 12])
def test_ease_of_more_items_than_a_block_holds(n_users, monkeypatch):
    x = counts(3, n_users, 23)
    whole = item_weights(sp.csr_array(x), 2.0)
    monkeypatch.setattr("multvae_jax.baselines.ease.BLOCK", 5)
    assert_close(item_weights(sp.csr_array(x), 2.0), whole, 1e-6)
    assert_close(whole, constrained_least_squares(x, 2.0), 1e-5)


def test_ease_in_float32_is_nearly_that_in_float64():
    x = clicks(4, n_users=200, n_items=50)
    double, single = (
        item_weights(sp.csr_array(x), 10.0, dtype) for dtype in (np.float64, np.float32)
    )
    assert single.dtype == np.float32
    assert_close(single, double, 1e-4)
    assert not np.array_equal(single, double)


def test_ease_scores_a_history_by_its_rows_of_the_weights():
    x = counts(5, 30, 12)
    train = sp.csr_array(x)
    scores = ease(train, 3.0)(batch_of(x))
    assert_close(np.asarray(scores), x @ constrained_least_squares(x, 3.0), 1e-5)


def test_ease_leaves_its_input_alone():
    train = sp.csr_array(clicks(6))
    before = train.toarray()
    item_weights(train, 1.0)
    np.testing.assert_array_equal(train.toarray(), before)


def test_ease_says_how_many_bytes_it_would_take(monkeypatch):
    train = sp.csr_array((300, 300), dtype=np.float32)
    message = "300 items and 300 users take 1,080,000 bytes, more than the 1,079,999 there are"
    with pytest.raises(InputError, match=message):
        ease(train, memory=1_079_999)
    ease(train, memory=1_080_000)
    with pytest.raises(InputError, match="take 720,000 bytes"):
        ease(train, dtype=np.float32, memory=719_999)
    ease(train, dtype=np.float32, memory=720_000)
    # The inverse is the users', where they are fewer.
    with pytest.raises(InputError, match="300 items and 3 users take 360,072 bytes"):
        ease(train[:3], memory=360_071)
    # Unless told, it may take what the machine has.
    pages = {"SC_PAGE_SIZE": 1000, "SC_PHYS_PAGES": 1079}
    monkeypatch.setattr("os.sysconf", pages.get)
    with pytest.raises(InputError, match="more than the 1,079,000 there are"):
        ease(train)


@pytest.mark.parametrize("users", [40, 10])
def test_the_device_takes_the_weights_of_ease_without_a_copy(users):
    """They are the largest array there is; a copy of them would decide what fits the memory."""
    weights = item_weights(sp.csr_array(clicks(0)[:users]), 10.0)
    on_device = jax.device_put(weights)
    if on_device.device.platform == "cpu":
        assert on_device.unsafe_buffer_pointer() == weights.ctypes.data
    np.testing.assert_array_equal(on_device, weights)


@pytest.mark.parametrize("regularization", [0.0, -1.0, np.nan, np.inf])
def test_ease_takes_a_positive_regularization(regularization):
    with pytest.raises(InputError, match="is not a positive number"):
        ease(sp.csr_array(clicks(0)), regularization)


def test_ease_that_cannot_be_solved_says_so():
    """Two items that everyone has: singular, but for a lambda below float32's resolution."""
    train = sp.csr_array(np.ones((50, 2)))
    with pytest.raises(InputError, match=r"cannot be inverted in float32; a larger"):
        ease(train, 1e-9, np.float32)


# --- WMF ------------------------------------------------------------------------------------


def normal_equations(y, x, regularization, alpha):
    """The factor of each row of x: all items weighed, those of the row by alpha x."""
    solved = []
    for row in x:
        confidence = np.where(row != 0, alpha * row, 1.0)
        left = (y * confidence[:, None]).T @ y + regularization * np.eye(y.shape[1])
        solved.append(np.linalg.solve(left, y.T @ (confidence * (row != 0))))
    return np.array(solved)


compiled_fold_in = quick_jit(fold_in)


@given(
    seed=st.integers(0, 1000),
    regularization=st.sampled_from([0.1, 10.0]),
    alpha=st.sampled_from([0.5, 1.0, 40.0]),
)
def test_a_folded_in_user_solves_the_normal_equations(seed, regularization, alpha):
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
def test_the_fold_in_is_the_packages_own(regularization, alpha):
    """The factors that `recalculate_user` gives for rows the factorization has not seen."""
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
        # It would like BLAS to have one thread only.
        warnings.simplefilter("ignore", RuntimeWarning)
        als = AlternatingLeastSquares(
            factors=6, regularization=regularization, alpha=alpha, random_state=3
        )
    als.fit(sp.csr_matrix(x, dtype=np.float32), show_progress=False)
    return als


@needs_implicit
def test_wmf_scores_by_the_packages_factors():
    x = clicks(9, n_users=80, n_items=30)
    als = fitted_als(x, 2.0, 8.0)
    score = wmf(sp.csr_array(x), factors=6, regularization=2.0, alpha=8.0, seed=3)
    unseen = clicks(10, 15, 30)
    factors = als.recalculate_user(np.arange(15), sp.csr_matrix(unseen, dtype=np.float32))
    assert_close(np.asarray(score(batch_of(unseen))), factors @ als.item_factors.T, 1e-3)


@needs_implicit
def test_the_seed_of_wmf_decides():
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
def test_wmf_takes_positive_options(options):
    with pytest.raises(InputError, match="all must be positive"):
        wmf(sp.csr_array(clicks(0)), **options)


# --- item kNN -------------------------------------------------------------------------------


def cosine_neighbors(x, neighbors):
    """Dense similarities, each row's largest but the diagonal kept."""
    unit = x / np.maximum(np.linalg.norm(x, axis=0), 1e-30)
    similar = unit.T @ unit
    np.fill_diagonal(similar, 0.0)
    lowest = np.sort(similar, axis=1)[:, -neighbors][:, None]
    return np.where(similar >= lowest, similar, 0.0)


@needs_implicit
@pytest.mark.parametrize("neighbors", [1, 4, 11])
def test_item_knn_adds_up_the_similarities_of_the_neighbours(neighbors):
    # Values without ties, so that the neighbours are beyond doubt.
    x = clicks(13, 50, 12) * np.random.default_rng(13).uniform(0.5, 2.0, (50, 12))
    unseen = counts(14, 9, 12)
    scores = item_knn(sp.csr_array(x), neighbors)(batch_of(unseen))
    assert_close(np.asarray(scores), unseen @ cosine_neighbors(x, neighbors), 1e-5)


@needs_implicit
def test_more_neighbours_than_items_are_all_there_are():
    x = clicks(15, 30, 8)
    batch = batch_of(x)
    np.testing.assert_allclose(
        item_knn(sp.csr_array(x), 500)(batch), item_knn(sp.csr_array(x), 7)(batch), rtol=1e-6
    )


@needs_implicit
def test_an_item_is_no_neighbour_of_itself_even_among_its_equals():
    """Four items that the same users have: three neighbours each, at similarity 1."""
    x = np.zeros((10, 6))
    x[:6, :4] = 1.0
    x[5:, 4:] = 1.0
    scores = np.asarray(item_knn(sp.csr_array(x), 2)(batch_of(np.eye(6))))
    np.testing.assert_array_equal(scores.diagonal(), 0.0)
    np.testing.assert_allclose(scores[:4].sum(axis=1), 2.0, rtol=1e-6)


@needs_implicit
def test_an_item_without_users_has_no_neighbours():
    x = clicks(16, 30, 8)
    x[:, 2] = 0.0
    scores = np.asarray(item_knn(sp.csr_array(x), 5)(batch_of(np.eye(8))))
    assert np.isfinite(scores).all()
    np.testing.assert_array_equal(scores[2], 0.0)
    np.testing.assert_array_equal(scores[:, 2], 0.0)


def test_item_knn_takes_a_neighbour_at_least():
    with pytest.raises(InputError, match="0 neighbours: it takes at least one"):
        item_knn(sp.csr_array(clicks(0)), 0)


@pytest.mark.parametrize("build", [wmf, item_knn])
def test_a_missing_package_is_one_line_that_says_how_to_get_it(build, monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(f"No module named '{name}'")

    monkeypatch.setattr(_implicit.importlib, "import_module", missing)
    with pytest.raises(InputError) as caught:
        build(sp.csr_array(clicks(0)))
    assert "\n" not in str(caught.value)
    assert "pip install 'multvae-jax[baselines]'" in str(caught.value)
