"""The command `recommend`."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from multvae_jax.cli.output import FEW, listed, writing
from multvae_jax.cli.own_users import told_features
from multvae_jax.config.finished_runs import RecommendConfig
from multvae_jax.config.load_data import columns_of, dialect_of, load_user_features
from multvae_jax.config.options import DataOptions
from multvae_jax.config.unions import InteractionFile
from multvae_jax.data.histories import KnownHistories, read_known_histories
from multvae_jax.data.list_writer import format_of, list_writer, scratch_beside
from multvae_jax.data.readers.schema import NoColumnError
from multvae_jax.data.types import Catalogue
from multvae_jax.errors import InputError, escaped
from multvae_jax.evaluation.lists import Lists
from multvae_jax.host.console import progress_bar, say
from multvae_jax.recommending import rank_items
from multvae_jax.runs.loading import read_run
from multvae_jax.runs.run import Run

MANY = 10_000
"""Users from which a progress bar is shown."""


def recommend(config: RecommendConfig) -> None:
    """Write the items that a run recommends to every user of a file.

    Raises:
        InputError: if the run or the file cannot be read, or the output cannot be written.
    """
    saved = read_run(Path(config.run), trust_code=config.trust_code)
    run = saved.run
    to_terminal = config.out is None and sys.stdout.isatty()
    format = config.format or ("csv" if config.out is None else format_of(config.out))
    if to_terminal and format == "parquet":
        raise InputError("--format parquet: is not text for a terminal; give a file with --out")
    histories = _read(config, saved.config.data or DataOptions(), run)
    n_users = len(histories.unknown)
    features = _features(config, run, histories)
    shown = escaped if to_terminal else str
    catalogue = _shown(run.catalogue) if to_terminal else run.catalogue
    scratch = None if config.out is None else scratch_beside(config.out)
    with (
        writing(config.out) as file,
        list_writer(file, catalogue, format, scratch) as write,
        _progress(n_users, to_terminal) as advance,
    ):
        done = 0
        ranked = rank_items(
            run.scorer, run.catalogue, histories.matrix, config.k, user_features=features
        )
        for items, scores in ranked:
            users = histories.user_ids(slice(done, done + len(items)))
            names = np.array([shown(user) for user in users], object)
            write(Lists(names, items, scores, catalogue).flat())
            # A reader of a pipe gets the first users while the others are ranked.
            file.flush()
            done += len(items)
            advance(len(items))


def _features(config: RecommendConfig, run: Run, histories: KnownHistories) -> Any:
    """The features of the users, if the run was trained with features from a file.

    Raises:
        InputError: the file with the features is missing, or the run does not use features.
    """
    if run.user_encoder is None:
        if config.users_file is not None:
            raise InputError(f"--users-file: {config.run} reads no features of users from a file")
        return None
    data = DataOptions(source=InteractionFile(config.history), users_file=config.users_file)
    found = load_user_features(data, run.user_encoder)
    assert found is not None
    return told_features(found, histories.user_ids())


def _shown(catalogue: Catalogue) -> Catalogue:
    """The items with nothing in their ids and titles that a terminal would obey."""
    ids = np.array([escaped(item) for item in catalogue.ids], object)
    titles = {escaped(item): escaped(title) for item, title in catalogue.titles.items()}
    return Catalogue(ids, catalogue.counts, titles)


def _read(config: RecommendConfig, data: DataOptions, run: Run) -> KnownHistories:
    """Read the histories as the run's data was read, and say what was left out."""
    try:
        histories = _histories(config, data, run.catalogue)
    except NoColumnError:
        # The histories may come from elsewhere, in another form than the training data.
        other = DataOptions(min_rating=data.min_rating)
        if data == other:
            raise
        with contextlib.suppress(NoColumnError):
            histories = _histories(config, other, run.catalogue)
            say(f"{histories.name}: lacks the columns of the training data; found by usual names")
            return _told(config, data, histories, run)
        raise
    return _told(config, data, histories, run)


def _histories(config: RecommendConfig, data: DataOptions, catalogue: Catalogue) -> KnownHistories:
    options = config.reading.over(data)
    return read_known_histories(
        config.history,
        catalogue,
        columns=columns_of(options),
        dialect=dialect_of(options),
        min_rating=options.min_rating,
    )


def _told(
    config: RecommendConfig, data: DataOptions, histories: KnownHistories, run: Run
) -> KnownHistories:
    """Say how the histories were read, and return them."""
    name, threshold = histories.name, config.reading.over(data).min_rating
    for note in histories.notes:
        say(note)
    if threshold is not None:
        training = ", as in the training" if config.reading.min_rating is None else ""
        if not histories.has_ratings:
            say(f"{name}: has no ratings; every interaction counts")
        elif histories.below:
            rows = "interaction" if histories.below == 1 else "interactions"
            say(
                f"{name}: {histories.below:,} {rows} with a rating below {threshold:g} left "
                f"out{training} (--min-rating none keeps all)"
            )
    unknown = int(histories.unknown.sum())
    if unknown:
        ignored = (
            "item unknown to the model is" if unknown == 1 else "items unknown to the model are"
        )
        say(f"{name}: {unknown:,} {ignored} ignored")
    lengths = np.diff(histories.matrix.indptr)
    (strangers,) = np.nonzero(lengths == 0)
    if len(strangers):
        named = listed(
            [histories.user_ids(slice(user, user + 1))[0] for user in strangers[: FEW + 1]]
        )
        who = f"{'user' if len(strangers) == 1 else 'users'} {named}"
        if len(strangers) > FEW:
            who = f"{len(strangers):,} of {len(lengths):,} users ({named})"
        shown = "the most popular are shown"
        if run.user_encoder is not None:
            shown = "ranked by the features of the user alone"
        say(f"{who}: no item of the history is known; {shown}")
    return histories


@contextlib.contextmanager
def _progress(n_users: int, to_terminal: bool) -> Iterator[Callable[[int], None]]:
    """A bar for many users, unless the output itself is on the screen."""
    if n_users < MANY or to_terminal:
        yield lambda count: None
        return
    with progress_bar("users", n_users) as advance:
        yield advance
