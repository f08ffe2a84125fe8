"""Contestants in evaluation measure the same metrics."""

import numpy as np
import pytest

from benchmarks.contestants.evaluation import numpy_notebook
from benchmarks.contestants.evaluation.ours import METRICS, prepare
from benchmarks.evaluation import (
    ALL,
    ALL_OF_NETWORK,
    NETWORK,
    OURS,
    checked_metrics,
    contestants,
    random_scores,
)
from benchmarks.harness.given_scores import given_scorer
from multvae_jax.data.types import HeldOut
from multvae_jax.evaluation.evaluator import evaluate


@pytest.mark.parametrize("way", numpy_notebook.WAYS)
def test_numpy_and_this_program_measure_the_same(way):
    given = random_scores(60, batch_size=25, n_items=400)
    users = np.arange(60).astype(object)
    ours = evaluate(
        given_scorer(given.scores),
        HeldOut(given.history, given.targets, users),
        METRICS,
        batch_size=given.batch_size,
    )
    found = numpy_notebook.means(given, numpy_notebook.WAYS[way])
    assert found == {metric: pytest.approx(ours.mean(metric), rel=1e-6) for metric in METRICS}
    assert 0 < found["recall@20"] < found["recall@100"] < 1


def test_all_metrics_are_finite_and_those_of_hits_the_same(tmp_path):
    numpy_notebook.write(tmp_path, random_scores(60, batch_size=25, n_items=400))
    for which in ("few", "all"):
        prepare(tmp_path, which, "given")()
    # The scores of a network are others, so that their metrics stay out of the comparison.
    prepare(tmp_path, "few", "network")()
    found = checked_metrics(tmp_path)
    assert list(found) == ["ours_all", "ours_few"]
    assert {"auc", "miscalibration@50", "gini@100"} <= found["ours_all"].keys()
    assert np.isfinite(list(found["ours_all"].values())).all()


def test_contestants_can_be_left_out(tmp_path):
    left = contestants(tmp_path, ["RecBole", "numpy"])
    assert list(left) == [OURS, ALL, NETWORK, ALL_OF_NETWORK]
    assert list(contestants(tmp_path, ["RecBole", "numpy", "all metrics", "Mult-VAE"])) == [OURS]


def test_evaluators_that_disagree_are_noticed(tmp_path):
    for name, value in (("one", 0.5), ("other", 0.5 + 1e-4)):
        means = {f"ndcg@{k}": value for k in numpy_notebook.CUTOFFS}
        numpy_notebook.write_means(tmp_path, name, means)
    with pytest.raises(RuntimeError, match=r"^NDCG@20 differs: \[0.5, 0.5001\]$"):
        checked_metrics(tmp_path)
