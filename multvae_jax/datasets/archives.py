"""Extraction of a data set's files from its publisher's archive.

This module imports only the standard library.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import math
import re
import shutil
import tarfile
import zipfile
from collections.abc import Collection, Iterator, Sequence
from io import BufferedReader, TextIOWrapper
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from multvae_jax.errors import InputError, file_errors, first_line, one_line
from multvae_jax.host.files import atomic_files

_CHUNK = 1 << 20
_MOST_MEMBERS = 50_000
_LARGEST_IN_MEMORY = 100_000_000
_NETFLIX_ROW = re.compile(rb"(\d+),(\d),[\d-]+\r?(?:\n|$)")


class DownloadError(InputError):
    """A file that came whole and is not the publisher's: damaged, too large, or something else."""


def last_name(member: str) -> str:
    """Return the name of a member of an archive, without its folders."""
    return PurePosixPath(member).name


def extract(archive: Path, members: Sequence[str], folder: Path, most: float = math.inf) -> None:
    """Extract members of a zip file or of a tar file, compressed or not.

    Each member is written into the folder under its last name, whatever its path in the archive.
    Either all of them appear or none.

    Args:
        archive: the archive.
        members: names in it.
        folder: folder to write them to.
        most: bytes that are unpacked at most.

    Raises:
        DownloadError: the archive is broken, larger than `most`, or lacks a member.
        InputError: the folder cannot be written to.
    """
    with (
        _explained(archive, folder),
        atomic_files(folder, [last_name(member) for member in members]) as files,
    ):
        wanted, budget = dict(zip(members, files, strict=True)), _Budget(archive, most)
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as zipped:
                there = zipped.namelist()
                budget.count(len(there))
                for member in [name for name in members if name in there]:
                    with zipped.open(member) as source:
                        _copy(budget.bounded(source), wanted.pop(member))
        else:
            with _tar(archive, budget) as tar:
                for info in _entries(tar, budget):
                    if info.isreg() and info.name in wanted:
                        _copy(_opened(tar, info), wanted.pop(info.name))
        _refuse_missing(archive, wanted)


def extract_netflix(
    archive: Path, members: Sequence[str], folder: Path, most: float = math.inf
) -> None:
    """Extract a table of ratings and a table of titles from the archive of the Netflix Prize.

    The archive contains another archive with one file of ratings per movie: a line with the movie's
    id, then lines of a customer, a rating and a date. The dates, a third of the bytes, are dropped.

    Args:
        archive: nf_prize_dataset.tar.gz.
        members: file names for the table of ratings and the table of titles.
        folder: folder to write them to.
        most: bytes that are unpacked at most.

    Raises:
        DownloadError: the archive is broken, larger than `most`, or lacks a part.
        InputError: the folder cannot be written to.
    """
    missing, budget = {"training_set.tar", "movie_titles.txt"}, _Budget(archive, most)
    with (
        _explained(archive, folder),
        atomic_files(folder, members) as (ratings, titles),
        _tar(archive, budget) as tar,
    ):
        for info in _entries(tar, budget):
            name = last_name(info.name)
            if name == "training_set.tar":
                with tarfile.open(fileobj=_opened(tar, info), mode="r|") as inner:
                    _write_netflix_ratings(_entries(inner, budget), inner, ratings, archive)
            elif name == "movie_titles.txt":
                _write_netflix_titles(_read(tar, info, archive), titles, archive)
            missing.discard(name)
        _refuse_missing(archive, missing)


def _write_netflix_ratings(
    entries: Iterator[tarfile.TarInfo], movies: tarfile.TarFile, out: BinaryIO, archive: Path
) -> None:
    out.write(b"userId,movieId,rating\n")
    for info in entries:
        if not info.isreg():
            continue
        head, _, rows = _read(movies, info, archive).partition(b"\n")
        movie = head.strip().removesuffix(b":")
        # Before it becomes a part of a pattern.
        count = -1
        if movie.isdigit():
            written, count = _NETFLIX_ROW.subn(rb"\g<1>,%s,\g<2>\n" % movie, rows)
        if count != len(rows.splitlines()):
            raise DownloadError(f"{archive}: {one_line(info.name)}: not the ratings of a movie")
        out.write(written)


def _write_netflix_titles(lines: bytes, out: BinaryIO, archive: Path) -> None:
    text = TextIOWrapper(out, "utf-8", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["movieId", "title"])
    for line in lines.decode("latin-1").splitlines():
        fields = line.split(",", 2)  # a comma in a title is not quoted
        if len(fields) < 3:
            raise DownloadError(
                f"{archive}: movie_titles.txt: '{one_line(line[:40])}' is not a title"
            )
        movie, year, title = fields
        writer.writerow([movie, title if year == "NULL" else f"{title} ({year})"])
    text.detach()


def _refuse_missing(archive: Path, names: Collection[str]) -> None:
    if names:
        raise DownloadError(f"{archive}: does not contain '{min(names)}'")


class _Budget:
    """The bytes and members that may still be unpacked."""

    def __init__(self, archive: Path, most: float) -> None:
        self._archive, self._bytes, self._members = archive, most, _MOST_MEMBERS

    def count(self, members: int) -> None:
        self._members -= members
        if self._members < 0:
            raise DownloadError(f"{self._archive}: has more than {_MOST_MEMBERS:,} members")

    def take(self, size: int) -> None:
        self._bytes -= size
        if self._bytes < 0:
            raise DownloadError(f"{self._archive}: unpacks to more than its publisher's file")

    def bounded(self, source: Any) -> Any:
        """The source, whose bytes are taken from the budget as they are read."""
        return _Bounded(source, self)


class _Bounded:
    def __init__(self, source: Any, budget: _Budget) -> None:
        self._source, self._budget = source, budget

    def read(self, size: int) -> bytes:
        found: bytes = self._source.read(size)
        self._budget.take(len(found))
        return found


def _copy(source: Any, out: BinaryIO) -> None:
    shutil.copyfileobj(source, out, _CHUNK)


def _entries(tar: tarfile.TarFile, budget: _Budget) -> Iterator[tarfile.TarInfo]:
    for info in tar:
        budget.count(1)
        yield info


def _read(tar: tarfile.TarFile, info: tarfile.TarInfo, archive: Path) -> bytes:
    """A small member; its size is stated before it is read into memory."""
    if info.size > _LARGEST_IN_MEMORY:
        raise DownloadError(f"{archive}: {one_line(info.name)}: is larger than its publisher's")
    return _opened(tar, info).read()


@contextlib.contextmanager
def _tar(archive: Path, budget: _Budget) -> Iterator[tarfile.TarFile]:
    """Open a tar file for sequential reading.

    At the end the file is read to its last byte, because gzip's checksum comes after the part that
    tarfile reads.
    """
    with archive.open("rb") as raw:
        zipped = raw.peek(2).startswith(b"\x1f\x8b")
        with gzip.open(raw) if zipped else raw as stream:
            source = budget.bounded(stream)
            with tarfile.open(fileobj=source, mode="r|") as tar:
                yield tar
            while source.read(_CHUNK):
                pass


def _opened(tar: tarfile.TarFile, info: tarfile.TarInfo) -> BufferedReader:
    """Open a member for reading; raise an error if it is not a file."""
    source = tar.extractfile(info)
    if not isinstance(source, BufferedReader):
        raise tarfile.ReadError(f"{info.name} is not a file")
    return source


@contextlib.contextmanager
def _explained(archive: Path, folder: Path) -> Iterator[None]:
    """Raise errors of an archive, or of the folder it is extracted to, as an `InputError`."""
    with file_errors(folder, f" while extracting {archive.name}", own_name=True):
        try:
            yield
        except (zipfile.BadZipFile, gzip.BadGzipFile, EOFError) as error:
            raise _broken(archive, error) from None
        except (InputError, OSError, MemoryError):
            raise
        # The modules of the standard library raise errors of many types for damaged archives.
        except Exception as error:
            raise _broken(archive, error) from None


def _broken(archive: Path, error: Exception) -> DownloadError:
    reason = one_line(first_line(error)) if str(error) else "it ends early"
    return DownloadError(f"{archive}: not a complete archive ({reason})")
