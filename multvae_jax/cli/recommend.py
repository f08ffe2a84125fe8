"""The command `recommend`."""

from __future__ import annotations

import contextlib
import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np

from multvae_jax.cli.output import FEW, listed, writing
from multvae_jax.config.load_data import columns_of, dialect_of
from multvae_jax.config.options import DataOptions, RecommendConfig
from multvae_jax.data.histories import KnownHistories, read_known_histories
from multvae_jax.data.readers.schema import NoColumnError
from multvae_jax.data.types import Catalogue
from multvae_jax.errors import escaped
from multvae_jax.evaluation.lists import NO_ITEM
from multvae_jax.host.console import progress_bar, say
from multvae_jax.recommending import Ranked, rank_items
from multvae_jax.runs.loading import read_run

MANY = 10_000
"""Users from which a progress bar is shown."""

COLUMNS = ("user", "rank", "item", "title", "score")
Row = tuple[str, int, str, str, float]


def recommend(config: RecommendConfig) -> None:
    """Write the items that a run recommends to every user of a file.

    Raises:
        InputError: if the run or the file cannot be read, or the output cannot be written.
    """
    saved = read_run(Path(config.run), trust_code=config.trust_code)
    run = saved.run
    histories = _read(config, saved.config.data or DataOptions(), run.catalogue)
    n_users, to_terminal = len(histories.unknown), config.out is None and sys.stdout.isatty()
    shown = escaped if to_terminal else str
    ids = [shown(item) for item in run.catalogue.ids]
    titles = [shown(run.catalogue.titles.get(item, "")) for item in run.catalogue.ids]

    def rows_of(start: int, batch: Ranked) -> Iterator[Row]:
        users = histories.user_ids(slice(start, start + len(batch.items)))
        counts = (batch.items != NO_ITEM).sum(axis=1).tolist()
        for user, count, items, scores in zip(map(shown, users), counts, *batch, strict=True):
            best = zip(items[:count].tolist(), scores[:count].tolist(), strict=True)
            for rank, (item, score) in enumerate(best, start=1):
                yield user, rank, ids[item], titles[item], score

    with writing(config.out) as file, _progress(n_users, to_terminal) as advance:
        write = _writer(config.format, file)
        done = 0
        for batch in rank_items(run.scorer, run.catalogue, histories.matrix, config.k):
            write(rows_of(done, batch))
            # A reader of a pipe gets the first users while the others are ranked.
            file.flush()
            done += len(batch.items)
            advance(len(batch.items))


def _writer(format: Literal["csv", "jsonl"], file: Any) -> Callable[[Iterable[Row]], object]:
    """A function that writes rows to a file; the heading is written already."""
    if format == "csv":
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        return writer.writerows

    def write(rows: Iterable[Row]) -> None:
        for row in rows:
            text = json.dumps(dict(zip(COLUMNS, row, strict=True)), ensure_ascii=False)
            file.write(text + "\n")

    return write


def _read(config: RecommendConfig, data: DataOptions, catalogue: Catalogue) -> KnownHistories:
    """Read the histories as the run's data was read, and say what was left out."""
    try:
        histories = _histories(config, data, catalogue)
    except NoColumnError:
        # The histories may come from elsewhere, in another form than the training data.
        other = DataOptions(min_rating=data.min_rating)
        if data == other:
            raise
        with contextlib.suppress(NoColumnError):
            histories = _histories(config, other, catalogue)
            say(f"{histories.name}: lacks the columns of the training data; found by usual names")
            return _told(config, data, histories)
        raise
    return _told(config, data, histories)


def _histories(config: RecommendConfig, data: DataOptions, catalogue: Catalogue) -> KnownHistories:
    options = config.reading.over(data)
    return read_known_histories(
        config.history,
        catalogue,
        columns=columns_of(options),
        dialect=dialect_of(options),
        min_rating=options.min_rating,
    )


def _told(config: RecommendConfig, data: DataOptions, histories: KnownHistories) -> KnownHistories:
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
        say(f"{who}: no item of the history is known; the most popular are shown")
    return histories


@contextlib.contextmanager
def _progress(n_users: int, to_terminal: bool) -> Iterator[Callable[[int], None]]:
    """A bar for many users, unless the output itself is on the screen."""
    if n_users < MANY or to_terminal:
        yield lambda count: None
        return
    with progress_bar("users", n_users) as advance:
        yield advance
