"""Opening of the files that a user names: decompression."""

import gzip
import zlib
from pathlib import Path

from multvae_jax.errors import InputError, file_errors, first_line


def open_source(path: Path) -> tuple[bytes, str]:
    """Return a file's decompressed contents, and the suffix that names its format.

    Raises:
        InputError: the file cannot be read or decompressed.
    """
    with file_errors(path):
        if path.is_dir():
            raise InputError(f"{path}: a directory, not a file")
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise InputError(f"{path}: no such file") from None
    suffixes = [suffix.lower() for suffix in path.suffixes]
    zipped = suffixes[-1:] == [".gz"]
    try:
        if zipped or data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{path}: not a complete gzip file: {first_line(error)}") from None
    return data, (suffixes[-2 if zipped else -1 :] or [""])[0]
