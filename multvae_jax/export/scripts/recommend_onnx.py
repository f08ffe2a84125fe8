"""Recommend with onnxruntime: python recommend_onnx.py ITEM_ID ITEM_ID ..."""

import csv
import sys
from pathlib import Path

import numpy as np
import onnxruntime

FOLDER = Path(__file__).parent
SESSION = onnxruntime.InferenceSession(FOLDER / "model.onnx")

if __name__ == "__main__":
    catalogue = list(csv.DictReader((FOLDER / "items.csv").open(encoding="utf-8", newline="")))
    column_of = {item["item"]: column for column, item in enumerate(catalogue)}
    # For several users, one row each, padded with -1.
    history = np.array([[-1, *(column_of[i] for i in sys.argv[1:] if i in column_of)]], np.int32)
    items, scores = SESSION.run(["items", "scores"], {"history": history})
    for column, score in zip(items[0], scores[0], strict=True):
        if column >= 0:
            print(f"{score:.6f}", *list(catalogue[column].values())[:2], sep="\t")
