"""Contestants in evaluation measure the same metrics."""

import numpy as np
import pytest

from benchmarks.contestants.evaluation import numpy_notebook
from benchmarks.contestants.evaluation.ours import METRICS
from benchmarks.evaluation import checked_metrics, random_scores
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


def test_evaluators_that_disagree_are_noticed(tmp_path):
    for name, value in (("one", 0.5), ("other", 0.5 + 1e-4)):
        means = {f"ndcg@{k}": value for k in numpy_notebook.CUTOFFS}
        numpy_notebook.write_means(tmp_path, name, means)
    with pytest.raises(RuntimeError, match=r"^NDCG@20 differs: \[0.5, 0.5001\]$"):
        checked_metrics(tmp_path)
