"""Writing of recommendation lists, batch by batch."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import polars as pl
from jaxtyping import Float32, Int

from multvae_jax.checks.bounds import check_path, check_text
from multvae_jax.data.types import Catalogue
from multvae_jax.errors import InputError, shortened
from multvae_jax.host.files import atomic_write

Format = Literal["csv", "jsonl", "parquet", "trec"]
"""CSV, JSON Lines or Parquet with a row per item, or a run as TREC's tools read it."""

ENDINGS: Mapping[str, Format] = {
    "": "csv",
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".trec": "trec",
    ".run": "trec",
}
"""The format that the ending of a file's name stands for."""

TAG = "multvae"
"""The name of the system in a run of TREC."""

ROW_GROUP = 2**18
"""Rows that are written to a Parquet file at once."""


class ListRows(NamedTuple):
    """Recommended items of some users, one after the other.

    Attributes:
        user_ids: ids of the users.
        users: index into `user_ids` of each item.
        ranks: rank of each item in its user's list, from 1.
        items: column of each item in the catalogue.
        scores: score of each item; NaN where there is none.
    """

    user_ids: np.ndarray
    users: Int[np.ndarray, " rows"]
    ranks: Int[np.ndarray, " rows"]
    items: Int[np.ndarray, " rows"]
    scores: Float32[np.ndarray, " rows"]


Write = Callable[[ListRows], object]


def format_of(path: str | Path, format: Format | None = None) -> Format:
    """Return the format of a file to be written: the given one, or that of its ending.

    Raises:
        InputError: the ending stands for none, or there is no such format.
    """
    known = ", ".join(get_args(Format))
    check_path("path", path)
    check_text("format", format, f"one of {known}")
    if format is not None:
        if format not in get_args(Format):
            raise InputError(f"format: there is no '{format}'; the formats are {known}")
        return format
    found = ENDINGS.get(Path(path).suffix.lower())
    if found is None:
        endings = ", ".join(filter(None, ENDINGS))
        raise InputError(
            f"{path}: the ending {Path(path).suffix} stands for no format (as {endings} do); "
            f"give the format: {known}"
        )
    return found


@contextlib.contextmanager
def list_file(path: str | Path, catalogue: Catalogue, format: Format | None) -> Iterator[Write]:
    """Open a file of recommendation lists, which gets its name once it is complete.

    Args:
        path: the file.
        catalogue: the items.
        format: the format; None for that of the ending.

    Raises:
        InputError: as in `format_of` and `list_writer`, or the file cannot be written.
    """
    format = format_of(path, format)
    with (
        atomic_write(path) as file,
        list_writer(file, catalogue, format, scratch_beside(path)) as write,
    ):
        yield write


def scratch_beside(path: str | Path) -> Path | None:
    """Return the folder of a file, if it is on a disk; None for a pipe or a device."""
    place = Path(path)
    return place.absolute().parent if place.is_file() or not place.exists() else None


@contextlib.contextmanager
def list_writer(
    file: Any, catalogue: Catalogue, format: Format, scratch: Path | None = None
) -> Iterator[Write]:
    """Make the function that writes the items of some users to an open file.

    The columns are user, rank, item, title and score; the title is missing where an item has none.
    Memory does not depend on the number of rows.

    Args:
        file: a text file; Parquet is written to its buffer.
        catalogue: the items.
        format: the format.
        scratch: folder for the parts of a Parquet file; None for that of the system.

    Raises:
        InputError: an id has blanks, which separate the fields in TREC's format.
    """
    ids, titles = _names(catalogue)

    with _WRITERS[format](file, scratch) as write_frame:

        def write(rows: ListRows) -> None:
            write_frame(_frame(rows, ids, titles))

        # The heading, or the types of the columns.
        none = np.zeros(0, np.int32)
        write(ListRows(np.zeros(0, object), none, none, none, np.zeros(0, np.float32)))
        yield write


def list_frame(rows: ListRows, catalogue: Catalogue) -> pl.DataFrame:
    """Return recommended items as a frame: user, rank, item, title and score of each."""
    return _frame(rows, *_names(catalogue))


def _names(catalogue: Catalogue) -> tuple[pl.Series, pl.Series]:
    """The id and the title of each item."""
    ids = pl.Series(catalogue.ids, dtype=pl.String)
    return ids, pl.Series([catalogue.titles.get(item) for item in catalogue.ids], dtype=pl.String)


def _frame(rows: ListRows, ids: pl.Series, titles: pl.Series) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "user": pl.Series(rows.user_ids, dtype=pl.String).gather(rows.users),
            "rank": pl.Series(rows.ranks, dtype=pl.Int32),
            "item": ids.gather(rows.items),
            "title": titles.gather(rows.items),
            "score": pl.Series(rows.scores).fill_nan(None),
        }
    )


_WriteFrame = Callable[[pl.DataFrame], object]


@contextlib.contextmanager
def _csv(file: Any, scratch: Path | None) -> Iterator[_WriteFrame]:
    del scratch

    def write(frame: pl.DataFrame) -> None:
        file.write(frame.write_csv(include_header=not frame.height))

    yield write


@contextlib.contextmanager
def _jsonl(file: Any, scratch: Path | None) -> Iterator[_WriteFrame]:
    del scratch
    yield lambda frame: file.write(frame.write_ndjson())


@contextlib.contextmanager
def _trec(file: Any, scratch: Path | None) -> Iterator[_WriteFrame]:
    del scratch

    def write(frame: pl.DataFrame) -> None:
        for role in ("user", "item"):
            odd = frame[role].filter(frame[role].str.contains(r"\s|^$"))
            if len(odd):
                raise InputError(
                    f"{role} '{shortened(odd[0])}': an id with blanks cannot be written as a run "
                    "of TREC; choose csv, jsonl or parquet"
                )
        # Lists without scores keep their order if the rank stands for one.
        score = pl.col("score").fill_null(-pl.col("rank").cast(pl.Float32))
        columns = frame.select(
            "user", pl.lit("Q0").alias("Q0"), "item", "rank", score, pl.lit(TAG).alias("tag")
        )
        file.write(columns.write_csv(include_header=False, separator=" ", quote_style="never"))

    yield write


@contextlib.contextmanager
def _parquet(file: Any, scratch: Path | None) -> Iterator[_WriteFrame]:
    """Write parts to a folder, and join them at the end: a Parquet file ends with its index."""
    with tempfile.TemporaryDirectory(prefix=".lists-", dir=scratch) as folder:
        frames: list[pl.DataFrame] = []
        parts: list[Path] = []

        def write(frame: pl.DataFrame) -> None:
            frames.append(frame)
            if sum(frame.height for frame in frames) >= ROW_GROUP:
                parts.append(Path(folder) / f"{len(parts)}.parquet")
                with _system_errors():
                    pl.concat(frames).write_parquet(parts[-1])
                frames.clear()

        yield write
        rows = [*map(pl.scan_parquet, parts), *(frame.lazy() for frame in frames)]
        with _system_errors():
            pl.concat(rows).sink_parquet(file.buffer, row_group_size=ROW_GROUP, engine="streaming")


@contextlib.contextmanager
def _system_errors() -> Iterator[None]:
    """Raise an error of the system that polars has wrapped, such as a full disk, as `OSError`."""
    try:
        yield
    except pl.exceptions.PolarsError as error:
        if number := re.search(r"\(os error (\d+)\)", str(error)):
            raise OSError(int(number[1]), os.strerror(int(number[1]))) from None
        raise


_WRITERS: Mapping[Format, Callable[[Any, Path | None], AbstractContextManager[_WriteFrame]]] = {
    "csv": _csv,
    "jsonl": _jsonl,
    "parquet": _parquet,
    "trec": _trec,
}
