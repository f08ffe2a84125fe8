"""Runs as systems to compare: which of them differ only in their seed, on the same users."""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from jaxtyping import Int

from multvae_jax.config.convert import to_json
from multvae_jax.data.types import Catalogue, HeldOut
from multvae_jax.errors import InputError, shortened
from multvae_jax.evaluation.lists import NO_ITEM, UNKNOWN_ITEM, Lists
from multvae_jax.runs.run_config import RunConfig

# --- names and seeds ------------------------------------------------------------------------------


def systems_of(
    configs: Mapping[str, RunConfig], files: Sequence[str] = (), each_run: bool = False
) -> dict[str, list[str]]:
    """Put runs that differ only in their seed into one system.

    What was chosen in the training is not a difference between seeds: the constants of a blend,
    and the cap of beta that `--beta auto` found.

    Args:
        configs: directory of a run -> its configuration.
        files: files of recommendation lists, each of which is a system.
        each_run: make each run a system of its own.

    Returns:
        Name -> the runs or the file of the system. The name is that of the model; of systems with
        the same model, that of the directory, or its whole path.
    """
    groups = [[path] for path in configs] if each_run else _by_seed(configs)
    names = [[*_models(configs[paths[0]]), _folder(paths), paths[0]] for paths in groups]
    systems = [*groups, *([file] for file in files)]
    names += [[Path(file).name.partition(".")[0], Path(file).name, file] for file in files]
    while True:
        times = Counter(each[0] for each in names)
        longer = [each[1:] if times[each[0]] > 1 and len(each) > 1 else each for each in names]
        if longer == names:
            return {each[0]: paths for each, paths in zip(names, systems, strict=True)}
        names = longer


def _by_seed(configs: Mapping[str, RunConfig]) -> list[list[str]]:
    groups: list[list[str]] = []
    for paths in _grouped(list(configs), configs, chosen=False):
        if _have_seeds(paths, configs):
            groups.append(paths)
            continue
        for same in _grouped(paths, configs, chosen=True):
            groups += [same] if _have_seeds(same, configs) else [[path] for path in same]
    return groups


def _grouped(
    paths: Sequence[str], configs: Mapping[str, RunConfig], chosen: bool
) -> list[list[str]]:
    groups = defaultdict(list)
    for path in paths:
        groups[to_json(_without_seed(configs[path], chosen))].append(path)
    return list(groups.values())


def _have_seeds(paths: Sequence[str], configs: Mapping[str, RunConfig]) -> bool:
    """Return whether the seeds of all runs differ; a run that was saved from Python has none."""
    return len({_seeds(configs[path]) for path in paths}) == len(paths)


def _seeds(config: RunConfig) -> tuple[float | None, ...]:
    training, model = config.training, config.model
    constants = () if model is None else (model.model_constants, model.blend_constants)
    seed = None if training is None else training.seed
    return (seed, *(given.get("seed") for given in constants))


def _without_seed(config: RunConfig, chosen: bool) -> RunConfig:
    """A configuration without its seed, and without what was chosen unless that is wanted."""
    training, model = config.training, config.model
    if training is not None:
        finds_cap = training.beta == "auto"
        training = replace(
            training,
            seed=0,
            cutoffs=None,
            metrics=None,
            beta_cap=None if finds_cap else training.beta_cap,
        )
    if model is not None:
        constants, blend = (
            {name: value for name, value in given.items() if name != "seed"}
            for given in (model.model_constants, model.blend_constants)
        )
        model = replace(model, model_constants=constants, blend_constants=blend if chosen else {})
    return replace(config, training=training, model=model, best_epoch=None)


def _models(config: RunConfig) -> list[str]:
    return [] if config.model is None else [config.model.name]


def _folder(paths: Sequence[str]) -> str:
    """The words with which the names of all directories begin, or the name of the first one."""
    names = [Path(path).resolve().name for path in paths]
    words = zip(*(re.split("[-_. ]", name) for name in names), strict=False)
    common = itertools.takewhile(lambda column: len(set(column)) == 1, words)
    return names[0][: sum(1 + len(column[0]) for column in common)].rstrip("-_. ") or names[0]


# --- the same users -------------------------------------------------------------------------------


class Users(NamedTuple):
    """The held-out users of a run.

    Attributes:
        run: directory of the run, for messages.
        held_out: the users, over the items of the run.
        catalogue: the items of the run.
    """

    run: str
    held_out: HeldOut
    catalogue: Catalogue


def in_order_of(first: Users, other: Users) -> Users:
    """Put the users of a run into the order of another run.

    Args:
        first: users of the run that decides on the order.
        other: users of the other run, whose items may be in another order as well.

    Raises:
        InputError: if the users of the two runs, their histories or their targets differ.
    """
    row_of = {user: row for row, user in enumerate(other.held_out.user_ids)}
    missing = [user for user in first.held_out.user_ids if user not in row_of]
    more = len(row_of) - (len(first.held_out.user_ids) - len(missing))
    if missing or more:
        lacks = f"lacks {_users(missing)} of {first.run}" if missing else ""
        has = f"has {more:,} more than {first.run}" if more else ""
        raise InputError(
            f"{other.run}: {' and '.join(filter(None, (lacks, has)))}; only runs of the same split "
            "can be compared"
        )
    rows = np.array([row_of[user] for user in first.held_out.user_ids], np.int64)
    ordered = other.held_out.rows(rows)
    columns = columns_in(first.catalogue, other.catalogue)
    for name, differs in (("history", "another history"), ("targets", "other targets")):
        mine, others = getattr(first.held_out, name), getattr(ordered, name)
        differing = np.setxor1d(_cells(mine), _cells(others, columns))
        if differing.size:
            changed = np.unique(differing // _MANY)
            raise InputError(
                f"{other.run}: {_users(first.held_out.user_ids[changed])} with {differs} than in "
                f"{first.run}; only runs of the same split can be compared"
            )
    return other._replace(held_out=ordered)


def columns_in(catalogue: Catalogue, other: Catalogue) -> Int[np.ndarray, " items"]:
    """Return the column that each item of another catalogue has in a catalogue.

    `UNKNOWN_ITEM` stands for an item that the catalogue lacks.
    """
    column = {item: number for number, item in enumerate(catalogue.ids)}
    return np.array([column.get(item, UNKNOWN_ITEM) for item in other.ids], np.int32)


def over(catalogue: Catalogue, lists: Lists) -> Lists:
    """Return lists with the columns of another catalogue."""
    # The last two entries are those of `UNKNOWN_ITEM` and `NO_ITEM`, which are -2 and -1.
    columns = np.append(columns_in(catalogue, lists.catalogue), [UNKNOWN_ITEM, NO_ITEM])
    return replace(lists, items=columns[lists.items].astype(np.int32), catalogue=catalogue)


_MANY = 2**32
"""More than the items of any catalogue."""


def _cells(
    matrix: sp.csr_array, columns: Int[np.ndarray, " items"] | None = None
) -> Int[np.ndarray, " cells"]:
    """A number for each entry of a matrix; an unknown column has the number of no known one."""
    cells = matrix.tocoo()
    items = (cells.col if columns is None else columns[cells.col]).astype(np.int64)
    return cells.row.astype(np.int64) * _MANY + np.where(items < 0, _MANY - 1, items)


def _users(ids: Sequence[str] | np.ndarray) -> str:
    """How many users there are, and the first few of them."""
    shown = ", ".join(shortened(str(user)) for user in ids[:3])
    more = ", ..." if len(ids) > 3 else ""
    return f"{len(ids):,} {'user' if len(ids) == 1 else 'users'} ({shown}{more})"
