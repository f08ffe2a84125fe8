"""`train --from RUN`: options, checks and messages of a training that starts from a run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import jax

from multvae_jax.baselines import Baseline
from multvae_jax.config.options import ModelOptions, RunOptions, TrainConfig, TrainingOptions
from multvae_jax.config.unions import AnnealShare, is_all_folds
from multvae_jax.config.warm_start import KEPT, NO_DATA
from multvae_jax.data.types import Split
from multvae_jax.errors import InputError
from multvae_jax.evaluation.evaluator import evaluate
from multvae_jax.evaluation.metrics import heading
from multvae_jax.evaluation.values import AnyMetric
from multvae_jax.host.console import say
from multvae_jax.host.files import atomic_write
from multvae_jax.models import Blend, Model, scorer
from multvae_jax.runs.id_maps import read_users
from multvae_jax.runs.loading import read_run
from multvae_jax.runs.run import Run
from multvae_jax.runs.run_config import RunConfig
from multvae_jax.runs.warm_start import Items, kept_beta, match_items, start_of

ARCHITECTURE = ("model", "hidden", "latent", "activation", "network", "network_constants")
"""Options of the model that a training cannot change."""


class Started(NamedTuple):
    """A run that a training starts from.

    Attributes:
        place: its directory, as in messages.
        config: the options that it was trained with.
        run: the run.
    """

    place: str
    config: RunConfig
    run: Run

    @property
    def model(self) -> Model:
        """The model that was trained, without a baseline that it was blended with."""
        model = self.run.model
        assert not isinstance(model, Baseline)
        return model.model if isinstance(model, Blend) else model

    def items(self, split: Split) -> Items:
        """The items of a split among those of the run.

        Raises:
            InputError: they have none in common.
        """
        try:
            return match_items(self.run.catalogue, split.catalogue)
        except InputError:
            raise InputError(
                f"--from {self.place}: the run has none of the items of the data"
            ) from None

    def note(self, split: Split) -> str:
        """The run, and how many items are kept, new and gone."""
        counts = self.items(split).counts()
        texts = {"kept": "as trained there", "new": "new, with fresh parameters", "dropped": "gone"}
        listed = (f"{counts[name]:,} {what}" for name, what in texts.items())
        return f"started from {self.place}; items: {', '.join(listed)}"


def started_from(options: RunOptions) -> Started | None:
    """The run of `--from`, if it is given; its code was trusted when its options were read.

    Raises:
        InputError: it cannot be read, or is that of a baseline.
    """
    if options.start is None:
        return None
    found = read_run(Path(options.start), trust_code=True)
    if isinstance(found.run.model, Baseline):
        raise InputError(
            f"--from {options.start}: is a baseline, which has no training to go on with"
        )
    return Started(options.start, found.config, found.run)


def with_absolute_start(options: RunOptions) -> RunOptions:
    """The options as a run keeps them, which may be resumed from another directory."""
    if options.start is None:
        return options
    return replace(options, start=str(Path(options.start).absolute()))


def resolved(config: TrainConfig, started: Started) -> TrainConfig:
    """The configuration of a training that starts from a run, with its beta.

    Raises:
        InputError: the data is not named, or an option cannot be that of such a training.
    """
    place = started.place
    if config.data.source == NO_DATA:
        raise InputError(
            f"--from {place}: was saved from Python, without the place of its data; name it, as "
            "with --data"
        )
    if is_all_folds(config.data.split):
        raise InputError("--from and --folds: the run was trained on users that folds test on")
    before = started.config.model or ModelOptions()
    for name in ARCHITECTURE:
        was, now = getattr(before, name), getattr(config.model, name)
        if was not in (now, None):
            raise InputError(
                f"--{name.replace('_', '-')}: {_shown(now)}, but {place} has {_shown(was)}; a "
                "training that starts from a run keeps its architecture"
            )
    columns = None if started.config.data is None else started.config.data.user_features
    if config.data.user_features != columns:
        raise InputError(f"--user-features: {place} has other ones, or none, in its model")
    return replace(config, training=_with_beta(config.training, started))


def _shown(value: object) -> str:
    return (" ".join(map(str, value)) or "none") if isinstance(value, tuple) else str(value)


def _with_beta(training: TrainingOptions, started: Started) -> TrainingOptions:
    """The options with beta as it was in the epoch that the run has kept, unless set otherwise."""
    if training.beta != KEPT:
        return training
    if training.rise is not None:
        flag = "share" if isinstance(training.rise, AnnealShare) else "steps"
        raise InputError(
            f"--anneal-{flag}: beta stays as it was in {started.place}; --beta linear_annealing "
            "lets it rise again"
        )
    if not started.model.has_beta:
        return replace(training, beta=TrainingOptions().beta)
    kept = kept_beta(started.run)
    return replace(
        training,
        beta="constant",
        beta_cap=kept if training.beta_cap is None else training.beta_cap,
    )


def begin_from(
    started: Started,
    directory: Path,
    config: TrainConfig,
    split: Split,
    part: Split,
    metrics: Mapping[str, AnyMetric],
) -> None:
    """Say and note what a training takes from a run, before it begins.

    Args:
        started: the run.
        directory: the directory of the new run.
        config: options of the training.
        split: the data.
        part: what the epoch is selected on.
        metrics: validation metrics.

    Raises:
        InputError: the epoch would be selected on interactions that the run may have been trained
            on, or no item is known.
    """
    if part is not split:
        raise InputError(
            f"--from {started.place}: the run may have been trained on what would be held out to "
            "select the epoch; give --epochs and --held-out none, which train without a selection"
        )
    training, beta = config.training, None
    if started.model.has_beta and training.beta == "constant":
        beta = training.beta_cap
    say(started.note(split))
    say(f"the optimizer starts afresh{'' if beta is None else f', and beta stays at {beta:.3g}'}")
    for note in _notes_on_seen(started, split):
        say(note)
    kept = {"from": str(Path(started.place).absolute()), "items": started.items(split).counts()}
    with atomic_write(directory / "start.json") as file:
        file.write(json.dumps({**kept, "beta": beta}, indent=2) + "\n")
    if split.validation is not None:
        metric = training.selecting_metric
        params = start_of(started.run, split).carried(
            started.model, jax.random.key(training.seed), split.train.shape[1]
        )
        found = evaluate(scorer(started.model, params), split.validation, {metric: metrics[metric]})
        say(f"before the first epoch: {heading(metric)} {found.mean(metric):.4f} on validation")


def _notes_on_seen(started: Started, split: Split) -> Iterator[str]:
    """The users that the run was trained on and that are held out now."""
    trained = read_users(Path(started.place)).get("train", set())
    for part, users in (("validation", split.validation), ("test", split.test)):
        # Where users are in the training, too, it is their later items that are held out.
        own = set() if users is None else set(users.user_ids) - set(split.user_ids)
        if seen := len(own & trained):
            yield (
                f"{seen:,} of {len(own):,} {part} users were trained on in {started.place}: their "
                "metrics are too high"
            )
