"""`Recommender`: by the ids of the data, for lists, frames, matrices and the users of the data."""

import dataclasses

import jax
import numpy as np
import optax
import polars as pl
import pytest
import scipy.sparse as sp

import multvae_jax as mv
from multvae_jax.config.options import DataOptions
from multvae_jax.data.types import Catalogue
from multvae_jax.recommending import top_k as recommending
from multvae_jax.recommending.recommender import Recommender
from multvae_jax.runs import own_data as module
from tests.builders import checkerboard, counted, see_through_shape_checks

pytestmark = pytest.mark.updates

TITLES = {f"i{item}": f"title {item}" for item in range(0, 40, 2)}
HISTORIES = [["i0", "i2", "i4", "x"], ["i1", "i3"], ["i5"], ["x", "y"]]


def titled(split):
    own = split.catalogue
    return Catalogue(own.ids, own.counts, TITLES)


@pytest.fixture(scope="module")
def run():
    split = checkerboard()
    return mv.fit(
        jax.random.key(0),
        mv.mult_vae((16,), 4),
        dataclasses.replace(split, catalogue=titled(split)),
        epochs=20,
        batch_size=20,
        optimizer=optax.adam(1e-2),
    )


@pytest.fixture(scope="module")
def recommender(run):
    return Recommender(run)


def matrix_of(histories, n_items=40):
    rows = np.zeros((len(histories), n_items), np.float32)
    for row, mine in zip(rows, histories, strict=True):
        row[[int(item[1:]) for item in mine if item[1:]]] = 1
    return sp.csr_array(rows)


def test_lists_frames_and_matrices_give_the_same_items(run, recommender):
    expected = mv.recommend(run.scorer, run.catalogue, HISTORIES, k=6)
    found = recommender.recommend(HISTORIES, 6)
    assert found == expected
    assert found[0].titles == tuple(TITLES.get(item) for item in found[0].items)
    assert (found[0].unknown, found[3].from_popularity) == (1, True)
    lists = recommender.recommend(matrix_of(HISTORIES), 6, users=["a", "b", "c", "d"])
    assert isinstance(lists, mv.Lists)
    assert lists.user_ids.tolist() == ["a", "b", "c", "d"]
    assert lists.item_ids() == [user.items for user in expected]
    rows = [(n, item) for n, mine in enumerate(HISTORIES) for item in mine]
    frame = pl.DataFrame(rows, schema={"customer": pl.Int32, "thing": pl.String}, orient="row")
    names = {"user_column": "customer", "item_column": "thing"}
    result = recommender.recommend(frame, 6, **names)
    assert result.columns == ["customer", "rank", "thing", "title", "score"]
    assert result["customer"].to_list() == [user for user in range(4) for _ in range(6)]
    assert result["rank"].to_list() == list(range(1, 7)) * 4
    assert result["thing"].to_list() == [item for user in expected for item in user.items]
    assert result["title"].to_list() == [title for user in expected for title in user.titles]
    assert result["score"].to_list() == [score for user in expected for score in user.scores]
    lazy = recommender.recommend(frame.lazy(), 6, users=[2], **names).collect()
    alone = result.filter(pl.col("customer") == 2)
    assert lazy.drop("score").equals(alone.drop("score"))
    np.testing.assert_allclose(lazy["score"], alone["score"], rtol=1e-5)


@pytest.mark.parametrize("library", ["pandas", "pyarrow", "duckdb"])
def test_a_frame_comes_back_in_its_own_library(recommender, library):
    frames = pytest.importorskip(library)
    rows = pl.DataFrame({"user": [7, 7, 3], "item": ["i0", "i2", "i1"]})
    make = {
        "pandas": lambda: frames.DataFrame(rows.to_dict(as_series=False)),
        "pyarrow": lambda: frames.table(rows.to_dict(as_series=False)),
        "duckdb": lambda: frames.from_arrow(rows.to_arrow()),
    }
    given = make[library]()
    found = recommender.recommend(given, 3)
    other = recommender.recommend(given, 1)
    assert type(found) is type(given) is type(other)
    table = pl.DataFrame(found)
    expected = recommender.recommend(rows, 3)
    assert table.drop("score").cast(pl.String).equals(expected.drop("score").cast(pl.String))
    np.testing.assert_allclose(table["score"], expected["score"], rtol=1e-5)
    assert len(pl.DataFrame(other)) == 2


def test_the_users_of_the_data_are_found_by_id(run, recommender, tmp_path, monkeypatch):
    see_through_shape_checks(monkeypatch)
    split = run.split
    everyone = recommender.recommend(k=4)
    assert everyone.user_ids[: len(split.user_ids)].tolist() == split.user_ids.tolist()
    held_out = split.test.user_ids[3]
    (row,) = np.flatnonzero(everyone.user_ids == held_out)
    some = recommender.recommend(k=4, users=[held_out, split.user_ids[1]])
    assert some.user_ids.tolist() == [held_out, split.user_ids[1]]
    np.testing.assert_array_equal(some.items[0], everyone.items[row])
    whole = set((split.test.history + split.test.targets)[[3]].indices)
    assert not whole & set(some.items[0].tolist())
    with pytest.raises(mv.InputError, match="users: there is no user 'nobody' in the data of the"):
        recommender.recommend(users=["nobody"])
    run.save(tmp_path / "run")
    with pytest.raises(mv.InputError, match="does not hold the histories of its training users"):
        Recommender(mv.load_run(tmp_path / "run")).recommend()


def test_the_data_of_a_loaded_run_is_read_again(run, tmp_path, monkeypatch):
    """Its items may have another order."""
    see_through_shape_checks(monkeypatch)
    order = np.random.default_rng(0).permutation(40)
    split = run.split
    other = dataclasses.replace(
        split,
        train=split.train[:, order],
        validation=None,
        test=mv.HeldOut(
            split.test.history[:, order], split.test.targets[:, order], split.test.user_ids
        ),
        catalogue=Catalogue(split.catalogue.ids[order], split.catalogue.counts[order], {}),
    )
    run.save(tmp_path / "run")
    loaded = mv.load_run(tmp_path / "run")
    config = module.read_run_config(loaded.loaded_from)
    with_data = dataclasses.replace(config, data=DataOptions())
    monkeypatch.setattr(module, "read_run_config", lambda place: with_data)
    monkeypatch.setattr(module, "load_split", lambda data: other)
    found = Recommender(loaded).recommend(k=4, users=split.user_ids[:5])
    expected = Recommender(run).recommend(k=4, users=split.user_ids[:5])
    np.testing.assert_array_equal(found.items, expected.items)


def test_items_are_excluded_chosen_and_shown_again(recommender):
    plain = recommender.recommend(HISTORIES, 40)
    out = [plain[0].items[0], "i7", "never seen"]
    for user, before in zip(recommender.recommend(HISTORIES, 40, exclude=out), plain, strict=True):
        assert user.items == [item for item in before.items if item not in out]
    few = ["i9", "i2", "i8", "i30", "x"]
    for user, before in zip(
        recommender.recommend(HISTORIES, 40, candidates=few, exclude=["i9"]), plain, strict=True
    ):
        assert user.items == [item for item in before.items if item in few and item != "i9"]
    (again,) = recommender.recommend([["i0", "i2"]], 40, include_seen=True)
    scores = recommender.score(["i0", "i2"])
    assert again.items == [f"i{item}" for item in np.argsort(-scores, kind="stable")]
    np.testing.assert_allclose(again.scores, np.sort(scores)[::-1], rtol=1e-6)


def test_why_is_scoring_again_without_each_item(recommender):
    history = ["i0", "i2", "i4", "i7", "unknown"]
    first, second = recommender.why(history, ["i6", "i1"])
    assert first == recommender.why(history, "i6")
    assert (first.item, second.item, first.unknown) == ("i6", "i1", 1)
    for reasons in (first, second):
        (whole,) = recommender.score(history, [reasons.item])
        assert reasons.score == pytest.approx(float(whole), abs=1e-6)
        assert sorted(reasons.history) == ["i0", "i2", "i4", "i7"]
        assert reasons.effects == sorted(reasons.effects, reverse=True)
        assert reasons.titles == tuple(TITLES.get(item) for item in reasons.history)
        for item, effect in zip(reasons.history, reasons.effects, strict=True):
            (without,) = recommender.score([i for i in history if i != item], [reasons.item])
            assert effect == pytest.approx(float(whole - without), abs=1e-5)
    # What is alike speaks for an item, and what is not against it.
    assert first.history[-1] == "i7"
    assert second.history[0] == "i7"


def test_inner_products_of_the_vectors_are_the_scores(recommender):
    vectors = recommender.user_vectors(HISTORIES)
    assert vectors.shape == (4, recommender.item_vectors.shape[1])
    for vector, history in zip(vectors, HISTORIES, strict=True):
        np.testing.assert_allclose(
            recommender.item_vectors @ vector, recommender.score(history), atol=1e-4
        )
    np.testing.assert_array_equal(recommender.user_vectors(matrix_of(HISTORIES)), vectors)
    assert recommender.user_vectors([]).shape == (0, vectors.shape[1])


def test_what_all_items_share_makes_none_of_them_similar(run):
    """The last layer has two opposite directions, a large part in common, and any biases."""
    rng = np.random.default_rng(0)
    params = jax.tree.map(np.array, run.params)
    last = params["network"]["decoder"]["layers_2"]
    sign = np.where(np.arange(40) % 2, 1.0, -1.0)
    direction, common = rng.normal(size=(2, last["kernel"].shape[0], 1)).astype(np.float32)
    last["kernel"] = (sign * direction + 9 * common).astype(np.float32)
    last["bias"] = rng.normal(size=40).astype(np.float32)
    planted = dataclasses.replace(run, params=jax.tree.map(jax.numpy.asarray, params))
    found = Recommender(planted).similar_items("i3", 39)
    assert sorted(found.items[:19]) == sorted(f"i{item}" for item in range(1, 40, 2) if item != 3)
    np.testing.assert_allclose(found.scores, [1.0] * 19 + [-1.0] * 20, atol=1e-4)


def test_similar_items_are_ranked_by_their_cosine(run, recommender):
    found = recommender.similar_items("i3", 1000)
    assert sorted([*found.items, "i3"]) == sorted(run.catalogue.ids)
    vectors = recommender.item_vectors[:, :-1]
    vectors = vectors - vectors.mean(axis=0)
    first = vectors[int(found.items[0][1:])]
    cosine = first @ vectors[3] / np.linalg.norm(first) / np.linalg.norm(vectors[3])
    assert found.scores[0] == pytest.approx(cosine, abs=1e-5)
    assert found.scores == sorted(found.scores, reverse=True)
    assert recommender.similar_items("i3", 5).items == found.items[:5]
    linear = mv.fit_baseline("ease", run.split)
    weights = np.asarray(linear.params["item_weights"])[3]
    near = Recommender(linear).similar_items("i3", 2)
    order = [item for item in np.argsort(-weights, kind="stable").tolist() if item != 3]
    assert near.items == [f"i{item}" for item in order[:2]]
    with pytest.raises(mv.InputError, match="user_vectors: the scores of this model are not inner"):
        Recommender(linear).user_vectors([["i3"]])


def test_after_a_warm_up_nothing_is_compiled(run):
    scorer, traces = counted(run.scorer)
    recommender = Recommender(run)
    recommender.scorer = recommending.as_scorer(scorer)
    # 8 and 32 items; 1 or 8 users; 8 chunks, or 32 for 8 users.
    assert recommender.warm_up(k=20, most_users=8) == 6
    assert len(traces) == 6
    before = len(traces)
    rng = np.random.default_rng(0)
    for n_users in (1, 2, 5, 8):
        for length in (0, 1, 7, 20, 40):
            history = [f"i{item}" for item in rng.permutation(40)[:length]]
            for k in (1, 8, 30):
                recommender.recommend([history] * n_users, k)
    assert len(traces) == before


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: r.recommend(["i1"]), "histories: 'i1' is of type str where one list of item"),
        (lambda r: r.recommend([["i1"]], 0), "k: "),
        (lambda r: r.recommend([["i1"]], users=["a"]), "users: lists of items have no user ids"),
        (lambda r: r.recommend(sp.csr_array((2, 3))), "histories: of 3 items, and the catalogue"),
        (
            lambda r: r.recommend([["i1"]], exclude="i1"),
            "exclude: 'i1' is of type str where a li",
        ),
        (
            lambda r: r.recommend([["i1"]], candidates=["z"]),
            "candidates: none of the 1 items is",
        ),
        (
            lambda r: r.recommend([["i1"]], candidates=["i1"], exclude=["i1"]),
            "exclude: it leaves ",
        ),
        (lambda r: r.recommend(users="u1"), "users: 'u1' is not a list of user ids"),
        (lambda r: r.score(["i1"], ["i1", "i99"]), "items: there is no item 'i99'; did you mean i"),
        (lambda r: r.similar_items("I3"), "item: there is no item 'I3'"),
        (lambda r: r.why(["z"], "i3"), "history: none of its items is in the catalogue"),
        (lambda r: Recommender("runs/first"), "run: "),
    ],
)
def test_what_cannot_be_answered_is_refused(recommender, call, message, monkeypatch):
    with pytest.raises((mv.InputError, TypeError), match=message):
        call(recommender)
