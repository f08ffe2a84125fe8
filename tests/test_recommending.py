"""The best items for any history, from a model that has learned the checkerboard."""

import jax
import numpy as np
import optax
import pytest

from multvae_jax.fitting import fit
from multvae_jax.models import mult_vae
from multvae_jax.recommending import recommend
from tests.builders import checkerboard

pytestmark = pytest.mark.updates


@pytest.fixture(scope="module")
def run():
    return fit(
        jax.random.key(0),
        mult_vae((16,), 4),
        checkerboard(),
        epochs=30,
        batch_size=20,
        optimizer=optax.adam(1e-2),
    )


def test_recommend_leaves_out_what_a_user_has_and_follows_the_scores(run):
    history = ["i0", "i2", "i4", "i6", "i8"]
    (found,) = recommend(run.scorer, run.catalogue, [history], k=10)
    assert len(found.items) == 10
    assert not set(found.items) & set(history)
    assert all(int(item[1:]) % 2 == 0 for item in found.items)
    assert found.scores == sorted(found.scores, reverse=True)
    assert (found.unknown, found.from_popularity) == (0, False)


def test_recommend_knows_what_it_does_not_know(run):
    none, some, repeated, empty = recommend(
        run.scorer, run.catalogue, [["x", "y"], ["x", "i1"], ["i1", "i1"], []], k=3
    )
    by_count = np.argsort(-run.catalogue.counts, kind="stable")[:3]
    assert none.items == empty.items == [f"i{item}" for item in by_count]
    assert none.scores == run.catalogue.counts[by_count].tolist()
    assert (none.unknown, none.from_popularity) == (2, True)
    assert (some.unknown, some.from_popularity) == (1, False)
    assert (empty.unknown, empty.from_popularity) == (0, True)
    assert some.items == repeated.items
    np.testing.assert_allclose(some.scores, repeated.scores, rtol=1e-6)


def test_recommend_more_than_there_is_gives_all_that_is_left(run):
    almost_all = [f"i{item}" for item in range(38)]
    one, all_of_them = recommend(
        run.scorer, run.catalogue, [almost_all, [*almost_all, "i38", "i39"]], k=1000
    )
    assert sorted(one.items) == ["i38", "i39"]
    assert all_of_them.items == []


def test_recommend_does_not_depend_on_the_batch(run):
    histories = [[f"i{item}" for item in range(user % 7)] for user in range(11)]
    together = recommend(run.scorer, run.catalogue, histories, k=5)
    apart = recommend(run.scorer, run.catalogue, histories, k=5, batch_size=2)
    assert [user.items for user in together] == [user.items for user in apart]
    assert recommend(run.scorer, run.catalogue, []) == []
