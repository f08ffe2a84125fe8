"""Commands on several runs: their held-out users in one order, and their metrics."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from multvae_jax.cli.own_users import own_users
from multvae_jax.config.facts import known_facts, with_item_files
from multvae_jax.config.finished_runs import CompareConfig
from multvae_jax.config.metrics import ANYTHING, named_metrics
from multvae_jax.config.options import CUTOFFS, DataOptions
from multvae_jax.data.types import Catalogue
from multvae_jax.errors import InputError
from multvae_jax.evaluation.metrics import PAPER_METRICS, at_cutoffs
from multvae_jax.evaluation.named import Facts, facts_of
from multvae_jax.evaluation.result import Evaluation
from multvae_jax.evaluation.values import AnyMetric
from multvae_jax.host.console import say
from multvae_jax.recipe import SELECT_BY
from multvae_jax.runs.id_maps import read_items, read_users
from multvae_jax.runs.run_config import RunConfig
from multvae_jax.runs.systems import Users, columns_in, in_order_of


def distinct(paths: Sequence[str], option: str) -> list[str]:
    """The paths, if no two of them name the same place.

    Args:
        paths: directories or files.
        option: name of the option, for the message.

    Raises:
        InputError: two of them do.
    """
    places: set[Path] = set()
    for path in paths:
        if Path(path).resolve() in places:
            raise InputError(f"{option} {path}: is given twice")
        places.add(Path(path).resolve())
    return list(paths)


def metrics_to_compare(config: CompareConfig, facts: Facts = ANYTHING) -> dict[str, AnyMetric]:
    """The metrics to compare; the first one decides which system is the best.

    Args:
        config: the options of the comparison.
        facts: what is known of the items; by default, only the names are checked.

    Raises:
        InputError: a metric is not known, or needs a fact that is not there.
    """
    for option, values in (("metrics", config.metrics), ("cutoffs", config.cutoffs)):
        if values is not None and not values:
            raise InputError(f"--{option}: give at least one")
    if config.metrics is not None:
        return named_metrics("--metrics", config.metrics, config.cutoffs or CUTOFFS, facts)
    first = SELECT_BY if config.cutoffs is None else f"ndcg@{max(config.cutoffs)}"
    known = PAPER_METRICS if config.cutoffs is None else at_cutoffs(config.cutoffs)
    return {first: known[first], **known}


def users_of(path: str, part: str, data: DataOptions | None) -> Users:
    """The held-out users of a run, and its items.

    Args:
        path: directory of the run.
        part: "test" or "validation".
        data: its data; None if that is not known.

    Raises:
        NoUsersError: the run has none.
        InputError: they cannot be read.
    """
    catalogue = read_items(Path(path))
    return Users(path, own_users(Path(path), part, catalogue, data), catalogue)


def in_one_order(users: Sequence[Users]) -> dict[str, Users]:
    """The users of each run, in the order of the first.

    Raises:
        InputError: the users of two runs are not the same.
    """
    first, *others = users
    ordered = {first.run: first}
    for other in others:
        ordered[other.run] = in_order_of(first, other)
        unknown = int((columns_in(first.catalogue, other.catalogue) < 0).sum())
        lacking = len(first.catalogue.ids) - (len(other.catalogue.ids) - unknown)
        if unknown or lacking:
            say(
                f"{other.run}: its items are not those of {first.run}: {unknown:,} more, "
                f"{lacking:,} missing"
            )
    return ordered


def facts_of_runs(
    configs: Mapping[str, RunConfig], users: Mapping[str, Users], config: CompareConfig
) -> dict[str, Facts]:
    """Facts for the metrics of each run; runs with the same items share them.

    Args:
        configs: directory of a run -> its configuration.
        users: directory of a run -> its held-out users; facts are returned for these runs.
        config: the options of the comparison, which may name files about the items.
    """
    data_of_any = next((each.data for each in configs.values() if each.data), None)
    made: list[tuple[Catalogue, int, Facts]] = []

    def facts_of_run(path: str) -> Facts:
        catalogue = users[path].catalogue
        n_users = len(read_users(Path(path)).get("train", ()))
        for other, n_others, facts in made:
            if n_others == n_users and _are_equal(catalogue, other):
                return facts
        data = configs[path].data or data_of_any
        # If the data is not known, files beside it cannot be found.
        is_known = data or config.items_file or config.item_vectors
        facts = (
            known_facts(catalogue, n_users, with_item_files(data, config))
            if is_known
            else facts_of(catalogue, n_users)
        )
        made.append((catalogue, n_users, facts))
        return facts

    return {path: facts_of_run(path) for path in users}


def _are_equal(one: Catalogue, other: Catalogue) -> bool:
    return np.array_equal(one.ids, other.ids) and np.array_equal(one.counts, other.counts)


def refuse_undefined(path: str, evaluation: Evaluation) -> None:
    """Refuse metrics that are not numbers.

    Raises:
        InputError: naming the run, or the file of lists, and the metric.
    """
    for metric, values in evaluation.values.items():
        undefined = int(np.isnan(values).sum())
        if undefined:
            raise InputError(
                f"{path}: {metric} of {undefined:,} of {values.size:,} users is not a number"
            )
    for metric, value in evaluation.overall.items():
        if math.isnan(value):
            raise InputError(f"{path}: {metric} is not a number")
