"""The command `estimate`: the memory and the time of a training that is not run."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jax
from rich.table import Table

from multvae_jax.config.all_users import selects_epoch
from multvae_jax.config.auto import is_auto
from multvae_jax.config.build_model import build_model
from multvae_jax.config.build_training import batch_size, build_optimizer, n_epochs, n_updates
from multvae_jax.config.complete import complete
from multvae_jax.config.estimate_options import EstimateOptions
from multvae_jax.config.facts import facts_of_split
from multvae_jax.config.given_split import split_to_select_on
from multvae_jax.config.load_data import describe_split, load_split
from multvae_jax.config.mesh import parse_mesh
from multvae_jax.config.metrics import validation_metrics
from multvae_jax.config.options import DataOptions, TrainConfig
from multvae_jax.config.resolve import ANY_DATA, describe_recipe, with_recipe
from multvae_jax.config.unions import InteractionFile
from multvae_jax.errors import InputError
from multvae_jax.estimating.calibration import calibrated
from multvae_jax.estimating.devices import SELF, Device, find_device
from multvae_jax.estimating.estimate import Estimate, Machine, estimate
from multvae_jax.estimating.lengths import Lengths, drawn_lengths, lengths_of
from multvae_jax.estimating.programs import Training, compiled
from multvae_jax.evaluation.metrics import PAPER_METRICS
from multvae_jax.host.console import print_table, say
from multvae_jax.host.memory import available_memory
from multvae_jax.parallel.meshes import make_mesh
from multvae_jax.recipe import DataShape

SMALLER = ((1, 16_384), (1, 4_096), (4, 4_096), (16, 4_096), (64, 1_024))
"""Trainings to try if one does not fit: the factor by which the batch is smaller, and items in a
block."""


def estimate_training(config: TrainConfig, options: EstimateOptions) -> None:
    """Print the memory and the time that a training would take.

    Args:
        config: the training.
        options: the size of data that does not exist yet, and the devices.

    Raises:
        InputError: an option or the data is wrong, in one line that names the place.
    """
    sizes = options.sizes
    named = [name for name in options.device if name != SELF]
    devices: dict[str, Device] = {name: find_device(name) for name in named}
    if not options.device:
        raise InputError("--device: give at least one")
    if is_auto(config.model):
        raise InputError("--model auto: tries several models; estimate one of them")
    if sizes is not None:
        # The presets of an interaction file do not depend on its name.
        others = replace(config.data, held_out=None, fold_in=DataOptions.fold_in)
        if others != DataOptions():
            raise InputError("--users, --items and --clicks: stand for data; give no other data")
        config = replace(config, data=replace(config.data, source=InteractionFile("-")))
    config = complete(config)
    tried = with_recipe(config, ANY_DATA)
    build_model(tried.model)
    lengths, config, metrics = _described(config, sizes)
    training = _training(config, lengths, metrics, options.mesh)
    say(describe_recipe(config))
    places: dict[str, Device | Machine] = {}
    for name in options.device:
        places[name] = devices[name] if name in devices else this_machine()
    programs = compiled(lengths, training)
    found = {name: estimate(lengths, training, programs, where) for name, where in places.items()}
    advice = {
        name: _advice(config, lengths, metrics, options.mesh, places[name])
        for name, each in found.items()
        if not each.fits
    }
    if options.json:
        shown = {
            name: {**each.as_json(), "advice": advice.get(name)} for name, each in found.items()
        }
        about = {
            "users": lengths.n_users,
            "items": lengths.n_items,
            "clicks": int(lengths.train.sum()),
            "batch_size": training.batch_size,
            "epochs": training.epochs,
        }
        print(json.dumps({**about, "devices": shown}, indent=2, allow_nan=False))
        return
    print_table(table_of(list(found.values()), training))
    for name, words in advice.items():
        print(f"{places[name].name}: {words}")


def this_machine() -> Machine:
    """The machine that the program runs on, measured if it has not been."""
    device = jax.devices()[0]
    is_host = jax.default_backend() == "cpu"
    available = available_memory()
    if not is_host:
        available = float((device.memory_stats() or {}).get("bytes_limit", float("inf")))
    return Machine(f"this machine ({device.device_kind})", calibrated(), available, is_host)


def _described(
    config: TrainConfig, sizes: tuple[int, int, int] | None
) -> tuple[Lengths, TrainConfig, Any]:
    """The lengths of the data, the options for it, and the validation metrics."""
    if sizes is None:
        split = load_split(config.data)
        part = split_to_select_on(split, config.data, selects_epoch(config.training))
        say(describe_split(split))
        lengths = lengths_of(part)
        shape = DataShape(lengths.n_users, lengths.n_items, int(lengths.train.sum()))
        metrics = validation_metrics(config.training, facts_of_split(split, config.data))
        return lengths, with_recipe(config, shape), metrics
    n_users, n_items, n_clicks = sizes
    held_out = config.data.held_out or 0
    count = round(held_out * n_users) if held_out < 1 else int(held_out)
    if 2 * count >= n_users:
        raise InputError(
            f"--users {n_users}: {count:,} validation and {count:,} test users leave none to train "
            "on"
        )
    lengths = drawn_lengths(n_users, n_items, n_clicks, count, config.data.fold_in)
    say(
        f"{lengths.n_users:,} training users and {count:,} validation users over {n_items:,} "
        "items, with long-tailed histories like those of ML-20M"
    )
    shape = DataShape(lengths.n_users, n_items, int(lengths.train.sum()))
    return lengths, with_recipe(config, shape), PAPER_METRICS


def _training(config: TrainConfig, lengths: Lengths, metrics: Any, mesh: str | None) -> Training:
    training = config.training
    return Training(
        build_model(config.model),
        build_optimizer(training, n_updates(training, lengths.n_users)),
        min(batch_size(training, lengths.n_users), lengths.n_users),
        n_epochs(training),
        metrics,
        training.validate_every,
        None if mesh is None else make_mesh(*parse_mesh(mesh)),
        training.on_nan == "skip",
    )


def _advice(
    config: TrainConfig, lengths: Lengths, metrics: Any, mesh: str | None, where: Device | Machine
) -> str:
    """The smaller batch and the block of items with which the training fits, as a sentence."""
    last = None
    batch = min(batch_size(config.training, lengths.n_users), lengths.n_users)
    for parts, block in SMALLER:
        smaller = max(1, batch // parts)
        model = replace(config.model, item_block=min(block, lengths.n_items))
        options = replace(config.training, batch_size=smaller)
        changed = replace(config, model=model, training=options)
        try:
            training = _training(changed, lengths, metrics, mesh)
        # Not every loss can be computed in blocks of items.
        except InputError as error:
            return f"does not fit; {error}"
        last = estimate(lengths, training, compiled(lengths, training), where)
        words = f"--item-block {block}" + (f" --batch-size {smaller}" if parts > 1 else "")
        if last.fits:
            return f"does not fit; with {words} it needs {_gigabytes(last.memory.peak)}, and fits"
    assert last is not None
    return (
        f"does not fit; even with {words} it needs {_gigabytes(last.memory.peak)}; --mesh items=N "
        "divides the parameters over devices"
    )


def _gigabytes(number: float) -> str:
    return f"{number / 1e9:,.2f} GB" if math.isfinite(number) else "unknown"


def _seconds(number: float) -> str:
    if number < 1:
        return f"{1e3 * number:,.3g} ms"
    if number < 300:
        return f"{number:,.1f} s"
    return f"{number / 60:,.0f} min" if number < 18_000 else f"{number / 3600:,.1f} h"


def table_of(found: list[Estimate], training: Training) -> Table:
    """A table with a column for each device."""
    parts = 1 if training.mesh is None else training.mesh.size
    title = f"per device, of {parts}" if parts > 1 else None
    table = Table("", *(each.name for each in found), title=title)
    for column in table.columns[1:]:
        column.justify = "right"
    for words, cells in _rows(found, training):
        table.add_row(words, *cells)
    return table


def _rows(found: list[Estimate], training: Training) -> Iterator[tuple[str, list[str]]]:
    memory = [each.memory for each in found]
    yield "parameters", [_gigabytes(each.params) for each in memory]
    yield "optimizer", [_gigabytes(each.opt_state) for each in memory]
    yield "best epoch so far", [_gigabytes(each.best) for each in memory]
    yield "data", [_gigabytes(each.histories) for each in memory]
    yield "gradients, logits, activations", [_gigabytes(each.temporaries) for each in memory]
    yield "the process without arrays", [_gigabytes(each.base) for each in memory]
    yield "most at any time", [_gigabytes(each.peak) for each in memory]
    yield "  while", [max(each.stages, key=each.stages.__getitem__) for each in memory]
    if any(each.compiling for each in memory):
        yield "  and for compiling", [_gigabytes(each.compiling) for each in memory]
    yield "available", [_gigabytes(each.available) for each in found]
    yield "fits", ["yes" if each.fits else "no" for each in found]
    yield f"batch of {training.batch_size:,}: GFLOP", [f"{each.flops / 1e9:,.3g}" for each in found]
    yield "  GB read and written", [f"{each.bytes / 1e9:,.3g}" for each in found]
    if any(each.exchanged for each in found):
        yield "  MB exchanged", [f"{each.exchanged / 1e6:,.3g}" for each in found]
    yield "  time", [_seconds(each.seconds_of_update) for each in found]
    yield "users per second", [f"{each.users_per_second:,.0f}" for each in found]
    yield "validation", [_seconds(each.seconds_of_validation) for each in found]
    yield "epoch", [_seconds(each.seconds_of_epoch) for each in found]
    epochs = "1 epoch" if training.epochs == 1 else f"{training.epochs} epochs"
    yield f"run of {epochs}", [_seconds(each.seconds_of_run) for each in found]
