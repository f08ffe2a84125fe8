"""The command `train`, for baselines: their constants are chosen, and they are fitted at once."""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from multvae_jax.baselines import Baseline
from multvae_jax.cli.baselines_beside import baselines_beside, notes_on_choice
from multvae_jax.cli.results import report_tested
from multvae_jax.config.all_users import SHARE
from multvae_jax.config.facts import facts_of_split
from multvae_jax.config.given_split import is_on_all_users
from multvae_jax.config.load_data import describe_split, load_split
from multvae_jax.config.metrics import final_metrics, validation_metrics
from multvae_jax.config.options import RunOptions, TrainConfig
from multvae_jax.config.resolve import with_preset
from multvae_jax.data.fingerprints import fingerprint
from multvae_jax.errors import InputError
from multvae_jax.evaluation.metrics import heading
from multvae_jax.host.console import progress_bar, say
from multvae_jax.host.signals import Interrupted, StopRequest
from multvae_jax.model_selection.tuning import best_setting, fit_baseline, settings_of
from multvae_jax.runs import directory as directories
from multvae_jax.runs import run as runs
from multvae_jax.selection import Entry


def completed(config: TrainConfig) -> TrainConfig:
    """The configuration of a baseline's run: the preset decides on the data alone."""
    training = replace(config.training, select_by=config.training.selection)
    return replace(with_preset(config), training=training)


def train_in(
    directory: Path,
    baseline: Baseline,
    config: TrainConfig,
    options: RunOptions,
    stop: StopRequest,
) -> None:
    """Fit a baseline in a directory that is claimed, and write the run there.

    Raises:
        InputError: for whatever a user can correct.
        Interrupted: a signal has ended the choice early; the run has the best until then.
    """
    training, given = config.training, config.model.model_constants
    final_metrics(training)
    select_by = training.selecting_metric
    runs.write_config(directory, config)
    split = load_split(config.data)
    for note in split.notes:
        say(note)
    say(describe_split(split))
    metrics = validation_metrics(training, facts_of_split(split, config.data))
    directories.begin(directory, fingerprint(split))
    n_settings = sum(1 for _ in settings_of(baseline, given))
    on_all = is_on_all_users(config.data)
    if split.validation is None and config.data.held_out == 0 and n_settings > 1 and not on_all:
        raise InputError(
            f"--held-out none: the constants of {baseline.name} are chosen on what is held out; "
            "set them all with --model-constants"
        )
    # With validation users, `held_out` is their number, and no share is used.
    share = SHARE if split.validation is not None else config.data.held_out or SHARE
    began = time.perf_counter()
    with (
        _log_settings(directory / runs.LOG, n_settings, select_by) as show,
        stop.awaited(_announce),
    ):

        def callback(entry: Entry) -> bool:
            show(entry)
            return stop.number is not None

        run = fit_baseline(
            baseline,
            split,
            constants=given,
            select_by=select_by,
            metrics=metrics,
            callback=callback,
            share=share,
        )
    seconds = time.perf_counter() - began
    chosen = run.constants
    for note in notes_on_choice(baseline, run.log, chosen):
        say(note)
    say(f"{baseline.name}: fitted in {seconds:.0f} s")
    config = replace(config, model=replace(config.model, model_constants=dict(chosen)))
    others = baselines_beside(baseline.name, split, options.baselines, select_by, metrics)
    report_tested(
        directory,
        config,
        split,
        run,
        others,
        name=baseline.name,
        selected=best_setting(run.log, select_by)["validation"] if run.log else None,
        help="other constants",
    )
    directories.finish(directory)
    if stop.number is not None and len(run.log) < n_settings:
        early = f"stopped after {len(run.log)} of {n_settings} settings; the best of them is kept"
        if stop.number != signal.SIGINT:
            raise Interrupted(stop.number, early)
        say(early)


def _announce(name: str) -> None:
    say(f"{name}: stopping after this setting; a second signal ends at once")


@contextlib.contextmanager
def _log_settings(path: Path, n_settings: int, metric: str) -> Iterator[Callable[[Entry], None]]:
    """Provide a function that adds the entry of a setting to a log and advances a bar.

    A log that cannot be written is written again with the run, which says so.
    """
    best = 0.0
    path.write_text("", encoding="utf-8")
    with progress_bar("settings", n_settings) as advance:

        def add(entry: Entry) -> None:
            nonlocal best
            with contextlib.suppress(OSError), path.open("a", encoding="utf-8") as log:
                log.write(json.dumps(entry) + "\n")
            best = max(best, entry["validation"][metric])
            advance(1, f"best {heading(metric)} {best:.4f}")

        yield add
