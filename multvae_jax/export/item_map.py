"""A map of the items of a run: two coordinates of each, so that similar items are near."""

from __future__ import annotations

import numpy as np
import scipy.sparse.linalg as sparse_linalg
from jaxtyping import Float, Float32, Int

from multvae_jax.errors import InputError
from multvae_jax.export.program import HISTORY, Program
from multvae_jax.export.subject import subject_of
from multvae_jax.recommending.vectors import vectors_of_items
from multvae_jax.runs.own_data import features_of_some_user
from multvae_jax.runs.run import Run

FEWEST = 3
"""Items of the smallest map."""


def map_of(run: Run) -> Float32[np.ndarray, "items 2"] | None:
    """The place of each item, each coordinate from 0 to 1; None if the model has no item vectors.

    The vectors are the weights of the last layer, or the columns of an items x items matrix.
    """
    n_items = len(run.catalogue.ids)
    if n_items < FEWEST:
        return None
    try:
        own = vectors_of_items(run.model, run.params, n_items, features_of_some_user(run))
        # Without the biases, which come last.
        vectors = item_table(subject_of(run).program(), n_items) if own is None else own[:, :-1]
    except InputError:
        return None
    return None if vectors is None else positions(vectors, np.asarray(run.catalogue.counts))


def item_table(program: Program, n_items: int) -> Float32[np.ndarray, "items features"] | None:
    """A vector of each item: of the last layer if there is one, else of an items x items matrix."""
    if program.item_table is not None:
        return program.weights[program.item_table].T
    products = [step.inputs for step in program.steps if step.op == "matmul"]
    # A blend has the vectors of its network.
    products.sort(key=lambda inputs: inputs[0] == HISTORY)
    for _, name in products:
        if program.weights[str(name)].shape[1] == n_items:
            return program.weights[str(name)].T
    return None


def positions(
    table: Float32[np.ndarray, "items features"], counts: Int[np.ndarray, " items"]
) -> Float32[np.ndarray, "items 2"]:
    """Two principal components of the directions of the vectors, each from 0 to 1.

    What a parabola of the logarithm of the counts explains is taken out before: popularity would be
    the first component, and the popular items, which are the ones that people know, a single spot.
    """
    lengths = np.linalg.norm(table, axis=1, keepdims=True)
    unit = (table / np.where(lengths > 0, lengths, 1.0)).astype(np.float64)
    powers = np.vander(np.log1p(counts.astype(np.float64)), 3)
    rest = unit - powers @ np.linalg.lstsq(powers, unit, rcond=None)[0]
    if min(rest.shape) <= 2:
        components = np.pad(rest, [(0, 0), (0, 2)])[:, :2]
    else:
        # A start of its own: the same page for the same run.
        u, s, _ = sparse_linalg.svds(rest, k=2, v0=np.ones(min(rest.shape)))
        components = (u * s)[:, ::-1]
    return _spread(components).astype(np.float32)


def _spread(components: Float[np.ndarray, "items 2"]) -> Float[np.ndarray, "items 2"]:
    """Half the coordinate and half its rank: the crowd in the middle gets more room."""
    lowest = components.min(axis=0, keepdims=True)
    spread = components.max(axis=0, keepdims=True) - lowest
    scaled = (components - lowest) / np.where(spread > 0, spread, 1.0)
    ranks = np.argsort(np.argsort(components, axis=0, kind="stable"), axis=0, kind="stable")
    return 0.5 * scaled + 0.5 * ranks / max(1, len(components) - 1)
