"""The command `evaluate`."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from multvae_jax.baselines.popularity import popularity
from multvae_jax.cli.output import listed, writing
from multvae_jax.cli.results import evaluate_beside
from multvae_jax.config.build_training import final_metrics
from multvae_jax.config.flags import SourceFlags
from multvae_jax.config.load_held_out import load_held_out, without_counts
from multvae_jax.config.options import DataOptions, EvaluateConfig, TrainingOptions
from multvae_jax.config.unions import InteractionFile, NamedDataset, Source
from multvae_jax.data.types import HeldOut
from multvae_jax.errors import InputError
from multvae_jax.host.console import print_table, say
from multvae_jax.runs import report
from multvae_jax.runs.held_out import changed_users
from multvae_jax.runs.id_maps import read_users
from multvae_jax.runs.loading import SavedRun, held_out_users, read_run
from multvae_jax.runs.manifest import checksum_of, read_manifest
from multvae_jax.runs.run import HELD_OUT, results


def evaluate(config: EvaluateConfig) -> None:
    """Evaluate a run on the users that were held out of its training, or on other data.

    Raises:
        InputError: if the run or the data cannot be read, or there is no one to evaluate on.
    """
    saved = read_run(Path(config.run), trust_code=config.trust_code)
    run, options = saved.run, saved.config
    source = _other_source(config, options.data)
    held_out = _own_users(config, saved) if source is None else _others(config, saved, source)
    metrics = final_metrics(replace(options.training or TrainingOptions(), cutoffs=config.cutoffs))
    name = options.model.name if options.model else "model"
    popular = {"popularity": popularity(run.catalogue.counts)} if name != "popularity" else {}
    tested = evaluate_beside(run.scorer, popular, held_out, metrics)
    print_table(report.table(tested, list(metrics), name))
    if config.out is not None:
        with writing(config.out) as file:
            file.write(json.dumps(results(tested), indent=2) + "\n")


# --- the users of the run -------------------------------------------------------------------------


def _own_users(config: EvaluateConfig, saved: SavedRun) -> HeldOut:
    """The users of a part of the run, with the interactions that were held out then."""
    directory, catalogue = Path(config.run), saved.run.catalogue
    held_out: HeldOut | None = None
    if (directory / HELD_OUT).exists():
        held_out = held_out_users(directory, config.part, len(catalogue.ids))
        if held_out is not None:
            _say_changes(config, saved, held_out)
    elif saved.config.data is not None:
        held_out = _found_again(config, saved, saved.config.data)
    if held_out is None:
        raise InputError(f"{directory}: it has no {config.part} users")
    return held_out


def _found_again(config: EvaluateConfig, saved: SavedRun, data: DataOptions) -> HeldOut | None:
    """The users of a run of an older version, which only kept their ids."""
    parts = read_users(Path(config.run))
    own = parts.get(config.part, set())
    if not own:
        return None
    loaded = load_held_out(data, saved.run.catalogue, config.part, lambda users: own)
    gone = sorted(own.difference(loaded.user_ids))
    new = sorted(set(loaded.user_ids).difference(*parts.values()))
    if gone or new:
        say(
            f"{config.run}: its data has changed since the training: "
            f"{_changes(config.part, gone, (), new)}; the {config.part} users that are left are "
            "evaluated"
        )
    return loaded.held_out


def _say_changes(config: EvaluateConfig, saved: SavedRun, held_out: HeldOut) -> None:
    """Say what has become of the users in the data that the run was trained on."""
    directory, data = Path(config.run), saved.config.data
    manifest = read_manifest(directory)
    if manifest is None or data is None:
        return
    found = {path: checksum_of(Path(path)) for path in manifest.data}
    changed = [path for path, expected in manifest.data.items() if found[path] != expected]
    if not changed:
        return
    kept = "the users and interactions that were held out then are evaluated"
    missing = [path for path in changed if found[path] is None]
    if missing:
        say(f"{missing[0]}: is no longer there; {kept}")
        return
    parts, own = read_users(directory), held_out.user_ids.tolist()
    try:
        loaded = load_held_out(data, saved.run.catalogue, config.part, lambda users: {*own})
    except InputError as error:
        say(f"{changed[0]}: has changed since the training ({error}); {kept}")
        return
    there, before = {*loaded.user_ids}, set().union(*parts.values())
    gone = [user for user in own if user not in there]
    new = [user for user in loaded.user_ids if user not in before]
    differing = changed_users(held_out, loaded.held_out)
    say(
        f"{changed[0]}: has changed since the training: "
        f"{_changes(config.part, gone, differing, new)}; {kept} "
        "(--data evaluates on other data)"
    )


def _changes(part: str, gone: Sequence[str], differing: Sequence[str], new: Sequence[str]) -> str:
    """Describe the changes in the users of a part."""
    found = [
        f"{len(ids):,} {kind}{'user' if len(ids) == 1 else 'users'} {what} ({listed(ids)})"
        for kind, what, ids in (
            (f"{part} ", "gone", gone),
            (f"{part} ", "with other interactions", differing),
            ("", "new", new),
        )
        if ids
    ]
    return ", ".join(found) if found else f"the {part} users are the same"


# --- other data -----------------------------------------------------------------------------------


def _other_source(config: EvaluateConfig, data: DataOptions | None) -> Source | None:
    """The files that are to be evaluated on in place of the users of the run, if any."""
    if config.data is None and config.train is None and config.test is None:
        return None
    if config.part != "test":
        raise InputError(f"--part {config.part}: is of the run; leave out --data or --test")
    own = NamedDataset() if data is None else data.source
    return SourceFlags(data=config.data, train=config.train, test=config.test).over(own)


def _others(config: EvaluateConfig, saved: SavedRun, source: Source) -> HeldOut:
    """The users of other data: of one file, those that the run was not trained on."""
    data = config.reading.over(saved.config.data or DataOptions())
    parts = read_users(Path(config.run))
    trained_on = parts.get("train", set()) | parts.get("validation", set())
    name = ", ".join(config.data or config.test or ())

    def choose(users: Collection[str]) -> Collection[str]:
        known = trained_on.intersection(users)
        if isinstance(source, InteractionFile):
            new = set(users) - known
            if not new:
                raise InputError(f"{name}: the run was trained on all of its {len(known):,} users")
            left_out = f"; the run was trained on {len(known):,} more, which are left out"
            say(f"{name}: evaluated on its {len(new):,} users{left_out if known else ''}")
            return new
        trained = f"; the run was trained on {len(known):,} of them"
        say(f"{name}: evaluated on its {len(users):,} users{trained if known else ''}")
        return users

    loaded = load_held_out(
        without_counts(replace(data, source=source)), saved.run.catalogue, "test", choose
    )
    for note in loaded.notes:
        say(note)
    if not loaded.held_out.history.nnz + loaded.held_out.targets.nnz:
        raise InputError(f"{name}: the run has none of the items of these users")
    return loaded.held_out
