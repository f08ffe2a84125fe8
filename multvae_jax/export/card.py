"""A model card as Hugging Face reads it: front matter in YAML, then Markdown."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import platform
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from multvae_jax.config.convert import to_json
from multvae_jax.config.options import DataOptions
from multvae_jax.config.unions import GivenSplit, NamedDataset, first_path
from multvae_jax.datasets.registry import find_dataset
from multvae_jax.errors import InputError, one_line
from multvae_jax.export.program import HISTORY, Program
from multvae_jax.runs.loading import SavedRun
from multvae_jax.runs.manifest import check_files
from multvae_jax.runs.run import described

MONTHS = 6
"""For how long after its release jax promises to read what a version of jaxlib has exported, see
https://docs.jax.dev/en/latest/export/export.html#compatibility-guarantees; since 0.11.1, jax
refuses what is older."""

Z = 1.96
"""Standard errors on either side of a mean that make an interval of 95 %."""

FILES = {
    "README.md": "this model card",
    "items.csv": "id, title and number of training users of each item; the columns of all other "
    "files are its rows, from 0",
    "recommend.jax_export": "`(weights, history) -> (items, scores)`, a `jax.export` artifact for "
    "cpu, cuda and tpu, for any number of users and any length of history; needs weights.npz",
    "recommend_jax.py": "runs it: `python recommend_jax.py ITEM_ID ITEM_ID ...` (jax, flatbuffers)",
    "model.onnx": "`history -> (items, scores)` as an ONNX model",
    "recommend_onnx.py": "runs it: `python recommend_onnx.py ITEM_ID ITEM_ID ...` (onnxruntime)",
    "weights.npz": "the weights, as NumPy arrays",
    "weights.safetensors": "the same weights",
    "program.json": "the operations that turn a history and the weights into scores",
    "recommend_numpy.py": "does so: `python recommend_numpy.py ITEM_ID ITEM_ID ...` (NumPy)",
    "item_vectors.npy": "a vector of each item, for an index of the nearest ones",
}


def model_card(
    saved: SavedRun,
    files: Collection[str],
    k: int,
    program: Program | None,
    today: datetime.date,
) -> str:
    """Write the model card of a run that is exported.

    Args:
        saved: the run.
        files: names of the files beside the card.
        k: number of items that the artifacts recommend.
        program: the score as steps, if there is one.
        today: date of the export.
    """
    name, options = _model_of(saved)
    data, terms = _data_of(saved.config.data)
    results = _results_of(saved.run.loaded_from)
    until = _months_later(today, MONTHS)
    front = {
        "license": "other",
        "license_name": "terms-of-the-training-data",
        **({"license_link": terms["publisher"]} if "publisher" in terms else {}),
        "library_name": "multvae-jax",
        "tags": ["recommender-system", "collaborative-filtering", "jax", name],
        **({"metrics": sorted(results)} if results else {}),
        **({"model-index": [_index(name, data, results)]} if results else {}),
    }
    parts = [
        f"---\n{_yaml(front)}---\n",
        f"# {name}\n",
        f"A recommender of {len(saved.run.catalogue.ids):,} items, trained by multvae-jax and "
        f"exported on {today}. It ranks the items for any history, also of users that it was not "
        "trained on.\n",
        f"## Data\n\n{data}\n",
        *([f"- {key}: {value}" for key, value in terms.items()] + [""] if terms else []),
        "Choose a license when you publish the weights, within the terms of the data.\n",
        _metrics(results),
        _files(files, k, program),
        _versions(saved, files, today, until),
        f"## Options\n\n```json\n{options}\n```\n",
    ]
    return "\n".join(part for part in parts if part is not None)


def _model_of(saved: SavedRun) -> tuple[str, str]:
    """The name of the model, and its options."""
    model = saved.config.model
    if model is None:
        try:
            model = described(saved.run)
        except InputError:
            return "a model of its own", "{}"
    options = json.loads(to_json(saved.config if saved.config.model else model))
    return model.name, json.dumps(_without_folders(options), indent=2)


def _without_folders(options: Any) -> Any:
    """Options with the names of files instead of their paths on this machine."""
    if isinstance(options, Mapping):
        return {name: _without_folders(value) for name, value in options.items()}
    if isinstance(options, list):
        return [_without_folders(value) for value in options]
    if isinstance(options, str) and Path(options).is_absolute():
        return Path(options).name
    return options


def _data_of(data: DataOptions | None) -> tuple[str, dict[str, str]]:
    """A line about the data, and its terms by name."""
    if data is None:
        return "not known: the run was saved from Python", {}
    if isinstance(data.source, NamedDataset):
        found = find_dataset(data.source.name)
        return found.title, {"publisher": found.publisher, "terms of use": found.license}
    if isinstance(data.source, GivenSplit):
        return f"the split that begins with {Path(first_path(data.source.train)).name}", {}
    return f"the interactions in {Path(first_path(data.source.path)).name}", {}


def _results_of(run: Path | None) -> dict[str, Mapping[str, float]]:
    """Test metrics of the model; none if the run has no `test.json`."""
    if run is None or not (run / "test.json").is_file():
        return {}
    check_files(run, ["test.json"])
    try:
        found = json.loads((run / "test.json").read_text(encoding="utf-8"))
        return {
            name: value for name, value in next(iter(found.values())).items() if "mean" in value
        }
    except (ValueError, AttributeError, TypeError, StopIteration) as error:
        raise InputError(f"{run / 'test.json'}: not the results of a run ({error})") from None


def _index(name: str, data: str, results: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    metrics = [
        {"type": metric, "value": round(value["mean"], 5)} for metric, value in results.items()
    ]
    return {
        "name": name,
        "results": [
            {
                "task": {"type": "recommendation", "name": "Top-n recommendation"},
                "dataset": {"type": "interactions", "name": data},
                "metrics": metrics,
            }
        ],
    }


def _metrics(results: Mapping[str, Mapping[str, float]]) -> str:
    if not results:
        return "## Metrics\n\nThe run has no test metrics.\n"
    rows = []
    for metric, value in results.items():
        mean, error = value["mean"], value.get("standard_error")
        interval = "" if error is None else f"{mean - Z * error:.4f} to {mean + Z * error:.4f}"
        rows.append(f"| {metric} | {mean:.4f} | {interval} |")
    return "\n".join(
        [
            "## Metrics\n",
            "Means over the test users, which the training has not seen, with intervals of 95 % "
            "over users.\n",
            "| metric | mean | interval |",
            "|---|---:|---|",
            *rows,
            "",
        ]
    )


def _files(files: Collection[str], k: int, program: Program | None) -> str:
    rows = [f"| {name} | {text} |" for name, text in FILES.items() if name in {*files, "README.md"}]
    text = ["## Files\n", "| file | content |", "|---|---|", *rows, ""]
    if {"recommend.jax_export", "model.onnx"} & {*files}:
        text.append(
            "`history` is int32, `users x length`: the columns of each user's items, each item "
            f"once, padded with -1. `items` are the columns of the {k} best items that the user "
            "does not have yet, best first, and -1 after the last one; a user without an item gets "
            "the most popular ones.\n"
        )
    features = [name for name in (program.inputs if program else ()) if name != HISTORY]
    if features:
        text.append(
            "The model reads features of users: a third argument of the artifact, further inputs "
            f"of the other files ({', '.join(features)}).\n"
        )
    if "item_vectors.npy" in files and program is not None and program.item_table:
        text.append(
            "The product of a vector of `item_vectors.npy` and that of the user is the score of "
            "the item; `compute(history, 'user_vector')` of recommend_numpy.py is the latter, with "
            "a 1 after its last entry for the bias of the items.\n"
        )
    return "\n".join(text)


def _versions(
    saved: SavedRun, files: Collection[str], today: datetime.date, until: datetime.date
) -> str:
    packages = ("multvae-jax", "jax", "jaxlib", "numpy")
    rows = [f"- {name} {importlib.metadata.version(name)}" for name in packages]
    text = ["## Versions\n", *rows, f"- Python {platform.python_version()}\n"]
    if "recommend.jax_export" in files:
        jaxlib = importlib.metadata.version("jaxlib")
        text.append(
            f"jax promises to read `recommend.jax_export` with versions that are released up to "
            f"six months after jaxlib {jaxlib}, which wrote it, and refuses it with later ones: "
            f"**with a jax released after {until} it is refused at the latest**. Export the run "
            "again, or run the artifact with the versions above. The other files do not expire.\n"
        )
    return "\n".join(text)


def _months_later(day: datetime.date, months: int) -> datetime.date:
    year, month = divmod(day.month - 1 + months, 12)
    # A month without that day ends before it.
    for last in range(day.day, 0, -1):
        try:
            return datetime.date(day.year + year, month + 1, last)
        except ValueError:
            continue
    raise AssertionError


def _yaml(value: Any, indent: int = 0) -> str:
    """Dicts, lists, texts and numbers as YAML; texts as in JSON, which YAML contains."""
    pad = "  " * indent
    lines = []
    items = value.items() if isinstance(value, Mapping) else ((None, part) for part in value)
    for key, part in items:
        head = f"{pad}- " if key is None else f"{pad}{key}:"
        if isinstance(part, Mapping | list):
            inner = _yaml(part, indent + 1)
            lines.append(head + inner.lstrip(" ") if key is None else f"{head}\n{inner}")
        else:
            text = json.dumps(one_line(part) if isinstance(part, str) else part)
            lines.append(f"{head}{text}\n" if key is None else f"{head} {text}\n")
    return "".join(lines)
