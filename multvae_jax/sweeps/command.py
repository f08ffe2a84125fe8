"""`multvae sweep`: from options to members, through sweeps, to a table and the best setting.

In the directory of a sweep:

members.jsonl   what sweep it is, then a line for each setting and seed that is finished
results.json    the settings in order, best first
best.json       the best one, for `multvae train --config`
sweep.png       each option that varies against the metric
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import msgspec
from rich.console import Console

from multvae_jax.config import build
from multvae_jax.config.load_data import data_name, describe_split, load_split
from multvae_jax.config.options import (
    ResourceOptions,
    SweepConfig,
    TrainConfig,
    to_json,
    with_preset,
)
from multvae_jax.config.user_functions import find_function
from multvae_jax.data.types import Split
from multvae_jax.errors import InputError
from multvae_jax.host.console import progress_bar, say
from multvae_jax.host.files import atomic_write
from multvae_jax.selection import Entry
from multvae_jax.sweeps import journal, layouts
from multvae_jax.sweeps.journal import Record
from multvae_jax.sweeps.layouts import Layout
from multvae_jax.sweeps.members import Member, Outcome, sweep
from multvae_jax.sweeps.optuna_study import study
from multvae_jax.sweeps.report import SettingResult, best_first, draw_sweep, sweep_table
from multvae_jax.sweeps.space import Setting, Space, grid, read_space, sample, with_setting
from multvae_jax.training import as_pytree

SELECT_BY = "ndcg@100"


class TrialConfig(NamedTuple):
    """A setting with a seed, and the configuration that `multvae train` would run it with."""

    setting: Setting
    seed: int
    config: TrainConfig

    @property
    def name(self) -> str:
        """The same for the same setting and seed."""
        return _name(self.setting, self.seed)


def run_sweep(config: SweepConfig, out: str | None) -> None:
    """Train every setting with every seed, and say which is best.

    Raises:
        InputError: whatever a user can set right.
    """
    search, space = config.search, read_space(config.search.vary)
    seeds = range(config.training.seed, config.training.seed + search.seeds)
    fixed = TrainConfig(config.data, config.model, config.training)
    settings = _settings(config, space)

    def trials_of(settings: Sequence[Setting]) -> list[TrialConfig]:
        return [
            TrialConfig(setting, seed, with_preset(with_setting(fixed, setting, seed)))
            for setting in settings
            for seed in seeds
        ]

    # Whatever is wrong with a setting is wrong before anything is read or written.
    _groups(trials_of(settings))
    at_once = len(settings) if search.optuna is None else search.trials_at_once
    layout = _layout(config.resources, at_once * len(seeds))
    split = load_split(config.data)
    if split.validation is None:
        raise InputError("a sweep ranks validation users, and the split has none")
    for note in (*split.notes, describe_split(split)):
        say(note)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    target = Path(out or f"runs/{data_name(config.data)}-sweep-{stamp}")
    members_file = target / "members.jsonl"
    records = journal.open_journal(members_file, _identity(config, split))
    known = {_name(record["setting"], record["seed"]): record for record in records}
    if known:
        say(f"{members_file}: {len(known)} settings and seeds are trained already")

    def keep(done: Sequence[Record]) -> None:
        journal.append(members_file, done)
        known.update((_name(record["setting"], record["seed"]), record) for record in done)

    def rows(settings: Sequence[Setting]) -> list[SettingResult]:
        """Of those settings that are trained with all seeds."""
        named = [(setting, [_name(setting, seed) for seed in seeds]) for setting in settings]
        return [
            _row(setting, [known[name] for name in names])
            for setting, names in named
            if all(name in known for name in names)
        ]

    def train(settings: Sequence[Setting]) -> list[SettingResult]:
        new = [trial for trial in trials_of(settings) if trial.name not in known]
        with _progress(new) as advance:
            for group in _groups(new):
                _train(group, split, layout, config.resources, advance, keep)
        return rows(settings)

    if search.optuna is None:
        found = train(settings)
    else:
        before = rows(_unique([_as_varied(record["setting"]) for record in records]))
        tried = [row.setting for row in before]

        def values_of(settings: Sequence[Setting]) -> list[float]:
            tried.extend(settings)
            return [row.mean for row in train(settings)]

        study(
            space,
            values_of,
            trials=search.optuna,
            at_once=search.trials_at_once,
            seed=config.training.seed,
            before=[(row.setting, row.mean) for row in before],
        )
        found = rows(_unique(tried))
    _report(best_first(found), fixed, seeds[0], target)


def _settings(config: SweepConfig, space: Space) -> list[dict[str, Any]]:
    """The settings to train; for a study, one such as it may come to."""
    search = config.search
    if search.random is not None and search.optuna is not None:
        raise InputError("--random and --optuna: give one or the other")
    if search.optuna is not None and not space:
        raise InputError("--optuna: nothing varies; give it a --vary")
    if search.random is None and search.optuna is None:
        return grid(space)
    return sample(space, search.random or 1, config.training.seed)


def _layout(resources: ResourceOptions, members: int) -> Layout:
    """The layout that is asked for, over devices that the CPU is divided into for it."""
    spread = resources.layout in ("auto", "sharded")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    devices = resources.devices or (min(cores or 1, members) if spread else 1)
    try:
        jax.config.update("jax_num_cpu_devices", devices)
    except RuntimeError:
        # Whoever has used jax before, in this process, has settled it.
        if resources.devices not in (None, len(jax.devices("cpu"))):
            raise InputError("--devices: jax is in use already, with another number") from None
    kinds = {
        "auto": layouts.default,
        "vmapped": layouts.vmapped,
        "sequential": layouts.sequential,
        "sharded": layouts.sharded,
    }
    return kinds[resources.layout]()


def _memory(resources: ResourceOptions, layout: Layout) -> float | None:
    """Bytes of a device; those of a CPU share what the machine may give."""
    if resources.memory is None:
        return None
    sharing = layout.devices if jax.default_backend() == "cpu" else 1
    return 1e9 * resources.memory / sharing


def _identity(config: SweepConfig, split: Split) -> dict[str, Any]:
    """What has to be the same for a journal to be gone on with: all that decides a result."""
    options = msgspec.to_builtins(config)
    del options["resources"], options["search"]["trials_at_once"]
    validation = split.validation
    assert validation is not None
    arrays = (
        part
        for matrix in (split.train, validation.history, validation.targets)
        for part in (matrix.indptr, matrix.indices, matrix.data)
    )
    checksum = 0
    for array in arrays:
        checksum = zlib.crc32(array.tobytes(), checksum)
    users, items = split.train.shape
    contents = {"users": users, "items": items, "interactions": split.train.nnz}
    return {"sweep": options, "data": {**contents, "checksum": checksum}}


def _name(setting: Setting, seed: int) -> str:
    return json.dumps([msgspec.to_builtins(setting), seed], sort_keys=True)


def _as_varied(setting: Setting) -> dict[str, Any]:
    """A setting as it was before it was JSON, which knows no tuples."""
    return {name: tuple(v) if isinstance(v, list) else v for name, v in setting.items()}


def _unique(settings: Sequence[Setting]) -> list[Setting]:
    return list({_name(setting, 0): setting for setting in settings}.values())


# --- members ----------------------------------------------------------------------------------


def _groups(trials: Sequence[TrialConfig]) -> list[list[TrialConfig]]:
    """The trials that differ in nothing but numbers a compiled program takes, together."""
    groups: dict[bytes, list[TrialConfig]] = {}
    for trial in trials:
        groups.setdefault(_program(trial.config), []).append(trial)
    return list(groups.values())


def _program(config: TrainConfig) -> bytes:
    """The same for configurations that one program can train."""
    constants = build.build_model(config.model).hyper.get("likelihood", {})
    # A constant that the likelihood does not declare is one that its code was made with.
    built_in = {
        name: value for name, value in config.model.constants.items() if name not in constants
    }
    penalty = None if config.model.weight_penalty is None else 0.0
    model = replace(config.model, dropout=0.0, weight_penalty=penalty, constants=built_in)
    training = replace(
        config.training,
        seed=0,
        learning_rate=1.0,
        beta_cap=0.0,
        anneal_share=None,
        anneal_steps=None,
    )
    build.build_optimizer(config.training)
    return to_json(TrainConfig(config.data, model, training))


def _train(
    trials: Sequence[TrialConfig],
    split: Split,
    layout: Layout,
    resources: ResourceOptions,
    advance: Callable[[dict[int, Entry]], None],
    keep: Callable[[Sequence[Record]], None],
) -> None:
    """Train the trials of one group and hand on the records of each part."""
    n_users, training = split.train.shape[0], trials[0].config.training
    model = build.build_model(trials[0].config.model)
    schedules = [as_pytree(build.build_beta(t.config.training, n_users)) for t in trials]
    # Of a file that is imported for each of them, every one has a function of its own.
    alike = jax.tree.structure(schedules[0])
    members = [
        Member(
            key=jax.random.key(trial.seed),
            learning_rate=trial.config.training.learning_rate,
            beta=jax.tree.unflatten(alike, jax.tree.leaves(schedule)),
            hyper=build.build_model(trial.config.model).hyper,
        )
        for trial, schedule in zip(trials, schedules, strict=True)
    ]
    sweep(
        members,
        model,
        split,
        epochs=build.n_epochs(training),
        batch_size=build.batch_size(training, n_users),
        optimizer=find_function("--optimizer", training.optimizer, "optax"),
        validate_every=training.validate_every,
        patience=training.patience,
        select_by=SELECT_BY,
        layout=layout,
        memory=_memory(resources, layout),
        max_parallel=resources.max_parallel,
        callback=advance,
        on_part=lambda done: keep([_record(trials[i], outcome) for i, outcome in done.items()]),
    )


def _record(trial: TrialConfig, outcome: Outcome) -> Record:
    return {
        "setting": msgspec.to_builtins(trial.setting),
        "seed": trial.seed,
        "diverged": outcome.diverged,
        "best_epoch": outcome.best_epoch,
        "validation": outcome.validation,
        "log": outcome.log,
    }


def _row(setting: Setting, records: Sequence[Record]) -> SettingResult:
    values = [
        math.nan if record["diverged"] else record["validation"].get(SELECT_BY, math.nan)
        for record in records
    ]
    return SettingResult(setting, values, [record["best_epoch"] for record in records])


@contextlib.contextmanager
def _progress(trials: Sequence[TrialConfig]) -> Iterator[Callable[[dict[int, Entry]], None]]:
    """A bar over the epochs of all trials, advanced with their log entries."""
    best = -math.inf
    total = sum(build.n_epochs(trial.config.training) for trial in trials)
    with progress_bar("training", total, description="epochs") as advance:

        def advance_with(entries: dict[int, Entry]) -> None:
            nonlocal best
            validated = (entry["validation"] for entry in entries.values() if "validation" in entry)
            best = max([best, *(values[SELECT_BY] for values in validated)])
            found = f", best NDCG@100 {best:.4f}" if math.isfinite(best) else ""
            advance(len(entries), f"epochs{found}")

        yield advance_with


# --- results ----------------------------------------------------------------------------------


def _report(rows: Sequence[SettingResult], fixed: TrainConfig, seed: int, target: Path) -> None:
    """Write and print what came of it.

    Raises:
        InputError: if nothing was trained to its end.
    """
    summary = [
        {
            "setting": msgspec.to_builtins(row.setting),
            "mean": journal.json_ready(row.mean),
            "interval": row.interval,
            "by_seed": journal.json_ready(row.by_seed),
            "best_epochs": row.epochs,
        }
        for row in rows
    ]
    with atomic_write(target / "results.json") as file:
        file.write(json.dumps({"metric": SELECT_BY, "settings": summary}, indent=1) + "\n")
    Console(highlight=False).print(sweep_table(rows, SELECT_BY))
    if not rows or not math.isfinite(rows[0].mean):
        raise InputError("training diverged with every setting; a lower learning rate may help")
    with atomic_write(target / "best.json") as file:
        file.write(to_json(with_setting(fixed, rows[0].setting, seed)).decode())
    if rows[0].setting:
        draw_sweep(rows, SELECT_BY, target / "sweep.png")
    print(f"sweep: {target}\nbest: multvae train --config {target / 'best.json'}")
