"""`MultVAE` as scikit-learn uses it: its own checks, and a grid search."""

import jax
import numpy as np
import pytest
import scipy.sparse as sp

import multvae_jax as mv
from multvae_jax.data.splits import train_on_all

pytest.importorskip("sklearn")

from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import estimator_checks_generator

from multvae_jax.estimator import MultVAE

pytestmark = pytest.mark.updates

# The suite checks types where scikit-learn sets parameters to anything.
MultVAE.__init__ = getattr(MultVAE.__init__, "__wrapped__", MultVAE.__init__)

# Checks of data of a shape of their own, for which all programs are compiled.
SLOW = {
    "check_estimators_overwrite_params",
    "check_estimators_fit_returns_self",
    "check_readonly_memmap_input",
    "check_n_features_in_after_fitting",
    "check_estimators_dtypes",
    "check_dtype_object",
    "check_estimators_nan_inf",
    "check_fit2d_1sample",
    "check_fit2d_1feature",
    "check_fit_idempotent",
    "check_fit_check_is_fitted",
    "check_n_features_in",
}


def checks():
    """Each check of scikit-learn; one recommended item, because it expects one column."""
    for estimator, check in estimator_checks_generator(MultVAE(latent=2, epochs=1, k=1, beta=0.1)):
        name = check.func.__name__
        marks = [pytest.mark.slow] if name in SLOW else []
        yield pytest.param(estimator, check, id=name, marks=marks)


@pytest.fixture(scope="module", autouse=True)
def _compile_quickly():
    """Most of the time is compiling programs that run a few times."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


@pytest.mark.parametrize(("estimator", "check"), list(checks()))
# Each check fits a few rows, some of them without any entry.
@pytest.mark.filterwarnings("default")
def test_it_passes_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


def test_the_slow_checks_exist():
    assert {param.id for param in checks()} > SLOW


def tastes(n_users=40, n_items=12):
    """Users like the items of their own parity, and each lacks two of them."""
    likes = (np.arange(n_users)[:, None] + np.arange(n_items)[None]) % 2 == 0
    for user in range(n_users):
        likes[user, np.flatnonzero(likes[user])[[user // 2 % 6, (user // 2 + 2) % 6]]] = False
    return likes


MATRIX = sp.csr_matrix(np.hstack([tastes(), tastes()]).astype(np.float64))
SMALL = {"latent": 4, "k": 4, "beta": 0.01, "random_state": 1}


def test_a_grid_search_finds_the_training_that_learns():
    search = GridSearchCV(MultVAE(**SMALL), {"epochs": [1, 60]}, cv=2, refit=False)
    search.fit(MATRIX)
    few, many = search.cv_results_["mean_test_score"]
    assert search.best_params_ == {"epochs": 60}
    assert many > few + 0.1


def test_it_is_the_training_of_fit_and_recommends_new_items():
    half = MATRIX[:20]
    estimator = MultVAE(**SMALL, epochs=3).fit(half)
    columns = estimator.predict(half)
    assert columns.shape == (20, 4)
    assert not np.take_along_axis(half.toarray(), columns, axis=1).any()
    assert (MultVAE(**SMALL | {"k": 20}, epochs=3).fit(half).predict(half)[:, 16:] == -1).all()
    key = jax.random.key(np.random.RandomState(1).randint(2**31 - 1))
    model = mv.mult_vae((), 4, network=mv.mlp.bounded_mlp)
    split = train_on_all(sp.csr_array(half, dtype=np.float32))
    run = mv.fit(key, model, split, epochs=3, beta=0.01)
    lists = mv.recommend_lists(run.scorer, run.catalogue, split.train, split.user_ids, 4)
    np.testing.assert_array_equal(lists.items, columns)
    users = mv.hold_out_interactions(split, 0.2).validation
    metrics = {"ndcg": mv.Metric(mv.metrics.ndcg, 4)}
    expected = mv.evaluate(run.scorer, users, metrics).mean("ndcg")
    assert estimator.score(half) == pytest.approx(expected, rel=1e-6)


def test_rows_that_are_too_short_have_no_score():
    estimator = MultVAE(**SMALL, epochs=3).fit(MATRIX[:20])
    short = sp.csr_matrix(([1.0, 1.0], ([0, 0], [1, 2])), shape=(1, 24))
    assert np.isnan(estimator.score(short))
