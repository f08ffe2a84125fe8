"""Users ranked and measured per second, against numpy's argpartition and RecBole's evaluator.

    python -m benchmarks evaluation [--users 10000] [--rounds 5]

Recall and NDCG at 20, 50 and 100 of given scores over ML-20M's catalogue, the same ones for all and
of as many users as the paper holds out, in batches of 500. They lie in memory before the clock
starts, as does who has what, in each one's own form. Within the time, what users have is left out
of the scores, the rest is ranked, and the metrics are averaged. What comes out is compared.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.contestants.evaluation import numpy_notebook as ranking
from benchmarks.harness.environments import ENVIRONMENTS, interpreter
from benchmarks.harness.rounds import alternate
from benchmarks.harness.synthetic import ML20M_ITEMS, histories
from benchmarks.harness.throughput import report

OURS = "multvae_jax"


def made_up(
    n_users: int, batch_size: int, n_items: int = ML20M_ITEMS, seed: int = 0
) -> ranking.Given:
    """Histories of ML-20M's shape, a fifth of each held out, and scores that know a little."""
    random = np.random.default_rng(seed)
    whole = histories(n_users, n_items)
    # Everyone has five items at least, the first of which is always held out.
    held_out = random.random(whole.nnz) < 0.2
    held_out[whole.indptr[:-1]] = True
    parts = []
    for mask in (~held_out, held_out):
        part = whole.copy()
        part.data = mask.astype(np.float32)
        part.eliminate_zeros()
        parts.append(part)
    popularity = np.log1p(whole.sum(axis=0)).astype(np.float32)
    noise = random.standard_normal(whole.shape, np.float32)
    return ranking.Given(popularity + noise, *parts, batch_size)


def check(folder: Path) -> dict[str, dict[str, float]]:
    """What each found.

    Raises:
        RuntimeError: if an NDCG differs.
    """
    found = {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}
    for k in ranking.CUTOFFS:
        values = [means[f"ndcg@{k}"] for means in found.values()]
        # Peers leave the order of equal scores open: at a cut-off, that moves one user's value.
        if np.ptp(values) > 5e-5:
            raise RuntimeError(f"NDCG@{k} differs: {values}")
    return found


def main(arguments: list[str]) -> None:
    """Time the contestants, print the table and save the samples."""
    parser = argparse.ArgumentParser(
        prog="benchmarks evaluation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--batch-size", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(arguments)

    recbole = interpreter("recbole", ENVIRONMENTS["recbole"])
    with tempfile.TemporaryDirectory() as name:
        ranking.write(Path(name), made_up(options.users, options.batch_size))
        start = [sys.executable, "-m", "benchmarks.contestants.evaluation.numpy_notebook", name]
        commands = {
            OURS: [sys.executable, "-m", "benchmarks.contestants.evaluation.ours", name],
            "numpy, one argpartition": [*start, "at_once"],
            "numpy, as in the notebook": [*start, "one_by_one"],
            "RecBole": [str(recbole), "-m", "benchmarks.contestants.evaluation.recbole", name],
        }
        samples = alternate(commands, options.rounds)
        found = check(Path(name))

    print(f"{options.users} users in batches of {options.batch_size}, {options.rounds} rounds\n")
    figures = {"options": vars(options), "found": found}
    report("evaluation", samples, options.users, OURS, figures)
