"""The interactions and the split that the options name."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import msgspec

from multvae_jax.config.options import DataOptions
from multvae_jax.config.resolve import preset_of, with_defaults_of
from multvae_jax.config.splitting import counts_before_split, split_of
from multvae_jax.config.unions import (
    Files,
    GivenSplit,
    InteractionFile,
    NamedDataset,
    Source,
    StoredSplit,
    first_path,
    split_name,
)
from multvae_jax.data.attributes import users_file_beside
from multvae_jax.data.readers.dialect import Dialect
from multvae_jax.data.readers.paths import files_of
from multvae_jax.data.readers.schema import Columns
from multvae_jax.data.store import ABOUT, open_store
from multvae_jax.data.types import Interactions, Split
from multvae_jax.data.user_encoder import UserEncoder
from multvae_jax.data.user_features import UserFeatures, read_user_features, with_user_features
from multvae_jax.datasets import registry
from multvae_jax.datasets.loading import read_filtered, read_split
from multvae_jax.datasets.presets import Preset
from multvae_jax.errors import InputError, listed, noted
from multvae_jax.host.memory import return_freed_memory


def data_name(data: DataOptions) -> str:
    """Name of the data: that of the data set, or of the file without its ending."""
    match data.source:
        case NamedDataset(name):
            return name
        case InteractionFile(path) | GivenSplit(path) | StoredSplit(path):
            name = Path(first_path(path)).absolute().name.split(".")[0]
            # A path may be a pattern, or "-" for standard input.
            return re.sub(r"[^\w-]+", "-", name).strip("-") or "data"


def load_split(data: DataOptions, encoder: UserEncoder | None = None) -> Split:
    """Read and split the interactions that a configuration names, with the features of its users.

    Args:
        data: options of the data.
        encoder: the encoder of a run, as in `load_user_features`.

    Raises:
        InputError: as in the readers.
    """
    split, features = _load_split(data), load_user_features(data, encoder)
    # A reader frees several times what the split holds.
    return_freed_memory()
    return split if features is None else with_user_features(split, features)


def load_user_features(
    data: DataOptions, encoder: UserEncoder | None = None
) -> UserFeatures | None:
    """Read the features of users that a configuration names; None if it names none.

    Args:
        data: options of the data.
        encoder: the encoder of a run, whose columns are read instead of those of the options.

    Raises:
        InputError: no file of users is given or found, or as in `read_user_features`.
    """
    columns = data.user_features
    if encoder is not None:
        columns = tuple(column.name for column in encoder.columns)
    if not columns:
        return None
    path = users_file_of(data)
    if path is None:
        raise InputError(
            f"--users-file: the model reads {listed(columns)} of each user, and no users.dat, "
            "u.user, users.csv or .user file is beside the data; name one"
        )
    return read_user_features(path, columns, encoder)


def users_file_of(data: DataOptions, others: Source | None = None) -> str | None:
    """The file about users: that of the training of a run, or one beside the data.

    Args:
        data: options of the data of the run.
        others: files of other users, a file beside which comes first.
    """
    if others is None:
        found = data.users_file or users_file_beside(path_of(data))
    else:
        found = users_file_beside(path_of(replace(data, source=others))) or data.users_file
    return None if found is None else str(found)


def _load_split(data: DataOptions) -> Split:
    if isinstance(data.source, StoredSplit):
        return open_store(data.source.path)
    files, preset = data_files(data), _preset(data)
    if "data" in files:
        found = read_filtered(
            files["data"],
            counts_before_split(data, preset),
            titles=data.titles,
            columns=columns_of(data),
            dialect=dialect_of(data),
            repeats="first" if split_name(data.split) == "users" else "earliest",
        )
        with noted(found.notes):
            return split_of(data, found, preset, _first_file(data))
    return read_split(
        files,
        preset,
        fold_in=data.fold_in,
        seed=data.split_seed,
        titles=data.titles,
        columns=columns_of(data),
        dialect=dialect_of(data),
    )


def load_interactions(data: DataOptions) -> Interactions:
    """Read the interactions that a configuration names, without a split.

    Raises:
        InputError: if the data is a given split, or as in the readers.
    """
    files = data_files(data)
    if "data" not in files:
        raise InputError("the data comes as a split: there is no one file of all interactions")
    return read_filtered(
        files["data"],
        _preset(data),
        titles=data.titles,
        columns=columns_of(data),
        dialect=dialect_of(data),
    )


def _first_file(data: DataOptions) -> str:
    """The file of interactions, for messages: its path, or the name of the data set."""
    source = data.source
    return first_path(source.path) if isinstance(source, InteractionFile) else data_name(data)


def _preset(data: DataOptions) -> Preset:
    """The filter and the number of held-out users: as set, or as in the preset of the data."""
    options = with_defaults_of(data, preset_of(data))
    return Preset(
        min_rating=options.min_rating,
        min_user_count=options.min_user_count,
        min_item_count=options.min_item_count,
        held_out=options.held_out,
    )


def columns_of(data: DataOptions) -> Columns:
    """Return the names of the columns that the options give."""
    return Columns(data.user_column, data.item_column, data.rating_column, data.time_column)


def dialect_of(data: DataOptions) -> Dialect:
    """Return how the options say that the files are written.

    Raises:
        InputError: a value is not an encoding, a separator or a quote.
    """
    return Dialect(data.encoding, data.separator, data.quote, data.header, data.lines)


def data_files(data: DataOptions) -> Mapping[str, Files | Path]:
    """The files of the source, by part; those of a named data set are fetched if missing."""
    match data.source:
        case NamedDataset(name):
            return registry.fetch_files(name)
        case InteractionFile(path):
            return {"data": path}
        case GivenSplit():
            parts = msgspec.structs.asdict(data.source)
            return {part: files for part, files in parts.items() if files is not None}
        case StoredSplit(path):
            # It has the sizes of all others, and a checksum of their contents.
            return {"store": Path(path) / ABOUT}


def files_read(data: DataOptions) -> list[Path]:
    """The absolute paths of all files of the source that are regular files.

    Raises:
        InputError: a pattern matches no file, or a folder has no files that can be read together.
    """
    paths = (path for files in data_files(data).values() for path in files_of(files).paths)
    return [Path(path).absolute() for path in paths if Path(path).is_file()]


def path_of(data: DataOptions) -> Path | None:
    """A file of the source, beside which files about its users and items may be found.

    Nothing is read or downloaded, and the file may no longer be there; None for standard input.
    """
    match data.source:
        case NamedDataset(name):
            dataset = registry.find_dataset(name)
            return dataset.folder / next(iter(dataset.files.values()))
        case InteractionFile(path) | GivenSplit(path):
            with contextlib.suppress(InputError):
                return files_of(path).folder
        case StoredSplit(path):
            return Path(path)
    return None


def describe_split(split: Split) -> str:
    """One line with the sizes of a split."""
    validating = 0 if split.validation is None else len(split.validation.user_ids)
    return (
        f"{split.train.shape[0]:,} training users with {split.train.nnz:,} interactions, "
        f"{validating:,} validation and {len(split.test.user_ids):,} test users, "
        f"{split.train.shape[1]:,} items"
    )
