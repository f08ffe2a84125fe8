"""Recommend with NumPy alone: python recommend_numpy.py ITEM_ID ITEM_ID ..."""

import csv
import json
import sys
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent
PROGRAM = json.loads((FOLDER / "program.json").read_text())
WEIGHTS = dict(np.load(FOLDER / "weights.npz", allow_pickle=False))
OPERATIONS = {
    "where": lambda x, yes, no: np.where(x != 0, yes, no),
    "sigmoid": lambda x: 0.5 * (1.0 + np.tanh(0.5 * x)),
    "rsqrt": lambda x: 1.0 / np.sqrt(x),
    "sum": lambda x: x.sum(-1, keepdims=True),
    "largest": lambda x: x.max(-1, keepdims=True),
    "slice": lambda x, first, end: x[..., first:end],
    "take": lambda x, places: x[..., places],
    "concat": lambda *parts: np.concatenate(parts, -1),
}


def compute(history, output="scores", **features):
    """Users x items, or their "user_vector", for a 1 for each item that a user has, else 0."""
    values = {**WEIGHTS, **features, "history": history}
    for op, name, *inputs in PROGRAM["steps"]:
        result = (OPERATIONS.get(op) or getattr(np, op))(*(values.get(x, x) for x in inputs))
        values[name] = result.astype(np.float32) if result.dtype == bool else result
    return values[PROGRAM[output]]


if __name__ == "__main__":
    items = list(csv.DictReader((FOLDER / "items.csv").open(encoding="utf-8", newline="")))
    history = np.array([[float(item["item"] in sys.argv[1:]) for item in items]], np.float32)
    scores = np.where(history > 0, -np.inf, compute(history))[0]
    for column in np.argsort(-scores, kind="stable")[:20]:
        print(f"{scores[column]:.6f}", items[column]["item"], items[column]["title"], sep="\t")
