"""Downloads that resume after a broken transfer, are checked, and appear whole or not at all.

Other than the standard library, packages are imported only when something is downloaded.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any, BinaryIO
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from multvae_jax.errors import InputError, file_errors, first_line, one_line
from multvae_jax.host.console import progress_bar

_CHUNK = 1 << 18
_TIMEOUT = 30.0  # seconds without a byte
_WINDOW = 60.0  # seconds in which at least so many bytes come:
_LEAST = 60_000
_MOST_OF_A_CHECKSUM = 1 << 16
_CHECKSUM = re.compile(r"\b([0-9a-fA-F]{64}|[0-9a-fA-F]{32})\b")


@dataclass(frozen=True)
class _Version:
    """The version of a file that was downloaded in part.

    Attributes:
        validator: the value for If-Range: a strong ETag, or else the date of the last change.
        size: size of the whole file in bytes, if the server reports it.
    """

    validator: str
    size: int | None


def fetch(
    address: str,
    target: Path,
    checksum: str | None = None,
    *,
    most: float = math.inf,
    check: Callable[[Path], None] | None = None,
) -> None:
    """Download a file, which gets its name once it is complete and checked.

    The part that came before a transfer broke off is kept as `<name>.partial`. The next call
    resumes from there if the server still has the same version and can send a part of it, and
    starts again otherwise. Only one process at a time may download a file; see `alone`.

    Args:
        address: URL of the file.
        target: path to write it to, in a folder that exists.
        checksum: URL of the publisher's MD5 or SHA-256 of the file; None if there is none.
        most: bytes that the file has at most.
        check: called with a path of the complete file; raises an `InputError` if it is not the
            file that was asked for, which is then removed.

    Raises:
        InputError: the server cannot be reached, has no such file or breaks off; the file does not
            match its checksum, and was removed; or the disk is full.
    """
    expected = None if checksum is None else _published(checksum, target)
    partial = _partial(target)
    kept = f"; the part of {address} that came is kept, and the same command resumes from it"
    with file_errors(partial, kept, own_name=True):
        _transfer(address, target, most)
        _version_file(target).unlink(missing_ok=True)
        if expected is not None:
            _check(partial, expected, address)
        if check is not None:
            try:
                check(partial)
            except InputError as error:
                partial.unlink()
                raise InputError(f"{error}; it was removed") from None
        partial.replace(target)


@contextlib.contextmanager
def alone(folder: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of a folder, so that one process at a time downloads into it.

    Args:
        folder: the folder, which is made if it does not exist.
        say: called with a message if another process holds the lock.

    Raises:
        InputError: the folder cannot be written to.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / ".lock")
    with file_errors(folder, _ELSEWHERE, own_name=True):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            say(f"{folder}: waiting for another process that downloads into it")
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


_ELSEWHERE = "; MULTVAE_DATA can name another folder for downloads"


def _partial(target: Path) -> Path:
    return target.with_name(f"{target.name}.partial")


def _version_file(target: Path) -> Path:
    return target.with_name(f"{target.name}.partial.json")


def _transfer(address: str, target: Path, most: float) -> None:
    """Complete the partial file.

    Raises:
        InputError: something is wrong with the network or the server.
        OSError: something is wrong with the disk.
    """
    response, position = _resumed(address, target)
    partial = _partial(target)
    with response:
        size = _size(response, position)
        if size is not None and size > most:
            raise _too_large(address, most)
        # Emptied before the new version is written down, so that a partial file is never taken for
        # a part of another version.
        with partial.open("ab" if position else "wb") as file:
            if not position:
                _note_version(response, size, target)
            _copy(response, file, address, position, size, most)
    if size is not None and partial.stat().st_size != size:
        raise _broken(address, f"{partial.stat().st_size:,} of {size:,} bytes arrived")


def _copy(
    response: HTTPResponse,
    file: BinaryIO,
    address: str,
    position: int,
    size: int | None,
    most: float,
) -> None:
    title = address.rpartition("/")[2]
    with progress_bar(title, size, completed=position, in_bytes=True) as advance:
        for chunk in _chunks(response, address):
            position += len(chunk)
            if position > most:
                file.truncate(0)
                raise _too_large(address, most)
            file.write(chunk)
            advance(len(chunk))


def _chunks(response: HTTPResponse, address: str) -> Iterator[bytes]:
    """The parts of a body as they come.

    Raises:
        InputError: it breaks off, or comes so slowly that it would not end.
    """
    began, arrived = time.monotonic(), 0
    while True:
        try:
            # Not `read`, which would wait for all of the bytes, however slowly they come.
            chunk = response.read1(_CHUNK)
        except (OSError, HTTPException, ValueError) as error:
            raise _broken(address, _reason(error)) from None
        if not chunk:
            return
        yield chunk
        arrived += len(chunk)
        if time.monotonic() - began > _WINDOW:
            if arrived < _LEAST:
                raise _broken(address, f"{arrived:,} bytes in {_WINDOW:.0f} seconds")
            began, arrived = time.monotonic(), 0


def _too_large(address: str, most: float) -> InputError:
    return InputError(
        f"{address}: the server sends more than {most / 1e6:,.0f} MB, which is not the file"
    )


def _resumed(address: str, target: Path) -> tuple[HTTPResponse, int]:
    """Request the rest of a file; return the response and its position, 0 for the whole file."""
    version, position = _known_version(target), _length(_partial(target))
    if version is None or position == 0:
        return _open(address, target), 0
    asked = {"Range": f"bytes={position}-", "If-Range": version.validator}
    response = _open(address, target, asked)
    if response.status != 206:
        return response, 0
    # A server may support Range and ignore If-Range, so that its headers have to match as well.
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
        opener = build_opener(_Redirects())
        return opener.open(Request(address, headers=headers), timeout=_TIMEOUT)
    except HTTPError as error:
        error.close()
        if error.code == 416 and asked:  # the file ends before that position
            return _open(address, target)
        raise InputError(f"{address}: HTTP {error.code} {_reason(error)}; {by_hand}") from None
    # ValueError: a redirection to what is not an address.
    except (OSError, HTTPException, ValueError) as error:
        raise InputError(f"{address}: cannot be reached ({_reason(error)}); {by_hand}") from None


class _Redirects(HTTPRedirectHandler):
    """Follow redirections, except from an encrypted connection to one that is not."""

    def redirect_request(
        self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        """Return the request that follows; see `HTTPRedirectHandler`."""
        if req.type == "https" and urlsplit(newurl).scheme != "https":
            raise URLError(f"redirected to {one_line(newurl)}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)

    def http_error_302(self, req: Request, fp: Any, code: int, msg: str, headers: Any) -> Any:
        """Open what follows, and close the answer if that cannot be opened."""
        try:
            return super().http_error_302(req, fp, code, msg, headers)
        except (OSError, ValueError):
            fp.close()
            raise

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def _broken(address: str, reason: str) -> InputError:
    return InputError(
        f"{address}: the transfer broke off ({reason}); the same command resumes from there"
    )


def _reason(error: Exception) -> str:
    """Return the cause of a network error in one line."""
    cause = (isinstance(error, URLError) and error.reason) or error
    if isinstance(cause, str):
        return one_line(" ".join(cause.split()))
    return one_line(getattr(cause, "strerror", None) or first_line(cause))


def _length(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _validator(response: HTTPResponse) -> str | None:
    """Return a header that identifies a version of the file to the byte; a weak ETag does not."""
    etag = response.headers.get("ETag")
    if etag and not etag.startswith("W/"):
        return etag
    return response.headers.get("Last-Modified")


def _content_range(response: HTTPResponse) -> tuple[int | None, int | None]:
    """Return the position of the first byte sent and the size of the file, each None if unknown."""
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    if found is None:
        return None, None
    return int(found[1]), None if found[2] == "*" else int(found[2])


def _size(response: HTTPResponse, position: int) -> int | None:
    return None if response.length is None else position + response.length


def _note_version(response: HTTPResponse, size: int | None, target: Path) -> None:
    """Write down the version, which the next call needs to resume."""
    validator = _validator(response)
    if validator is None:
        _version_file(target).unlink(missing_ok=True)
    else:
        version = _Version(validator, size)
        _version_file(target).write_text(json.dumps(asdict(version)), "utf-8")


def _known_version(target: Path) -> _Version | None:
    try:
        version = _Version(**json.loads(_version_file(target).read_text("utf-8")))
    except (OSError, ValueError, TypeError, RecursionError):  # the download then starts again
        return None
    # The validator becomes a header of the request.
    is_header = isinstance(version.validator, str) and re.fullmatch(
        r"[\x20-\x7e]+", version.validator
    )
    return version if is_header and isinstance(version.size, int | None) else None


def _published(checksum: str, target: Path) -> str:
    """Return the digest in a publisher's checksum file, in lower case.

    It is downloaded first, so that a missing checksum fails before a long transfer.
    """
    with _open(checksum, target) as response:
        body = b""
        for chunk in _chunks(response, checksum):
            body += chunk
            if len(body) > _MOST_OF_A_CHECKSUM:
                break
    lines = body.decode("latin-1").splitlines()
    # A line may be the checksum of another file; one alone needs no name.
    name = re.compile(rf"(?<![\w.-]){re.escape(target.name)}(?![\w.-])")
    own = [line for line in lines if name.search(line) or _CHECKSUM.fullmatch(line.strip())]
    found = _CHECKSUM.search("\n".join(own))
    if found is None:
        raise InputError(f"{checksum}: contains neither an MD5 nor a SHA-256 of {target.name}")
    return found[0].lower()


def _check(partial: Path, expected: str, address: str) -> None:
    name = "MD5" if len(expected) == 32 else "SHA-256"
    with partial.open("rb") as file:
        # A check for accidents, not attacks: allowed also where policy forbids MD5 for security.
        digest = hashlib.file_digest(
            file, lambda: hashlib.new(name.replace("-", ""), usedforsecurity=False)
        )
    if digest.hexdigest() != expected:
        partial.unlink()
        raise InputError(
            f"{address}: the downloaded file has the {name} {digest.hexdigest()}, but the "
            f"publisher states {expected}; it was removed"
        )
