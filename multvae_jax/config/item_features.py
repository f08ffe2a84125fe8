"""Features of items, for metrics and models, from the files that the options name."""

from __future__ import annotations

import numpy as np

from multvae_jax.config.build_model import reads_item_features
from multvae_jax.config.load_data import load_split, path_of
from multvae_jax.config.options import DataOptions, TrainConfig
from multvae_jax.data.catalogue_features import with_item_features
from multvae_jax.data.item_features import ItemFeatures, find_item_features, read_item_features
from multvae_jax.data.item_vectors import read_item_vectors
from multvae_jax.data.types import Catalogue, Split
from multvae_jax.data.user_encoder import UserEncoder
from multvae_jax.errors import InputError
from multvae_jax.host.console import say


def load_genres(data: DataOptions, catalogue: Catalogue) -> ItemFeatures:
    """Read the genres of items, from the file that is named or else one found beside the data.

    Raises:
        InputError: there is no such file, or as in `read_item_features`.
    """
    path = data.items_file
    if path is None and data.titles is not None and data.features_column is None:
        path = data.titles
    if path is not None:
        found = read_item_features(path, catalogue, data.features_column)
    else:
        beside = find_item_features(catalogue, path_of(data))
        if beside is None:
            raise InputError(
                "needs the genres of the items, and no file of them is beside the data; name one "
                "with --items-file"
            )
        found = beside
    say(f"genres: {len(found.names)} of {found.source}")
    for note in found.notes:
        say(note)
    return found


def load_vectors(data: DataOptions, catalogue: Catalogue) -> np.ndarray:
    """Read the vectors of items from the file that is named.

    Raises:
        InputError: none is named, or as in `read_item_vectors`.
    """
    if data.item_vectors is None:
        raise InputError("needs vectors of the items; name a file with --item-vectors")
    found = read_item_vectors(data.item_vectors, catalogue)
    for note in found.notes:
        say(note)
    return found.values


def load_split_for(config: TrainConfig, encoder: UserEncoder | None = None) -> Split:
    """Read a split as `load_split`, with the features of items if the model reads them.

    The features are the vectors of --item-vectors, or else the genres of `load_genres`; with
    --items-file too, they are the genres followed by the vectors.

    Raises:
        InputError: as in `load_split` and `load_genres`.
    """
    data, split = config.data, load_split(config.data, encoder)
    if not reads_item_features(config.model):
        return split
    catalogue, parts = split.catalogue, []
    try:
        if data.items_file is not None or data.item_vectors is None:
            parts.append(load_genres(data, catalogue).values)
        if data.item_vectors is not None:
            parts.append(load_vectors(data, catalogue))
    except InputError as error:
        network = config.model.network
        part = f"--model {config.model.model}" if network is None else f"--network {network}"
        raise InputError(f"{part}: item_features: {error}") from None
    rows = np.concatenate(parts, axis=1)
    return with_item_features(split, dict(zip(catalogue.ids.tolist(), rows, strict=True)))
