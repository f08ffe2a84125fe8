"""Vectors of items, such as embeddings of their text, in the order of a catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Float32

from multvae_jax.checks.bounds import check_kind, check_path
from multvae_jax.data.attributes import columns_of, read_attributes
from multvae_jax.data.types import Catalogue
from multvae_jax.errors import InputError, file_errors, shortened


class ItemVectors(NamedTuple):
    """Vectors of the items of a catalogue.

    Attributes:
        values: one row per item, in the order of the catalogue; 0 for an item without a vector.
        notes: remarks on how the file was read.
        ids: ids of the items.
    """

    values: Float32[np.ndarray, "items dimensions"]
    notes: tuple[str, ...]
    ids: np.ndarray


def read_item_vectors(path: str | Path, catalogue: Catalogue) -> ItemVectors:
    """Read a vector of each item, such as an embedding of its text.

    Args:
        path: a table with the id of an item and the numbers of its vector in each row, as columns
            or as one list; or an .npz file with an array of ids and one of vectors; or an .npy
            file with a vector for each item of the catalogue, in its order (that of items.csv).
        catalogue: the items.

    Returns:
        The vectors of the items of the catalogue; items without a row have the vector 0.

    Raises:
        InputError: the file cannot be read, holds a value that is not a finite number, or has none
            of the items.

    Example:
        >>> vectors = mv.data.read_item_vectors("vectors.csv", run.catalogue)
        >>> vectors.values.shape == (len(run.catalogue.ids), 3)
        True
    """
    check_path("path", path)
    check_kind("catalogue", catalogue, Catalogue, "run.catalogue")
    if Path(path).suffix.lower() in (".npy", ".npz"):
        ids, vectors, notes = _arrays(Path(path), catalogue)
    else:
        ids, vectors, notes = _table_of_vectors(path)
    place = {item: number for number, item in enumerate(catalogue.ids)}
    values = np.zeros((len(place), vectors.shape[1]), np.float32)
    rows = np.array([place.get(item, -1) for item in ids], np.int64)
    # Backwards, so that of several rows of an item the first one counts.
    known = np.flatnonzero(rows >= 0)[::-1]
    if not known.size:
        raise InputError(
            f"{path}: none of the {len(place):,} items has a vector; are the ids the same?"
        )
    values[rows[known]] = vectors[known]
    without = len(place) - np.unique(rows[known]).size
    if without:
        notes = (*notes, f"{path}: {without:,} of {len(place):,} items have no vector")
    return ItemVectors(values, notes, catalogue.ids)


def _table_of_vectors(path: str | Path) -> tuple[list[str], np.ndarray, tuple[str, ...]]:
    columns = columns_of(path, "item")
    if not columns:
        raise InputError(f"{path}: no column besides the ids")
    found = read_attributes(path, "item", columns, role="vector")
    text = found.rows.drop("id")
    if len(columns) == 1:
        # One column of lists, as numbers between blanks, commas or bars, perhaps in brackets.
        parts = pl.col("0").str.extract_all(r"[^\s,;|\[\]()]+")
        lengths = text.select(parts.list.len().fill_null(0)).to_series()
        width = int(lengths[0])
        odd = (lengths != width).arg_true()
        if len(odd):
            row = int(odd[0])
            raise InputError(
                f"{found.records.place(row)}: a vector of length {lengths[row]}, and the "
                f"first one has length {width}"
            )
        text = text.select(parts.list.get(n).alias(str(n)) for n in range(width))
    numbers = text.select(pl.all().cast(pl.Float32, strict=False))
    vectors = numbers.fill_null(float("nan")).to_numpy()
    odd_rows, odd_columns = np.nonzero(~np.isfinite(vectors))
    if odd_rows.size:
        row, column = int(odd_rows[0]), int(odd_columns[0])
        name = found.columns[column] if len(columns) > 1 else found.columns[0]
        raise InputError(
            f"{found.records.place(row)}: column '{shortened(name)}': "
            f"'{shortened(text.row(row)[column] or '')}' is not a finite number"
        )
    return found.rows["id"].to_list(), vectors, found.notes


def _arrays(path: Path, catalogue: Catalogue) -> tuple[list[str], np.ndarray, tuple[str, ...]]:
    """Read arrays of NumPy, which can run no code."""
    with file_errors(path), path.open("rb") as file:
        try:
            loaded = np.load(file, allow_pickle=False)
            arrays = dict(loaded) if isinstance(loaded, np.lib.npyio.NpzFile) else {"": loaded}
        except OSError:
            raise
        except Exception:  # a damaged file may raise anything
            raise InputError(
                f"{path}: not arrays of numbers or text as NumPy saves them; save ids as text with "
                "np.array(ids, str)"
            ) from None
    vectors = [array for array in arrays.values() if array.ndim == 2 and array.dtype.kind in "fiu"]
    ids = [array for array in arrays.values() if array.ndim == 1 and array.dtype.kind in "iuUS"]
    if len(vectors) != 1 or len(ids) != len(arrays) - 1 or len(ids) > 1:
        shapes = ", ".join(f"{name} {array.shape}".strip() for name, array in arrays.items())
        raise InputError(
            f"{path}: holds {shapes}; give one array of ids and one of numbers, items x dimensions"
        )
    (matrix,) = vectors
    n_items = len(catalogue.ids)
    if not np.isfinite(matrix).all():
        row = int(np.argwhere(~np.isfinite(matrix))[0][0])
        raise InputError(f"{path}: the vector of row {row}, from 0, is not finite")
    if not ids and len(matrix) != n_items:
        raise InputError(
            f"{path}: {len(matrix):,} vectors for {n_items:,} items; give an .npz file with their "
            "ids, or one vector per item in the order of items.csv"
        )
    if ids and len(ids[0]) != len(matrix):
        raise InputError(f"{path}: {len(ids[0]):,} ids for {len(matrix):,} vectors")
    if not ids:
        note = f"{path}: the vectors are read in the order of the items of the run (items.csv)"
        return catalogue.ids.tolist(), matrix, (note,)
    names = [each.decode() if isinstance(each, bytes) else str(each) for each in ids[0].tolist()]
    return names, matrix, ()
