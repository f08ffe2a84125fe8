"""RecBole's collector and evaluator on given scores, as its trainer drives them.

Its recall divides by all the targets, not by at most k of them; its NDCG is the paper's.
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

from benchmarks.contestants.evaluation import numpy_notebook as ranking
from benchmarks.harness.rounds import serve


def start(folder: Path) -> Callable[[], None]:
    """Everything as its trainer has it: batches of scores, and tensors of who has what."""
    given = ranking.read(folder)
    sys.argv = sys.argv[:1]
    logging.disable(logging.WARNING)
    options = {
        "metrics": ["Recall", "NDCG"],
        "topk": list(ranking.CUTOFFS),
        "valid_metric": "NDCG@100",
        "metric_decimal_place": 9,
    }
    config = Config(model="MultiVAE", dataset="ml-100k", config_dict=options)

    def tensors(rows: np.ndarray, items: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        # Its items begin at 1.
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
        ranking.answer(folder, "recbole", {name: float(mean) for name, mean in found.items()})

    return work


if __name__ == "__main__":
    serve(lambda: start(Path(sys.argv[1])))
