"""A run as a directory of files that other programs read."""

from __future__ import annotations

import datetime
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from multvae_jax.errors import InputError, file_errors
from multvae_jax.export.artifact import artifact
from multvae_jax.export.card import model_card
from multvae_jax.export.onnx_model import onnx_model
from multvae_jax.export.program import COUNTS, CannotExportError, Program
from multvae_jax.export.subject import Subject, subject_of
from multvae_jax.host.files import new_directory
from multvae_jax.host.optional import import_optional
from multvae_jax.recommending.vectors import vectors_of_items
from multvae_jax.runs.id_maps import write_items
from multvae_jax.runs.loading import SavedRun
from multvae_jax.runs.run import Run

FORMATS = ("jax", "onnx", "weights", "vectors")
SCRIPTS = Path(__file__).parent / "scripts"


def export_run(
    saved: SavedRun,
    directory: Path,
    formats: Sequence[str] | None = None,
    k: int = 20,
    today: datetime.date | None = None,
) -> list[str]:
    """Write a run to a new directory, which appears whole or not at all.

    README.md, a model card, says what each file is. Without `formats`, those that the model does
    not have are left out.

    Args:
        saved: the run.
        directory: the directory; it must be new or empty.
        formats: some of `FORMATS`; all by default.
        k: number of items that the `jax.export` artifact and the ONNX model recommend.
        today: date of the export, for the model card.

    Returns:
        Why files that were not asked for by name are missing, a line for each.

    Raises:
        InputError: the directory is not empty or cannot be written, a package is missing, or the
            model does not have one of the formats.
    """
    subject = subject_of(saved.run)
    k = min(k, subject.n_items)
    notes: list[str] = []

    def made(format: str, file: str, make: Callable[[], Any]) -> Any:
        """Return the contents of a file, or None to leave it out."""
        if format not in (formats or FORMATS):
            return None
        try:
            return make()
        except CannotExportError as error:
            if formats is not None:
                raise InputError(f"--formats {format}: {error}") from None
            notes.append(f"{file} is not written: {error}")
            return None

    program = _program_of(subject)

    def known() -> Program:
        if isinstance(program, CannotExportError):
            raise program
        return program

    with new_directory(directory) as work, file_errors(directory):
        weights = subject.weights() | {COUNTS: np.asarray(subject.catalogue.counts, np.float32)}
        blob = made("jax", "recommend.jax_export", lambda: artifact(subject, weights, k))
        if blob is not None:
            (work / "recommend.jax_export").write_bytes(blob)
            _copy(work, "recommend_jax.py")
        model = made("onnx", "model.onnx", lambda: onnx_model(known(), subject.n_items, k))
        if model is not None:
            (work / "model.onnx").write_bytes(model)
            _copy(work, "recommend_onnx.py")
        if "weights" in (formats or FORMATS):
            safetensors = import_optional("safetensors.numpy", "export", "weights.safetensors")
            steps = made("weights", "program.json", known)
            if steps is not None:
                (work / "program.json").write_text(json.dumps(steps.as_json(), indent=1) + "\n")
                _copy(work, "recommend_numpy.py")
                weights |= steps.weights
            arrays = {name: np.ascontiguousarray(array) for name, array in weights.items()}
            (work / "weights.safetensors").write_bytes(safetensors.save(arrays))
        if "weights" in (formats or FORMATS) or blob is not None:
            with (work / "weights.npz").open("wb") as file:
                np.savez(file, allow_pickle=False, **weights)
        vectors = made("vectors", "item_vectors.npy", lambda: _item_vectors(saved.run, subject))
        if vectors is not None:
            np.save(work / "item_vectors.npy", vectors)
        write_items(work, subject.catalogue)
        files = {path.name for path in work.iterdir()}
        steps = program if isinstance(program, Program) else None
        text = model_card(saved, files, k, steps, today or datetime.date.today())
        (work / "README.md").write_text(text, encoding="utf-8")
    return notes


def _program_of(subject: Subject) -> Program | CannotExportError:
    """The program, or why there is none."""
    try:
        return subject.program()
    except CannotExportError as error:
        return error


def _item_vectors(run: Run, subject: Subject) -> np.ndarray:
    found = vectors_of_items(run.model, run.params, subject.n_items, subject.features)
    if found is None:
        raise CannotExportError(
            "the scores of this model are not products of a vector of the user and one of the item"
        )
    return found


def _copy(work: Path, name: str) -> None:
    shutil.copyfile(SCRIPTS / name, work / name)
