"""`manifest.json`: the version and the checksums of the files of a run, written last.

The checksums show that the files belong together and are undamaged. They do not show who made the
run: whoever changes a file can change the manifest as well.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from multvae_jax.errors import InputError, file_errors

MANIFEST = "manifest.json"

CHECKPOINTS = "checkpoints"
"""Folder with the checkpoints of a run that is not finished."""

FORMAT = 1
"""Number of the format of a run, raised when an older version could not read it."""


@dataclass(frozen=True)
class Checksum:
    """Size in bytes and SHA-256 of a file."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """Content of `manifest.json`.

    Attributes:
        format: number of the format of the run.
        version: version of the package that wrote it.
        files: checksum of each file of the run, by its path in the run.
        code: checksum of each file of the user's that the configuration names, by absolute path.
        data: checksum of each file of the data that the run was trained on, by absolute path.
    """

    format: int
    version: str
    files: Mapping[str, Checksum]
    code: Mapping[str, Checksum]
    data: Mapping[str, Checksum]


def checksum_of(path: Path) -> Checksum | None:
    """The checksum of a file; None if it is missing or is not a regular file."""
    if not path.is_file():
        return None
    with file_errors(path), path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Checksum(file.tell(), digest)


def checksums_of(paths: Iterable[Path]) -> dict[str, Checksum]:
    """The checksums of those paths that are regular files and can be read."""
    found: dict[str, Checksum] = {}
    for path in paths:
        with contextlib.suppress(InputError):
            if (checksum := checksum_of(path)) is not None:
                found[str(path)] = checksum
    return found


def write_manifest(
    directory: Path, *, code: Iterable[Path] = (), data: Mapping[str, Checksum] | None = None
) -> None:
    """Write the manifest of a run whose files are complete.

    Args:
        directory: directory of the run; a manifest that is there is replaced.
        code: files of the user's that the configuration names.
        data: checksums of the files that the run was trained on.
    """
    files = {name: checksum_of(directory / name) for name in _files_in(directory, ".")}
    files.pop(MANIFEST, None)
    manifest = {
        "format": FORMAT,
        "version": _version(),
        "files": _as_json(files),
        "code": _as_json(checksums_of(code)),
        "data": _as_json(data or {}),
    }
    (directory / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def read_manifest(directory: Path) -> Manifest | None:
    """Read the manifest of a run; None if the run is of a version that wrote none.

    Raises:
        InputError: if it cannot be read, or the run is of a format that this version cannot read.
    """
    path = directory / MANIFEST
    if not path.is_file():
        return None
    with file_errors(path):
        text = path.read_bytes()
    try:
        found = json.loads(text)
        if found["format"] > FORMAT:
            raise InputError(
                f"{directory}: a run of multvae-jax {found['version']}, which this version "
                f"({_version()}) cannot read; upgrade multvae-jax"
            )
        parts = {
            part: {name: Checksum(**checksum) for name, checksum in found[part].items()}
            for part in ("files", "code", "data")
        }
        return Manifest(found["format"], found["version"], **parts)
    except InputError:
        raise
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not the manifest of a run ({error})") from None


def check_files(directory: Path, names: Iterable[str]) -> None:
    """Check that files of a run are those that it was saved with.

    A run without a manifest, as older versions wrote it, is not checked.

    Args:
        directory: directory of the run.
        names: files and folders, as paths in the run.

    Raises:
        InputError: naming the first file that is missing, changed or new.
    """
    manifest = read_manifest(directory)
    if manifest is None:
        return
    for name in names:
        listed = {file for file in manifest.files if file == name or file.startswith(f"{name}/")}
        for file in sorted(listed.union(_files_in(directory, name))):
            path = directory / file
            expected, found = manifest.files.get(file), checksum_of(path)
            if expected is None:
                raise InputError(f"{path}: is not a file of the run, by its {MANIFEST}")
            if found is None:
                raise InputError(f"{path}: is missing from the run")
            if found != expected:
                raise InputError(
                    f"{path}: is not the file that the run was saved with (its checksum differs); "
                    f"restore it, or remove {directory / MANIFEST} to read the run without checks"
                )


def _files_in(directory: Path, name: str) -> list[str]:
    """The file of a name, or all files in the folder of that name, as paths in the directory.

    Hidden files, such as the lock of a directory that is in use, are not of the run, and neither
    are the checkpoints from which an unfinished one can go on.
    """
    place = directory / name
    files = place.rglob("*") if place.is_dir() else [place]
    found = [file.relative_to(directory).as_posix() for file in files if file.is_file()]
    return [file for file in found if not file.startswith((".", f"{CHECKPOINTS}/"))]


def _version() -> str:
    return importlib.metadata.version("multvae-jax")


def _as_json(checksums: Mapping[str, Checksum | None]) -> dict[str, Any]:
    return {name: asdict(found) for name, found in sorted(checksums.items()) if found is not None}
