"""Recommend with jax alone (and flatbuffers): python recommend_jax.py ITEM_ID ITEM_ID ..."""

import csv
import sys
from pathlib import Path

import jax
import numpy as np

FOLDER = Path(__file__).parent
EXPORTED = jax.export.deserialize((FOLDER / "recommend.jax_export").read_bytes())
WEIGHTS = jax.device_put(dict(np.load(FOLDER / "weights.npz", allow_pickle=False)))


def recommend(histories, *features):
    """The best columns and their scores, users x k, for lists of the columns of users' items."""
    # A new shape is compiled, for a second: sizes are rounded up, with -1 as padding.
    n_users, longest = len(histories), max(map(len, histories))
    shape = [1 << (size - 1).bit_length() for size in (n_users, max(1, longest))]
    padded = np.full(shape, -1, np.int32)
    for row, history in zip(padded, histories, strict=False):
        row[: len(history)] = history
    pad = [np.pad(f, [(0, shape[0] - n_users)] + [(0, 0)] * (f.ndim - 1)) for f in features]
    items, scores = jax.jit(EXPORTED.call)(WEIGHTS, padded, *pad)
    return np.asarray(items)[:n_users], np.asarray(scores)[:n_users]


if __name__ == "__main__":
    catalogue = list(csv.DictReader((FOLDER / "items.csv").open(encoding="utf-8", newline="")))
    column_of = {item["item"]: column for column, item in enumerate(catalogue)}
    items, scores = recommend(
        [[column_of[i] for i in dict.fromkeys(sys.argv[1:]) if i in column_of]]
    )
    for column, score in zip(items[0], scores[0], strict=True):
        if column >= 0:
            print(f"{score:.6f}", *list(catalogue[column].values())[:2], sep="\t")
