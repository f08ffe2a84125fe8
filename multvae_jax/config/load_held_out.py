"""Held-out users over the catalogue of a run, from the data that options name."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from multvae_jax.config.load_data import data_files, load_interactions, load_split
from multvae_jax.config.options import DataOptions
from multvae_jax.config.unions import split_name
from multvae_jax.data.splits import hold_out_all, over_catalogue
from multvae_jax.data.types import Catalogue, HeldOut
from multvae_jax.errors import InputError, noted


class LoadedUsers(NamedTuple):
    """Held-out users from files.

    Attributes:
        held_out: the users, over the catalogue of the run.
        user_ids: ids of all users of the data.
        notes: remarks on how the files were read.
    """

    held_out: HeldOut
    user_ids: list[str]
    notes: tuple[str, ...]


def load_held_out(
    data: DataOptions,
    catalogue: Catalogue,
    part: str,
    choose: Callable[[Collection[str]], Collection[str]],
) -> LoadedUsers:
    """Read users to evaluate a run on.

    For a split that is given as files, or made by time, histories and targets are those of the
    split. Where users are held out, the targets are drawn from the interactions of each user, as
    in the training.

    Args:
        data: the files and how they are read.
        catalogue: the items of the run; interactions with other items are left out.
        part: "test" or "validation".
        choose: from the ids of all users of the data, those to evaluate on.

    Raises:
        InputError: as in the readers, or a given split has no such part.
    """
    if "data" in data_files(data) and split_name(data.split) == "users":
        found = load_interactions(data)
        users = found.user_ids.tolist()
        with noted(found.notes):
            chosen = hold_out_all(found, catalogue, choose(users), data.fold_in, data.split_seed)
        return LoadedUsers(chosen, users, found.notes)
    split = load_split(data)
    given: HeldOut | None = {"test": split.test, "validation": split.validation}[part]
    if given is None:
        raise InputError(f"the data has no {part} users")
    moved = over_catalogue(given, split.catalogue.ids, catalogue)
    chosen_ids = choose(moved.user_ids.tolist())
    (rows,) = np.nonzero([user in chosen_ids for user in moved.user_ids])
    chosen = moved.rows(rows)
    parts = [split.user_ids] + [
        users.user_ids for users in (split.validation, split.test) if users is not None
    ]
    users = list(dict.fromkeys(user for part in parts for user in part.tolist()))
    return LoadedUsers(chosen, users, split.notes)


def without_counts(data: DataOptions) -> DataOptions:
    """The same options, without the smallest counts that a catalogue was made with."""
    return replace(data, min_user_count=0, min_item_count=0)
