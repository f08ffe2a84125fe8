"""A run on disk: its configuration, log, results, parameters and id maps.

config.json     every option, as `multvae_jax.config.options.TrainConfig`
metrics.jsonl   one line per epoch: terms of the loss, validation metrics, seconds
search.jsonl    the same for the training that found beta, with --beta auto
test.json       test metrics of the model and of the popularity ranking
checkpoint/     `params` of the best epoch and the `state` after the last, by orbax
items.csv       id, title and number of training users of each item, in the order of the scores
users.csv       id and part (train, validation, test) of each user
curves.png      the log as curves
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from multvae_jax.config.build import build_model
from multvae_jax.config.options import TrainConfig, from_json, to_json, with_absolute_paths
from multvae_jax.data.types import Catalogue, Split
from multvae_jax.errors import InputError, file_errors, first_line
from multvae_jax.evaluation.evaluator import Evaluation
from multvae_jax.fitting import Run
from multvae_jax.models import scorer
from multvae_jax.runs import checkpoints
from multvae_jax.runs.report import draw_curves
from multvae_jax.types import Scorer


class SavedRun(NamedTuple):
    """A run read from disk, ready to evaluate and recommend."""

    config: TrainConfig
    scorer: Scorer
    catalogue: Catalogue


def results(evaluations: Mapping[str, Evaluation]) -> dict[str, Any]:
    """Content of `test.json`: a summary per recommender, and the number of users."""
    first = next(iter(evaluations.values()))
    return {
        **{name: evaluation.summary() for name, evaluation in evaluations.items()},
        "users": first.users,
        "users_without_target": first.users_without_target,
    }


def write_run(
    directory: Path,
    config: TrainConfig,
    split: Split,
    run: Run,
    tested: Mapping[str, Evaluation],
) -> None:
    """Write a finished run, except its log, which was written during training."""
    (directory / "config.json").write_bytes(to_json(with_absolute_paths(config)))
    (directory / "test.json").write_text(json.dumps(results(tested), indent=2) + "\n")
    checkpoints.save_tree(directory / "checkpoint" / "params", run.params)
    checkpoints.save_state(directory / "checkpoint" / "state", run.state)
    with (directory / "items.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["item", "title", "users"])
        for item, count in zip(split.catalogue.ids, split.catalogue.counts, strict=True):
            writer.writerow([item, split.catalogue.titles.get(item, ""), count])
    with (directory / "users.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["user", "part"])
        writer.writerows([user, "train"] for user in split.user_ids)
        for part, held_out in (("validation", split.validation), ("test", split.test)):
            if held_out is not None:
                writer.writerows([user, part] for user in held_out.user_ids)
    draw_curves(run.log, run.best_epoch, directory / "curves.png")


def load_run(directory: Path) -> SavedRun:
    """Read a run back.

    Raises:
        InputError: if there is no run there, or a file of it cannot be read.
    """
    if not (directory / "config.json").is_file():
        raise InputError(f"{directory}: not a run, it has no config.json")
    try:
        config = from_json((directory / "config.json").read_bytes(), TrainConfig)
        model = build_model(config.model)
    except InputError as error:
        raise InputError(f"{directory / 'config.json'}: {error}") from None
    catalogue = _read_items(directory / "items.csv")
    like = jax.eval_shape(lambda key: model.init(key, len(catalogue.ids)), jax.random.key(0))
    checkpoint = directory / "checkpoint" / "params"
    try:
        params = checkpoints.load_tree(checkpoint, like)
    # orbax and its storage raise exceptions of many types for a damaged checkpoint.
    except Exception as error:
        raise InputError(f"{checkpoint}: cannot be read: {first_line(error)}") from error
    return SavedRun(config, scorer(model, params), catalogue)


def _read_items(path: Path) -> Catalogue:
    with file_errors(path):
        try:
            with path.open(encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file))
            return Catalogue(
                ids=np.array([row["item"] for row in rows], object),
                counts=np.array([int(row["users"]) for row in rows], np.int64),
                titles={row["item"]: row["title"] for row in rows if row["title"]},
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path}: not the item list of a run ({error})") from None
