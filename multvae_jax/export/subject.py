"""The parts of a run that are exported: score, parameters, items, and features of users."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp

from multvae_jax.baselines import Baseline
from multvae_jax.batching import Batch, empty_batch, sequential_order, take, to_device
from multvae_jax.checks.bounds import map_arrays
from multvae_jax.data.types import Catalogue
from multvae_jax.export.program import Program, flat_params, with_fallback
from multvae_jax.export.tracing import trace
from multvae_jax.models import Blend, blend_of
from multvae_jax.ops.embedding_bag import embedding_bag
from multvae_jax.runs.own_data import features_of_some_user
from multvae_jax.runs.run import Run
from multvae_jax.types import Params

MOST_BYTES = 2**30
"""Size up to which neighbors of items become a dense items x items matrix."""


class Subject(NamedTuple):
    """A recommender to export.

    Attributes:
        score: `(params, batch) -> users x items`.
        params: its parameters.
        catalogue: the items, in the order of the scores.
        features: features of one user, of the shapes that the score reads; None if it reads none.
    """

    score: Callable[[Params, Batch], Any]
    params: Params
    catalogue: Catalogue
    features: Any

    @property
    def n_items(self) -> int:
        """Number of items."""
        return len(self.catalogue.ids)

    def weights(self) -> dict[str, np.ndarray]:
        """The parameters that the score reads, by path."""
        one = replace(empty_batch(self.n_items), per_user=map_arrays(_on_device, self.features))
        jaxpr = jax.make_jaxpr(self.score)(self.params, one).jaxpr
        needed = {id(var) for var in jaxpr.outvars}
        for eqn in reversed(jaxpr.eqns):
            if needed.intersection(map(id, eqn.outvars)):
                needed.update(map(id, eqn.invars))
        arrays = flat_params(self.params).items()
        pairs = zip(arrays, jaxpr.invars[: len(arrays)], strict=True)
        return {name: array for (name, array), var in pairs if id(var) in needed}

    def program(self) -> Program:
        """The score as a program of few kinds of steps.

        Raises:
            CannotExportError: naming what the program cannot express.
        """
        found = trace(self.score, self.params, self.n_items, self.features)
        return found if self.features is not None else with_fallback(found, self.catalogue.counts)


def subject_of(run: Run) -> Subject:
    """The parts of a run that are exported.

    Raises:
        InputError: the model reads features of users whose shape is not known.
    """
    n_items = len(run.catalogue.ids)
    features = features_of_some_user(run)
    score, params = run.model.score, run.params
    if isinstance(run.model, Blend) and _are_neighbors(params["baseline"], n_items):
        own = _dense(run.model.baseline, params["baseline"], n_items)
        baseline = run.model.baseline._replace(score=_product)
        score, params = blend_of(run.model.model, baseline).score, {**params, "baseline": own}
    elif isinstance(run.model, Baseline) and _are_neighbors(params, n_items):
        score, params = _product, _dense(run.model, params, n_items)
    return Subject(score, params, run.catalogue, features)


def _on_device(array: Any) -> Any:
    return None if array is None else jnp.asarray(array)


# --- neighbors of items ---------------------------------------------------------------------------


def _are_neighbors(params: Params, n_items: int) -> bool:
    """Return whether these are parameters of item-kNN or RP3beta with a small enough matrix."""
    return set(params) == {"neighbors", "weights"} and 4 * n_items**2 <= MOST_BYTES


def _dense(baseline: Baseline, params: Params, n_items: int) -> Params:
    """The matrix whose row i are the scores of a user with the item i alone."""
    identity = to_device(sp.csr_array(sp.eye_array(n_items, dtype=np.float32)), width=1)
    rows = [
        np.asarray(baseline.score(params, take(identity, jnp.asarray(users), len(users))))
        for users in sequential_order(n_items, 1024)
    ]
    return {"item_weights": jnp.asarray(np.concatenate(rows)[:n_items])}


def _product(params: Params, batch: Batch) -> Any:
    return embedding_bag(params["item_weights"], batch)
