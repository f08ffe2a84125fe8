"""RecBole's collector and evaluator on given scores, called as its trainer does.

Its recall divides by the number of all targets, not by at most k; its NDCG is the paper's.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from recbole.config import Config
from recbole.evaluator import Collector, Evaluator

from benchmarks.contestants.evaluation.numpy_notebook import CUTOFFS, read, write_means
from benchmarks.harness.rounds import serve_rounds


def prepare(folder: Path) -> Callable[[], None]:
    """Make what its trainer has: batches of scores, and tensors of histories and targets."""
    given = read(folder)
    sys.argv = sys.argv[:1]
    logging.disable(logging.WARNING)
    options = {
        "metrics": ["Recall", "NDCG"],
        "topk": list(CUTOFFS),
        "valid_metric": "NDCG@100",
        "metric_decimal_place": 9,
    }
    config = Config(model="MultiVAE", dataset="ml-100k", config_dict=options)

    def tensors(rows: np.ndarray, items: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        # Its items are numbered from 1.
        return torch.from_numpy(rows.astype(np.int64)), torch.from_numpy(items.astype(np.int64) + 1)

    batches = [
        (
            torch.from_numpy(np.pad(given.scores[batch], ((0, 0), (1, 0)))),
            tensors(*given.history[batch].nonzero()),
            tensors(*given.targets[batch].nonzero()),
        )
        for batch in given.batches()
    ]

    def work() -> None:
        collector, evaluator = Collector(config), Evaluator(config)
        for scores, history, targets in batches:
            scores[:, 0] = -np.inf
            scores[history] = -np.inf
            collector.eval_batch_collect(scores, None, *targets)
        found = evaluator.evaluate(collector.get_data_struct())
        write_means(folder, "recbole", {name: float(mean) for name, mean in found.items()})

    return work


if __name__ == "__main__":
    serve_rounds(prepare(Path(sys.argv[1])))
