"""What of the benchmarks against peers can be told without timing anything."""

import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse as sp
from jax.tree_util import Partial

from benchmarks.contestants.evaluation import numpy_notebook as ranking
from benchmarks.contestants.evaluation.ours import METRICS, _rows
from benchmarks.contestants.training import task as tasks
from benchmarks.evaluation import check, made_up
from benchmarks.harness.rounds import Samples
from benchmarks.quality_over_time import curves, first_time, plot
from multvae_jax.data.types import HeldOut
from multvae_jax.evaluation.evaluator import evaluate


@pytest.mark.parametrize("way", ranking.WAYS)
def test_numpy_and_this_program_measure_the_same(way):
    given = made_up(60, batch_size=25, n_items=400)
    users = np.arange(60).astype(object)
    ours = evaluate(
        Partial(_rows, jnp.asarray(given.scores)),
        HeldOut(given.history, given.targets, users),
        METRICS,
        batch_size=given.batch_size,
    )
    found = ranking.means(given, ranking.WAYS[way])
    assert found == {metric: pytest.approx(ours.mean(metric), rel=1e-6) for metric in METRICS}
    assert 0 < found["recall@20"] < found["recall@100"] < 1


def test_evaluators_that_disagree_are_noticed(tmp_path):
    for name, value in (("one", 0.5), ("other", 0.5 + 1e-4)):
        ranking.answer(tmp_path, name, {f"ndcg@{k}": value for k in ranking.CUTOFFS})
    with pytest.raises(RuntimeError, match=r"^NDCG@20 differs: \[0.5, 0.5001\]$"):
        check(tmp_path)


def test_a_contestant_reads_the_task_that_it_is_started_on(tmp_path, monkeypatch):
    train, shown = (sp.csr_array(np.eye(3, 4)[rows]) for rows in ([0, 1, 2], [2, 0]))
    tasks.write(tmp_path, train, shown)
    line = tasks.command("cornac", sys.executable, tmp_path, 2, annealing=7)
    assert line[:3] == [sys.executable, "-m", "benchmarks.contestants.training.cornac"]
    monkeypatch.setattr(sys, "argv", line[2:])
    task = tasks.read("cornac")
    assert (task.train != train).nnz == (task.shown != shown).nnz == 0
    assert (task.batch_size, task.batches, task.annealing) == (2, 2, 7)
    task.save_scores(lambda rows: 2 * rows)
    assert np.load(Path(tmp_path) / "cornac.npy").tolist() == (2 * shown.toarray()).tolist()


def test_seconds_add_up_from_the_start_of_the_process(tmp_path):
    seconds = curves({"one": Samples(10.0, [1.0, 2.0], {})})
    assert seconds == {"one": [10, 11, 13]}
    quality = [0.1, 0.3, 0.2]
    assert first_time(seconds["one"], quality, 0.2) == 11
    assert first_time(seconds["one"], quality, 0.31) is None
    plot(tmp_path / "curves.png", seconds, {"one": quality})
    assert (tmp_path / "curves.png").stat().st_size > 1000
