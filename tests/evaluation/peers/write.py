"""Write the recommendation lists of other systems, each in an environment of its own.

Run it at the root of the repository: `python -m tests.evaluation.peers.write`. It makes a small
data set, and each peer trains on it, writes its lists as its users do, and its own metrics:

train.csv, valid.csv, test.csv    the interactions, split by user
implicit.csv, implicit.parquet    lists of implicit's ALS: a row per item, and a list per user
recbole.jsonl, recbole.run        lists of RecBole's EASE: a list per user, and a run of TREC
lenskit.parquet                   lists of LensKit's item kNN: a list of records per user
implicit.json, ...                their own metrics of these lists
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np

from benchmarks.harness.environments import ENVIRONMENTS, TORCH, Environment, interpreter

HERE = Path(__file__).parent
N_USERS, N_ITEMS = 60, 50
SPLITS = {"train.csv": slice(4, None), "valid.csv": slice(3, 4), "test.csv": slice(0, 3)}
"""Which of a user's items are in each file, in a random order."""

PEERS = {
    "implicit": Environment(
        ("implicit==0.7.3", "numpy==2.4.6", "scipy==1.17.1", "pandas==3.1.1", "pyarrow==26.0.1"),
        pythons=range(11, 15),
    ),
    "lenskit": Environment((TORCH, "lenskit==2025.8.1"), pythons=range(11, 14)),
    "recbole": ENVIRONMENTS["recbole"],
}


def write_interactions(folder: Path) -> None:
    """Users of one of two tastes, with ids that do not count from zero."""
    rng = np.random.default_rng(15)
    lines: dict[str, list[str]] = {name: ["user_id,item_id"] for name in SPLITS}
    for user in range(N_USERS):
        liked = np.where(np.arange(N_ITEMS) % 2 == user % 2, 4.0, 1.0)
        weights = liked / (1 + np.arange(N_ITEMS) // 2)
        n_liked = rng.integers(10, 16)
        items = rng.choice(N_ITEMS, size=n_liked, replace=False, p=weights / sum(weights))
        for name, part in SPLITS.items():
            lines[name] += [f"{1000 + 7 * user},i{item:02}" for item in items[part]]
    for name, rows in lines.items():
        (folder / name).write_text("\n".join(rows) + "\n")


def main() -> None:
    """Make the data, and run each peer."""
    write_interactions(HERE)
    for name, environment in PEERS.items():
        python = interpreter(name, environment)
        subprocess.run([str(python), str(HERE / f"with_{name}.py"), str(HERE)], check=True)


if __name__ == "__main__":
    main()
