"""Metrics of items and of all lists, against plain Python on sorted rankings."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

from multvae_jax.data.types import Catalogue, HeldOut
from multvae_jax.errors import InputError
from multvae_jax.evaluation.catalogue_metrics import CatalogueMetric, coverage
from multvae_jax.evaluation.evaluation_set import prepare_users
from multvae_jax.evaluation.evaluator import evaluate, evaluate_lists
from multvae_jax.evaluation.list_metrics import ListMetric, auc
from multvae_jax.evaluation.lists import Lists
from multvae_jax.evaluation.metrics import at_cutoffs
from multvae_jax.evaluation.ranking import all_items
from multvae_jax.evaluation.values import compiled_ranked_values, listed_values, ranked_values
from tests.builders import matrix, ragged_users, ranking_of
from tests.evaluation.builders import linear_scorer, rows_at, whole_weights

N_USERS, N_ITEMS = 33, 40
PRICES = np.random.default_rng(5).integers(1, 100, N_ITEMS).astype(np.float32)


def total_price(user_list, prices):
    return jnp.where(user_list.shown, prices[user_list.items], 0.0).sum()


def price_of_history(user_list, prices):
    return jnp.where(user_list.history, prices, 0.0).sum()


def weighted_hits(user_list):
    return jnp.where(
        user_list.hits, 1.0 / (jnp.arange(user_list.hits.size, dtype=jnp.float32) + 1.0), 0.0
    ).sum()


def largest_count(counts):
    return counts.max()


def weighted_counts(counts, prices):
    return (counts.astype(jnp.float32) * prices).sum()


METRICS = {
    **at_cutoffs([5, 30]),
    "price@5": ListMetric(total_price, 5, {"prices": PRICES}),
    "price@30": ListMetric(total_price, 30, {"prices": PRICES}),
    "price_of_history@5": ListMetric(price_of_history, 5, {"prices": PRICES}),
    "weighted_hits@30": ListMetric(weighted_hits, 30),
    "auc": ListMetric(auc, 1, of_ranking=True),
    "largest_count@5": CatalogueMetric(largest_count, 5),
    "coverage@5": CatalogueMetric(coverage, 5),
    "revenue@30": CatalogueMetric(weighted_counts, 30, {"prices": PRICES}),
}


@pytest.fixture(scope="module")
def users():
    histories, targets = ragged_users(N_USERS, N_ITEMS, seed=3)
    ids = np.array([f"user {row}" for row in range(N_USERS)], object)
    return HeldOut(matrix(histories, N_ITEMS), matrix(targets, N_ITEMS), ids)


@pytest.fixture(scope="module", params=[1, 1000], ids=["heavy ties", "few ties"])
def weights(request):
    return whole_weights(N_ITEMS, seed=7, largest=request.param)


@pytest.fixture(scope="module")
def rankings(users, weights):
    """The history, the targets and the ranked items of each user with a target."""
    found = []
    for row in range(N_USERS):
        history, targets = (
            set(part[[row]].indices.tolist()) for part in (users.history, users.targets)
        )
        if targets:
            scores = weights[sorted(history)].sum(axis=0).tolist()
            found.append((history, targets, ranking_of(scores, history)[: N_ITEMS - len(history)]))
    return found


def price(items):
    return sum(float(PRICES[item]) for item in items)


def test_metrics_of_items_equal_those_of_a_ranking_in_plain_python(users, weights, rankings):
    evaluation = evaluate(linear_scorer(weights), users, METRICS, batch_size=8)

    def expected(of_one):
        return [of_one(*one) for one in rankings]

    def pairs_in_order(history, targets, ranking):
        place = {item: number for number, item in enumerate(ranking)}
        others = place.keys() - targets
        right = sum(place[target] < place[other] for target in targets for other in others)
        return right / (len(targets) * len(others)) if others else 1.0

    values = evaluation.values
    np.testing.assert_allclose(values["price@5"], expected(lambda h, t, r: price(r[:5])))
    np.testing.assert_allclose(values["price@30"], expected(lambda h, t, r: price(r[:30])))
    np.testing.assert_allclose(values["price_of_history@5"], expected(lambda h, t, r: price(h)))
    np.testing.assert_allclose(
        values["weighted_hits@30"],
        expected(lambda h, t, r: sum(1 / (i + 1) for i, item in enumerate(r[:30]) if item in t)),
        rtol=1e-6,
    )
    np.testing.assert_allclose(values["auc"], expected(pairs_in_order), rtol=1e-5)

    counts = {
        k: np.bincount([item for *_, r in rankings for item in r[:k]], minlength=N_ITEMS)
        for k in (5, 30)
    }
    assert evaluation.overall == {
        "largest_count@5": counts[5].max(),
        "coverage@5": pytest.approx(np.count_nonzero(counts[5]) / N_ITEMS, rel=1e-6),
        "revenue@30": pytest.approx(float(counts[30] @ PRICES), rel=1e-6),
    }
    assert evaluation.users == len(rankings)
    assert evaluation.user_ids.tolist() == [
        user for user, n in zip(users.user_ids, np.diff(users.targets.indptr), strict=True) if n
    ]
    assert evaluation.summary()["coverage@5"] == {"mean": evaluation.mean("coverage@5")}
    assert np.isnan(evaluation.standard_error("coverage@5"))


def test_hits_found_by_counting_and_by_sorting_are_the_same(users, weights):
    """Metrics of hits alone are computed without sorting, others of sorted items."""
    counted = evaluate(linear_scorer(weights), users, at_cutoffs([5, 30]), batch_size=8)
    sorted_too = evaluate(linear_scorer(weights), users, METRICS, batch_size=8)
    for name, values in counted.values.items():
        np.testing.assert_array_equal(values, sorted_too.values[name], err_msg=name)


def lists_of(users, rankings, k):
    """The lists of the users with a target."""
    items = np.full((len(rankings), k), -1, np.int32)
    for row, (_, _, ranking) in enumerate(rankings):
        items[row, : len(ranking[:k])] = ranking[:k]
    with_target = np.diff(users.targets.indptr) > 0
    ids = np.array([str(item) for item in range(N_ITEMS)], object)
    catalogue = Catalogue(ids, np.ones(N_ITEMS, int), {})
    scores = np.zeros(items.shape, np.float32)
    return Lists(users.user_ids[with_target], items, scores, catalogue)


OF_LISTS = {name: metric for name, metric in METRICS.items() if name != "auc"}


def test_lists_have_the_metrics_of_the_recommender_that_wrote_them(users, weights, rankings):
    lists = lists_of(users, rankings, 30)
    # The order of the users in the file does not matter.
    shuffled = lists.rows(np.random.default_rng(1).permutation(lists.n_users))
    found = evaluate_lists(shuffled, users, OF_LISTS, batch_size=7)
    expected = evaluate(linear_scorer(weights), users, OF_LISTS, batch_size=8)
    assert found.values.keys() == expected.values.keys()
    for name, values in expected.values.items():
        np.testing.assert_allclose(found.values[name], values, rtol=1e-6, err_msg=name)
    assert found.overall == pytest.approx(expected.overall)


def test_users_without_a_list_and_unknown_items_count_as_misses(users, rankings):
    lists = lists_of(users, rankings, 30)
    items = lists.items.copy()
    items[1, 1:] = items[1, :-1]
    items[1, 0] = -2
    changed = Lists(lists.user_ids[1:], items[1:], lists.scores[1:], lists.catalogue)
    whole, found = (evaluate_lists(one, users, OF_LISTS) for one in (lists, changed))
    for name, values in found.values.items():
        np.testing.assert_array_equal(values[2:], whole.values[name][2:], err_msg=name)
        if name != "price_of_history@5":
            assert values[0] == 0.0
    _, targets, ranking = rankings[1]
    hits = [i + 2 for i, item in enumerate(ranking[:29]) if item in targets]
    assert found.values["weighted_hits@30"][1] == pytest.approx(sum(1 / rank for rank in hits))
    assert found.values["price@5"][1] == price(ranking[:4])


def test_lists_that_are_shorter_than_the_cutoff(users, rankings):
    lists = lists_of(users, rankings, 30)
    found = evaluate_lists(lists.at(5), users, OF_LISTS)
    whole = evaluate_lists(lists, users, OF_LISTS)
    np.testing.assert_array_equal(found.values["price@30"], whole.values["price@5"])
    np.testing.assert_array_equal(found.values["ndcg@5"], whole.values["ndcg@5"])


def test_a_score_that_is_not_a_number_makes_the_metrics_of_all_lists_undefined(users):
    prepared = prepare_users(users, 8)
    scores = np.zeros((prepared.history.n_users, N_ITEMS), np.float32)
    scores[[2, 11], [3, 0]] = np.nan
    evaluation = evaluate(Partial(rows_at, jnp.asarray(scores)), prepared, METRICS)
    undefined = np.isnan(scores).any(axis=1)
    for name in ("price@5", "auc", "recall@5"):
        np.testing.assert_array_equal(np.isnan(evaluation.values[name]), undefined)
    assert all(np.isnan(value) for value in evaluation.overall.values())


def test_lists_of_other_items_and_metrics_of_a_whole_ranking_are_refused(users, rankings):
    lists = lists_of(users, rankings, 5)
    with pytest.raises(InputError, match="auc: needs the whole ranking"):
        evaluate_lists(lists, users, METRICS)
    fewer = HeldOut(users.history[:, :30], users.targets[:, :30], users.user_ids)
    with pytest.raises(InputError, match="lists: over 40 items, but the users have 30"):
        evaluate_lists(lists, fewer, OF_LISTS)


def test_lists_of_none_of_the_users_are_refused(users, rankings):
    lists = lists_of(users, rankings, 5)
    numbered = dataclasses.replace(users, user_ids=np.array([f"x{u}" for u in users.user_ids]))
    with pytest.raises(InputError, match=r"lists: none of their \d+ users is among the"):
        evaluate_lists(lists, numbered, OF_LISTS)


def test_prepared_users_keep_their_ids_and_share_programs(users, rankings):
    """Ids are not part of the compiled program: other users do not compile it again."""
    lists = lists_of(users, rankings, 5)
    other = HeldOut(users.history, users.targets, np.array([*reversed(users.user_ids)], object))
    evaluate_lists(lists, prepare_users(users), OF_LISTS)
    before = listed_values._cache_size()
    evaluate_lists(lists, prepare_users(other), OF_LISTS)
    assert listed_values._cache_size() == before


def test_metrics_of_all_lists_can_be_computed_alone(users, weights):
    alone = {"coverage@5": CatalogueMetric(coverage, 5)}
    found = evaluate(linear_scorer(weights), users, alone, batch_size=8)
    whole = evaluate(linear_scorer(weights), users, METRICS, batch_size=8)
    assert found.values == {}
    assert found.overall == {"coverage@5": whole.overall["coverage@5"]}
    assert found.users == whole.users


def test_items_are_selected_and_not_all_sorted(users, weights):
    """Lists at several cutoffs must not make the compiler sort the whole catalogue."""
    metrics = tuple(ListMetric(total_price, k, {"prices": PRICES}) for k in (5, 10))
    arguments = linear_scorer(weights), prepare_users(users, 8), metrics, all_items
    program = compiled_ranked_values.lower(*arguments).compile().as_text()
    if jax.default_backend() == "cpu":
        assert "TopK" in program
        assert f"f32[8,{N_ITEMS}]{{1,0}} sort(" not in program
        assert f"(f32[8,{N_ITEMS}]{{1,0}}, s32[8,{N_ITEMS}]{{1,0}}) sort(" not in program


def test_memory_grows_with_the_users_by_one_number_per_metric_only():
    """The temporary memory of a compiled evaluation of 5 and of 40 batches of equal size."""
    n_items, batch_size = 500, 10
    scorer = linear_scorer(whole_weights(n_items, seed=1, largest=3))
    metrics = {
        **at_cutoffs([5, 30]),
        "price@30": ListMetric(
            total_price, 30, {"prices": np.resize(PRICES, n_items).astype(np.float32)}
        ),
        "auc": ListMetric(auc, 1, of_ranking=True),
        "coverage@5": CatalogueMetric(coverage, 5),
    }

    def scratch(n_users):
        # The same histories in every batch, so that all batches have one capacity.
        rows = matrix([[user % batch_size] for user in range(n_users)], n_items)
        targets = matrix([[user % batch_size + 50] for user in range(n_users)], n_items)
        users = prepare_users(HeldOut(rows, targets, np.arange(n_users).astype(object)), batch_size)
        lowered = jax.jit(ranked_values).lower(scorer, users, tuple(metrics.values()))
        return lowered.compile().memory_analysis().temp_size_in_bytes

    few, many = 5 * batch_size, 40 * batch_size
    one_batch_of_scores = 4 * batch_size * n_items
    assert scratch(few) > one_batch_of_scores
    # A float32 per user and metric of users, written by batch and then put in order.
    growth = scratch(many) - scratch(few)
    assert growth <= 2 * 4 * (many - few) * len(metrics) + 4096
