"""The task of the contestants in training, and their lineup."""

import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from benchmarks.contestants.training import lineup
from benchmarks.contestants.training.task import (
    read_task,
    scores_file,
    start_command,
    write_task,
)


def test_a_contestant_reads_the_task_that_it_is_started_on(tmp_path, monkeypatch):
    train, shown = (sp.csr_array(np.eye(3, 4)[rows]) for rows in ([0, 1, 2], [2, 0]))
    write_task(tmp_path, train, shown)
    line = start_command("cornac", sys.executable, tmp_path, 2, annealing=7)
    assert line[:3] == [sys.executable, "-m", "benchmarks.contestants.training.cornac"]
    monkeypatch.setattr(sys, "argv", line[2:])
    task = read_task("cornac")
    assert (task.train != train).nnz == (task.shown != shown).nnz == 0
    assert (task.batch_size, task.batches, task.annealing) == (2, 2, 7)
    task.save_scores(lambda rows: 2 * rows)
    assert np.load(scores_file(tmp_path, "cornac")).tolist() == (2 * shown.toarray()).tolist()


def test_the_lineup_starts_modules_that_exist_in_their_environments(tmp_path, monkeypatch):
    monkeypatch.setattr(lineup, "interpreter", lambda name, environment: Path(f"/{name}/python"))
    found = lineup.contestants(tmp_path, 500, ["float32", "bfloat16"], without=["Cornac"])
    assert {name: one.command[0] for name, one in found.items()} == {
        lineup.OURS: sys.executable,
        "multvae_jax, bfloat16": sys.executable,
        "PyTorch, float32": "/torch/python",
        "PyTorch, bfloat16": "/torch/python",
        "RecBole": "/recbole/python",
    }
    for contestant in found.values():
        _, flag, module, *_ = contestant.command
        assert flag == "-m"
        assert find_spec(module)
        assert contestant.scores.stem == module.rpartition(".")[2]


def test_no_environment_is_created_for_contestants_that_are_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(lineup, "interpreter", None)
    peers = ["PyTorch, float32", "RecBole", "Cornac"]
    assert list(lineup.contestants(tmp_path, 500, without=peers)) == [lineup.OURS]
