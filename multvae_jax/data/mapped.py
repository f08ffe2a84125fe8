"""Interactions on disk, of which memory has what is being read."""

from __future__ import annotations

import tempfile
from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from multvae_jax.data.types import Split
from multvae_jax.errors import file_errors
from multvae_jax.host.stored_matrix import StoredMatrix


def mapped(split: Split) -> Split:
    """The same split, with the interactions of the training users mapped from a temporary file.

    A process that trains on some of the users then holds only these in memory. A split whose
    interactions are stored stays as it is.

    Raises:
        InputError: the file cannot be written.
    """
    train = split.train
    if isinstance(train, StoredMatrix):
        return split
    return replace(
        split,
        train=sp.csr_array(
            (_mapped(train.data), _mapped(train.indices), train.indptr), shape=train.shape
        ),
    )


def _mapped(array: np.ndarray) -> np.ndarray:
    with file_errors(tempfile.gettempdir()), tempfile.TemporaryFile() as file:
        np.ascontiguousarray(array).tofile(file)
        if not array.size:
            return array
        return np.memmap(file, array.dtype, "r", shape=array.shape)
