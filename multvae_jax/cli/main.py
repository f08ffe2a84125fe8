"""The program `multvae`: from the words of the command line to an exit status."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from pathlib import Path

import tyro

import multvae_jax
from multvae_jax.cli.commands import commands_with
from multvae_jax.config import from_file
from multvae_jax.config.options import RunOptions, TrainConfig
from multvae_jax.config.warm_start import defaults_from
from multvae_jax.errors import InputError
from multvae_jax.host.console import say
from multvae_jax.host.imports import rare_collections
from multvae_jax.host.programs import problems_of_programs
from multvae_jax.host.signals import stop_requests
from multvae_jax.host.streams import flush_output, prepare_streams

DESCRIPTION = """Variational autoencoders for collaborative filtering.
`multvae COMMAND --help` lists options; `multvae --version` prints the version."""


def main(arguments: list[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: words of the command line; by default those that the program was started with.

    Returns:
        The exit status: 0 on success; 2 on failure, with one line on standard error; 3 if wrong
        parts of the input were left out and the rest is done; 128 plus its number after a signal,
        such as 130 after Ctrl-C; 1 for a bug of the program.
    """
    prepare_streams()
    raised: BaseException | None = None
    try:
        with stop_requests(), problems_of_programs(), rare_collections():
            _run(sys.argv[1:] if arguments is None else arguments)
    except BaseException as error:
        raised = error
    output = flush_output()
    if arguments is None:
        # The program ends: its last collections, over all modules, would take a tenth of a second.
        gc.freeze()
    if output is None:
        if raised is None:
            return 0
        # `--help`, or arguments that the parser refuses.
        if isinstance(raised, SystemExit):
            raise raised
    from multvae_jax.cli.failures import failure_of

    status, message = failure_of(raised, output)
    if isinstance(raised, InputError):
        for note in getattr(raised, "__notes__", ()):
            say(note)
    if message:
        say(f"multvae: {message}")
    if arguments is None and isinstance(raised, KeyboardInterrupt):
        # Programs of jax may still run in other threads, which do not survive the end of Python.
        os._exit(status)
    return status


def _run(arguments: list[str]) -> None:
    if arguments == ["--version"]:
        print(f"multvae {multvae_jax.__version__}")
        return
    if not arguments:
        with contextlib.suppress(SystemExit):
            _run(["--help"])
        raise SystemExit(2)
    file, named = from_file.options_file(arguments) or (None, "")
    defaults = TrainConfig() if file is None else _defaults(file, named)
    tyro.extras.subcommand_cli_from_dict(
        commands_with(defaults, _options_before(arguments), named, arguments),
        prog="multvae",
        description=DESCRIPTION,
        args=arguments,
        config=(
            tyro.conf.OmitArgPrefixes,
            tyro.conf.DisallowNone,
            tyro.conf.FlagCreatePairsOff,
        ),
    )


def _defaults(file: str, named: str) -> TrainConfig:
    """The options of a file, or of a run that a training starts from."""
    if not named.startswith("--from "):
        return from_file.read_config(file, named)
    from multvae_jax.runs.run_config import read_run_config

    found = read_run_config(Path(file).parent)
    return defaults_from(named, found.data, found.model, found.training)


def _options_before(arguments: list[str]) -> RunOptions:
    """The options that the run of `--resume` was last trained with."""
    run = from_file.argument_of("--resume", arguments)
    if run is None:
        return RunOptions()
    from multvae_jax.runs.directory import kept_options

    return kept_options(Path(run))
