"""Fetch a file from its publisher: resumed where a transfer broke off, checked, and whole at once.

Nothing here imports more than the standard library before something is fetched.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import BinaryIO
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from multvae_jax.errors import InputError, file_errors, first_line
from multvae_jax.host.console import progress_bar

_CHUNK = 1 << 18
_TIMEOUT = 30.0  # seconds without a byte
_MOST_OF_A_CHECKSUM = 1 << 16


@dataclass(frozen=True)
class _Version:
    """Which version of a file a partial transfer is of.

    Attributes:
        validator: what If-Range takes: a strong ETag, or else the date of the last change.
        size: of the whole file in bytes, where the server says it.
    """

    validator: str
    size: int | None


def fetch(address: str, target: Path, checksum: str | None = None) -> None:
    """Fetch a file; it bears its name only once it is whole and checked.

    What a broken transfer leaves is kept as `<name>.partial`. The next call goes on from there if
    the server still has the same version and can send a part of it, and starts again if not.
    Only one process at a time may fetch a file: see `alone`.

    Args:
        address: where the file is.
        target: what it is to be called; its folder exists.
        checksum: the address at which the publisher gives its MD5 or SHA-256; None if nowhere.

    Raises:
        InputError: the server cannot be reached, has no such file, or breaks off; the file is not
            the one that the checksum is of, and was removed; or the disk is full.
    """
    expected = None if checksum is None else _published(checksum, target)
    partial = _partial(target)
    kept = f"; what is there of {address} is kept, and the same command goes on from it"
    with file_errors(partial, kept, own_name=True):
        _transfer(address, target)
        _version_file(target).unlink(missing_ok=True)
        if expected is not None:
            _check(partial, expected, address)
        partial.replace(target)


@contextlib.contextmanager
def alone(folder: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Let one process at a time fetch into a folder; the folder is made where there is none.

    Args:
        folder: into which to fetch.
        say: told of it if there is another process to wait for.

    Raises:
        InputError: the folder cannot be written to.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / ".lock")
    with file_errors(folder, own_name=True):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            say(f"{folder}: another process is fetching; waiting for it")
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _partial(target: Path) -> Path:
    return target.with_name(f"{target.name}.partial")


def _version_file(target: Path) -> Path:
    return target.with_name(f"{target.name}.partial.json")


def _transfer(address: str, target: Path) -> None:
    """Complete the partial file.

    Raises:
        InputError: something is wrong with the network or the server.
        OSError: something is wrong with the disk.
    """
    response, position = _resumed(address, target)
    partial = _partial(target)
    with response:
        size = _size(response, position)
        # Emptied before the new version is noted, never the other way round: a partial file is
        # never taken for one of a version that it is not of.
        with partial.open("ab" if position else "wb") as file:
            if not position:
                _note_version(response, size, target)
            _copy(response, file, address, position, size)
    if size is not None and partial.stat().st_size != size:
        raise _broken(address, f"{partial.stat().st_size:,} of {size:,} bytes came")


def _copy(
    response: HTTPResponse, file: BinaryIO, address: str, position: int, size: int | None
) -> None:
    title = address.rpartition("/")[2]
    with progress_bar(title, size, completed=position, in_bytes=True) as advance:
        while True:
            try:
                chunk = response.read(_CHUNK)
            except (OSError, HTTPException) as error:
                raise _broken(address, _reason(error)) from None
            if not chunk:
                return
            file.write(chunk)
            advance(len(chunk))


def _resumed(address: str, target: Path) -> tuple[HTTPResponse, int]:
    """The rest of the file and the position it starts at, which is 0 where all of it comes."""
    version, position = _known_version(target), _length(_partial(target))
    if version is None or position == 0:
        return _open(address, target), 0
    asked = {"Range": f"bytes={position}-", "If-Range": version.validator}
    response = _open(address, target, asked)
    if response.status != 206:
        return response, 0
    # A server may honour Range and not If-Range: what it says of its file has to fit, too.
    start, size = _content_range(response)
    same_size = version.size is None or size is None or version.size == size
    if start == position and same_size and _validator(response) in (None, version.validator):
        return response, position
    response.close()
    return _open(address, target), 0


def _open(address: str, target: Path, asked: Mapping[str, str] | None = None) -> HTTPResponse:
    headers = {"User-Agent": "multvae-jax", **(asked or {})}
    by_hand = f"try again, or put {target.name} into {target.parent} by hand"
    try:
        return urlopen(Request(address, headers=headers), timeout=_TIMEOUT)
    except HTTPError as error:
        error.close()
        if error.code == 416 and asked:  # there is nothing after that position
            return _open(address, target)
        raise InputError(f"{address}: HTTP {error.code} {_reason(error)}; {by_hand}") from None
    except (OSError, HTTPException) as error:
        raise InputError(f"{address}: cannot be reached ({_reason(error)}); {by_hand}") from None


def _broken(address: str, reason: str) -> InputError:
    return InputError(
        f"{address}: the transfer broke off ({reason}); the same command goes on from there"
    )


def _reason(error: Exception) -> str:
    """Return the cause of an error of the network, in one line."""
    cause = (isinstance(error, URLError) and error.reason) or error
    if isinstance(cause, str):
        return " ".join(cause.split())
    return getattr(cause, "strerror", None) or first_line(cause)


def _length(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _validator(response: HTTPResponse) -> str | None:
    """What tells versions of a file apart to the byte; a weak ETag does not."""
    etag = response.headers.get("ETag")
    if etag and not etag.startswith("W/"):
        return etag
    return response.headers.get("Last-Modified")


def _content_range(response: HTTPResponse) -> tuple[int | None, int | None]:
    """The position that a part of a file starts at and the size of the file, where known."""
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    if found is None:
        return None, None
    return int(found[1]), None if found[2] == "*" else int(found[2])


def _size(response: HTTPResponse, position: int) -> int | None:
    return None if response.length is None else position + response.length


def _note_version(response: HTTPResponse, size: int | None, target: Path) -> None:
    """Keep what the next call needs to go on from what came until then."""
    validator = _validator(response)
    if validator is None:
        _version_file(target).unlink(missing_ok=True)
    else:
        version = _Version(validator, size)
        _version_file(target).write_text(json.dumps(asdict(version)), "utf-8")


def _known_version(target: Path) -> _Version | None:
    try:
        return _Version(**json.loads(_version_file(target).read_text("utf-8")))
    except (OSError, ValueError, TypeError):  # then the file is fetched from its start
        return None


def _published(checksum: str, target: Path) -> str:
    """The digest that a publisher's checksum file gives, in lower case.

    It is asked for before the file: to miss it should not take a transfer of hours.
    """
    with _open(checksum, target) as response:
        try:
            text = response.read(_MOST_OF_A_CHECKSUM).decode("latin-1")
        except (OSError, HTTPException) as error:
            raise _broken(checksum, _reason(error)) from None
    lines = text.splitlines()
    named = [line for line in lines if target.name in line]
    found = re.search(r"\b([0-9a-fA-F]{64}|[0-9a-fA-F]{32})\b", "\n".join(named or lines))
    if found is None:
        raise InputError(f"{checksum}: holds neither an MD5 nor a SHA-256")
    return found[0].lower()


def _check(partial: Path, expected: str, address: str) -> None:
    name = "MD5" if len(expected) == 32 else "SHA-256"
    with partial.open("rb") as file:
        # Against mishaps, not attacks: MD5 may be used where policy forbids it for security.
        digest = hashlib.file_digest(
            file, lambda: hashlib.new(name.replace("-", ""), usedforsecurity=False)
        )
    if digest.hexdigest() != expected:
        partial.unlink()
        raise InputError(
            f"{address}: what came has the {name} {digest.hexdigest()}, not {expected} as the "
            "publisher gives it; it was removed"
        )
