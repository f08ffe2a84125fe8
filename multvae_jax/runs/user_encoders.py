"""`user_encoder.json` of a run: what the entries of the users' features are."""

from __future__ import annotations

import json
from pathlib import Path

from multvae_jax.data.user_encoder import FeatureColumn, UserEncoder
from multvae_jax.errors import InputError, file_errors, first_line
from multvae_jax.runs.manifest import check_files

USER_ENCODER = "user_encoder.json"


def write_user_encoder(directory: Path, encoder: UserEncoder | None) -> None:
    """Write the encoder to the directory of a run; nothing if there is none."""
    if encoder is not None:
        columns = [column._asdict() for column in encoder.columns]
        (directory / USER_ENCODER).write_text(json.dumps(columns, indent=2) + "\n")


def read_user_encoder(directory: Path) -> UserEncoder | None:
    """Read the encoder of a run; None if the run has none.

    Raises:
        InputError: if the file cannot be read.
    """
    path = directory / USER_ENCODER
    if not path.exists():
        return None
    check_files(directory, [USER_ENCODER])
    with file_errors(path):
        text = path.read_bytes()
    try:
        columns = [
            FeatureColumn(
                str(column["name"]),
                tuple(map(str, column["categories"])),
                float(column["mean"]),
                float(column["scale"]),
            )
            for column in json.loads(text)
        ]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not the encoder of a run ({first_line(error)})") from None
    return UserEncoder(tuple(columns))
