"""A check that a downloaded file is the data set, whose number of interactions is published.

An error page, or a file that is cut off, has another. This module imports only the standard
library.
"""

from __future__ import annotations

from pathlib import Path

from multvae_jax.datasets.archives import DownloadError
from multvae_jax.errors import file_errors

_CHUNK = 1 << 20


def count_interactions(path: Path, name: str) -> int:
    """Count the interactions of a file that is one of a data set.

    A table has one per line, after a heading if it is a CSV file. `train.txt` and `test.txt` are
    lines of a user and its items.

    Args:
        path: the file, which may have another name yet.
        name: its name in the data set.
    """
    if name in ("train.txt", "test.txt"):
        with path.open("rb") as file:
            return sum(max(0, len(line.split()) - 1) for line in file)
    lines, last = 0, b"\n"
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            lines += chunk.count(b"\n")
            last = chunk[-1:]
    lines += last != b"\n"
    return lines - name.endswith(".csv")


def check_interactions(path: Path, name: str, published: int, source: str) -> None:
    """Refuse a file whose number of interactions is not the published one.

    Args:
        path: the file, which may have another name yet.
        name: its name in the data set.
        published: the number of its interactions.
        source: where it came from, for the message.

    Raises:
        DownloadError: an `InputError` that names both numbers.
    """
    with file_errors(path):
        found = count_interactions(path, name)
        if found == published:
            return
        with path.open("rb") as file:
            is_page = file.read(1000).lstrip()[:1] == b"<"
    what = "a web page" if is_page else f"{found:,} interactions"
    raise DownloadError(
        f"{source}: not the data set: {name} has {published:,} interactions, and {what} came"
    )
