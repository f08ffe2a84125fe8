"""Histories that the commands `recommend` and `why` read, and what is said of them."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np

from multvae_jax.cli.output import FEW, listed
from multvae_jax.cli.own_users import told_features
from multvae_jax.config.finished_runs import RecommendConfig, WhyConfig
from multvae_jax.config.load_data import columns_of, dialect_of, load_user_features, users_file_of
from multvae_jax.config.options import DataOptions
from multvae_jax.config.unions import InteractionFile
from multvae_jax.data.histories import KnownHistories, read_known_histories
from multvae_jax.data.readers.schema import NoColumnError
from multvae_jax.data.types import Catalogue
from multvae_jax.errors import InputError
from multvae_jax.host.console import say
from multvae_jax.runs.run import Run

Config = RecommendConfig | WhyConfig


def features_of(config: Config, own: DataOptions, run: Run, histories: KnownHistories) -> Any:
    """The features of the users, if the run was trained with features from a file.

    Args:
        config: options of the command.
        own: options of the data of the run.
        run: the run.
        histories: the users.

    Raises:
        InputError: the file with the features is missing, or the run does not use features.
    """
    if run.user_encoder is None:
        if config.users_file is not None:
            raise InputError(f"--users-file: {config.run} reads no features of users from a file")
        return None
    source = InteractionFile(config.history or ())
    data = DataOptions(source=source, users_file=config.users_file or users_file_of(own, source))
    found = load_user_features(data, run.user_encoder)
    assert found is not None
    return told_features(found, histories.user_ids())


def read_histories_of(
    config: Config, data: DataOptions, run: Run, of_strangers: str | None = None
) -> KnownHistories:
    """Read the histories as the run's data was read, and say what was left out.

    Args:
        config: options of the command.
        data: options of the data of the run.
        run: the run.
        of_strangers: what is shown of users without a known item; by default what is recommended
            to them.
    """
    if of_strangers is None:
        by_features = run.user_encoder is not None
        of_strangers = (
            "ranked by the features of the user alone"
            if by_features
            else "the most popular are shown"
        )
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
            return _told(config, data, histories, of_strangers)
        raise
    return _told(config, data, histories, of_strangers)


def _histories(config: Config, data: DataOptions, catalogue: Catalogue) -> KnownHistories:
    options = config.reading.over(data)
    return read_known_histories(
        config.history or (),
        catalogue,
        columns=columns_of(options),
        dialect=dialect_of(options),
        min_rating=options.min_rating,
    )


def _told(
    config: Config, data: DataOptions, histories: KnownHistories, of_strangers: str
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
        say(f"{who}: no item of the history is known; {of_strangers}")
    return histories
