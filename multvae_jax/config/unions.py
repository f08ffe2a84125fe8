"""Options that exclude each other, as tagged unions: source of the data, rise of beta, search."""

from __future__ import annotations

import msgspec

from multvae_jax.bounds import Count, Share


class NamedDataset(msgspec.Struct, frozen=True, tag="dataset"):
    """A data set of `multvae datasets`."""

    name: str = "ml-latest-small"


Files = str | tuple[str, ...]
"""A path, or the paths of files that are read as one table."""


class InteractionFile(msgspec.Struct, frozen=True, tag="file"):
    """A file of interactions, or several of one table."""

    path: Files


class GivenSplit(msgspec.Struct, frozen=True, tag="split"):
    """Files of a split that somebody has made: the same users in every part."""

    train: Files
    test: Files
    validation: Files | None = None


def first_path(files: Files) -> str:
    """The path of the first of some files."""
    return files if isinstance(files, str) else files[0]


Source = NamedDataset | InteractionFile | GivenSplit


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
