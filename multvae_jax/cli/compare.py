"""The command `compare`."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from multvae_jax.cli.given_lists import metrics_of_lists, read_given_lists
from multvae_jax.cli.several_runs import (
    distinct,
    facts_of_runs,
    in_one_order,
    metrics_to_compare,
    refuse_undefined,
    users_of,
)
from multvae_jax.config.finished_runs import CompareConfig
from multvae_jax.errors import InputError, file_errors, names_like
from multvae_jax.evaluation import evaluator
from multvae_jax.evaluation.comparison import Comparisons
from multvae_jax.evaluation.comparison import compare as compare_systems
from multvae_jax.evaluation.lists import Lists
from multvae_jax.evaluation.named import Facts
from multvae_jax.evaluation.overlap import overlaps
from multvae_jax.evaluation.result import Evaluation
from multvae_jax.evaluation.significance import mean_over_runs, paired_differences
from multvae_jax.host.console import print_table, say
from multvae_jax.host.files import atomic_files
from multvae_jax.recommending.top_k import recommend_lists
from multvae_jax.reports import comparison as report
from multvae_jax.runs.folds import runs_of_folds
from multvae_jax.runs.loading import read_run
from multvae_jax.runs.run_config import read_run_config
from multvae_jax.runs.systems import Users, over, systems_of

DEPTH = 100
"""Length of the lists whose overlap is measured; the ranks below have no weight in RBO."""

FILES = ("table.md", "comparison.json", "plot.png")


class Tested(NamedTuple):
    """A run or a file of lists, tested on the users of all.

    Attributes:
        evaluation: its metrics.
        lists: its recommendations to the users with a target, over the catalogue of the first run.
    """

    evaluation: Evaluation
    lists: Lists


def compare(config: CompareConfig) -> None:
    """Compare runs, and lists of other systems, on the same users.

    Raises:
        InputError: if there are fewer than two systems, they are not of the same users, or one of
            them cannot be read.
    """
    paths, files = distinct(config.runs, "RUN"), distinct(config.lists or (), "--lists")
    if config.out is not None and Path(config.out).exists() and not Path(config.out).is_dir():
        raise InputError(f"--out {config.out}: is not a directory")
    if not paths:
        raise InputError(
            "RUN: give the directories of two or more runs, or of one and --lists FILE"
        )
    if len(paths) + len(files) < 2:
        raise InputError(f"{paths[0]}: is compared with nothing; give another RUN, or --lists FILE")
    for path in paths:
        if folds := runs_of_folds(Path(path)):
            raise InputError(
                f"{path}: has a run per fold; compare runs of the same fold, such as {folds[0]}"
            )
    configs = {path: read_run_config(Path(path)) for path in paths}
    systems = systems_of(configs, files, config.each_run)
    if len(systems) < 2:
        raise InputError(
            f"{', '.join(paths)}: differ only in their seed, so that there is a single system; "
            "--each-run compares them with each other"
        )
    reference = _reference(config.reference, systems)
    if files:
        of_lists = tuple(metrics_of_lists(files, metrics_to_compare(config), "left out"))
        config = config if config.metrics is None else replace(config, metrics=of_lists)
    metrics = list(metrics_to_compare(config))
    users = in_one_order([users_of(path, config.part, configs[path].data) for path in configs])
    first = users[paths[0]]
    facts = facts_of_runs(configs, users, config)
    tested = {path: _tested_run(users[path], first, facts[path], config) for path in paths}
    tested |= {path: _tested_file(path, first, facts[first.run], config) for path in files}
    for name, members in systems.items():
        if len(members) > 1:
            say(f"{name}: {len(members)} seeds: {', '.join(members)}")
    evaluations = {
        name: [tested[path].evaluation for path in members] for name, members in systems.items()
    }
    ranked = sorted(systems, key=lambda name: -_mean(evaluations[name], metrics[0]))
    found = compare_systems({name: evaluations[name] for name in ranked}, metrics, reference)
    for note in _notes_on_equals(found, evaluations):
        say(note)
    lists = {name: [tested[path].lists for path in members] for name, members in systems.items()}
    shown = report.Report(
        found,
        {name: each for name in ranked if (each := _overlap(name, found.reference, lists))},
        tested[paths[0]].evaluation,
        config.part,
    )
    print_table(report.table(shown))
    if config.out is not None:
        _write(Path(config.out), shown, {name: systems[name] for name in ranked})


# --- runs -----------------------------------------------------------------------------------------


def _reference(given: str | None, systems: Mapping[str, Sequence[str]]) -> str | None:
    """The system that `--reference` names, or one of whose runs it names."""
    if given is None or given in systems:
        return given
    for name, members in systems.items():
        if Path(given).resolve() in {Path(path).resolve() for path in members}:
            return name
    raise InputError(f"--reference {given}: is none of the systems{names_like(given, systems)}")


def _tested_run(users: Users, first: Users, facts: Facts, config: CompareConfig) -> Tested:
    """Evaluate a run, and make the lists whose overlap with those of others is measured."""
    run = read_run(Path(users.run), trust_code=config.trust_code).run
    evaluation = evaluator.evaluate(run.scorer, users.held_out, metrics_to_compare(config, facts))
    refuse_undefined(users.run, evaluation)
    shown, features = users.held_out, users.held_out.user_features
    lists = recommend_lists(
        run.scorer, run.catalogue, shown.history, shown.user_ids, DEPTH, user_features=features
    )
    return Tested(evaluation, over(first.catalogue, lists).of_users(_with_targets(users)))


def _tested_file(path: str, first: Users, facts: Facts, config: CompareConfig) -> Tested:
    """Evaluate the lists of a file, over the items and on the users of the first run."""
    metrics = metrics_to_compare(config, facts)
    cutoff = max(metric.cutoff for metric in metrics.values())
    reading = config.reading.as_data()
    lists = read_given_lists(
        path, first.catalogue, first.held_out, cutoff, max(DEPTH, cutoff), reading
    )
    evaluation = evaluator.evaluate_lists(lists, first.held_out, metrics)
    refuse_undefined(path, evaluation)
    return Tested(evaluation, lists.at(DEPTH))


def _with_targets(users: Users) -> np.ndarray:
    """Ids of the users that are evaluated."""
    return users.held_out.user_ids[np.diff(users.held_out.targets.indptr) > 0]


# --- results --------------------------------------------------------------------------------------


def _mean(evaluations: Sequence[Evaluation], metric: str) -> float:
    return float(np.mean([evaluation.mean(metric) for evaluation in evaluations]))


def _overlap(
    name: str, reference: str, lists: Mapping[str, Sequence[Lists]]
) -> report.Overlap | None:
    """The overlap with the reference, a mean over pairs of seeds; None for a single seed."""
    pairs = (
        itertools.combinations(lists[name], 2)
        if name == reference
        else itertools.product(lists[name], lists[reference])
    )
    found = [[values.mean() for values in overlaps(a.items, b.items)] for a, b in pairs]
    return report.Overlap(*np.mean(found, axis=0).tolist()) if found else None


def _notes_on_equals(
    found: Comparisons, evaluations: Mapping[str, Sequence[Evaluation]]
) -> list[str]:
    """Say which systems have the same metrics as the reference, for every user."""
    means = {name: mean_over_runs(seeds).values for name, seeds in evaluations.items()}
    same = means[found.reference]
    return [
        f"{name}: every metric of every user is as with {found.reference}"
        for name, values in means.items()
        if name != found.reference
        and not any(paired_differences(values[metric], same[metric]).any() for metric in same)
    ]


def _write(directory: Path, shown: report.Report, systems: Mapping[str, Sequence[str]]) -> None:
    """Write the table, the numbers and the picture, over those of an earlier comparison."""
    numbers = json.dumps(report.as_json(shown, systems), indent=1, allow_nan=False)
    with file_errors(directory):
        directory.mkdir(parents=True, exist_ok=True)
        with atomic_files(directory, FILES) as (table, values, plot):
            table.write(report.markdown(shown).encode())
            values.write((numbers + "\n").encode())
            report.draw(shown).savefig(plot, dpi=120, format="png")
    say(f"written: {', '.join(str(directory / name) for name in FILES)}")
