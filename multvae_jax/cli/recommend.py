"""The command `recommend`."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from multvae_jax.cli.histories import features_of, read_histories_of
from multvae_jax.cli.output import listed, writing
from multvae_jax.config.finished_runs import RecommendConfig
from multvae_jax.config.options import DataOptions
from multvae_jax.data.histories import KnownHistories, known_users
from multvae_jax.data.id_files import read_ids
from multvae_jax.data.known_items import KnownItems
from multvae_jax.data.list_writer import format_of, list_writer, scratch_beside
from multvae_jax.data.types import Catalogue
from multvae_jax.errors import InputError, escaped
from multvae_jax.evaluation.lists import Lists
from multvae_jax.host.console import progress_bar, say
from multvae_jax.recommending import rank_items
from multvae_jax.runs.loading import read_run
from multvae_jax.runs.own_data import histories_of_run, rows_of
from multvae_jax.runs.run import Run

MANY = 10_000
"""Users from which a progress bar is shown."""


def recommend(config: RecommendConfig) -> None:
    """Write the items that a run recommends to every user of a file.

    Raises:
        InputError: if the run or the file cannot be read, or the output cannot be written.
    """
    given = {"--history": config.history, "--all": config.all or None, "--users": config.users}
    named = [name for name, value in given.items() if value is not None]
    if len(named) != 1:
        problem = f", and not {' and '.join(named)}" if named else ""
        raise InputError(f"give one of {', '.join(given)}{problem}: whom to recommend to")
    saved = read_run(Path(config.run), trust_code=config.trust_code)
    run = saved.run
    to_terminal = config.out is None and sys.stdout.isatty()
    format = config.format or ("csv" if config.out is None else format_of(config.out))
    if to_terminal and format == "parquet":
        raise InputError("--format parquet: is not text for a terminal; give a file with --out")
    allowed = _allowed(config, run)
    if config.history is None:
        histories, features = _own_users(config, run), None
    else:
        own = saved.config.data or DataOptions()
        histories = read_histories_of(config, own, run)
        features = features_of(config, own, run, histories)
    n_users = len(histories.unknown)
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
            run.scorer,
            run.catalogue,
            histories.matrix,
            config.k,
            user_features=features,
            allowed=allowed,
            include_seen=config.include_seen,
        )
        for items, scores in ranked:
            users = histories.user_ids(slice(done, done + len(items)))
            names = np.array([shown(user) for user in users], object)
            write(Lists(names, items, scores, catalogue).flat())
            # A reader of a pipe gets the first users while the others are ranked.
            file.flush()
            done += len(items)
            advance(len(items))


def _allowed(config: RecommendConfig, run: Run) -> np.ndarray | None:
    """Whether each item may be recommended; None if all may. What is unknown is said."""
    ids: dict[str, list[str] | None] = {}
    for name, path in (("exclude", config.exclude), ("candidates", config.candidates)):
        ids[name] = None if path is None else read_ids(path, "item")
        total = len(ids[name] or ())
        unknown = len(set(ids[name] or ()).difference(run.catalogue.ids))
        if unknown:
            say(f"{path}: {unknown:,} of {total:,} items are unknown to the model")
    return KnownItems(run.catalogue).mask(ids["exclude"] or (), ids["candidates"])


def _own_users(config: RecommendConfig, run: Run) -> KnownHistories:
    """The users of the data of the run: all of them, or those of --users."""
    if run.user_encoder is not None:
        raise InputError(
            f"{config.run}: the model reads features of users; give --history and --users-file"
        )
    if config.users_file is not None:
        raise InputError(f"--users-file: {config.run} reads no features of users from a file")
    ids, matrix = histories_of_run(run)
    if config.users is not None:
        known = set(ids)
        wanted = read_ids(config.users, "user")
        found = [user for user in wanted if user in known]
        if not found:
            raise InputError(f"{config.users}: none of its {len(wanted):,} users is in the data")
        if len(found) < len(wanted):
            strange = [user for user in wanted if user not in known]
            say(
                f"{config.users}: {len(strange):,} of {len(wanted):,} users are not in the data of "
                f"the run ({listed(strange)}); the others are recommended to"
            )
        rows = rows_of(found, ids, "the data of the run")
        ids, matrix = ids[rows], matrix[rows]
    return known_users(ids, matrix, config.run)


def _shown(catalogue: Catalogue) -> Catalogue:
    """The items with nothing in their ids and titles that a terminal would obey."""
    ids = np.array([escaped(item) for item in catalogue.ids], object)
    titles = {escaped(item): escaped(title) for item, title in catalogue.titles.items()}
    return Catalogue(ids, catalogue.counts, titles)


@contextlib.contextmanager
def _progress(n_users: int, to_terminal: bool) -> Iterator[Callable[[int], None]]:
    """A bar for many users, unless the output itself is on the screen."""
    if n_users < MANY or to_terminal:
        yield lambda count: None
        return
    with progress_bar("users", n_users) as advance:
        yield advance
