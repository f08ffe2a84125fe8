"""Options of the experiments, and what follows from them: the data, and how a model is trained.

No other module of the experiments imports `multvae_jax.config`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, TypeVar

import optax

import multvae_jax as mv
from multvae_jax.checks.bounds import Widths
from multvae_jax.config import load_data, none
from multvae_jax.config.build_training import (
    AUTO,
    batch_size,
    build_beta,
    n_epochs,
    updates_of_rise,
)
from multvae_jax.config.convert import to_json, validated
from multvae_jax.config.flags import SourceFlags, SplitFlags
from multvae_jax.config.options import DataOptions, TrainConfig, TrainingOptions
from multvae_jax.config.resolve import ANY_DATA, with_preset, with_recipe
from multvae_jax.config.unions import (
    AnnealSteps,
    Count,
    GivenSplit,
    InteractionFile,
    NamedDataset,
    UserFolds,
    first_path,
    split_name,
)
from multvae_jax.datasets.registry import find_dataset

__all__ = [
    "Count",
    "DataOptions",
    "GivenSplit",
    "InteractionFile",
    "NamedDataset",
    "Options",
    "complete",
]

OptionsT = TypeVar("OptionsT", bound="Options")


@dataclass(frozen=True)
class Options:
    """Options of every experiment."""

    data: DataOptions = field(default_factory=DataOptions)
    seeds: Count = 5
    """number of training seeds; they are 0, 1, ..."""
    epochs: Count | None = None
    """passes over the training users; unless set, those of the data set, or 100"""
    batch_size: Count | None = None
    """users in an update; unless set, as many as `multvae train` takes"""
    beta: str = "linear_annealing"
    """weight of Mult-VAE's KL term, as in `multvae train`; "auto" searches for its cap per seed"""
    anneal_steps: Count | None = None
    """number of updates in which beta would rise from 0 to 1; unless set, as in `multvae train`"""
    hidden: Annotated[Widths, none.HIDDEN] = (600,)
    """widths of Mult-VAE's layers between the items and the code, or none for no layer; Mult-DAE
    has none"""
    latent: Count = 200
    """dimensions of the code"""
    quick: bool = False
    """run with 2 seeds, 2 epochs and two settings of each grid, to check that everything works"""
    out: str = "experiments/results"
    """folder of the results, which go to <experiment>/<data set> below it"""
    source: SourceFlags = field(default_factory=SourceFlags)
    split: SplitFlags = field(default_factory=SplitFlags)

    @property
    def all_seeds(self) -> range:
        """The seeds to train with."""
        return range(min(self.seeds, 2) if self.quick else self.seeds)

    @property
    def data_name(self) -> str:
        """Name of the data set or of the file."""
        return load_data.data_name(self.data)

    @property
    def split_seed(self) -> int:
        """Seed of the split; the training seeds are others."""
        return self.data.split_seed

    @property
    def training(self) -> TrainingOptions:
        """The options of `multvae train` on the same data, with its presets."""
        training = TrainingOptions(
            recipe="paper",
            epochs=2 if self.quick else self.epochs,
            batch_size=self.batch_size,
            beta=self.beta,
            rise=None if self.anneal_steps is None else AnnealSteps(self.anneal_steps),
        )
        config = with_preset(TrainConfig(data=self.data, training=training))
        return with_recipe(config, ANY_DATA).training

    @property
    def searches_beta(self) -> bool:
        """Whether the cap of beta is to be searched for."""
        return self.beta == AUTO

    def folder(self, experiment: str) -> Path:
        """Folder of an experiment's results; a quick run does not overwrite a complete one."""
        kind = split_name(self.data.split)
        name = self.data_name + ("" if kind == "users" else f"-{kind}")
        return Path(self.out) / experiment / (name + ("-quick" if self.quick else ""))


def complete(options: OptionsT) -> OptionsT:
    """The options of the command line with the source of the data in place.

    Raises:
        InputError: if flags contradict each other, or an option is out of bounds.
    """
    split = options.split.over(options.data.split)
    if isinstance(split, UserFolds):
        raise mv.InputError("--folds: an experiment has one split")
    source = options.source.over(options.data.source)
    data = replace(options.data, source=source, split=split)
    return validated(replace(options, data=data))


def load_split(options: Options) -> mv.Split:
    """Read and split the data.

    Raises:
        InputError: if the data cannot be read, or options contradict each other.
    """
    return load_data.load_split(options.data)


def load_interactions(options: Options) -> mv.Interactions:
    """Read the data, not split.

    Raises:
        InputError: if the data cannot be read, or is a given split.
    """
    return load_data.load_interactions(options.data)


def with_users_of(options: OptionsT, path: Path, fraction: float) -> OptionsT:
    """The options with a file of some of the users, of whom as large a share is held out.

    Args:
        options: with the data that the users are from.
        path: file of their interactions, which have been filtered.
        fraction: share of the users that are in the file.
    """
    held_out = with_preset(TrainConfig(data=options.data)).data.held_out
    if held_out is not None and held_out >= 1:
        held_out = max(1.0, round(fraction * held_out))
    data = DataOptions(
        InteractionFile(str(path)),
        held_out=held_out,
        fold_in=options.data.fold_in,
        split_seed=options.data.split_seed,
    )
    return replace(options, data=data)


def write_config(options: Options, path: Path) -> None:
    """Write the data of an experiment, for `multvae train --config`.

    Raises:
        InputError: if the file names other data, or another split.
    """
    config = to_json(TrainConfig(data=options.data))
    if path.is_file() and path.read_bytes() != config:
        raise mv.InputError(
            f"{path}: holds results of other data or another split; use another folder"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(config)


def movies_file(options: Options) -> Path:
    """MovieLens's file of movies: the one that `--titles` names, or the one beside the data."""
    data = options.data
    if data.titles is not None:
        return Path(data.titles)
    match data.source:
        case NamedDataset(name):
            folder = find_dataset(name).folder
        case InteractionFile(path) | GivenSplit(path):
            folder = Path(first_path(path)).parent
    return next(iter(sorted(folder.glob("movies.*"))), folder / "movies.dat")


def users_file(options: Options) -> str | None:
    """The file about users: that of `--users-file`, or users.dat and the like beside the data."""
    return load_data.users_file_of(options.data)


def fit_options(options: Options, split: mv.Split) -> dict[str, Any]:
    """Arguments of `fit` that `multvae train` passes on the same data, except beta."""
    training = options.training
    return {
        "epochs": n_epochs(training),
        "batch_size": batch_size(training, split.train.shape[0]),
    }


def updates_to_one(options: Options, split: mv.Split) -> float:
    """Updates in which beta rises from 0 to 1 in the search for its cap."""
    return updates_of_rise(options.training, split.train.shape[0], cap=1.0, share=1.0)


def beta_schedule(options: Options, split: mv.Split, cap: float | None = None) -> optax.Schedule:
    """Beta by update, as in `multvae train`.

    Args:
        options: with a `beta` that is not "auto".
        split: its training users decide how long the rise takes.
        cap: largest beta; by default that of `multvae train`.
    """
    training = options.training
    if cap is not None:
        training = replace(training, beta_cap=cap)
    return build_beta(training, split.train.shape[0])
