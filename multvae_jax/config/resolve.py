"""A configuration as a run uses and keeps it: presets filled in, paths made absolute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from multvae_jax.checks.signatures import has_parameter
from multvae_jax.config.build_model import unused_widths
from multvae_jax.config.build_training import AUTO, has_own_rate, takes_cap
from multvae_jax.config.options import DataOptions, TrainConfig
from multvae_jax.config.unions import (
    AnnealShare,
    AnnealSteps,
    Files,
    GivenSplit,
    InteractionFile,
    NamedDataset,
    SplitKind,
    StoredSplit,
    split_name,
)
from multvae_jax.config.vocabulary import MODEL
from multvae_jax.data.readers.paths import STDIN
from multvae_jax.datasets.presets import ANY_FILE, GIVEN_SPLIT, WITH_VALIDATION, Preset
from multvae_jax.datasets.registry import find_dataset
from multvae_jax.models import mult_vae
from multvae_jax.recipe import RECIPES, DataShape

Options = TypeVar("Options")


def preset_of(data: DataOptions) -> Preset:
    """The preset of the data that a configuration names.

    Raises:
        InputError: there is no data set of that name.
    """
    match data.source:
        case NamedDataset(name):
            return _for_split(find_dataset(name).preset, data.split)
        case InteractionFile():
            return _for_split(ANY_FILE, data.split)
        case GivenSplit(validation=validation):
            return GIVEN_SPLIT if validation is None else WITH_VALIDATION
        case StoredSplit():
            return WITH_VALIDATION


def _for_split(preset: Preset, split: SplitKind) -> Preset:
    """The preset without the number of held-out users, if users are not what is held out."""
    return preset if split_name(split) == "users" else replace(preset, held_out=None)


def with_defaults_of(options: Options, preset: Preset) -> Options:
    """The same options, with the preset's value for each that is unset."""
    here = [option.name for option in fields(preset) if hasattr(options, option.name)]
    unset = {name: getattr(preset, name) for name in here if getattr(options, name) is None}
    # Any: to mypy a type variable is not a dataclass.
    options_: Any = options
    return replace(options_, **unset)


def with_preset(config: TrainConfig) -> TrainConfig:
    """The configuration that a run uses and keeps: the preset fills in all that is unset.

    Raises:
        InputError: there is no data set of that name.
    """
    preset = preset_of(config.data)
    training = config.training
    # The number of epochs and the pace of beta are the paper's for that data.
    if training.recipe == "paper":
        training = with_defaults_of(training, preset)
        if training.rise is None and preset.anneal_steps is not None:
            training = replace(training, rise=AnnealSteps(preset.anneal_steps))
    training = replace(training, select_by=training.selection)
    return replace(config, data=with_defaults_of(config.data, preset), training=training)


ANY_DATA = DataShape(n_users=1_000, n_items=1_000, n_interactions=50_000)
"""A size to try options with before the data is read."""


def with_recipe(config: TrainConfig, data: DataShape) -> TrainConfig:
    """The configuration with the recipe's value for each option that is unset.

    An option that cannot take effect, such as the learning rate of an optimizer that has its own,
    stays unset. The widths, the network, the dropout and the gravity of the multinomial are those
    of Mult-VAE; any other model has its own.

    Args:
        config: with the preset of its data filled in.
        data: size of the training data.
    """
    numbers = RECIPES[config.training.recipe](data)
    training, model = config.training, config.model
    of_training: dict[str, Any] = {}
    if training.epochs is None:
        of_training = {"epochs": numbers.epochs, "patience": numbers.patience}
    if not has_own_rate(training):
        of_training["learning_rate"] = numbers.learning_rate
    if takes_cap(config):
        of_training["beta_cap"] = numbers.beta_cap
        # The search for beta has a rise of its own.
        if training.beta != AUTO:
            of_training["rise"] = AnnealShare(numbers.annealed_share)
    of_model: dict[str, Any] = {}
    factory = MODEL.names.get(model.model)
    if model.likelihood is None and has_parameter(factory, "likelihood"):
        gravity = numbers.gravity if factory is mult_vae else None
        constants = {} if gravity is None else {"gravity": gravity}
        model = replace(model, likelihood="multinomial", constants=constants | model.constants)
    if factory is mult_vae:
        of_model = {
            "hidden": numbers.hidden,
            "latent": numbers.latent,
            "network": numbers.network,
            "dropout": numbers.dropout,
        }
        for name in unused_widths(model):
            del of_model[name]
    return replace(config, training=_filled(training, of_training), model=_filled(model, of_model))


def _filled(options: Options, values: Mapping[str, Any]) -> Options:
    """The same options, with the given values for those that are unset."""
    options_: Any = options
    return replace(
        options_, **{name: v for name, v in values.items() if getattr(options, name) is None}
    )


def describe_recipe(config: TrainConfig) -> str:
    """One line with the numbers of a training, from a configuration without unset options."""
    model, training = config.model, config.training
    shape = []
    if model.hidden is not None:
        shape = [f"hidden {' '.join(map(str, model.hidden)) or 'none'}"]
    numbers = {
        "latent": model.latent,
        "network": model.network,
        "dropout": model.dropout,
        "learning rate": training.learning_rate,
        "beta up to": training.beta_cap,
        **model.constants,
        "epochs": training.epochs,
        "patience": training.patience,
    }
    listed = [
        f"{name} {number:.3g}" if isinstance(number, float) else f"{name} {number}"
        for name, number in numbers.items()
        if number is not None
    ]
    return f"recipe {training.recipe}: {', '.join([*shape, *listed])}"


def describe_precision(precision: str, backend: str, native: bool) -> str | None:
    """One line about how a precision is computed; None where there is no choice.

    Args:
        precision: that of the matrix products.
        backend: the one that jax runs on, such as "cpu".
        native: whether a CPU has instructions for bfloat16.
    """
    if precision == "float32" or backend != "cpu":
        return None
    if native:
        return f"precision {precision}: by the processor's own instructions (AVX512_BF16)"
    return (
        f"precision {precision}: this processor has no instructions for it; numbers are rounded "
        "and multiplied in float32, which takes no less time"
    )


def with_absolute_paths(config: TrainConfig) -> TrainConfig:
    """The configuration as a run keeps it, so that it works from any working directory."""
    source: Any = config.data.source
    if not isinstance(source, NamedDataset):
        given = {name: value for name, value in msgspec.structs.asdict(source).items() if value}
        paths = {name: _absolute_files(files) for name, files in given.items()}
        source = msgspec.structs.replace(source, **paths)
    named: dict[str, Any] = {
        name: path and _absolute(path)
        for name in ("titles", "items_file", "item_vectors", "users_file")
        for path in [getattr(config.data, name)]
    }

    return TrainConfig(
        data=replace(config.data, source=source, **named),
        model=_with_paths(config.model),
        training=_with_paths(config.training),
    )


def _with_paths(options: Any) -> Any:
    """The same options with absolute paths of the user's files."""

    def changed(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(changed, value))
        return _absolute(value) if isinstance(value, str) and ".py:" in value else value

    return replace(options, **{f.name: changed(getattr(options, f.name)) for f in fields(options)})


def _absolute_files(files: Files) -> Files:
    if not isinstance(files, str):
        return tuple(map(_absolute, files))
    return files if files == STDIN else _absolute(files)


def _absolute(path: str) -> str:
    return str(Path(path).absolute())
