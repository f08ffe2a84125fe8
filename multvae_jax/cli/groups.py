"""Groups of users in an evaluation: `--by` and `--users-file`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from multvae_jax.data.attributes import read_user_columns
from multvae_jax.data.types import HeldOut
from multvae_jax.errors import InputError, escaped, shortened
from multvae_jax.evaluation.groups import GroupedEvaluation, GroupMean, Labels, by_group
from multvae_jax.evaluation.metrics import PAPER_METRICS, heading
from multvae_jax.evaluation.partitions import activity
from multvae_jax.evaluation.result import Evaluation
from multvae_jax.host.console import print_table, say

ACTIVITY = "activity"
"""The word for groups by the number of items in the history, which need no file."""

KEY = "by"
"""Key of the groups in the file of results."""


def groups_of(
    columns: Sequence[str] | None, users_file: str | None, held_out: HeldOut, found: str | None
) -> dict[str, Labels]:
    """Return the group of each user by each column, and say how they were found.

    Args:
        columns: value of `--by`.
        users_file: value of `--users-file`.
        held_out: the users.
        found: the file about users of the training or beside the data, if there is one.

    Raises:
        InputError: if there is no such file or column, or it has none of the users.
    """
    if not columns:
        if users_file is not None:
            raise InputError(f"--users-file {users_file}: give the columns to compare with --by")
        return {}
    asked = [column for column in dict.fromkeys(columns) if column != ACTIVITY]
    if users_file is None and asked:
        if found is None:
            raise InputError(
                f"--by {shortened(asked[0])}: no users.dat, u.user, users.csv or .user file is "
                f"beside the data; give --users-file, or --by {ACTIVITY}, which needs none"
            )
        users_file = found
        say(f"{found}: the groups of users are read from it (--users-file)")
    labels: dict[str, Labels] = {}
    if asked:
        assert users_file is not None
        read = read_user_columns(users_file, asked, held_out.user_ids.tolist())
        for note in read.notes:
            say(note)
        labels.update(read.values)
    return {ACTIVITY: activity(held_out), **labels} if ACTIVITY in columns else labels


def evaluate_groups(
    labels: Mapping[str, Labels],
    evaluations: Mapping[str, Evaluation],
    metrics: Sequence[str] | None,
    model: str,
) -> dict[str, Any]:
    """Compare groups of users, show those of the model, and return those of all recommenders.

    Args:
        labels: the group of each user, by the name of a column.
        evaluations: evaluation of each recommender; `model` stands for the model.
        metrics: the metrics that were asked for; the paper's unless given.
        model: name of the model.

    Returns:
        What is written to the file of results, if anything.

    Raises:
        InputError: if no group of a column has enough users.
    """
    shown = [
        metric
        for metric in evaluations["model"].values
        if metrics is not None or metric in PAPER_METRICS
    ]
    if labels and not shown:
        raise InputError("--by: none of the --metrics has a value per user, such as recall")
    record: dict[str, Any] = {}
    for column, each in labels.items():
        try:
            # The lists of another system have no metrics of whole rankings.
            found = {
                name: by_group(one, each, [metric for metric in shown if metric in one.values])
                for name, one in evaluations.items()
            }
        except InputError as error:
            raise InputError(f"--by {shortened(column)}: {error}") from None
        for note in found["model"].notes:
            say(f"{shortened(column)}: {note}")
        print_table(_table(column, found["model"], model))
        record[column] = {
            label: {
                "users": group.users,
                **{
                    name: {
                        metric: value._asdict()
                        for metric, value in other.groups[label].values.items()
                    }
                    for name, other in found.items()
                },
            }
            for label, group in found["model"].groups.items()
        }
    return {KEY: record} if record else {}


def _table(column: str, found: GroupedEvaluation, model: str) -> Table:
    """A table with one row per group and metric."""
    groups, several = found.groups, len(found.groups) > 1
    n_metrics = len(next(iter(groups.values())).values)
    n_tests = n_metrics * (1 if len(groups) == 2 else len(groups))
    caption = "± half of the 95% interval over the users of the group"
    if several:
        tests = "1 test" if n_tests == 1 else f"{n_tests:,} tests"
        caption += f"; p: Welch's test against all other users, corrected for {tests} (Holm)"
    table = Table(title=escape(f"{model} by {escaped(column)}"), title_justify="left")
    table.caption, table.caption_justify = caption, "left"
    for name in (escape(escaped(column)), "users", ""):
        table.add_column(name, justify="right" if name == "users" else "left")
    for name in ("mean", *(("minus the others", "p") if several else ())):
        table.add_column(name, justify="right", no_wrap=True)
    for label, group in groups.items():
        names = [escape(escaped(label)), f"{group.users:,}"]
        for metric, value in group.values.items():
            table.add_row(*names, heading(metric), *_cells(value, several))
            names = ["", ""]
        table.add_section()
    return table


def _cells(value: GroupMean, several: bool) -> list[str]:
    cells = [f"{value.mean:.4f}" + _half(value.interval)]
    if several:
        has_difference = value.difference is not None
        cells.append(
            f"{value.difference:+.4f}{_half(value.difference_interval)}" if has_difference else ""
        )
        cells.append("" if value.corrected is None else _p(value.corrected))
    return cells


def _half(interval: float | None) -> str:
    return "" if interval is None else f" ± {interval:.4f}"


def _p(value: float) -> str:
    return "< .0001" if value < 1e-4 else f"{value:.4f}".removeprefix("0")
