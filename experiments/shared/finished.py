"""Rows of a table that are finished, kept on disk so that a call that was stopped goes on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

import multvae_jax as mv
from experiments.shared.tables import TableRow
from multvae_jax.host.console import say
from multvae_jax.host.files import atomic_write

Rows = Mapping[str, TableRow]
"""Name -> recommender."""


def finished_or_made(file: Path, settings: Mapping[str, Any], make: Callable[[], Rows]) -> Rows:
    """Read rows that an earlier call finished, or make them and keep them.

    Args:
        file: the file of these rows; its folder is made if it does not exist.
        settings: everything that the rows depend on. Rows of other settings are made again.
        make: makes the rows.

    Returns:
        The rows, each with the seconds that all of them took together.
    """
    settings = json.loads(json.dumps(settings))
    if file.is_file():
        kept = json.loads(file.read_text(encoding="utf-8"))
        if kept["settings"] == settings:
            return {name: _row(row) for name, row in kept["rows"].items()}
    began = time.perf_counter()
    rows = make()
    seconds = round(time.perf_counter() - began, 1)
    rows = {name: replace(row, seconds=seconds) for name, row in rows.items()}
    say(f"{', '.join(rows)}: {seconds:,.0f} s")
    record = {"settings": settings, "rows": {name: _record(row) for name, row in rows.items()}}
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(file) as text:
        json.dump(record, text)
    return rows


def _record(row: TableRow) -> dict[str, Any]:
    evaluations = [
        {
            "values": {metric: values.tolist() for metric, values in evaluation.values.items()},
            "users_without_target": evaluation.users_without_target,
        }
        for evaluation in row.evaluations
    ]
    return {**asdict(replace(row, evaluations=())), "evaluations": evaluations}


def _row(record: Mapping[str, Any]) -> TableRow:
    evaluations: Sequence[mv.Evaluation] = [
        mv.Evaluation(
            {metric: np.array(values) for metric, values in one["values"].items()},
            one["users_without_target"],
        )
        for one in record["evaluations"]
    ]
    return TableRow(**{**record, "evaluations": evaluations})
