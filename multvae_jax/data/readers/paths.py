"""The files that a user names: one or several, a folder, a pattern, or standard input."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from multvae_jax.checks.bounds import check_path
from multvae_jax.errors import InputError, file_errors

STDIN = "-"

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
"""One path, or the paths of files that are read as one table."""

COMPRESSED = frozenset((".gz", ".gzip", ".bz2", ".xz", ".zst", ".zstd", ".zip"))

_USUAL_STEMS = ("ratings", "interactions")
_USUAL_NAMES = ("u.data",)
_USUAL_SUFFIXES = (".inter",)
_NO_TABLES = ("readme", "license", "licence", "copying", "changelog", "md5", "sha256")

_PARTS = [re.compile(rf"(^|[._-]){part}([._-]|$)") for part in ("train", "test")]


class Files(NamedTuple):
    """The files of one table.

    Attributes:
        paths: the files, those of a folder or a pattern in the order of their names.
        notes: remarks on which files were chosen.
    """

    paths: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def folder(self) -> Path | None:
        """The path of the first file, beside which titles may be found; None for a pipe."""
        return None if self.paths[0] == STDIN else Path(self.paths[0])


def files_of(given: Any, name: str = "path") -> Files:
    """Return the files that paths, folders and patterns name.

    A folder stands for its files if they are of one kind, and otherwise for the one whose name is
    usual for interactions.

    Args:
        given: one or several paths; a name such as "part-*.csv" is a pattern unless a file has it.
        name: name of the argument, for messages.

    Raises:
        InputError: something else is given, or nothing, a pattern matches no file, or a folder has
            no files or files of several kinds.
    """
    several = [given] if isinstance(given, str | os.PathLike) else given
    # Bytes and open files could be gone through, as if each number or line were a path.
    has_contents = isinstance(several, bytes | bytearray) or hasattr(several, "read")
    if has_contents or not isinstance(several, Sequence | set | frozenset | Iterator):
        table = "; from_frame and from_csr take tables" if hasattr(given, "shape") else ""
        raise InputError(
            f"{name}: of type {type(given).__name__}; give the path of a file, or a list of paths"
            f"{table}"
        )
    several = list(several)
    for path in several:
        check_path(name, path)
    names = [os.fspath(path) for path in several]
    if not names:
        raise InputError("no file is given")
    paths: list[str] = []
    notes: list[str] = []
    for name in names:
        if "\0" not in name and os.path.isdir(name):  # noqa: PTH112
            found, further = _of_folder(name)
            paths += found
            notes += further
        elif glob.has_magic(name) and not os.path.exists(name):  # noqa: PTH110
            paths += _of_pattern(name)
        else:
            paths.append(name)
    return Files(tuple(dict.fromkeys(paths)), tuple(notes))


def interactions_among(names: Sequence[str]) -> tuple[list[str], str | None]:
    """Return the names that can be those of tables, and the one that is usual for interactions."""
    tables = [name for name in names if _may_be_table(PurePosixPath(name))]
    usual = [name for name in tables if _is_usual(PurePosixPath(name))]
    return tables, usual[0] if len(usual) == 1 else None


def listed(names: Sequence[str]) -> str:
    """Return names in one phrase, the first ten of many."""
    shown = ", ".join(names[:10])
    return shown if len(names) <= 10 else f"{shown} and {len(names) - 10} more"


def _may_be_table(path: PurePosixPath) -> bool:
    hidden = path.name.startswith((".", "_")) or "__MACOSX" in path.parts
    return not hidden and not path.name.lower().startswith(_NO_TABLES)


def _is_usual(path: PurePosixPath) -> bool:
    while path.suffix.lower() in COMPRESSED:
        path = path.with_suffix("")
    return (
        path.name in _USUAL_NAMES
        or path.stem.lower() in _USUAL_STEMS
        or path.suffix in _USUAL_SUFFIXES
    )


def _kind(name: str) -> str:
    path = PurePosixPath(name)
    while path.suffix.lower() in COMPRESSED:
        path = path.with_suffix("")
    return path.suffix.lower()


def _of_folder(name: str) -> tuple[list[str], list[str]]:
    folder = Path(name)
    with file_errors(folder):
        beside = sorted(entry.name for entry in os.scandir(folder) if entry.is_file())
    tables, usual = interactions_among(beside)
    if not tables:
        raise InputError(
            f"{name}: a folder without tables; name a file, or a pattern such as '{folder}/*/*.csv'"
        )
    if usual is not None and len(tables) > 1:
        return [str(folder / usual)], [f"{name}: {usual} was read, of {listed(tables)}"]
    kinds = sorted({_kind(table) for table in tables})
    if len(kinds) > 1:
        raise InputError(
            f"{name}: a folder with files of several kinds ({listed(tables)}); name the file of "
            f"interactions, or a pattern such as '{folder / '*'}{kinds[-1]}'"
        )
    if all(any(part.search(table) for table in tables) for part in _PARTS):
        raise InputError(
            f"{name}: a folder with the files of a split ({listed(tables)}); give them as --train "
            "and --test"
        )
    notes = [f"{name}: {len(tables)} files were read as one table"] if len(tables) > 1 else []
    return [str(folder / table) for table in tables], notes


def _of_pattern(pattern: str) -> list[str]:
    found = sorted(path for path in glob.glob(pattern, recursive=True) if not os.path.isdir(path))  # noqa: PTH112, PTH207
    if not found:
        raise InputError(f"{pattern}: no such file, and no file matches it as a pattern")
    return found
