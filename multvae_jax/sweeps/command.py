"""`multvae sweep`: from options to the members of a sweep, a table, and the best setting.

A member is a setting with a seed. The directory of a sweep holds

members.jsonl   the options of the sweep, then one line per finished member
results.json    the settings, best first
best.json       the best setting, for `multvae train --config`
sweep.png       the metric over each option that varies
"""

from __future__ import annotations

import contextlib
import json
import math
import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from multvae_jax.config.build_model import build_model
from multvae_jax.config.build_training import (
    n_epochs,
)
from multvae_jax.config.complete import complete, with_number_of_features
from multvae_jax.config.convert import to_json
from multvae_jax.config.given_split import refuse_without_effect, split_to_select_on
from multvae_jax.config.item_features import load_split_for
from multvae_jax.config.load_data import data_name, describe_split
from multvae_jax.config.options import (
    SearchOptions,
    SweepConfig,
    TrainConfig,
)
from multvae_jax.config.refusals import refuse_set
from multvae_jax.config.resolve import ANY_DATA, with_preset, with_recipe
from multvae_jax.config.splitting import folds_of
from multvae_jax.config.trust import names_code
from multvae_jax.config.unions import Grid, Optuna, Random, is_all_folds
from multvae_jax.config.user_features import refuse_unread
from multvae_jax.defaults import shape_of
from multvae_jax.errors import InputError, file_errors
from multvae_jax.evaluation.metrics import heading
from multvae_jax.host.console import print_table, progress_bar, say
from multvae_jax.host.files import atomic_write
from multvae_jax.host.signals import Interrupted, StopRequest, stop_requests
from multvae_jax.recipe import DataShape
from multvae_jax.selection import Entry
from multvae_jax.sweeps import journal
from multvae_jax.sweeps.directory import JOURNAL, sweep_directory
from multvae_jax.sweeps.groups import MemberConfig, groups_of, train_group
from multvae_jax.sweeps.identity import as_varied, identity_of, key_of, unique, upgraded
from multvae_jax.sweeps.journal import Record
from multvae_jax.sweeps.optuna_study import study
from multvae_jax.sweeps.report import SettingResult, best_first, draw_sweep, sweep_table
from multvae_jax.sweeps.resources import layout_of
from multvae_jax.sweeps.space import (
    Setting,
    Space,
    grid,
    grid_size,
    read_space,
    sample,
    with_setting,
)

MOST_MEMBERS = 100_000
ABOUT_FOLDS = (
    "the settings are ranked by their means over the folds; the validation users of one fold are "
    "test users of another, so that the test of the best setting on the same folds is optimistic"
)


def run_sweep(config: SweepConfig, out: str | None) -> None:
    """Train every setting with every seed, and report which setting is best.

    Raises:
        InputError: for whatever a user can correct.
    """
    search, space = config.search.search, read_space(config.search.vary)
    seeds = range(config.training.seed, config.training.seed + config.search.seeds)
    fixed = with_number_of_features(TrainConfig(config.data, config.model, config.training))
    config = replace(config, model=fixed.model)
    is_folds = is_all_folds(config.data.split)
    refuse_without_effect(fixed)
    reason = "is logged by train; a sweep keeps no terms of its members"
    refuse_set(config.training, ["measure"], reason)
    metric = config.training.selecting_metric
    if config.model.blend is not None:
        raise InputError("--blend: a sweep trains the model alone; blend the best of it with train")
    _refuse_too_many(config.search, space, len(folds_of(config.data)))
    settings = _settings(config, space)

    def members_of(
        settings: Sequence[Setting], data: DataShape = ANY_DATA, fold: int = 0
    ) -> list[MemberConfig]:
        return [
            MemberConfig(
                setting, seed, with_recipe(complete(with_setting(fixed, setting, seed)), data), fold
            )
            for setting in settings
            for seed in seeds
        ]

    # A setting that cannot be trained is refused before anything is read or written.
    groups = groups_of(members_of(settings))
    at_once = search.trials_at_once if isinstance(search, Optuna) else len(settings)
    layout = layout_of(config.resources, at_once * len(seeds))
    name = f"{data_name(config.data)}-sweep-{time.strftime('%Y%m%d-%H%M%S')}"
    with stop_requests() as stop, sweep_directory(out, name) as target:
        splits = [
            split_to_select_on(load_split_for(replace(fixed, data=fold)), with_preset(fixed).data)
            for fold in folds_of(config.data)
        ]
        for group in groups:
            model = build_model(group[0].config.model, splits[0].catalogue.features)
            refuse_unread(model, fixed, splits[0].train.shape[1])
        if any(split.validation is None for split in splits):
            raise InputError("a sweep ranks validation users, and the split has none")
        said = [note for split in splits for note in (*split.notes, describe_split(split))]
        for note in dict.fromkeys([*said, *([ABOUT_FOLDS] if is_folds else [])]):
            say(note)
        # The folds are numbered from 1; one split is 0.
        numbered = list(enumerate(splits, start=int(is_folds)))
        members_file = target / JOURNAL
        records = journal.open_journal(members_file, identity_of(config, splits), upgraded)
        finished = {_key_of(record): record for record in records}
        if finished:
            say(f"{members_file}: {len(finished)} settings and seeds are trained already")

        def keep(done: Sequence[Record]) -> None:
            journal.append(members_file, done)
            finished.update((_key_of(record), record) for record in done)

        def results_of(settings: Sequence[Setting]) -> list[SettingResult]:
            """The results of the settings that are trained with all seeds, on all folds."""
            keys = [
                (setting, [[key_of(setting, seed, fold) for seed in seeds] for fold, _ in numbered])
                for setting in settings
            ]
            return [
                _result(setting, [[finished[key] for key in part] for part in members], metric)
                for setting, members in keys
                if all(key in finished for part in members for key in part)
            ]

        def train(settings: Sequence[Setting]) -> list[SettingResult]:
            new = [
                [
                    member
                    for member in members_of(settings, shape_of(split), fold)
                    if member.key not in finished
                ]
                for fold, split in numbered
            ]
            with _progress([m for part in new for m in part], metric, stop) as advance:
                for part, split in zip(new, splits, strict=True):
                    for group in groups_of(part):
                        train_group(group, split, layout, config.resources, advance, keep)
            return results_of(settings)

        def search_all() -> list[SettingResult]:
            if not isinstance(search, Optuna):
                return train(settings)
            before = results_of(unique([as_varied(record["setting"]) for record in records]))
            tried = [result.setting for result in before]

            def values_of(settings: Sequence[Setting]) -> list[float]:
                tried.extend(settings)
                return [result.mean for result in train(settings)]

            study(
                space,
                values_of,
                trials=search.settings,
                at_once=search.trials_at_once,
                seed=config.training.seed,
                before=[(result.setting, result.mean) for result in before],
            )
            return results_of(unique(tried))

        with _told_what_is_kept(finished, target):
            results = search_all()
            _report(best_first(results), fixed, seeds[0], target)


@contextlib.contextmanager
def _told_what_is_kept(finished: Mapping[str, Record], target: Path) -> Iterator[None]:
    """Say how to continue a sweep that an interrupt or a full disk ends."""
    try:
        yield
    except BaseException:
        if finished:
            say(
                f"{target / JOURNAL}: {len(finished)} of the settings and seeds are trained; the "
                f"same command with --out {target} continues from there"
            )
        raise


def _refuse_too_many(options: SearchOptions, space: Space, n_folds: int) -> None:
    """Refuse more members than a journal and a table can hold, before they are listed."""
    match options.search:
        case Grid():
            number = grid_size(space)
        case Random(settings):
            number = settings
        case Optuna():
            number = options.search.trials_at_once
    if number * options.seeds * n_folds > MOST_MEMBERS:
        of_seeds = f" with {options.seeds:,} seeds each" if options.seeds > 1 else ""
        of_seeds += f" on {n_folds} folds" if n_folds > 1 else ""
        raise InputError(
            f"{number:,} settings{of_seeds}: a sweep has at most {MOST_MEMBERS:,} members; vary "
            "fewer values or draw some of them with --random"
        )


def _settings(config: SweepConfig, space: Space) -> list[dict[str, Any]]:
    """The settings to train; for Optuna, one such as it may choose."""
    match config.search.search:
        case Grid():
            return grid(space)
        case Random(number):
            return sample(space, number, config.training.seed)
        case Optuna():
            if not space:
                raise InputError("--optuna: nothing varies; give it a --vary")
            return sample(space, 1, config.training.seed)


def _key_of(record: Record) -> str:
    return key_of(record["setting"], record["seed"], record.get("fold", 0))


def _result(setting: Setting, folds: Sequence[Sequence[Record]], metric: str) -> SettingResult:
    """The result of a setting, from the records of each fold, or of the one split."""
    values = [
        [
            math.nan if record["diverged"] else record["validation"].get(metric, math.nan)
            for record in records
        ]
        for records in folds
    ]
    epochs = [record["best_epoch"] for records in folds for record in records]
    if len(folds) == 1:
        return SettingResult(setting, values[0], epochs)
    return SettingResult(setting, [sum(fold) / len(fold) for fold in values], epochs, "fold")


@contextlib.contextmanager
def _progress(
    members: Sequence[MemberConfig], metric: str, stop: StopRequest
) -> Iterator[Callable[[dict[int, Entry]], None]]:
    """A bar over the epochs of all members, advanced with their log entries.

    Raises:
        Interrupted: from the function, if a signal has asked for the end. Raised at any other
            moment it could be lost in jax.
    """
    best = -math.inf
    total = sum(n_epochs(member.config.training) for member in members)
    with progress_bar("training", total, description="epochs") as advance, stop.awaited(_announce):

        def advance_with(entries: dict[int, Entry]) -> None:
            nonlocal best
            validated = (entry["validation"] for entry in entries.values() if "validation" in entry)
            best = max([best, *(values[metric] for values in validated)])
            found = f", best {heading(metric)} {best:.4f}" if math.isfinite(best) else ""
            advance(len(entries), f"epochs{found}")
            if stop.number is not None:
                raise Interrupted(stop.number)

        yield advance_with


def _announce(signal: str) -> None:
    say(f"{signal}: stopping after this epoch; a second signal stops at once")


# --- results ----------------------------------------------------------------------------------


def _report(results: Sequence[SettingResult], fixed: TrainConfig, seed: int, target: Path) -> None:
    """Write the results, and print their table.

    Raises:
        InputError: if no setting was trained to its end.
    """
    metric = fixed.training.selecting_metric
    settings = [
        {
            "setting": msgspec.to_builtins(result.setting),
            "mean": journal.json_ready(result.mean),
            "interval": result.interval,
            f"by_{result.over}": journal.json_ready(result.by_seed),
            "best_epochs": result.epochs,
        }
        for result in results
    ]
    with atomic_write(target / "results.json") as file:
        file.write(json.dumps({"metric": metric, "settings": settings}, indent=1) + "\n")
    print_table(sweep_table(results, metric))
    if not results or not math.isfinite(results[0].mean):
        raise InputError("training diverged with every setting; a lower learning rate may help")
    best = with_setting(fixed, results[0].setting, seed)
    with atomic_write(target / "best.json") as file:
        file.write(to_json(best).decode())
    if results[0].setting:
        with file_errors(target / "sweep.png"):
            draw_sweep(results, metric, target / "sweep.png")
    consent = " --trust-code" if names_code(best.model, best.training) else ""
    command = f"multvae train --config {shlex.quote(str(target / 'best.json'))}{consent}"
    print(f"sweep: {target}\nbest: {command}")
