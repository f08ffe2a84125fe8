"""Lists that implicit, LensKit and RecBole wrote have the metrics that they themselves computed."""

import json
from pathlib import Path

import ir_measures
import numpy as np
import pytest
from ir_measures import AP, RR, P, nDCG

import multvae_jax as mv
from multvae_jax.evaluation import evaluate_lists
from multvae_jax.evaluation.metrics import FAMILIES, at_cutoffs

PEERS = Path(__file__).parent / "peers"
CUTOFFS = (5, 10, 20)


@pytest.fixture(scope="module")
def split():
    parts = mv.read_given_split(
        [PEERS / "train.csv", PEERS / "valid.csv"], None, PEERS / "test.csv"
    )
    return mv.given_split(*parts)


def judged(split, name):
    lists = mv.read_lists(PEERS / name, split.catalogue, user_ids=split.test.user_ids)
    return lists, evaluate_lists(lists, split.test, at_cutoffs(CUTOFFS, FAMILIES))


@pytest.mark.parametrize("name", ["recbole.jsonl", "recbole.run"])
def test_lists_of_recbole_have_its_metrics(split, name):
    theirs = json.loads((PEERS / "recbole.json").read_text())
    lists, ours = judged(split, name)
    assert lists.lengths.tolist() == [20] * 60
    # Its recall divides by the number of all targets.
    names = {"recall": "uncapped_recall", "hit": "hit_rate"}
    for k in CUTOFFS:
        for kind in ("recall", "ndcg", "mrr", "hit", "precision", "map"):
            mean = ours.mean(f"{names.get(kind, kind)}@{k}")
            assert mean == pytest.approx(theirs[f"{kind}@{k}"], abs=1e-7), (kind, k)


def test_lists_of_lenskit_have_its_metrics(split):
    theirs = json.loads((PEERS / "lenskit.json").read_text())
    lists, ours = judged(split, "lenskit.parquet")
    assert lists.lengths.min() >= 15
    names = {"recall": "uncapped_recall", "hit": "hit_rate"}
    assert len(theirs) == 4 * len(CUTOFFS)
    for metric, value in theirs.items():
        kind, _, cutoff = metric.partition("@")
        assert ours.mean(f"{names.get(kind, kind)}@{cutoff}") == pytest.approx(value, abs=1e-7)


@pytest.mark.parametrize("name", ["implicit.csv", "implicit.parquet"])
def test_lists_of_implicit_have_its_metrics(split, name):
    theirs = json.loads((PEERS / "implicit.json").read_text())
    lists, ours = judged(split, name)
    assert lists.lengths.tolist() == [20] * 60
    # Its precision divides the hits of all users by the most that they can have.
    names = {"precision": "recall", "map": "map", "ndcg": "ndcg"}
    for cutoff, values in theirs.items():
        for metric, name in names.items():
            mean = ours.mean(f"{name}@{cutoff}")
            assert mean == pytest.approx(values[metric], abs=1e-6), (metric, cutoff)


def test_both_forms_of_a_peer_are_the_same_lists(split):
    for one, other in (("implicit.csv", "implicit.parquet"), ("recbole.jsonl", "recbole.run")):
        (a, _), (b, _) = judged(split, one), judged(split, other)
        np.testing.assert_array_equal(a.items, b.items)
        np.testing.assert_allclose(a.scores, b.scores, rtol=1e-6)


def test_a_run_that_is_written_has_the_same_metrics_in_ir_measures(split, tmp_path):
    """Also of lists of several lengths, a user without a list, and an item that nobody has."""
    lists, _ = judged(split, "implicit.csv")
    lengths = np.arange(60) % 21
    beyond = np.arange(20) >= lengths[:, None]
    lists.items[beyond], lists.scores[beyond] = -1, np.nan
    lists.write(tmp_path / "lists.run")
    found = mv.read_lists(tmp_path / "lists.run", split.catalogue)
    ours = evaluate_lists(found, split.test, at_cutoffs(CUTOFFS, FAMILIES))
    ids = split.catalogue.ids
    wanted = [
        ir_measures.Qrel(user, item, 1)
        for user, row in zip(split.test.user_ids, range(60), strict=True)
        for item in ids[split.test.targets[[row]].indices]
    ]
    run = list(ir_measures.read_trec_run(str(tmp_path / "lists.run")))
    for k in CUTOFFS:
        measures = {"ndcg": nDCG @ k, "precision": P @ k, "mrr": RR @ k, "uncapped_map": AP @ k}
        theirs = ir_measures.calc_aggregate(measures.values(), wanted, run)
        for name, measure in measures.items():
            assert ours.mean(f"{name}@{k}") == pytest.approx(theirs[measure], abs=1e-6), (name, k)
