"""The command `evaluate`."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from multvae_jax.baselines.popularity import popularity
from multvae_jax.cli.folds import folds_table
from multvae_jax.cli.given_lists import evaluate_given_lists
from multvae_jax.cli.groups import KEY, evaluate_groups, groups_of
from multvae_jax.cli.output import writing
from multvae_jax.cli.own_users import own_users, told_features
from multvae_jax.cli.results import evaluate_beside
from multvae_jax.config.facts import known_facts, with_item_files
from multvae_jax.config.finished_runs import EvaluateConfig
from multvae_jax.config.flags import SourceFlags
from multvae_jax.config.load_data import load_user_features, users_file_of
from multvae_jax.config.load_held_out import load_held_out, without_counts
from multvae_jax.config.metrics import asked_metrics
from multvae_jax.config.options import CUTOFFS, DataOptions, TrainingOptions
from multvae_jax.config.trust import refuse_code
from multvae_jax.config.unions import (
    GivenSplit,
    InteractionFile,
    NamedDataset,
    Source,
    UserSplit,
    split_name,
)
from multvae_jax.data.types import HeldOut
from multvae_jax.errors import InputError
from multvae_jax.evaluation.groups import Labels
from multvae_jax.evaluation.result import Evaluation
from multvae_jax.host.console import print_table, say
from multvae_jax.runs import report
from multvae_jax.runs.folds import mean_over_folds, runs_of_folds
from multvae_jax.runs.id_maps import read_users
from multvae_jax.runs.loading import SavedRun, read_run
from multvae_jax.runs.run import NUMBERS_OF_USERS, results


def evaluate(config: EvaluateConfig) -> None:
    """Evaluate a run on the users that were held out of its training, or on other data.

    Raises:
        InputError: if the run or the data cannot be read, or there is no one to evaluate on.
    """
    folds = runs_of_folds(Path(config.run))
    if folds is None:
        name, metrics, tested, groups = _evaluated(config)
        print_table(report.table(tested, metrics, name))
        found = {**results(tested), **evaluate_groups(groups, tested, config.metrics, name)}
    else:
        _refuse_others_for_folds(config)
        each = [_evaluated(replace(config, run=str(fold))) for fold in folds]
        found = mean_over_folds([results(fold.tested) for fold in each])
        print_table(folds_table(found, each[0].metrics, each[0].name))
    if config.out is not None:
        with writing(config.out) as file:
            file.write(json.dumps(found, indent=2) + "\n")


def _refuse_others_for_folds(config: EvaluateConfig) -> None:
    for name in ("data", "train", "test", "lists", "by"):
        if getattr(config, name):
            raise InputError(
                f"--{name}: {config.run} has a run per fold; evaluate one of them, such as "
                f"{Path(config.run) / 'fold-1'}"
            )


class _Evaluated(NamedTuple):
    """Name of the model of a run, names of the metrics, what was evaluated, groups of users."""

    name: str
    metrics: list[str]
    tested: dict[str, Evaluation]
    groups: dict[str, Labels]


def _evaluated(config: EvaluateConfig) -> _Evaluated:
    """Evaluate one run."""
    saved = read_run(Path(config.run), trust_code=config.trust_code)
    run, options = saved.run, saved.config
    source = _other_source(config, options.data)
    held_out = (
        own_users(Path(config.run), config.part, run.catalogue, options.data)
        if source is None
        else _others(config, saved, source)
    )
    n_users = len(read_users(Path(config.run)).get("train", ()))
    facts = known_facts(run.catalogue, n_users, with_item_files(options.data, config))
    training = options.training or TrainingOptions()
    if config.metrics is None and not config.trust_code:
        refuse_code(TrainingOptions(select_by=training.select_by, metrics=training.metrics))
    cutoffs = config.cutoffs if config.cutoffs is not None else training.cutoffs or CUTOFFS
    metrics = asked_metrics(config.metrics, cutoffs, training, facts)
    users_file = config.users_file
    if run.user_encoder is not None and not config.by:
        users_file = None
    found = None if options.data is None else users_file_of(options.data, source)
    groups = groups_of(config.by, users_file, held_out, found)
    name = options.model.name if options.model else "model"
    popular = {"popularity": popularity(run.catalogue.counts)} if name != "popularity" else {}
    given = {}
    if config.lists:
        given = evaluate_given_lists(
            config.lists,
            run.catalogue,
            held_out,
            metrics,
            reading=config.reading.over(DataOptions()) if source is None else None,
            taken=["model", "popularity", name, *NUMBERS_OF_USERS, KEY],
        )
    tested = evaluate_beside(run.scorer, popular, held_out, metrics) | given
    return _Evaluated(name, list(metrics), tested, groups)


# --- other data -----------------------------------------------------------------------------------


def _other_source(config: EvaluateConfig, data: DataOptions | None) -> Source | None:
    """The files that are to be evaluated on instead of the users of the run, if any."""
    if config.data is None and config.train is None and config.test is None:
        return None
    if config.part != "test":
        raise InputError(f"--part {config.part}: belongs to the run; leave out --data or --test")
    own = NamedDataset() if data is None else data.source
    if isinstance(own, GivenSplit) and own.test_history is not None:
        own = GivenSplit(train=own.test_history, test=own.test)
    return SourceFlags(data=config.data, train=config.train, test=config.test).over(own)


def _others(config: EvaluateConfig, saved: SavedRun, source: Source) -> HeldOut:
    """The users of other data: of one file, those that the run was not trained on."""
    data = config.reading.over(saved.config.data or DataOptions())
    own, data = data.split, replace(data, split=UserSplit())
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
            drawn = (
                ""
                if split_name(own) == "users"
                else (
                    f"; a share of {data.fold_in:g} of the items of each, drawn at random, is the "
                    f"history (--split {split_name(own)} is that of the training)"
                )
            )
            say(f"{name}: evaluated on its {len(new):,} users{left_out if known else ''}{drawn}")
            return new
        trained = f"; the run was trained on {len(known):,} of them"
        say(f"{name}: evaluated on its {len(users):,} users{trained if known else ''}")
        return users

    loaded = load_held_out(
        without_counts(replace(data, source=source)), saved.run.catalogue, "test", choose
    )
    for note in loaded.notes:
        say(note)
    held_out = loaded.held_out
    if not held_out.history.nnz + held_out.targets.nnz:
        raise InputError(f"{name}: the run has none of the items of these users")
    encoder = saved.run.user_encoder
    if encoder is None:
        return held_out
    # The users file of the training may have the new users, too.
    users_file = config.users_file or users_file_of(data, source)
    features = load_user_features(replace(data, source=source, users_file=users_file), encoder)
    assert features is not None
    return replace(
        held_out, user_features=told_features(features, held_out.user_ids.tolist(), required=True)
    )
