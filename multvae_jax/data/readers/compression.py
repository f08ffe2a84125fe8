"""Decompression in a stream, bounded in size: gzip, bzip2, xz, Zstandard, and members of zip."""

import bz2
import gzip
import io
import lzma
import sys
import zipfile
import zlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from multvae_jax.data.readers.paths import interactions_among, listed
from multvae_jax.data.readers.signatures import what_zip_holds
from multvae_jax.errors import InputError, first_line
from multvae_jax.host.memory import available_memory

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_CHUNK = 2**20

# A table of text shrinks to a tenth, rarely to a fiftieth. What unpacks to more than this many
# times its size is a bomb, unless it is small.
_LARGEST_RATIO = 200
_SMALL = 2**26

# Interactions take about three times as much memory as their text while they are read.
_SHARE_OF_MEMORY = 1 / 3


class Packed(NamedTuple):
    """A way to compress one file.

    Attributes:
        name: its name in messages.
        magic: the first bytes.
        suffixes: the usual suffixes.
        open: opens a compressed stream for reading.
    """

    name: str
    magic: bytes
    suffixes: tuple[str, ...]
    open: Callable[[io.BytesIO], Any]


PACKED = (
    Packed("gzip", b"\x1f\x8b", (".gz", ".gzip"), lambda raw: gzip.GzipFile(fileobj=raw)),
    Packed("bzip2", b"BZh", (".bz2",), bz2.BZ2File),
    Packed("xz", b"\xfd7zXZ\0", (".xz",), lzma.LZMAFile),
    Packed("Zstandard", b"\x28\xb5\x2f\xfd", (".zst", ".zstd"), zstd.ZstdFile),
)
ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
ZIP_SUFFIX = ".zip"

BROKEN = (
    *(EOFError, OSError, ValueError, NotImplementedError, RuntimeError),
    *(zlib.error, lzma.LZMAError, zstd.ZstdError, zipfile.BadZipFile),
)


def most_bytes() -> float:
    """Return the size of the largest table that is read, in bytes."""
    return available_memory() * _SHARE_OF_MEMORY


def unpack(name: str, data: bytes, packed: Packed) -> tuple[bytes, tuple[str, ...]]:
    """Decompress a file of one or several members.

    Returns:
        The contents, and a note if bytes follow that are not compressed.

    Raises:
        InputError: the file is damaged or incomplete, or too large when unpacked.
    """
    raw, out = io.BytesIO(data), io.BytesIO()
    try:
        with packed.open(raw) as stream:
            _drain(name, stream, out, raw.tell)
    except BROKEN as error:
        if isinstance(error, InputError):
            raise
        if out.tell() and isinstance(error, gzip.BadGzipFile) and "Not a gzipped" in str(error):
            return out.getvalue(), (
                f"{name}: bytes after the end of the {packed.name} data ignored",
            )
        raise InputError(
            f"{name}: not a complete {packed.name} file: {first_line(error)}"
        ) from None
    return out.getvalue(), ()


def unpack_member(name: str, data: bytes, member: str | None) -> tuple[str, bytes, tuple[str, ...]]:
    """Decompress one member of a zip file.

    Args:
        name: name of the zip file in messages.
        data: contents of the zip file.
        member: the name of the member; None for the only one, or the one whose name is usual for
            interactions.

    Returns:
        The name of the member, its contents, and a note if there was a choice.

    Raises:
        InputError: the zip file is damaged, has no or several such members, or is too large.
    """
    out = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            info, notes = _member_of(name, archive, member)
            if info.flag_bits & 1:
                raise InputError(f"{name}: encrypted; unpack it, and give the file of interactions")
            with archive.open(info) as stream:
                _drain(f"{name}/{info.filename}", stream, out, lambda: info.compress_size)
    except BROKEN as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{name}: not a complete zip file: {first_line(error)}") from None
    return info.filename, out.getvalue(), notes


def _member_of(
    name: str, archive: zipfile.ZipFile, member: str | None
) -> tuple[zipfile.ZipInfo, tuple[str, ...]]:
    names = [info.filename for info in archive.infolist() if not info.is_dir()]
    what = what_zip_holds(names)
    if what is not None:
        raise InputError(f"{name}: {what}")
    if member is not None:
        if member not in names:
            raise InputError(f"{name}: holds no '{member}'; it holds {listed(names)}")
        return archive.getinfo(member), ()
    tables, usual = interactions_among(names)
    if len(tables) == 1:
        return archive.getinfo(tables[0]), ()
    if usual is not None:
        return archive.getinfo(usual), (f"{name}: {usual} was read, of {listed(tables)}",)
    if not tables:
        raise InputError(f"{name}: holds no table")
    raise InputError(
        f"{name}: holds {listed(tables)}; name the file of interactions, as in {name}/{tables[0]}"
    )


def _drain(name: str, stream: Any, out: io.BytesIO, consumed: Callable[[], int]) -> None:
    """Copy a decompressed stream, unless it becomes absurdly large."""
    most = most_bytes()
    # Not `read`, which drops what it has read so far when bytes follow that are not compressed.
    while chunk := stream.read1(_CHUNK):
        out.write(chunk)
        size = out.tell()
        if size > _SMALL and size > _LARGEST_RATIO * consumed():
            raise InputError(
                f"{name}: {consumed():,} bytes unpack to more than {size:,}, over "
                f"{_LARGEST_RATIO} times as many: not a table; if it is one, unpack it yourself"
            )
        if size > most:
            raise InputError(
                f"{name}: unpacks to more than {size:,} bytes, which is more than the "
                f"memory that is available allows ({int(most):,} bytes)"
            )


BY_SUFFIX: Mapping[str, str] = {
    **{suffix: packed.name for packed in PACKED for suffix in packed.suffixes},
    ZIP_SUFFIX: "zip",
}
"""Compression formats by suffix."""
