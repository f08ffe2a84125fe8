"""The commands and their options.

The modules of a command are imported when it is called: `--help` does not import jax.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import fields
from typing import Annotated

import tyro

from multvae_jax.config.convert import validated
from multvae_jax.config.estimate_options import EstimateOptions
from multvae_jax.config.export_options import ExportConfig
from multvae_jax.config.finished_runs import (
    CompareConfig,
    EvaluateConfig,
    RecommendConfig,
    SimilarConfig,
    WhyConfig,
)
from multvae_jax.config.flags import StoreFlags, SweepFlags, TrainFlags, defaults_of
from multvae_jax.config.mesh import parse_mesh
from multvae_jax.config.options import (
    OutputOptions,
    ResourceOptions,
    RunOptions,
    SweepConfig,
    TrainConfig,
    shown,
)
from multvae_jax.config.report_options import ReportConfig
from multvae_jax.config.serve_options import ServeConfig
from multvae_jax.config.trust import refuse_code
from multvae_jax.config.try_options import TryConfig
from multvae_jax.errors import InputError
from multvae_jax.host.devices import check_devices
from multvae_jax.host.imports import without_collections
from multvae_jax.host.memory import share_freed_memory
from multvae_jax.host.programs import keep_programs

ConfigFile = Annotated[
    str | None,
    shown(
        "FILE",
        name="config",
        help="JSON file of options, such as the best.json of a sweep or the config.json of a run. "
        "Options of the command line override it.",
    ),
]
TrustCode = Annotated[
    bool,
    tyro.conf.arg(
        help="Run the code of the files and modules that --config names.", help_behavior_hint=""
    ),
]
CompileAnew = Annotated[
    bool,
    tyro.conf.arg(
        name="no-compilation-cache",
        help="Compile every program anew, and keep none in the cache folder for later commands.",
        help_behavior_hint="",
    ),
]
UNNAMED = tyro.conf.arg(name="")
RESOURCE = tyro.conf.arg(name="Resource")
OUTPUT = tyro.conf.arg(name="Output", help="")
ESTIMATE = tyro.conf.arg(name="Estimate", help="")


def commands_with(
    file_options: TrainConfig, before: RunOptions, named: str, arguments: Sequence[str]
) -> dict[str, Callable[..., None]]:
    """The commands by name.

    Args:
        file_options: defaults of the options of a training, such as those of a file.
        before: the options of the command that began the run, if it is resumed.
        named: what names the file, for messages.
        arguments: the words of the command line.
    """
    # The value of an option may be joined to its name.
    words = {*arguments, *(word.partition("=")[2] for word in arguments)}
    return {
        "train": train_with(file_options, before, named, words),
        "sweep": sweep_with(file_options, named, words),
        "estimate": estimate_with(file_options, named, words),
        "try": try_with(arguments),
        "evaluate": evaluate,
        "compare": compare,
        "report": report,
        "recommend": recommend,
        "export": export,
        "similar": similar,
        "why": why,
        "serve": serve,
        "store": store,
        "doctor": doctor,
        "datasets": datasets,
    }


def train_with(
    file_options: TrainConfig, before: RunOptions, named: str, words: Collection[str]
) -> Callable[..., None]:
    """The command `train`, with the options of a file as defaults.

    Args:
        file_options: the options of the file.
        before: those of the command that began the run, if it is resumed.
        named: what names the file, for messages.
        words: the words of the command line; code that it names is trusted.
    """
    defaults = defaults_of(file_options)

    def train(
        flags: Annotated[TrainFlags, UNNAMED] = defaults,
        file: ConfigFile = None,
        trust_code: TrustCode = False,
        output: Annotated[RunOptions, OUTPUT] = before,
        compile_anew: CompileAnew = False,
    ) -> None:
        """Train a model, and report on users that it has not seen."""
        share_freed_memory()
        del file
        config = flags.over(file_options)
        _refuse_code_of(named, config, trust_code, words)
        validated(output)
        if output.resume is not None:
            _refuse_changes(file_options, config, output)
        from multvae_jax.cli.processes import joined

        with joined(output) as companions:
            with without_collections():
                check_devices(1 if companions else math.prod(parse_mesh(output.mesh)))
                keep_programs(off=compile_anew)
                from multvae_jax.cli import train as command

            command.train(config, output, companions)

    return train


def sweep_with(
    file_options: TrainConfig, named: str, words: Collection[str]
) -> Callable[..., None]:
    """The command `sweep`, with the options of a file as defaults, as in `train_with`."""
    defaults = defaults_of(file_options)

    def sweep(
        flags: Annotated[TrainFlags, UNNAMED] = defaults,
        search: Annotated[SweepFlags, UNNAMED] = SweepFlags(),  # noqa: B008 - frozen
        resources: Annotated[ResourceOptions, RESOURCE] = ResourceOptions(),  # noqa: B008 - frozen
        file: ConfigFile = None,
        trust_code: TrustCode = False,
        output: Annotated[OutputOptions, OUTPUT] = OutputOptions(),  # noqa: B008 - frozen
        compile_anew: CompileAnew = False,
    ) -> None:
        """Train many settings as one program, and find the one that ranks best."""
        share_freed_memory()
        del file
        fixed = flags.over(file_options)
        _refuse_code_of(named, fixed, trust_code, words)
        config = SweepConfig(
            fixed.data, fixed.model, fixed.training, search.over(), validated(resources)
        )
        with without_collections():
            keep_programs(off=compile_anew)
            from multvae_jax.sweeps import command

        command.run_sweep(config, output.out)

    return sweep


def estimate_with(
    file_options: TrainConfig, named: str, words: Collection[str]
) -> Callable[..., None]:
    """The command `estimate`, with the options of a file as defaults, as in `train_with`."""
    defaults = defaults_of(file_options)

    def estimate(
        flags: Annotated[TrainFlags, UNNAMED] = defaults,
        options: Annotated[EstimateOptions, ESTIMATE] = EstimateOptions(),  # noqa: B008 - frozen
        file: ConfigFile = None,
        trust_code: TrustCode = False,
        compile_anew: CompileAnew = False,
    ) -> None:
        """Estimate the memory and the time of a training, here and on other devices."""
        share_freed_memory()
        del file
        config = flags.over(file_options)
        _refuse_code_of(named, config, trust_code, words)
        validated(options)
        with without_collections():
            check_devices(math.prod(parse_mesh(options.mesh)))
            keep_programs(off=compile_anew)
            from multvae_jax.cli import estimate as command

        command.estimate_training(config, options)

    return estimate


def _refuse_changes(before: TrainConfig, now: TrainConfig, output: RunOptions) -> None:
    """Refuse options that a run which goes on cannot have.

    Raises:
        InputError: naming the first option that is not that of the run.
    """
    if output.out is not None:
        raise InputError("--out and --resume: a run goes on in its own directory")
    for part in fields(before):
        old, new = getattr(before, part.name), getattr(now, part.name)
        for option in fields(old):
            was, is_now = getattr(old, option.name), getattr(new, option.name)
            if was != is_now and option.name != "on_nan":
                name = option.name.replace("_", "-")
                raise InputError(
                    f"--resume {output.resume}: the run goes on with its own options, and "
                    f"its {name} is not {is_now}"
                )


def _refuse_code_of(named: str, config: TrainConfig, trusted: bool, words: Collection[str]) -> None:
    """Refuse code that a file of options names and the command line does not."""
    if trusted:
        return
    try:
        refuse_code(config.model, config.training, given=words)
    except InputError as error:
        raise InputError(f"{named}: {error}") from None


def _prepare(config: object, compile_anew: bool) -> None:
    """Check the options and the devices, and keep what is compiled for later commands."""
    validated(config)
    check_devices()
    keep_programs(off=compile_anew)


def evaluate(config: Annotated[EvaluateConfig, UNNAMED], compile_anew: CompileAnew = False) -> None:
    """Evaluate a run again: at other cutoffs, on other users, or on other data."""
    with without_collections():
        _prepare(config, compile_anew)
        from multvae_jax.cli import evaluate as command

    command.evaluate(config)


def compare(config: Annotated[CompareConfig, UNNAMED], compile_anew: CompileAnew = False) -> None:
    """Compare runs, and lists of other systems: differences, intervals, tests."""
    with without_collections():
        _prepare(config, compile_anew)
        from multvae_jax.cli import compare as command

    command.compare(config)


def report(config: Annotated[ReportConfig, UNNAMED], compile_anew: CompileAnew = False) -> None:
    """Write a page on runs: results, training, what they recommend and why."""
    with without_collections():
        _prepare(config, compile_anew)
        from multvae_jax.cli import report as command

    command.report(config)


def recommend(
    config: Annotated[RecommendConfig, UNNAMED], compile_anew: CompileAnew = False
) -> None:
    """Recommend items to any users, whether they were seen in training or not."""
    with without_collections():
        _prepare(config, compile_anew)
        from multvae_jax.cli import recommend as command

    command.recommend(config)


def export(config: Annotated[ExportConfig, UNNAMED], compile_anew: CompileAnew = False) -> None:
    """Write a run as files for other programs: jax.export, ONNX, a web page."""
    with without_collections():
        _prepare(config, compile_anew)
        from multvae_jax.cli import export as command

    command.export(config)


def similar(config: Annotated[SimilarConfig, UNNAMED], compile_anew: CompileAnew = False) -> None:
    """Show the items that are most similar to an item."""
    with without_collections():
        _prepare(config, compile_anew)
        from multvae_jax.cli import similar as command

    command.similar(config)


def why(config: Annotated[WhyConfig, UNNAMED], compile_anew: CompileAnew = False) -> None:
    """Show which items of a history speak for each recommended item."""
    with without_collections():
        _prepare(config, compile_anew)
        from multvae_jax.cli import why as command

    command.why(config)


def serve(config: Annotated[ServeConfig, UNNAMED], compile_anew: CompileAnew = False) -> None:
    """Answer requests over HTTP: recommendations, similar items, reasons."""
    with without_collections():
        _prepare(config, compile_anew)
        from multvae_jax.cli import serve as command

    command.serve(config)


def doctor() -> None:
    """Show versions, devices, memory and caches, and why no accelerator is used."""
    from multvae_jax.cli import doctor as command

    command.doctor()


def store(flags: Annotated[StoreFlags, UNNAMED]) -> None:
    """Write the data to a folder that need not fit in memory to be trained on."""
    data = flags.over()
    with without_collections():
        from multvae_jax.cli import store as command

    command.store(data, flags.out)


def try_with(words: Sequence[str]) -> Callable[..., None]:
    """The command `try`; its page names the words of the command line."""

    def try_idea(config: Annotated[TryConfig, UNNAMED], compile_anew: CompileAnew = False) -> None:
        """Try an idea of yours: its model against the package's own, with several seeds."""
        with without_collections():
            _prepare(config, compile_anew)
            from multvae_jax.cli import try_idea as command

        command.run_tournament(config, list(words))

    return try_idea


def datasets() -> None:
    """List the data sets that --dataset can name."""
    from multvae_jax.cli import datasets as command

    command.list_datasets()
