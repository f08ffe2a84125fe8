"""Formats that hold no table, or one that is not read: named by their first bytes."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from multvae_jax.errors import InputError

_EXPORT = "write the table as CSV or Parquet"
_UNPACK = "unpack it, and give the file of interactions"


class _Signature(NamedTuple):
    start: bytes
    what: str
    advice: str = _EXPORT
    offset: int = 0


_SIGNATURES = (
    _Signature(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook", "save it as CSV"),
    _Signature(b"FEA1", "a Feather file of version 1"),
    _Signature(b"\x93NUMPY", "an array of NumPy (.npy)"),
    _Signature(b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    _Signature(b"\x89HDF\r\n\x1a\n", "a MATLAB file", offset=512),
    _Signature(b"MATLAB 5.0 MAT-file", "a MATLAB file"),
    _Signature(b"SQLite format 3\0", "an SQLite database", "export the table as CSV"),
    _Signature(b"DUCK", "a DuckDB database", "export the table as CSV or Parquet", 8),
    _Signature(b"PGDMP", "a dump of PostgreSQL", "restore it, and export the table as CSV"),
    _Signature(b"Obj\x01", "an Avro file"),
    _Signature(b"ORC", "an ORC file"),
    _Signature(b"RDX2\n", "a file of R (.RData)", "write the table with write.csv"),
    _Signature(b"RDX3\n", "a file of R (.RData)", "write the table with write.csv"),
    _Signature(b"RDA2\n", "a file of R (.RData)", "write the table with write.csv"),
    _Signature(b"RDA3\n", "a file of R (.RData)", "write the table with write.csv"),
    _Signature(b"X\n\0\0\0", "a file of R (.rds)", "write the table with write.csv"),
    _Signature(b"$FL2", "an SPSS file"),
    _Signature(b"%PDF-", "a PDF document"),
    _Signature(b"\x89PNG", "an image"),
    _Signature(b"\xff\xd8\xff", "an image"),
    _Signature(b"GIF8", "an image"),
    _Signature(b"\x7fELF", "a program"),
    _Signature(b"ustar", "a tar archive", _UNPACK, 257),
    _Signature(b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    _Signature(b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    _Signature(b"\x1f\x9d", "a file compressed with compress (.Z)", _UNPACK),
    _Signature(b"\x04\x22\x4d\x18", "a file compressed with lz4", _UNPACK),
    _Signature(b"LZIP", "a file compressed with lzip", _UNPACK),
    _Signature(b"\xff\x06\0\0sNaPpY", "a file compressed with snappy", _UNPACK),
    _Signature(
        b"version https://git-lfs", "a pointer of Git LFS, not the file itself", "run git lfs pull"
    ),
)

_PICKLE = re.compile(
    rb"\x80[\x02-\x05].*\.\s*\Z|\(?[ld]p\d+\n|c(copy_reg|copyreg|numpy|pandas|scipy|__builtin__)",
    re.DOTALL,
)
_WEB_PAGE = re.compile(
    rb"(\xef\xbb\xbf)?\s*(<!--.{0,500}?-->\s*)?<(!doctype html|html|head|body)\b", re.I | re.S
)
_SQL = re.compile(
    rb"\s*(-- (MySQL|PostgreSQL|SQLite)|CREATE TABLE |INSERT INTO |BEGIN TRANS)", re.I
)


# The oldest pickles start as text does.
_PICKLE_SUFFIXES = (".pkl", ".pickle", ".joblib")


def refuse_foreign(name: str, data: bytes, suffix: str) -> None:
    """Refuse a file that holds no table, or one in a format that is not read.

    Args:
        name: name of the file in messages.
        data: its decompressed contents.
        suffix: the suffix of its name.

    Raises:
        InputError: naming the format and what to do.
    """
    head = data[:1024]
    for signature in _SIGNATURES:
        if head.startswith(signature.start, signature.offset):
            raise InputError(f"{name}: {signature.what}; {signature.advice}")
    if suffix in _PICKLE_SUFFIXES or _PICKLE.match(data[:64] + data[-2:]):
        raise InputError(
            f"{name}: a pickle of Python, which may run code when it is loaded; {_EXPORT}"
        )
    if _WEB_PAGE.match(head):
        raise InputError(
            f"{name}: a web page, perhaps an error of the server; download the file again"
        )
    if re.match(rb"\s*<\?xml", head):
        raise InputError(f"{name}: an XML document; {_EXPORT}")
    if _SQL.match(head):
        raise InputError(f"{name}: a script of SQL; load it, and export the table as CSV")


def what_zip_holds(members: Sequence[str]) -> str | None:
    """Return what a zip file is, if it is a document of another program."""
    for pattern, what in _DOCUMENTS:
        if any(re.fullmatch(pattern, member) for member in members):
            return what
    return None


_DOCUMENTS = (
    (r"xl/.*", "an Excel workbook; save the sheet as CSV"),
    (r"word/.*|ppt/.*", "an Office document; save the table as CSV"),
    (r"content\.xml", "an OpenDocument file; save the sheet as CSV"),
    (r".*\.npy", f"arrays of NumPy (.npz); {_EXPORT}"),
    (r".*/data\.pkl|META-INF/.*", f"an archive of a program, not of tables; {_EXPORT}"),
)
