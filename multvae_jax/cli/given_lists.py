"""Recommendation lists of other systems beside a run: `--lists` of the commands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from multvae_jax.config.load_data import columns_of, dialect_of
from multvae_jax.config.options import DataOptions
from multvae_jax.data.types import Catalogue, HeldOut
from multvae_jax.errors import InputError
from multvae_jax.evaluation.evaluation_set import prepare_users
from multvae_jax.evaluation.evaluator import evaluate_lists
from multvae_jax.evaluation.list_files import notes_beside, read_lists
from multvae_jax.evaluation.list_metrics import ListMetric
from multvae_jax.evaluation.lists import Lists
from multvae_jax.evaluation.result import Evaluation
from multvae_jax.evaluation.values import AnyMetric
from multvae_jax.host.console import say


def names_of(files: Sequence[str], taken: Collection[str] = ()) -> dict[str, str]:
    """Return a name for each file: its own without the ending, unless two would be the same.

    Args:
        files: the files, each of one system.
        taken: names of the recommenders beside them.

    Raises:
        InputError: a file is given twice.
    """
    choices = [[Path(file).name.partition(".")[0], Path(file).name, file] for file in files]
    for file, count in Counter(files).items():
        if count > 1:
            raise InputError(f"--lists {file}: is given twice")
    counts = Counter(name for names in choices for name in dict.fromkeys(names))
    counts.update(taken)
    return {
        file: next((name for name in names if name and counts[name] == 1), f"{file} (lists)")
        for file, names in zip(files, choices, strict=True)
    }


def evaluate_given_lists(
    files: Sequence[str],
    catalogue: Catalogue,
    users: HeldOut,
    metrics: Mapping[str, AnyMetric],
    *,
    reading: DataOptions | None = None,
    taken: Collection[str] = (),
) -> dict[str, Evaluation]:
    """Evaluate the recommendation lists of other systems, and say how they were read.

    Args:
        files: the files, each of one system; a folder or a pattern stands for several.
        catalogue: the items of the run.
        users: the users to evaluate on.
        metrics: the metrics; those of a whole ranking are left out, as lists do not tell it.
        reading: how the files are read; None for usual names of the columns.
        taken: names of the recommenders beside them.

    Returns:
        Name of each system, as in `names_of`, and its evaluation.

    Raises:
        InputError: a file cannot be read, has nothing of these users or items, or is given twice.
    """
    of_lists = metrics_of_lists(files, metrics, "left blank")
    names = names_of(files, taken)
    prepared = prepare_users(users)
    k = max(metric.cutoff for metric in of_lists.values())
    found: dict[str, Evaluation] = {}
    for file, name in names.items():
        lists = read_given_lists(file, catalogue, users, k, k, reading)
        found[name] = evaluate_lists(lists, prepared, of_lists)
    return found


def metrics_of_lists(
    files: Sequence[str], metrics: Mapping[str, AnyMetric], outcome: str
) -> dict[str, AnyMetric]:
    """Return the metrics that lists have, and say which need the whole ranking.

    Args:
        files: the files of the lists.
        metrics: metrics by name.
        outcome: what becomes of the others, such as "left out".

    Raises:
        InputError: none is left.
    """
    of_lists = {
        name: metric
        for name, metric in metrics.items()
        if not (isinstance(metric, ListMetric) and metric.of_ranking)
    }
    if left_out := [name for name in metrics if name not in of_lists]:
        say(f"{', '.join(left_out)}: of a whole ranking, which lists do not tell; {outcome}")
    if not of_lists:
        raise InputError(f"--lists {files[0]}: no metric is left that lists have")
    return of_lists


def read_given_lists(
    file: str,
    catalogue: Catalogue,
    users: HeldOut,
    cutoff: int,
    k: int,
    reading: DataOptions | None = None,
) -> Lists:
    """Read the lists of the users that have targets, and say how they were read.

    Args:
        file: a file of one system; a folder or a pattern stands for several.
        catalogue: the items of the run.
        users: the users to evaluate on.
        cutoff: the largest cutoff of the metrics.
        k: length to which longer lists are cut.
        reading: how the file is read; None for usual names of the columns.

    Raises:
        InputError: the file cannot be read, or has nothing of these users or items.
    """
    options = reading or DataOptions()
    has_target = np.diff(users.targets.indptr) > 0
    lists: Lists = read_lists(
        file,
        catalogue,
        user_ids=users.user_ids[has_target],
        k=k,
        columns=columns_of(options),
        dialect=dialect_of(options),
    )
    for note in (*lists.notes, *notes_beside(lists, users, cutoff, file)):
        say(note)
    return lists
