"""Extraction of a data set's files from its publisher's archive.

This module imports only the standard library.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import re
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Collection, Iterator, Sequence
from io import BufferedReader, TextIOWrapper
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from multvae_jax.errors import InputError, file_errors, first_line
from multvae_jax.host.files import atomic_files

_CHUNK = 1 << 20
_NETFLIX_ROW = re.compile(rb"(\d+),(\d),[\d-]+\r?(?:\n|$)")


def last_name(member: str) -> str:
    """Return the name of a member of an archive, without its folders."""
    return PurePosixPath(member).name


def extract(archive: Path, members: Sequence[str], folder: Path) -> None:
    """Extract members of a zip file or of a tar file, compressed or not.

    Each member is written into the folder under its last name, whatever its path in the archive.
    Either all of them appear or none.

    Raises:
        InputError: the archive is broken or lacks a member, or the folder cannot be written to.
    """
    with (
        _explained(archive, folder),
        atomic_files(folder, [last_name(member) for member in members]) as files,
    ):
        wanted = dict(zip(members, files, strict=True))
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as zipped:
                for member in [name for name in members if name in zipped.namelist()]:
                    with zipped.open(member) as source:
                        shutil.copyfileobj(source, wanted.pop(member))
        else:
            with _tar(archive) as tar:
                for info in tar:
                    if info.isreg() and info.name in wanted:
                        shutil.copyfileobj(_opened(tar, info), wanted.pop(info.name))
        _refuse_missing(archive, wanted)


def extract_netflix(archive: Path, members: Sequence[str], folder: Path) -> None:
    """Extract a table of ratings and a table of titles from the archive of the Netflix Prize.

    The archive contains another archive with one file of ratings per movie: a line with the movie's
    id, then lines of a customer, a rating and a date. The dates, a third of the bytes, are dropped.

    Args:
        archive: nf_prize_dataset.tar.gz.
        members: file names for the table of ratings and the table of titles.
        folder: folder to write them to.

    Raises:
        InputError: the archive is broken or lacks a part, or the folder cannot be written to.
    """
    missing = {"training_set.tar", "movie_titles.txt"}
    with (
        _explained(archive, folder),
        atomic_files(folder, members) as (ratings, titles),
        _tar(archive) as tar,
    ):
        for info in tar:
            name = last_name(info.name)
            if name == "training_set.tar":
                with tarfile.open(fileobj=_opened(tar, info), mode="r|") as inner:
                    _write_netflix_ratings(inner, ratings, archive)
            elif name == "movie_titles.txt":
                _write_netflix_titles(_opened(tar, info).read(), titles, archive)
            missing.discard(name)
        _refuse_missing(archive, missing)


def _write_netflix_ratings(movies: tarfile.TarFile, out: BinaryIO, archive: Path) -> None:
    out.write(b"userId,movieId,rating\n")
    for info in movies:
        if not info.isreg():
            continue
        head, _, rows = _opened(movies, info).read().partition(b"\n")
        movie = head.strip().removesuffix(b":")
        written, count = _NETFLIX_ROW.subn(rb"\g<1>,%s,\g<2>\n" % movie, rows)
        if not movie.isdigit() or count != len(rows.splitlines()):
            raise InputError(f"{archive}: {info.name}: not the ratings of a movie")
        out.write(written)


def _write_netflix_titles(lines: bytes, out: BinaryIO, archive: Path) -> None:
    text = TextIOWrapper(out, "utf-8", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["movieId", "title"])
    for line in lines.decode("latin-1").splitlines():
        fields = line.split(",", 2)  # a comma in a title is not quoted
        if len(fields) < 3:
            raise InputError(f"{archive}: movie_titles.txt: '{line[:40]}' is not a title")
        movie, year, title = fields
        writer.writerow([movie, title if year == "NULL" else f"{title} ({year})"])
    text.detach()


def _refuse_missing(archive: Path, names: Collection[str]) -> None:
    if names:
        raise InputError(f"{archive}: does not contain '{min(names)}'")


@contextlib.contextmanager
def _tar(archive: Path) -> Iterator[tarfile.TarFile]:
    """Open a tar file for sequential reading.

    At the end the file is read to its last byte, because gzip's checksum comes after the part that
    tarfile reads.
    """
    with archive.open("rb") as raw:
        zipped = raw.peek(2).startswith(b"\x1f\x8b")
        with gzip.open(raw) if zipped else raw as source:
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
    broken = (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError)
    with file_errors(folder, f" while extracting {archive.name}", own_name=True):
        try:
            yield
        except broken as error:
            reason = first_line(error) if str(error) else "it ends early"
            raise InputError(
                f"{archive}: not a complete archive ({reason}); remove it to have it fetched again"
            ) from None
