"""The command `try`: an idea against the package's own, on small data sets with several seeds."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import jax

import multvae_jax
from multvae_jax.config.contenders import model_of, options_of
from multvae_jax.config.given_split import split_to_select_on
from multvae_jax.config.load_data import data_name, describe_split, load_split
from multvae_jax.config.options import (
    DataOptions,
    ModelOptions,
    ResourceOptions,
    TrainConfig,
    TrainingOptions,
)
from multvae_jax.config.refusals import refuse_set
from multvae_jax.config.resolve import with_preset
from multvae_jax.config.try_options import TryConfig
from multvae_jax.config.unions import InteractionFile, NamedDataset
from multvae_jax.data.types import Split
from multvae_jax.datasets import registry
from multvae_jax.errors import InputError, file_errors
from multvae_jax.host.console import print_table, say
from multvae_jax.host.files import atomic_files
from multvae_jax.host.memory import peak_memory
from multvae_jax.recipe import RECIPES
from multvae_jax.sweeps.resources import layout_of
from multvae_jax.tournament import Contender, Tournament, report, try_idea
from multvae_jax.tournament import page as pages

SMALL = 10**6 + 10**5
"""Interactions of a data set up to which it takes part unasked."""

FILES = ("result.json", "page.html")


def run_tournament(config: TryConfig, words: list[str]) -> None:
    """Try an idea, and print and write what was found.

    Args:
        config: the options.
        words: the words of the command line after `multvae`, for the page.

    Raises:
        InputError: for whatever a user can correct.
    """
    if config.out is not None and Path(config.out).exists() and not Path(config.out).is_dir():
        raise InputError(f"--out {config.out}: is not a directory")
    if config.seeds < 2:
        raise InputError(f"--seeds {config.seeds}: a test over seeds needs 2 or more")
    sources = list(_data(config))
    contenders = _contenders(config, sources[0])
    splits = {}
    for data in sources:
        name = data_name(data)
        if name in splits:
            raise InputError(f"{name}: is the name of two data sets; leave one out or rename it")
        split = splits[name] = _read(data)
        for note in (*split.notes, describe_split(split)):
            say(f"{name}: {note}")
    layout = layout_of(ResourceOptions(), config.seeds)
    say(f"{config.seeds} seeds of each contender, in {config.minutes:g} minutes at most")
    found = try_idea(
        contenders[0],
        splits,
        contenders[1:],
        seeds=config.seeds,
        first_seed=config.seed,
        minutes=config.minutes,
        recipe=RECIPES[config.recipe],
        epochs=config.epochs,
        layout=layout,
        callback=say,
    )
    print_table(report.table(found))
    if config.out is not None:
        _write(Path(config.out), found, shlex.join(["multvae", *words]))


def _data(config: TryConfig) -> Iterator[DataOptions]:
    """The options of each data set."""
    names = config.dataset
    if names is None and config.data is None:
        names = tuple(_here())
    reading = config.reading
    given = DataOptions(held_out=config.held_out)
    if config.data is None:
        reason = "belongs to the files of --data, and there is none"
        refuse_set(reading, [field.name for field in fields(reading)], reason)
    for name in names or ():
        yield replace(given, source=NamedDataset(name))
    for path in config.data or ():
        yield reading.over(replace(given, source=InteractionFile(path)))


def _here() -> Iterator[str]:
    """The small data sets whose files are on this machine."""
    for name, dataset in registry.DATASETS.items():
        if dataset.interactions <= SMALL and registry.present(dataset) is not None:
            yield name


def _read(data: DataOptions) -> Split:
    completed = with_preset(TrainConfig(data=data)).data
    split = split_to_select_on(load_split(data), completed)
    if split.validation is None:
        raise InputError(f"{data_name(data)}: has no validation users to select the epoch on")
    return split


def _contenders(config: TryConfig, data: DataOptions) -> list[Contender]:
    """The idea, the package's own, and the further rivals."""
    training = TrainingOptions(recipe=config.recipe, epochs=config.epochs)

    def contender(name: str, model: ModelOptions) -> Contender:
        return Contender(name, model_of(TrainConfig(data, model, training)))

    idea = options_of(config.idea, "IDEA", config.kind, config.constants)
    models = {"mult-vae": ModelOptions()}
    for name in config.against or ():
        models[_short(name)] = options_of(name, "--against")
    name = _short(config.idea)
    return [
        contender(f"{name} (idea)" if name in models else name, idea),
        *(contender(rival, model) for rival, model in models.items()),
    ]


def _short(name: str) -> str:
    return name.rpartition(":")[2]


def _write(directory: Path, found: Tournament, command: str) -> None:
    """Write the numbers and the page, over those of an earlier tournament."""
    about: dict[str, Any] = {
        "command": command,
        "versions": {"multvae_jax": multvae_jax.__version__, "jax": jax.__version__},
        "device": jax.devices()[0].device_kind,
        "peak_memory_of_process": peak_memory(),
    }
    numbers = json.dumps(report.as_json(found, about), indent=1, allow_nan=False)
    with file_errors(directory):
        directory.mkdir(parents=True, exist_ok=True)
        with atomic_files(directory, FILES) as (values, page):
            values.write((numbers + "\n").encode())
            page.write(pages.page(found, command).encode())
    say(f"written: {', '.join(str(directory / name) for name in FILES)}")
