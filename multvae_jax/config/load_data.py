"""From the options that name the data to its interactions and its split."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from multvae_jax.config.options import DataOptions, preset_of, with_defaults_of
from multvae_jax.data.readers.schema import Columns
from multvae_jax.data.types import Interactions, Split
from multvae_jax.datasets import registry
from multvae_jax.datasets.loading import read_filtered, read_split
from multvae_jax.datasets.presets import Preset
from multvae_jax.errors import InputError


def data_name(data: DataOptions) -> str:
    """What the data is called: the name of the data set, or of the file."""
    file = data.data or data.train
    return data.dataset if file is None else Path(file).name.split(".")[0]


def load_split(data: DataOptions) -> Split:
    """Read and split the interactions that a configuration names.

    Raises:
        InputError: if options contradict each other, or as the readers say.
    """
    # Any: what was None is the preset's now.
    chosen: Any = _located(with_defaults_of(data, preset_of(data)))
    if chosen.train or chosen.validation or chosen.test:
        if chosen.train is None or chosen.test is None:
            missing = "--train" if chosen.train is None else "--test"
            raise InputError(f"{missing} is missing: a given split has a training and a test file")
        if chosen.data is not None:
            raise InputError("--data and --train: give one or the other")
    files = {name: getattr(chosen, name) for name in ("data", "train", "validation", "test")}
    return read_split(
        {name: file for name, file in files.items() if file is not None},
        _filter(chosen),
        fold_in=data.fold_in,
        seed=data.split_seed,
        titles=chosen.titles,
        columns=_columns(data),
    )


def load_interactions(data: DataOptions) -> Interactions:
    """Read the interactions that a configuration names, all in one.

    Raises:
        InputError: if they come as a split, or as the reader says.
    """
    chosen: Any = _located(with_defaults_of(data, preset_of(data)))
    if chosen.data is None:
        raise InputError("the data comes as a split: there is no one file of all interactions")
    return read_filtered(
        chosen.data, _filter(chosen), titles=chosen.titles, columns=_columns(chosen)
    )


def _filter(chosen: Any) -> Preset:
    names = ("min_rating", "min_user_count", "min_item_count", "held_out")
    return Preset(**{name: getattr(chosen, name) for name in names})


def _columns(data: DataOptions) -> Columns:
    return Columns(data.user_column, data.item_column, data.rating_column, data.time_column)


def _located(data: DataOptions) -> DataOptions:
    """The same options with the files of the named data set, where the user names no file."""
    if data.data is not None or data.train or data.validation or data.test:
        return data
    files: Any = {option: str(path) for option, path in registry.fetch_files(data.dataset).items()}
    return replace(data, **files)


def describe_split(split: Split) -> str:
    """The sizes of a split, in words."""
    validating = 0 if split.validation is None else len(split.validation.user_ids)
    return (
        f"{split.train.shape[0]:,} training users with {split.train.nnz:,} interactions, "
        f"{validating:,} validation and {len(split.test.user_ids):,} test users, "
        f"{split.train.shape[1]:,} items"
    )
