"""The same preparation in pandas, after the authors' notebook.

It is corrected where newer pandas counts differently (`groupby(...).size()` is a column only on
request). There are two ways: in memory, each step in the fastest way that pandas has for it; and
through files, as in the notebook: ids are numbered one by one, the parts of the split are written
as CSV files, and the matrices are built from these.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp

from benchmarks.harness.fingerprints import fingerprint
from benchmarks.harness.processes import peak_memory

SEED = 98765


class PandasSplit(NamedTuple):
    """The matrices of a split and the ids of their rows and columns.

    Attributes:
        items: ids, by column.
        train: users x items.
        train_users: ids, by row.
        held_out: part -> ids of its users, histories and targets.
    """

    items: np.ndarray
    train: sp.csr_array
    train_users: np.ndarray
    held_out: dict[str, tuple[np.ndarray, sp.csr_array, sp.csr_array]]


def read(path: str) -> pd.DataFrame:
    """Read ratings; keep those above 3.5, and users with at least five of them."""
    ratings = pd.read_csv(path)
    ratings = ratings[ratings["rating"] > 3.5]
    counts = ratings.groupby("userId").size()
    return ratings[ratings["userId"].isin(counts.index[counts >= 5])]


def split(ratings: pd.DataFrame, held_out: int, files: bool = False) -> PandasSplit:
    """Hold out users, number items by first appearance in the training rows, draw fold-ins."""
    users = np.sort(ratings["userId"].unique())
    np.random.seed(SEED)  # noqa: NPY002
    users = users[np.random.permutation(users.size)]  # noqa: NPY002
    n_train = users.size - 2 * held_out
    of_users = {
        "train": np.sort(users[:n_train]),
        "validation": np.sort(users[n_train : n_train + held_out]),
        "test": np.sort(users[n_train + held_out :]),
    }
    train = ratings[ratings["userId"].isin(of_users["train"])]
    items = train["movieId"].unique()
    parts = {"train": train}
    for part in ("validation", "test"):
        rows = ratings[ratings["userId"].isin(of_users[part])]
        history, targets = draw(rows[rows["movieId"].isin(items)])
        parts |= {f"{part} history": history, f"{part} targets": targets}
    matrices = through_files(parts, of_users, items) if files else in_memory(parts, of_users, items)
    held_out = {
        part: (of_users[part], matrices[f"{part} history"], matrices[f"{part} targets"])
        for part in ("validation", "test")
    }
    return PandasSplit(items, matrices["train"], of_users["train"], held_out)


Parts = dict[str, pd.DataFrame]
Matrices = dict[str, sp.csr_array]


def positions(ids: np.ndarray) -> dict[int, int]:
    """Id -> its position."""
    return {one: number for number, one in enumerate(ids)}


def in_memory(parts: Parts, of_users: dict[str, np.ndarray], items: np.ndarray) -> Matrices:
    """The matrix of each part."""
    column = positions(items)
    made = {}
    for name, rows in parts.items():
        row = positions(of_users[name.split()[0]])
        cells = (rows["userId"].map(row).to_numpy(), rows["movieId"].map(column).to_numpy())
        ones = np.ones(len(rows), np.float32)
        made[name] = sp.csr_array((ones, cells), shape=(len(row), len(column)))
    return made


def through_files(parts: Parts, of_users: dict[str, np.ndarray], items: np.ndarray) -> Matrices:
    """The same, with each part written to a file and read back."""
    column = positions(items)
    made = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, rows in parts.items():
            row = positions(of_users[name.split()[0]])
            numbered = pd.DataFrame(
                {
                    "uid": [row[user] for user in rows["userId"]],
                    "sid": [column[item] for item in rows["movieId"]],
                }
            )
            numbered.to_csv(f"{folder}/{name}.csv", index=False)
        for name in parts:
            read_back = pd.read_csv(f"{folder}/{name}.csv")
            cells = (read_back["uid"], read_back["sid"])
            ones = np.ones(len(read_back), np.float32)
            shape = (len(of_users[name.split()[0]]), len(items))
            made[name] = sp.csr_array((ones, cells), shape=shape)
    return made


def draw(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split rows into history and targets: a fifth at random, of users with at least five items."""
    np.random.seed(SEED)  # noqa: NPY002
    history, targets = [], []
    for _, mine in rows.groupby("userId"):
        n = len(mine)
        chosen = np.zeros(n, bool)
        if n >= 5:
            chosen[np.random.choice(n, size=int(0.2 * n), replace=False)] = True  # noqa: NPY002
        history.append(mine[~chosen])
        targets.append(mine[chosen])
    return pd.concat(history), pd.concat(targets)


def main(path: str, held_out: int, files: bool) -> None:
    """Prepare, print the times, then the hashes of the result."""
    began = time.perf_counter()
    ratings = read(path)
    filtered = time.perf_counter()
    prepared = split(ratings, held_out, files)
    ended = time.perf_counter()
    stages = {"read and filter": filtered - began, "split": ended - filtered}
    print(json.dumps({"stages": stages, "peak": peak_memory()}), flush=True)
    parts = {
        "train": prepared.train,
        "items": prepared.items,
        "train users": prepared.train_users,
    }
    for name, (users, history, targets) in prepared.held_out.items():
        parts[f"{name} users"] = users
        parts[f"{name} history"] = history
        parts[f"{name} targets"] = targets
    print(json.dumps({"result": {name: fingerprint(part) for name, part in parts.items()}}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), files=sys.argv[3:] == ["files"])
