"""The command `report`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from multvae_jax.cli.several_runs import (
    distinct,
    facts_of_runs,
    in_one_order,
    metrics_to_compare,
    refuse_undefined,
    users_of,
)
from multvae_jax.config.finished_runs import CompareConfig
from multvae_jax.config.load_data import data_name
from multvae_jax.config.report_options import ReportConfig
from multvae_jax.errors import InputError
from multvae_jax.evaluation.comparison import compare
from multvae_jax.evaluation.named import named_metrics
from multvae_jax.host.console import say
from multvae_jax.host.files import atomic_write
from multvae_jax.reports.comparison import Report
from multvae_jax.reports.contents import BEYOND, Content, content_of
from multvae_jax.reports.examples import Extent
from multvae_jax.reports.page import page
from multvae_jax.runs.folds import runs_of_folds
from multvae_jax.runs.loading import NoUsersError, read_run
from multvae_jax.runs.run import logs_before
from multvae_jax.runs.run_config import RunConfig, read_run_config
from multvae_jax.runs.systems import Users, systems_of


class _Held(NamedTuple):
    """The held-out users of the runs.

    Attributes:
        users: directory of a run -> its users; without the runs that have none.
        reasons: directory of a run without users -> why it has none.
        unlike: why the runs cannot be compared; empty if they can.
    """

    users: dict[str, Users]
    reasons: dict[str, str]
    unlike: str


def report(config: ReportConfig) -> None:
    """Write a page on runs: their results and trainings, and what they recommend and why.

    Raises:
        InputError: a run cannot be read, its scores are not finite, or the page cannot be written.
    """
    paths = distinct(config.runs, "RUN")
    if not paths:
        raise InputError("RUN: give the directory of a run, or of several")
    _check_out(Path(config.out))
    for path in paths:
        if folds := runs_of_folds(Path(path)):
            raise InputError(f"{path}: has a run per fold; name one or more, such as {folds[0]}")
    asked = CompareConfig(
        config.runs, part=config.part, metrics=config.metrics, cutoffs=config.cutoffs
    )
    metrics_to_compare(asked)
    configs = {path: read_run_config(Path(path)) for path in paths}
    names = {members[0]: name for name, members in systems_of(configs, (), each_run=True).items()}
    held = _held_out(configs, config.part)
    contents = {path: _content(names[path], path, held, configs, asked, config) for path in paths}
    metrics = list(metrics_to_compare(asked))
    compared, notes = _compared(contents, held, metrics, config.part)
    text = page(list(contents.values()), metrics, compared, notes)
    with atomic_write(config.out) as file:
        file.write(text)
    say(f"{config.out}: {len(text.encode()) / 1e6:.1f} MB; open it in a browser")


def _check_out(path: Path) -> None:
    """Refuse a path that cannot be written to, before anything is computed."""
    if path.is_dir():
        raise InputError(f"--out {path}: is a directory; name a file in it")
    if not path.absolute().parent.is_dir():
        raise InputError(f"--out {path}: the directory {path.parent} does not exist")


def _held_out(configs: Mapping[str, RunConfig], part: str) -> _Held:
    """The held-out users of each run, in one order if they are the same."""
    users, reasons = {}, {}
    for path, config in configs.items():
        try:
            users[path] = users_of(path, part, config.data)
        except NoUsersError as error:
            reasons[path] = error.reason
    unlike = ""
    if len(users) > 1:
        try:
            users = in_one_order(list(users.values()))
        except InputError as error:
            unlike = str(error)
    return _Held(users, reasons, unlike)


def _content(
    name: str,
    path: str,
    held: _Held,
    configs: Mapping[str, RunConfig],
    asked: CompareConfig,
    config: ReportConfig,
) -> Content:
    """Read and evaluate one run."""
    run = read_run(Path(path), trust_code=config.trust_code).run
    data = configs[path].data
    known = {"model": run.name} | ({} if data is None else {"data": data_name(data)})
    users, metrics = held.users.get(path), {}
    if users is not None:
        facts = facts_of_runs(configs, {path: users}, asked)[path]
        metrics = {**metrics_to_compare(asked, facts), **named_metrics(BEYOND, facts)}
    found = content_of(
        name,
        run,
        known,
        {**logs_before(Path(path)), "training": run.log},
        None if users is None else users.held_out,
        metrics,
        held.reasons.get(path, ""),
        Extent(config.examples, config.k),
    )
    if found.evaluation is not None:
        refuse_undefined(path, found.evaluation)
    return found


def _compared(
    contents: Mapping[str, Content], held: _Held, metrics: list[str], part: str
) -> tuple[Report | None, list[str]]:
    """The comparison of the runs, and remarks on it."""
    tested = {one.name: one.evaluation for one in contents.values() if one.evaluation is not None}
    if len(tested) < 2:
        return None, []
    if held.unlike:
        return None, [f"the runs are not compared with each other: {held.unlike}"]
    found = compare(tested, metrics)
    ranked = sorted(tested, key=lambda name: -tested[name].mean(metrics[0]))
    summaries = {
        metric: {name: rows[name] for name in ranked} for metric, rows in found.summaries.items()
    }
    first = next(iter(tested.values()))
    note = (
        "runs that differ only in their seed are compared one by one; multvae compare takes them "
        "as one system."
    )
    return Report(found._replace(summaries=summaries), {}, first, part), [note]
