"""Options that exclude each other, as tagged unions: source and split of the data, rise, search."""

from __future__ import annotations

from typing import Annotated

import msgspec

from multvae_jax.checks.bounds import Count, Share


class NamedDataset(msgspec.Struct, frozen=True, tag="dataset"):
    """A data set of `multvae datasets`."""

    name: str = "ml-latest-small"


Files = str | tuple[str, ...]
"""A path, or the paths of files that are read as one table."""


class InteractionFile(msgspec.Struct, frozen=True, tag="file"):
    """A file of interactions, or several of one table."""

    path: Files


class GivenSplit(msgspec.Struct, frozen=True, tag="split"):
    """Files of a split that somebody has made.

    Either the same users are in every part, or validation and test have files of histories, whose
    users are held out.
    """

    train: Files
    test: Files
    validation: Files | None = None
    test_history: Files | None = None
    validation_history: Files | None = None


class StoredSplit(msgspec.Struct, frozen=True, tag="store"):
    """A split in the folder of a store, as `multvae store` writes it."""

    path: str


def first_path(files: Files) -> str:
    """The path of the first of some files."""
    return files if isinstance(files, str) else files[0]


Source = NamedDataset | InteractionFile | GivenSplit | StoredSplit

Part = Annotated[float, msgspec.Meta(gt=0, lt=1)]
"""A share that leaves something."""


class UserSplit(msgspec.Struct, frozen=True, tag="users"):
    """Users are held out, with all of their interactions."""


class TimeSplit(msgspec.Struct, frozen=True, tag="time"):
    """The latest interactions are held out, and those before them for validation."""

    test_share: Part = 0.1
    validation_share: Part = 0.1


class LastSplit(msgspec.Struct, frozen=True, tag="last"):
    """The last items of each user are held out, and as many before them for validation."""

    test_items: Count = 1


class UserFolds(msgspec.Struct, frozen=True, tag="folds"):
    """Users are held out in turn, for a cross-validation: all folds, or one of them, from 1."""

    folds: Annotated[int, msgspec.Meta(ge=2)]
    fold: Count | None = None
    all_items: bool = False


SplitKind = UserSplit | TimeSplit | LastSplit | UserFolds


def is_all_folds(split: SplitKind) -> bool:
    """Return whether a split stands for all folds of a cross-validation."""
    return isinstance(split, UserFolds) and split.fold is None


def split_name(split: SplitKind) -> str:
    """Name of the kind of a split, as `--split` takes it; folds are of users."""
    match split:
        case TimeSplit():
            return "time"
        case LastSplit():
            return "last"
        case _:
            return "users"


class AnnealShare(msgspec.Struct, frozen=True, tag="share"):
    """Beta rises over a share of all updates."""

    share: Share


class AnnealSteps(msgspec.Struct, frozen=True, tag="steps"):
    """Beta rises at a pace: `steps` updates from 0 to 1."""

    steps: Count


Rise = AnnealShare | AnnealSteps


class Grid(msgspec.Struct, frozen=True, tag="grid"):
    """Every combination of the values."""


class Random(msgspec.Struct, frozen=True, tag="random"):
    """A number of settings drawn at random."""

    settings: Count


class Optuna(msgspec.Struct, frozen=True, tag="optuna"):
    """A number of settings chosen by Optuna, `trials_at_once` per batch."""

    settings: Count
    trials_at_once: Count = 8


Search = Grid | Random | Optuna
