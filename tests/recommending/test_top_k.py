"""The best items for any history, from a model that has learned the checkerboard."""

import inspect
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.sparse as sp

import multvae_jax as mv
from multvae_jax import sizes
from multvae_jax.data.types import Catalogue
from multvae_jax.fitting import fit
from multvae_jax.models import mult_vae
from multvae_jax.recommending.top_k import rank_items, recommend
from tests.builders import checkerboard, counted

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


# The suite checks types by itself, before the function does.
unchecked = inspect.unwrap(recommend)


def catalogue(ids):
    return Catalogue(np.array(ids, object), np.arange(len(ids)), {})


def by_number(batch):
    """A scorer that prefers the last items."""
    return jnp.broadcast_to(
        jnp.arange(batch.n_items, dtype=jnp.float32), (batch.users.shape[0], batch.n_items)
    )


def test_any_number_of_histories_of_any_length_shares_a_few_programs():
    scorer, traces = counted(by_number)
    ids = catalogue([str(item) for item in range(90)])
    for n in range(1, 61):
        histories = [[str(item) for item in range(user % n)] for user in range(n)]
        found = recommend(scorer, ids, histories, k=1 + n % 5)
        assert [user.items[0] for user in found] == ["89"] * n
    # 1, 8 or 64 users, and up to 4 chunks for each of them; k is 8.
    assert len(traces) <= 5


def test_a_large_catalogue_makes_the_batches_small(monkeypatch):
    monkeypatch.setattr(sizes, "MOST_SCORES", 100)
    seen = []

    def scorer(batch):
        seen.append(batch.users.shape[0] * batch.n_items)
        return by_number(batch)

    ids = catalogue([str(item) for item in range(30)])
    found = recommend(scorer, ids, [[str(user)] for user in range(10)], k=30)
    assert max(seen) <= 100
    for user, mine in enumerate(found):
        assert mine.items == [str(item) for item in range(29, -1, -1) if item != user]


def test_batches_are_ranked_as_they_are_asked_for(run):
    matrix = sp.csr_array(np.eye(20, 40, dtype=np.float32))
    batches = rank_items(run.scorer, run.catalogue, matrix, k=3, batch_size=8)
    assert [batch.items.shape for batch in batches] == [(8, 3), (8, 3), (4, 3)]
    first = next(rank_items(run.scorer, run.catalogue, matrix, k=3, batch_size=8))
    expected = recommend(run.scorer, run.catalogue, [[f"i{user}"] for user in range(8)], k=3)
    names = [[f"i{item}" for item in items] for items in first.items]
    assert names == [user.items for user in expected]


def test_integers_are_ids_in_the_usual_spelling():
    ids = catalogue(["50", "181", "07", "260"])
    texts = recommend(by_number, ids, [["50", "260"], ["7"]], k=4)
    for integers in ([[50, 260], [7]], [np.array([50, 260]), np.array([7])]):
        assert unchecked(by_number, ids, integers, k=4) == texts
    assert texts[0].items == ["07", "181"]
    assert texts[1].unknown == 1


@pytest.mark.parametrize(
    ("histories", "message"),
    [
        (["1", "4"], "histories: '1' is of type str where one list of item ids per user is"),
        ("14", "histories: '14' is of type str; one list of item ids per user is expected"),
        ([1, 4], "histories: 1 is of type int where one list of item ids per user is expected"),
        (None, "histories: None is of type NoneType; one list"),
        ([["1"], [4.0]], r"histories\[1\]: 4.0 is of type float; an item id is text or an integer"),
        ([["1", None]], r"histories\[0\]: None is of type NoneType; an item id is"),
        ([[True]], r"histories\[0\]: True is of type bool; an item id is"),
        ([["1"], [float("nan")]], r"histories\[1\]: nan is of type float"),
    ],
)
def test_what_is_not_lists_of_ids_is_refused(histories, message):
    with pytest.raises(mv.InputError, match=message):
        unchecked(by_number, catalogue(["1", "4"]), histories)


def test_other_wrong_arguments_are_refused(run):
    with pytest.raises(mv.InputError, match=r"histories.0.: 3 is of type int; the ids of the cata"):
        unchecked(run.scorer, run.catalogue, [[3]])
    for name, value in (("k", 0), ("k", 2.5), ("k", "3"), ("batch_size", 0)):
        with pytest.raises(mv.InputError, match=f"{name}: {value!r} is not a positive integer"):
            unchecked(run.scorer, run.catalogue, [["i1"]], **{name: value})
    with pytest.raises(mv.InputError, match=r"str is not a scorer, that is a function of a batch"):
        unchecked("run", run.catalogue, [["i1"]])
    assert unchecked(run, run.catalogue, [["i1"]]) == unchecked(run.scorer, run.catalogue, [["i1"]])
    with pytest.raises(mv.InputError, match=r"Run is not a catalogue; a run's own is run.catalog"):
        unchecked(run.scorer, run, [["i1"]])
    two = catalogue(["i1", "i2"])
    with pytest.raises(mv.InputError, match=r"scorer: its parameters are for other items; the sco"):
        recommend(run.scorer, two, [["i1"]])
    with pytest.raises(mv.InputError, match=r"gives the shape .1, 1., and not .1, 2.; the scorer"):
        recommend(lambda batch: by_number(batch)[:, :1], two, [["i1"]])


def test_lists_of_many_users_are_those_of_recommend(run):
    matrix = sp.csr_array(np.eye(20, 40, k=3, dtype=np.float32))
    users = [f"u{user}" for user in range(20)]
    lists = mv.recommend_lists(run.scorer, run.catalogue, matrix, users, k=39, batch_size=8)
    expected = recommend(run.scorer, run.catalogue, [[f"i{user + 3}"] for user in range(20)], k=39)
    assert lists.user_ids.tolist() == users
    assert lists.item_ids() == [user.items for user in expected]
    np.testing.assert_allclose(lists.scores, [user.scores for user in expected], 1e-5, 1e-6)


def test_items_of_the_history_are_in_no_list():
    """Each user has another number of items left, and the scores have ties."""
    has = np.arange(6)[:, None] > np.arange(9)[None]
    scores = jnp.float32([[1, 0, 1, -0.0, 2, 2, -5, 0, 1]])
    lists = mv.recommend_lists(
        lambda batch: jnp.broadcast_to(scores, (batch.users.shape[0], 9)),
        catalogue(list("abcdefghi")),
        sp.csr_array(has.astype(np.float32)),
        list("uvwxyz"),
        k=50,
    )
    assert lists.k == 9
    order = np.argsort(-scores[0], kind="stable")
    for user in range(1, 6):  # the first one has no history, and gets the most popular
        left = [item for item in order.tolist() if not has[user, item]]
        assert lists.items[user].tolist() == left + [-1] * user
        assert lists.scores[user, : len(left)].tolist() == scores[0, np.array(left)].tolist()
        assert np.isnan(lists.scores[user, len(left) :]).all()


@pytest.mark.nans
@pytest.mark.parametrize("nan", [np.nan, -np.nan])
def test_a_score_that_is_not_a_number_is_refused(nan):
    def scorer(batch):
        return jnp.where(batch.users[:, None] == 2, jnp.float32(nan), by_number(batch))

    matrix = sp.csr_array(np.eye(5, 9, dtype=np.float32))
    with pytest.raises(mv.InputError, match="scorer: a score of the user in row 2 is NaN"):
        mv.recommend_lists(scorer, catalogue(list("abcdefghi")), matrix, list("uvwxy"), k=2)


def test_histories_that_do_not_fit_are_refused():
    matrix = sp.csr_array(np.eye(2, 3, dtype=np.float32))
    with pytest.raises(mv.InputError, match="user_ids: 1 ids for 2 histories"):
        mv.recommend_lists(by_number, catalogue(list("abc")), matrix, ["u"])
    with pytest.raises(mv.InputError, match="histories: of 3 items, and the catalogue has 2"):
        mv.recommend_lists(by_number, catalogue(list("ab")), matrix, ["u", "v"])


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_histories(run):
    """A million users with 5 items each; 16 MiB are less than the results of all of them."""

    def resident():
        lines = Path("/proc/self/status").read_text().splitlines()
        (line,) = (line for line in lines if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024

    rng = np.random.default_rng(0)
    n_users = 1_000_000
    items = np.sort(rng.permuted(np.tile(np.arange(40, dtype=np.int32), (2000, 1)), axis=1)[:, :5])
    indices = np.tile(items.ravel(), n_users // 2000)
    starts = np.arange(n_users + 1) * 5
    matrix = sp.csr_array((np.ones(len(indices), np.float32), indices, starts), (n_users, 40))
    n_ranked, before = 0, 0.0
    for number, batch in enumerate(rank_items(run.scorer, run.catalogue, matrix, k=20)):
        n_ranked += len(batch.items)
        before = resident() if number == 10 else before
    assert n_ranked == n_users
    assert resident() - before < 16
