"""Evaluation of many users at once, against plain Python, one user at a time."""

import gzip
import math
from pathlib import Path

import ir_measures
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse as sp
import scipy.stats
from jax.tree_util import Partial

from multvae_jax.baselines.popularity import popularity
from multvae_jax.data.types import HeldOut
from multvae_jax.errors import InputError
from multvae_jax.evaluation.evaluation_set import prepare_users
from multvae_jax.evaluation.evaluator import evaluate
from multvae_jax.evaluation.metrics import PAPER_METRICS, USUAL, Metric, at_cutoffs, recall
from multvae_jax.evaluation.ranking import sampled_items
from multvae_jax.evaluation.result import Evaluation
from tests.builders import counted, matrix, ragged_users, ranking_of, within_binomial
from tests.evaluation.builders import linear, linear_scorer, rows_at, whole_weights

# Tests that use these metrics and the same 33 users share compiled programs.
SHARED_METRICS = at_cutoffs([5, 20])

GOWALLA = Path(__file__).parents[3] / "shared/data/gowalla"


def held_out_of(histories, targets, n_items):
    user_ids = np.array([f"user {row}" for row in range(len(histories))], object)
    return HeldOut(matrix(histories, n_items), matrix(targets, n_items), user_ids)


def metrics_of(ranking, targets, k):
    """Every metric of one user at one cutoff."""
    ranks = [rank for rank, item in enumerate(ranking[:k], start=1) if item in targets]
    best = sum(1 / math.log2(rank + 1) for rank in range(1, min(k, len(targets)) + 1))
    return {
        f"recall@{k}": len(ranks) / min(k, len(targets)),
        f"uncapped_recall@{k}": len(ranks) / len(targets),
        f"ndcg@{k}": sum(1 / math.log2(rank + 1) for rank in ranks) / best,
        f"precision@{k}": len(ranks) / k,
        f"hit_rate@{k}": float(len(ranks) > 0),
        f"mrr@{k}": 1 / ranks[0] if ranks else 0.0,
    }


def brute_force(score, histories, targets, cutoffs):
    """Metric -> one value per user with a target; `score` maps a history to scores."""
    table = {}
    for history, wanted in zip(histories, targets, strict=True):
        if wanted:
            ranking = ranking_of(score(history), history)
            for k in cutoffs:
                for name, value in metrics_of(ranking, wanted, k).items():
                    table.setdefault(name, []).append(value)
    return table


def assert_same_values(evaluation, expected):
    assert evaluation.values.keys() == expected.keys()
    for name, values in expected.items():
        assert evaluation.values[name].dtype == np.float64
        np.testing.assert_allclose(evaluation.values[name], values, rtol=2e-6, err_msg=name)


@pytest.mark.parametrize("largest", [1, 1000], ids=["heavy ties", "few ties"])
@pytest.mark.parametrize(("n_users", "n_items", "cutoffs"), [(31, 40, (5, 20)), (12, 7, (7, 100))])
def test_every_metric_equals_that_of_a_ranking_in_plain_python(n_users, n_items, cutoffs, largest):
    histories, targets = ragged_users(n_users, n_items, seed=n_items)
    weights = whole_weights(n_items, seed=n_users, largest=largest)
    held_out = held_out_of(histories, targets, n_items)
    evaluation = evaluate(linear_scorer(weights), held_out, at_cutoffs(cutoffs), batch_size=8)
    expected = brute_force(
        lambda history: weights[sorted(history)].sum(axis=0).tolist(), histories, targets, cutoffs
    )
    assert_same_values(evaluation, expected)

    without = sum(not wanted for wanted in targets)
    assert 0 < without < n_users
    assert evaluation.users_without_target == without
    assert evaluation.users == n_users - without
    assert any(not history and wanted for history, wanted in zip(histories, targets, strict=True))


def test_every_metric_equals_that_of_ir_measures_on_random_rankings():
    """The reference is trec_eval's; no two items of a user have the same score.

    trec_eval divides recall by the number n of targets, and the paper by min(k, n). The paper's
    hits / min(k, n) is the larger of hits / k and hits / n, which are trec_eval's precision and
    recall.
    """
    n_items, cutoffs = 60, (1, 5, 20, 60, 100)
    users = [user for user in zip(*ragged_users(200, n_items, seed=11), strict=True) if user[1]]
    random = np.random.default_rng(12)
    scores = np.stack([random.permutation(n_items) for _ in users]).astype(np.float32)
    theirs = {
        "uncapped_recall": ir_measures.R,
        "ndcg": ir_measures.nDCG,
        "precision": ir_measures.P,
        "hit_rate": ir_measures.Success,
        "mrr": ir_measures.RR,
        "uncapped_map": ir_measures.AP,
    }
    names = {measure @ k: f"{name}@{k}" for name, measure in theirs.items() for k in cutoffs}
    targets = {str(row): {str(item): 1 for item in wanted} for row, (_, wanted) in enumerate(users)}
    ranked = {
        str(row): {
            str(item): float(scores[row, item]) for item in range(n_items) if item not in history
        }
        for row, (history, _) in enumerate(users)
    }
    expected = {name: np.full(len(users), np.nan) for name in names.values()}
    for found in ir_measures.iter_calc(list(names), targets, ranked):
        expected[names[found.measure]][int(found.query_id)] = found.value
    for k in cutoffs:
        precision, recall_of_all = expected[f"precision@{k}"], expected[f"uncapped_recall@{k}"]
        expected[f"recall@{k}"] = np.maximum(precision, recall_of_all)

    held_out = held_out_of(*zip(*users, strict=True), n_items)
    metrics = at_cutoffs(cutoffs, [*USUAL, "uncapped_map"])
    evaluation = evaluate(Partial(rows_at, jnp.asarray(scores)), held_out, metrics)
    assert_same_values(evaluation, expected)


def test_a_popularity_ranking_with_many_ties():
    histories, targets = ragged_users(40, 60, seed=1)
    counts = np.random.default_rng(2).integers(0, 4, 60)
    evaluation = evaluate(popularity(counts), held_out_of(histories, targets, 60), at_cutoffs([20]))
    expected = brute_force(lambda history: counts.tolist(), histories, targets, [20])
    assert_same_values(evaluation, expected)


@pytest.mark.parametrize("batch_size", [1, 7, 27])
def test_the_batch_size_does_not_matter(batch_size):
    histories, targets = ragged_users(33, 25, seed=3)
    scorer = linear_scorer(whole_weights(25, seed=4, largest=2))
    held_out = held_out_of(histories, targets, 25)
    by_default = evaluate(scorer, held_out, SHARED_METRICS)
    evaluation = evaluate(scorer, held_out, SHARED_METRICS, batch_size=batch_size)
    assert by_default.users == 26
    assert_same_values(evaluation, {name: v.tolist() for name, v in by_default.values.items()})
    assert evaluation.users_without_target == by_default.users_without_target


def test_a_users_values_do_not_depend_on_the_other_users():
    histories, targets = ragged_users(33, 25, seed=5)
    scorer = linear_scorer(whole_weights(25, seed=6, largest=2))
    order = np.random.default_rng(7).permutation(33).tolist()
    straight = evaluate(scorer, held_out_of(histories, targets, 25), batch_size=10)
    mixed = evaluate(
        scorer,
        held_out_of([histories[u] for u in order], [targets[u] for u in order], 25),
        batch_size=10,
    )
    with_target = [user for user in range(33) if targets[user]]
    place = {user: at for at, user in enumerate(with_target)}
    picked = [place[user] for user in order if targets[user]]
    assert picked != sorted(picked)
    assert_same_values(
        mixed, {name: values[picked].tolist() for name, values in straight.values.items()}
    )


def test_users_without_a_target_do_not_count_in_the_mean():
    """The second user would lower the means; the third has a target and no hit."""
    held_out = held_out_of([{0}, {0}, set()], [{1}, set(), {3}], n_items=4)
    evaluation = evaluate(popularity(np.array([9, 8, 7, 6])), held_out, at_cutoffs([1]))
    assert evaluation.users == 2
    assert evaluation.users_without_target == 1
    assert evaluation.values["recall@1"].tolist() == [1, 0]
    assert evaluation.mean("recall@1") == 0.5


def test_no_user_with_a_target_is_an_error():
    held_out = held_out_of([{0, 1}, {1}, set()], [set(), set(), set()], n_items=3)
    with pytest.raises(InputError) as caught:
        evaluate(popularity(np.ones(3)), held_out)
    assert str(caught.value) == "none of the 3 held-out users has an item held out"


def test_all_histories_may_be_empty():
    held_out = held_out_of([set(), set()], [{1}, {0, 3}], n_items=4)
    evaluation = evaluate(popularity(np.array([9, 8, 7, 6])), held_out, at_cutoffs([2]))
    assert evaluation.values["mrr@2"].tolist() == [0.5, 1]
    assert evaluation.values["recall@2"].tolist() == [1, 0.5]


def test_items_of_the_history_come_last_even_with_the_highest_scores():
    """Items with negative scores still come before those of the history."""
    held_out = held_out_of([{0, 2}], [{3}], n_items=4)
    scorer = popularity(np.array([50.0, -1.0, 40.0, -2.0]))
    evaluation = evaluate(scorer, held_out, at_cutoffs([2]))
    assert evaluation.values["mrr@2"].tolist() == [0.5]


def test_scorers_with_the_same_function_share_one_program():
    score, traces = counted(linear)
    prepared = prepare_users(held_out_of(*ragged_users(23, 9, seed=8), 9), batch_size=5)
    assert len(prepared.order) > 1
    first, second = (
        evaluate(Partial(score, jnp.asarray(whole_weights(9, seed, 3), jnp.float32)), prepared)
        for seed in (1, 2)
    )
    assert len(traces) == 1
    assert first.values["ndcg@100"].tolist() != second.values["ndcg@100"].tolist()
    # New but equal metrics compile nothing.
    again = at_cutoffs([20, 50, 100])
    evaluate(
        Partial(score, jnp.zeros((9, 9))), prepared, {name: again[name] for name in PAPER_METRICS}
    )
    assert len(traces) == 1


def test_prepared_users_can_be_evaluated_again_with_other_metrics():
    histories, targets = ragged_users(23, 9, seed=9)
    held_out = held_out_of(histories, targets, 9)
    scorer = linear_scorer(whole_weights(9, seed=10, largest=2))
    before = held_out.history.toarray().tolist(), held_out.targets.toarray().tolist()
    prepared = prepare_users(held_out, batch_size=5)
    papers, other = evaluate(scorer, prepared), evaluate(scorer, prepared, at_cutoffs([2]))
    assert list(papers.values) == list(PAPER_METRICS)
    assert list(other.values) == list(at_cutoffs([2]))
    for name, values in evaluate(scorer, held_out, batch_size=5).values.items():
        np.testing.assert_allclose(papers.values[name], values, rtol=2e-6)
    assert before == (held_out.history.toarray().tolist(), held_out.targets.toarray().tolist())


def test_mean_and_standard_error():
    """Deviations from 0.5 of 0.5, 0.5, 0.25 and 0.25: a variance of 0.15625 over 4 users."""
    evaluation = Evaluation({"recall@20": np.array([0.0, 1.0, 0.25, 0.75])}, 3)
    assert evaluation.users == 4
    error = math.sqrt(0.15625) / 2
    assert evaluation.summary() == {
        "recall@20": {"mean": 0.5, "standard_error": pytest.approx(error, rel=1e-12)}
    }
    assert evaluation.mean("recall@20") == 0.5
    assert evaluation.standard_error("recall@20") == pytest.approx(error, rel=1e-12)
    assert (
        type(evaluation.mean("recall@20")) is type(evaluation.standard_error("recall@20")) is float
    )


def read_rows(path):
    """Read lines of a user and the user's items, separated by spaces; some have no item."""
    with gzip.open(path, "rt") as file:
        return {int(user): set(map(int, items)) for user, *items in map(str.split, file) if user}


@pytest.mark.slow
def test_popularity_on_the_lightgcn_split_of_gowalla():
    """The expected value was computed elsewhere: hits in the top 20 over test items."""
    if not GOWALLA.exists():
        pytest.skip("the Gowalla check-ins are missing")
    train, test = (read_rows(GOWALLA / f"{part}.txt.gz") for part in ("train", "test"))
    users = sorted(train.keys() | test.keys())
    histories, targets = ([part.get(user, set()) for user in users] for part in (train, test))
    n_items = 1 + max(max(row) for row in (*histories, *targets) if row)
    assert (len(users), n_items) == (29_858, 40_981)
    assert sum(map(len, histories)) == 810_128
    assert sum(map(len, targets)) == 217_242

    held_out = held_out_of(histories, targets, n_items)
    counts = np.bincount(held_out.history.indices, minlength=n_items)
    evaluation = evaluate(popularity(counts), held_out, at_cutoffs([20]), batch_size=250)
    assert evaluation.mean("uncapped_recall@20") == pytest.approx(0.041631, abs=5e-7)


@pytest.mark.nans
def test_a_nan_score_makes_the_metrics_of_its_user_nan():
    """The metrics of the other user are not NaN."""
    targets = sp.csr_array(np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))
    history = sp.csr_array((2, 3), dtype=np.float32)
    held_out = HeldOut(history, targets, np.array(["a", "b"], object))
    scores = jnp.array([[1.0, 0.0, 0.0], [0.0, jnp.nan, 0.0]])
    scorer = Partial(lambda scores, batch: scores[: batch.users.shape[0]], scores)
    found = evaluate(scorer, held_out, {"recall@1": Metric(recall, 1)})
    np.testing.assert_array_equal(found.values["recall@1"], [1.0, np.nan])


def test_a_stored_zero_is_not_a_target_and_the_matrices_are_not_modified():
    targets = sp.csr_array((np.array([0.0, 1.0]), (np.array([0, 1]), np.array([0, 0]))), (2, 3))
    held_out = HeldOut(sp.csr_array((2, 3)), targets, np.array(["a", "b"], object))
    prepared = prepare_users(held_out)
    assert prepared.users_without_target == 1
    assert held_out.targets.nnz == 2


def test_ranks_among_sampled_items_follow_the_hypergeometric_distribution():
    """Hit rates of 400 users for each rank of one target among 31 items, against scipy.

    All 31 x 3 shares are within 5 standard errors; correct code fails once in 1e4 keys.
    """
    n_others, n, repeats = 30, 10, 400
    scores = jnp.tile(jnp.arange(31.0)[None], (31 * repeats, 1))
    targets = sp.csr_array(np.tile(np.eye(31, dtype=np.float32)[::-1], (repeats, 1)))
    held_out = HeldOut(sp.csr_array(targets.shape), targets, np.arange(31 * repeats))
    cutoffs = (1, 3, 10)
    found = evaluate(
        Partial(rows_at, scores),
        prepare_users(held_out),
        {f"hit_rate@{k}": at_cutoffs([k])[f"hit_rate@{k}"] for k in cutoffs},
        sampled_items(jax.random.key(2), n),
    )
    for k in cutoffs:
        shares = found.values[f"hit_rate@{k}"].reshape(repeats, 31).mean(axis=0)
        for better, share in enumerate(shares):
            chance = scipy.stats.hypergeom(n_others, better, n).cdf(k - 1)
            assert within_binomial(share, chance, repeats), (k, better)


def test_sampled_items_depend_on_the_key_and_the_user_but_not_on_the_batch():
    histories, targets = ragged_users(33, 25, seed=3)
    scorer = linear_scorer(whole_weights(25, seed=4, largest=20))
    held_out = held_out_of(histories, targets, 25)

    def found(key, batch_size):
        candidates = sampled_items(jax.random.key(key), 5)
        return evaluate(scorer, prepare_users(held_out, batch_size), SHARED_METRICS, candidates)

    by_default = found(0, 500)
    assert_same_values(found(0, 7), by_default.values)
    assert found(1, 500).values["ndcg@5"].tolist() != by_default.values["ndcg@5"].tolist()


def test_sampling_as_many_items_as_there_are_equals_ranking_all():
    histories, targets = ragged_users(33, 25, seed=3)
    scorer = linear_scorer(whole_weights(25, seed=4, largest=2))
    prepared = prepare_users(held_out_of(histories, targets, 25))
    every = evaluate(scorer, prepared, SHARED_METRICS, sampled_items(jax.random.key(0), 25))
    assert_same_values(every, evaluate(scorer, prepared, SHARED_METRICS).values)
