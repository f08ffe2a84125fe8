"""Fingerprints of splits."""

from __future__ import annotations

import hashlib

import numpy as np

from multvae_jax.checks.bounds import map_arrays
from multvae_jax.data.types import Split
from multvae_jax.host.stored_matrix import StoredMatrix


def fingerprint(split: Split) -> str:
    """A SHA-256 of what decides a training: users, items and interactions, without the test."""
    digest = hashlib.sha256()
    ids, matrices = [split.catalogue.ids], []
    if isinstance(split.train, StoredMatrix):
        # That of its users and interactions, made when they were written.
        digest.update(split.train.fingerprint.encode())
    else:
        ids, matrices = [split.user_ids, *ids], [split.train]
    if split.validation is not None:
        ids.append(split.validation.user_ids)
        matrices += [split.validation.history, split.validation.targets]
    for names in ids:
        digest.update("\0".join(names.tolist()).encode())
    for matrix in matrices:
        for part in (matrix.indptr, matrix.indices, matrix.data):
            digest.update(np.ascontiguousarray(part).tobytes())
    for part in (split, split.validation):
        if part is not None and part.user_features is not None:
            map_arrays(lambda leaf: digest.update(np.asarray(leaf).tobytes()), part.user_features)
    return digest.hexdigest()
