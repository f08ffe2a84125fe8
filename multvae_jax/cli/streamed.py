"""Histories of `recommend --stream`: a few lines at a time, whatever their number."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from multvae_jax.config.finished_runs import RecommendConfig
from multvae_jax.config.load_data import load_user_features, users_file_of
from multvae_jax.config.options import DataOptions
from multvae_jax.config.unions import InteractionFile
from multvae_jax.data.history_lines import Lines, history_blocks
from multvae_jax.data.known_items import KnownItems
from multvae_jax.data.readers.paths import STDIN
from multvae_jax.data.user_features import UserFeatures
from multvae_jax.errors import InputError, PartlyDoneError
from multvae_jax.host.console import progress_bar, say
from multvae_jax.runs.run import Run

NAMED = 10
"""Bad lines that are named one by one; of the others, only the number is printed."""

MANY = 10_000
"""Users from which a progress bar is shown."""


class Users(NamedTuple):
    """Some users to recommend to.

    Attributes:
        ids: returns the ids of some of them.
        histories: users x items.
        features: their features, if the model reads any.
    """

    ids: Callable[[slice], list[str]]
    histories: sp.csr_array
    features: Any


class Streamed:
    """The users of a stream of lines, and what is said of them when all are done."""

    def __init__(self, config: RecommendConfig, own: DataOptions, run: Run, lines: Lines) -> None:
        """Read features of users, if the model has any.

        Args:
            config: options of the command.
            own: options of the data of the run.
            run: the run.
            lines: the open stream.

        Raises:
            InputError: the features cannot be read, or the run does not use any.
        """
        self._lines, self._items = lines, KnownItems(run.catalogue)
        self._features = _features(config, own, run)
        self._n_users = self._n_bad = self._unknown = self._strangers = self._no_row = 0

    def __iter__(self) -> Iterator[Users]:
        """The users of a few lines at a time."""
        for block in history_blocks(self._lines, self._items, self._say_bad):
            ids, known = block.user_ids, block.known
            self._n_users += len(ids)
            self._unknown += int(known.unknown.sum())
            self._strangers += int((np.diff(known.matrix.indptr) == 0).sum())
            features = None
            if self._features is not None:
                self._no_row += sum(user not in self._features.row_of for user in ids)
                features = self._features.of(ids)
            yield Users(ids.__getitem__, known.matrix, features)

    def _say_bad(self, message: str) -> None:
        self._n_bad += 1
        if self._n_bad <= NAMED:
            say(f"{message}; left out")

    def finish(self) -> None:
        """Say what was ignored.

        Raises:
            PartlyDoneError: lines were left out.
        """
        name = self._lines.name
        if self._unknown:
            items = "item" if self._unknown == 1 else "items"
            say(f"{name}: ignored {self._unknown:,} {items} unknown to the model")
        if self._strangers:
            shown = "the most popular are shown"
            if self._features is not None:
                shown = "ranked by the features of the user alone"
            say(
                f"{name}: {self._strangers:,} of {self._n_users:,} histories have no known item; "
                f"{shown}"
            )
        if self._features is not None and self._no_row:
            say(
                f"{self._features.source}: {self._no_row:,} of {self._n_users:,} users have no "
                "row; their features are 0"
            )
        if self._n_bad:
            lines = "line is not a history" if self._n_bad == 1 else "lines are not histories"
            raise PartlyDoneError(
                f"{name}: {self._n_bad:,} {lines}; the other {self._n_users:,} are done"
            )


def _features(config: RecommendConfig, own: DataOptions, run: Run) -> UserFeatures | None:
    if run.user_encoder is None:
        if config.users_file is not None:
            raise InputError(f"--users-file: {config.run} reads no features of users from a file")
        return None
    place = config.stream
    source = InteractionFile(() if place is None or place == STDIN else (place,))
    data = DataOptions(source=source, users_file=config.users_file or users_file_of(own, source))
    found = load_user_features(data, run.user_encoder)
    assert found is not None
    for note in found.notes:
        say(note)
    return found


@contextlib.contextmanager
def progress(lines: Lines | None, n_users: int | None) -> Iterator[Callable[[int], None]]:
    """A bar that appears with many users: of their number, or of the bytes of a stream.

    Args:
        lines: the stream, if there is one.
        n_users: number of users; None if that is not known.
    """
    size = None if lines is None else lines.size
    done, advance, before = 0, None, 0
    with contextlib.ExitStack() as stack:

        def add(count: int) -> None:
            nonlocal done, advance, before
            done += count
            if done < MANY and (n_users or 0) < MANY:
                return
            if advance is None:
                total = n_users if size is None else size
                bar = progress_bar("users", total, in_bytes=size is not None)
                advance = stack.enter_context(bar)
                count = done
            if size is None or lines is None:
                advance(count)
            else:
                read = lines.done()
                advance(read - before, f"{done:,} users")
                before = read

        add(0)
        yield add
