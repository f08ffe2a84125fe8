"""The data that a run was trained on, which a loaded run reads again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
import scipy.sparse as sp

from multvae_jax.batching import empty_batch
from multvae_jax.checks.bounds import map_arrays
from multvae_jax.config.load_data import load_split
from multvae_jax.data.histories import histories_of_split, parts_of_split, with_columns_of
from multvae_jax.data.types import Split
from multvae_jax.errors import InputError, shortened
from multvae_jax.runs.held_out import PARTS, read_held_out
from multvae_jax.runs.run import HELD_OUT, Run
from multvae_jax.runs.run_config import read_run_config
from multvae_jax.types import as_scorer, reads_user_features


class OwnUsers(NamedTuple):
    """All users of the data of a run.

    Attributes:
        ids: their ids.
        histories: users x items of the run, all interactions of each user.
        features: data about them, with a row per user; None if the data has none.
    """

    ids: np.ndarray
    histories: sp.csr_array
    features: Any


def users_of_run(run: Run) -> OwnUsers:
    """All users of the data of a run, with what is known of them, in memory.

    Args:
        run: a run; that of a loaded one names its data.

    Raises:
        InputError: as in `users_in_parts`.
    """
    return joined(list(users_in_parts(run)))


def joined(parts: Sequence[OwnUsers]) -> OwnUsers:
    """The users of some parts as one."""
    if len(parts) == 1:
        return parts[0]
    features = None
    if all(part.features is not None for part in parts):
        features = jax.tree.map(
            lambda *leaves: np.concatenate(leaves), *(part.features for part in parts)
        )
    return OwnUsers(
        np.concatenate([part.ids for part in parts]),
        sp.csr_array(sp.vstack([part.histories for part in parts])),
        features,
    )


def users_in_parts(run: Run) -> Iterator[OwnUsers]:
    """All users of the data of a run, some at a time if the data is in a store.

    Args:
        run: a run; that of a loaded one names its data.

    Raises:
        InputError: if the run does not name its data, or the data cannot be read.
    """
    split = run.split
    if split is None:
        place = run.loaded_from
        data = None if place is None else read_run_config(place).data
        if data is None:
            raise InputError(
                "histories: the run was saved without the place of its data, and does not hold "
                "the histories of its training users; give histories"
            )
        split = load_split(data)
    for part in parts_of_split(split):
        ids, matrix = histories_of_split(part)
        histories = with_columns_of(matrix, split.catalogue.ids, run.catalogue)
        yield OwnUsers(ids, histories, _features_of(part, ids))


def _features_of(split: Split, ids: np.ndarray) -> Any:
    """The features of users of a split; None if some of them have none."""
    parts = [(split.user_ids, split.user_features)]
    for users in (split.validation, split.test):
        if users is not None:
            parts.append((users.user_ids, users.user_features))
    if any(features is None for _, features in parts):
        return None
    # A user of several parts has the same features in each of them.
    everyone = np.concatenate([of_part for of_part, _ in parts])
    row = {user: number for number, user in enumerate(everyone)}
    rows = np.array([row[user] for user in ids], np.int64)
    return jax.tree.map(
        lambda *leaves: np.concatenate([np.asarray(leaf) for leaf in leaves])[rows],
        *(features for _, features in parts),
    )


def features_of_some_user(run: Run) -> Any:
    """Features of the shapes that the model of a run reads, with one row; None if it reads none.

    They are those of some user of the run, or zeros if they come from a file.

    Raises:
        InputError: the run has no features that would show their shape.
    """
    if not reads_user_features(as_scorer(run.scorer), empty_batch(len(run.catalogue.ids))):
        return None
    if run.user_encoder is not None:
        return np.zeros((1, run.user_encoder.width), np.float32)
    found = [] if run.split is None else [run.split.user_features]
    if run.loaded_from is not None and (run.loaded_from / HELD_OUT).is_file():
        users = [read_held_out(run.loaded_from / HELD_OUT, part) for part in PARTS]
        found += [each.user_features for each in users if each is not None]
    for features in found:
        if features is not None:
            return map_arrays(lambda array: np.asarray(array[:1]), features)
    raise InputError(
        "the model reads features of users, and the run has none that would show their shape; "
        "save it with a split that has them"
    )


def ids_of(users: Any) -> list[str]:
    """The ids of users as text.

    Raises:
        InputError: they are not a list of ids.
    """
    is_one = isinstance(users, str | bytes | dict) or getattr(users, "shape", None) == ()
    if is_one or not hasattr(users, "__iter__"):
        raise InputError(f"users: {users!r:.40} is not a list of user ids")
    return [str(user) for user in users]


def rows_of(users: Any, ids: np.ndarray, place: str) -> np.ndarray:
    """The rows of users among ids.

    Args:
        users: ids of the users.
        ids: the id of each row.
        place: where they are looked for, for the message.

    Raises:
        InputError: one of them is not there.
    """
    row = {user: number for number, user in enumerate(ids)}
    names = ids_of(users)
    for name in names:
        if name not in row:
            raise InputError(f"users: there is no user '{shortened(name)}' in {place}")
    return np.array([row[name] for name in names], np.int64)
