"""Facts about items and users for metrics, from the data that the options name."""

from __future__ import annotations

import functools
from dataclasses import replace

import jax.numpy as jnp
from jaxtyping import Array

from multvae_jax.config.finished_runs import CompareConfig, EvaluateConfig
from multvae_jax.config.item_features import load_genres, load_vectors
from multvae_jax.config.options import DataOptions
from multvae_jax.config.refusals import refuse_missing_files
from multvae_jax.data.types import Catalogue, Split
from multvae_jax.evaluation.named import Facts, facts_of


def known_facts(catalogue: Catalogue, n_users: int, data: DataOptions) -> Facts:
    """Return the facts of a catalogue, with the genres and vectors of its items.

    The files of genres and vectors are read when a metric needs them, and only once.

    Args:
        catalogue: the items that a recommender was trained on.
        n_users: number of training users.
        data: options of the data.
    """

    @functools.cache
    def genres() -> Array:
        return jnp.asarray(load_genres(data, catalogue).values)

    @functools.cache
    def vectors() -> Array:
        return jnp.asarray(load_vectors(data, catalogue))

    return facts_of(catalogue, n_users, genres=genres, vectors=vectors)


def with_item_files(data: DataOptions | None, given: EvaluateConfig | CompareConfig) -> DataOptions:
    """Return options of data, with the files about items that a command names in their place.

    Raises:
        InputError: if the command names a file that is not there.
    """
    known = data or DataOptions()
    refuse_missing_files(given, known, ("items_file", "item_vectors"))
    names = ("items_file", "features_column", "item_vectors")
    values = {name: getattr(given, name) for name in names}
    named = {name: value for name, value in values.items() if value is not None}
    return replace(known, **named)


def facts_of_split(split: Split, data: DataOptions) -> Facts:
    """Return the facts of the items of a split, as `known_facts`."""
    return known_facts(split.catalogue, split.train.shape[0], data)
