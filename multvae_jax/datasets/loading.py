"""Interactions and splits of a data set by name, filtered as its preset has it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from multvae_jax.checks.bounds import Seed, check_number
from multvae_jax.data.interactions import read_interactions
from multvae_jax.data.readers.dialect import DETECTED, Dialect
from multvae_jax.data.readers.paths import Paths
from multvae_jax.data.readers.schema import USUAL_COLUMNS, Columns
from multvae_jax.data.spelling import in_python
from multvae_jax.data.split_reader import read_given_split, read_held_out_split
from multvae_jax.data.splits import PAPER_SEED, check_fold_in, given_split, hold_out_users
from multvae_jax.data.types import Interactions, Split
from multvae_jax.datasets.presets import Preset
from multvae_jax.datasets.registry import fetch_files, find_dataset
from multvae_jax.errors import InputError, noted

FOLD_IN = 0.8
"""Share of a held-out user's items that the model is shown, as in the paper."""


@in_python
def load_dataset(name: str) -> Interactions:
    """Load the interactions of a named data set, with the filter of its preset.

    The files are downloaded on first use. `multvae datasets` and `DATASETS` list the names.

    Args:
        name: the data set, such as "ml-1m".

    Raises:
        InputError: there is no such data set, it cannot be downloaded, or it is published as a
            split.

    Example:
        >>> data = mv.load_dataset("ml-latest-small")  # comes with the package
        >>> data.n_users, data.n_items
        (603, 6298)
    """
    dataset = find_dataset(name)
    if dataset.is_split:
        raise InputError(f'{name} is published as a split; load it with load_split("{name}")')
    return read_filtered(fetch_files(name)["data"], dataset.preset)


@in_python
def load_split(name: str, *, fold_in: float = FOLD_IN, seed: int = PAPER_SEED) -> Split:
    """Load a named data set and split its users as its preset has it.

    A data set that is published as a split, such as "gowalla", keeps that split, and `fold_in` and
    `seed` have no effect.

    Args:
        name: the data set, such as "ml-1m".
        fold_in: share of a held-out user's items that the model is shown.
        seed: seed of the split; the default is the paper's.

    Raises:
        InputError: there is no such data set, it cannot be downloaded, or `fold_in` is not
            between 0 and 1.

    Example:
        >>> split = mv.load_split("ml-latest-small")  # comes with the package
        >>> split.train.shape
        (483, 5660)
    """
    dataset = find_dataset(name)
    check_fold_in(fold_in)
    check_number("seed", seed, Seed)
    return read_split(fetch_files(name), dataset.preset, fold_in=fold_in, seed=seed)


def read_filtered(
    file: Paths,
    preset: Preset,
    *,
    titles: str | Path | None = None,
    columns: Columns = USUAL_COLUMNS,
    dialect: Dialect = DETECTED,
    repeats: Literal["first", "earliest"] = "first",
) -> Interactions:
    """Read interactions from a file with the filter of a preset.

    Raises:
        InputError: as in `read_interactions`.
    """
    return read_interactions(
        file,
        min_rating=preset.min_rating,
        min_user_count=preset.min_user_count or 0,
        min_item_count=preset.min_item_count or 0,
        titles=titles,
        dialect=dialect,
        repeats=repeats,
        **columns._asdict(),
    )


def read_split(
    files: Mapping[str, Paths],
    preset: Preset,
    *,
    fold_in: float,
    seed: int,
    titles: str | Path | None = None,
    columns: Columns = USUAL_COLUMNS,
    dialect: Dialect = DETECTED,
) -> Split:
    """Read a split given as files, or one file and hold users out as a preset has it.

    Args:
        files: the files by their part: `train`, `test` and perhaps `validation`, each of the two
            with its history, such as `test_history`, or without; or `data` alone.
        preset: the filter, and the number or share of held-out users.
        fold_in: share of a held-out user's items that the model is shown.
        seed: seed of the split.
        titles: a file of titles, as in `read_interactions`.
        columns: names of the columns.
        dialect: how the files are written.

    Raises:
        InputError: as in `read_interactions` and `hold_out_users`.
    """
    if "test_history" in files:
        return given_split(
            **read_held_out_split(
                files["train"],
                files["test_history"],
                files["test"],
                files.get("validation_history"),
                files.get("validation"),
                min_rating=preset.min_rating,
                titles=titles,
                dialect=dialect,
                **columns._asdict(),
            )
        )
    if "data" not in files:
        parts = (files["train"], files.get("validation"), files["test"])
        return given_split(
            *read_given_split(
                *parts,
                min_rating=preset.min_rating,
                titles=titles,
                dialect=dialect,
                **columns._asdict(),
            )
        )
    data = read_filtered(files["data"], preset, titles=titles, columns=columns, dialect=dialect)
    assert preset.held_out is not None
    with noted(data.notes):
        return hold_out_users(data, preset.held_out, preset.held_out, fold_in, seed)
