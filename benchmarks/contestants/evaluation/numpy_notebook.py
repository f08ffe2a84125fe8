"""Metrics of given scores with numpy, as in the authors' notebook, corrected.

This module imports only packages that every contestant's environment has.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from benchmarks.harness.rounds import serve_rounds

CUTOFFS = (20, 50, 100)


class ScoredUsers(NamedTuple):
    """Scores, histories and targets of users.

    Attributes:
        scores: users x items.
        history: items that each user has, users x items.
        targets: held-out items, users x items, at least one per user.
        batch_size: users ranked at once.
    """

    scores: np.ndarray
    history: sp.csr_array
    targets: sp.csr_array
    batch_size: int

    def batches(self) -> list[slice]:
        """The users of each batch."""
        n_users, size = self.scores.shape[0], self.batch_size
        return [slice(first, first + size) for first in range(0, n_users, size)]


def write(folder: Path, given: ScoredUsers) -> None:
    """Write scores, histories and targets to a folder."""
    np.save(folder / "scores.npy", given.scores)
    sp.save_npz(folder / "history.npz", given.history)
    sp.save_npz(folder / "targets.npz", given.targets)
    (folder / "batch_size").write_text(str(given.batch_size))


def read(folder: Path) -> ScoredUsers:
    """Read the files of `write`."""
    return ScoredUsers(
        np.load(folder / "scores.npy"),
        sp.load_npz(folder / "history.npz"),
        sp.load_npz(folder / "targets.npz"),
        int((folder / "batch_size").read_text()),
    )


def write_means(folder: Path, name: str, means: dict[str, float]) -> None:
    """Write the means of the metrics, which must be the same for all contestants."""
    (folder / f"{name}.json").write_text(json.dumps(means))


def best(scores: np.ndarray, k: int) -> np.ndarray:
    """Items of the k largest scores of each row, best first."""
    k = min(k, scores.shape[1])
    some = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    order = np.argsort(-np.take_along_axis(scores, some, axis=1), axis=1)
    return np.take_along_axis(some, order, axis=1)


def recall(hits: np.ndarray, n_targets: np.ndarray, k: int) -> np.ndarray:
    """Hits in the top k over min(k, n_targets)."""
    return hits[:, :k].sum(axis=1) / np.minimum(k, n_targets)


def ndcg(hits: np.ndarray, n_targets: np.ndarray, k: int) -> np.ndarray:
    """DCG divided by the largest possible DCG."""
    discounts = 1 / np.log2(np.arange(2, k + 2))
    dcg = (hits[:, :k] * discounts[: hits.shape[1]]).sum(axis=1)
    return dcg / np.cumsum(discounts)[np.minimum(k, n_targets) - 1]


METRICS = {"recall": recall, "ndcg": ndcg}


def measure_one_by_one(scores: np.ndarray, targets: sp.csr_array) -> dict[str, np.ndarray]:
    """Rank again for every metric and look hits up in the sparse matrix, as in the notebook."""
    values = {}
    n_targets = np.diff(targets.indptr)
    for k in CUTOFFS:
        for name, metric in METRICS.items():
            items = best(scores, k)
            rows = np.broadcast_to(np.arange(len(items))[:, None], items.shape)
            hits = targets[rows.ravel(), items.ravel()].reshape(items.shape) > 0
            values[f"{name}@{k}"] = metric(hits, n_targets, k)
    return values


def measure_at_once(scores: np.ndarray, targets: sp.csr_array) -> dict[str, np.ndarray]:
    """Rank once, at the largest cutoff, for all metrics; targets are dense."""
    items = best(scores, max(CUTOFFS))
    hits = np.take_along_axis(targets.toarray() > 0, items, axis=1)
    n_targets = np.diff(targets.indptr)
    return {
        f"{name}@{k}": metric(hits, n_targets, k)
        for k in CUTOFFS
        for name, metric in METRICS.items()
    }


def means(
    given: ScoredUsers, measure: Callable[[np.ndarray, sp.csr_array], dict[str, np.ndarray]]
) -> dict[str, float]:
    """Mask the histories in the scores, in place, and average the metrics."""
    values: dict[str, list[np.ndarray]] = {}
    for batch in given.batches():
        scores = given.scores[batch]
        scores[given.history[batch].nonzero()] = -np.inf
        for name, per_user in measure(scores, given.targets[batch]).items():
            values.setdefault(name, []).append(per_user)
    return {name: float(np.concatenate(parts).mean()) for name, parts in values.items()}


WAYS = {"one_by_one": measure_one_by_one, "at_once": measure_at_once}


def prepare(folder: Path, way: str) -> Callable[[], None]:
    """Read the scores; return the work of a round."""
    given = read(folder)
    return lambda: write_means(folder, way, means(given, WAYS[way]))


if __name__ == "__main__":
    serve_rounds(prepare(Path(sys.argv[1]), sys.argv[2]))
