"""Files of ids: one per line, or a column of a table."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import polars as pl

from multvae_jax.data.readers.records import read_records
from multvae_jax.data.readers.schema import about
from multvae_jax.errors import InputError, file_errors

_SEPARATORS = (",", ";", "\t", "|", "::")


def read_ids(path: str | Path, key: Literal["user", "item"]) -> list[str]:
    """Read the ids of users or items, each once, in the order of the file.

    Args:
        path: a table with a column of ids under a usual name, or text with one id per line.
        key: whose ids they are.

    Raises:
        InputError: the file cannot be read, or is a table without such a column.
    """
    try:
        ids = read_records(path, about(key, {}), {}).rows[key].cast(pl.String)
    except InputError as error:
        if "under a usual name" not in str(error):
            raise
        with file_errors(path):
            lines = Path(path).read_bytes().splitlines()
        try:
            text = [line.decode("utf-8-sig").strip() for line in lines]
        except UnicodeDecodeError:
            raise error from None
        if any(separator in line for line in text for separator in _SEPARATORS):
            # The reader proposes an option that these files do not have.
            problem = str(error).partition("; --header")[0]
            raise InputError(f"{problem}, or write one id per line") from None
        ids = pl.Series([line for line in text if line], dtype=pl.String)
    return ids.unique(maintain_order=True).to_list()
