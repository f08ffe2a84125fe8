"""The command `recommend`."""

from __future__ import annotations

import contextlib
import itertools
import sys
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from multvae_jax.checks.bounds import take_rows
from multvae_jax.cli.histories import features_of, read_histories_of
from multvae_jax.cli.output import listed, writing
from multvae_jax.cli.streamed import Streamed, Users, progress
from multvae_jax.config.finished_runs import ReadingOptions, RecommendConfig
from multvae_jax.config.options import DataOptions
from multvae_jax.data.histories import KnownHistories, known_users
from multvae_jax.data.history_lines import Lines, open_lines
from multvae_jax.data.id_files import read_ids
from multvae_jax.data.known_items import KnownItems
from multvae_jax.data.list_writer import Format, format_of, list_writer, scratch_beside
from multvae_jax.data.types import Catalogue
from multvae_jax.errors import InputError, escaped
from multvae_jax.evaluation.lists import Lists
from multvae_jax.host.console import say
from multvae_jax.recommending.top_k import rank_items
from multvae_jax.runs.loading import read_run
from multvae_jax.runs.own_data import OwnUsers, joined, rows_of, users_in_parts
from multvae_jax.runs.run import Run


def recommend(config: RecommendConfig) -> None:
    """Write the items that a run recommends to every user of a file.

    Raises:
        InputError: if the run or the file cannot be read, or the output cannot be written.
    """
    given = {
        "--history": config.history,
        "--stream": config.stream,
        "--all": config.all or None,
        "--users": config.users,
    }
    named = [name for name, value in given.items() if value is not None]
    if len(named) != 1:
        problem = f", and not {' and '.join(named)}" if named else ""
        raise InputError(f"give one of {', '.join(given)}{problem}: whom to recommend to")
    if config.stream is not None and config.reading != ReadingOptions():
        raise InputError("--stream: a line has no columns and no ratings; --history reads tables")
    saved = read_run(Path(config.run), trust_code=config.trust_code)
    run, own = saved.run, saved.config.data or DataOptions()
    to_terminal = config.out is None and sys.stdout.isatty()
    format = config.format or ("csv" if config.out is None else format_of(config.out))
    if to_terminal and format == "parquet":
        raise InputError("--format parquet: is not text for a terminal; give a file with --out")
    allowed = _allowed(config, run)
    if config.stream is None:
        _write(config, run, format, allowed, *_known_users(config, own, run))
        return
    with open_lines(config.stream) as lines:
        users = Streamed(config, own, run, lines)
        _write(config, run, format, allowed, users, None, lines)
        users.finish()


def _known_users(
    config: RecommendConfig, own: DataOptions, run: Run
) -> tuple[Iterable[Users], int | None]:
    """The users of --history, --all or --users, and their number."""
    if config.history is None:
        parts, number = _own_users(config, run)
        return (_users(known_users(*part[:2], config.run), part.features) for part in parts), number
    histories = read_histories_of(config, own, run)
    features = features_of(config, own, run, histories)
    return [_users(histories, features)], len(histories.unknown)


def _users(histories: KnownHistories, features: Any) -> Users:
    return Users(histories.user_ids, histories.matrix, features)


def _write(
    config: RecommendConfig,
    run: Run,
    format: Format,
    allowed: np.ndarray | None,
    users: Iterable[Users],
    n_users: int | None,
    lines: Lines | None = None,
) -> None:
    """Rank items for users, some at a time, and write them in the same order."""
    to_terminal = config.out is None and sys.stdout.isatty()
    shown = escaped if to_terminal else str
    catalogue = _shown(run.catalogue) if to_terminal else run.catalogue
    scratch = None if config.out is None else scratch_beside(config.out)
    with (
        writing(config.out) as file,
        list_writer(file, catalogue, format, scratch) as write,
        # The output itself is on the screen.
        contextlib.nullcontext(_no_bar) if to_terminal else progress(lines, n_users) as advance,
    ):
        for some in users:
            done = 0
            ranked = rank_items(
                run.scorer,
                run.catalogue,
                some.histories,
                config.k,
                user_features=some.features,
                allowed=allowed,
                include_seen=config.include_seen,
            )
            for items, scores in ranked:
                ids = some.ids(slice(done, done + len(items)))
                names = np.array([shown(user) for user in ids], object)
                write(Lists(names, items, scores, catalogue).flat())
                # A reader of a pipe gets the first users while the others are ranked.
                file.flush()
                done += len(items)
                advance(len(items))


def _no_bar(count: int) -> None:
    del count


def _allowed(config: RecommendConfig, run: Run) -> np.ndarray | None:
    """Return whether each item may be recommended; None if all may. What is unknown is said."""
    ids: dict[str, list[str] | None] = {}
    for name, path in (("exclude", config.exclude), ("candidates", config.candidates)):
        ids[name] = None if path is None else read_ids(path, "item")
        total = len(ids[name] or ())
        unknown = len(set(ids[name] or ()).difference(run.catalogue.ids))
        if unknown:
            say(f"{path}: {unknown:,} of {total:,} items are unknown to the model")
    return KnownItems(run.catalogue).mask(ids["exclude"] or (), ids["candidates"])


def _own_users(config: RecommendConfig, run: Run) -> tuple[Iterable[OwnUsers], int | None]:
    """The users of the data of the run, all of them or those of --users, and their number."""
    if config.users_file is not None:
        if run.user_encoder is None:
            raise InputError(f"--users-file: {config.run} reads no features of users from a file")
        raise InputError("--users-file: the users of the data have the features of the training")
    parts = users_in_parts(run)
    first, second = next(parts), next(parts, None)
    some = [first] if second is None else [first, second]
    if config.users is None:
        return itertools.chain(some, parts), len(first.ids) if second is None else None
    wanted = read_ids(config.users, "user")
    chosen = joined([_some(part, set(wanted)) for part in (*some, *parts)])
    known = set(chosen.ids)
    found = [user for user in wanted if user in known]
    if not found:
        raise InputError(f"{config.users}: none of its {len(wanted):,} users is in the data")
    if len(found) < len(wanted):
        strange = [user for user in wanted if user not in known]
        say(
            f"{config.users}: {len(strange):,} of {len(wanted):,} users are not in the data of "
            f"the run ({listed(strange)}); the others are recommended to"
        )
    return [_rows(chosen, rows_of(found, chosen.ids, "the data of the run"))], len(found)


def _some(users: OwnUsers, wanted: Collection[str]) -> OwnUsers:
    return _rows(users, np.flatnonzero([user in wanted for user in users.ids]))


def _rows(users: OwnUsers, rows: np.ndarray) -> OwnUsers:
    return OwnUsers(users.ids[rows], users.histories[rows], take_rows(users.features, rows))


def _shown(catalogue: Catalogue) -> Catalogue:
    """The items with nothing in their ids and titles that a terminal would obey."""
    ids = np.array([escaped(item) for item in catalogue.ids], object)
    titles = {escaped(item): escaped(title) for item, title in catalogue.titles.items()}
    return Catalogue(ids, catalogue.counts, titles)
