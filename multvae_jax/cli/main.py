"""The command line. Nothing is imported before it is needed: `--help` knows no jax."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated

import tyro

from multvae_jax.config import from_file
from multvae_jax.config.options import (
    EvaluateConfig,
    RecommendConfig,
    SweepConfig,
    TrainConfig,
    validated,
)
from multvae_jax.errors import InputError

ConfigFile = Annotated[str | None, tyro.conf.arg(name="config")]


def train_with(defaults: TrainConfig) -> Callable[..., None]:
    """The command `train`, whose options have these defaults."""
    start = from_file.parser_defaults(defaults)

    def train(
        config: tyro.conf.OmitArgPrefixes[TrainConfig] = start,
        file: ConfigFile = None,
        out: str | None = None,
    ) -> None:
        """Train on interactions, then report on users never seen.

        Args:
            config: what to train on, what, and how.
            file: JSON file of options, such as the best.json of a sweep or the config.json of a
                run; options given here win over it
            out: directory for the run, a new one below runs/ unless set.
        """
        del file
        config = validated(from_file.merge_options(defaults, config))
        from multvae_jax.cli import commands

        commands.train(config, out)

    return train


def sweep_with(defaults: TrainConfig) -> Callable[..., None]:
    """The command `sweep`, the options of whose training have these defaults."""
    parsed = from_file.parser_defaults(defaults)
    start = SweepConfig(parsed.data, parsed.model, parsed.training)

    def sweep(
        config: tyro.conf.OmitArgPrefixes[SweepConfig] = start,
        file: ConfigFile = None,
        out: str | None = None,
    ) -> None:
        """Train many settings as one program, and say which ranks the validation users best.

        Args:
            config: what to train on, what, how, and what varies.
            file: JSON file of options, as of `train`
            out: directory for the results, a new one below runs/ unless set. With the options it
                was made with, a sweep that was killed goes on from there.
        """
        del file
        given = TrainConfig(config.data, config.model, config.training)
        fixed = from_file.merge_options(defaults, given)
        config = replace(config, data=fixed.data, model=fixed.model, training=fixed.training)
        validated(config)
        from multvae_jax.sweeps import command

        command.run_sweep(config, out)

    return sweep


def evaluate(config: tyro.conf.OmitArgPrefixes[EvaluateConfig]) -> None:
    """Evaluate a run again, at other cut-offs or on its validation users."""
    validated(config)
    from multvae_jax.cli import commands

    commands.evaluate(config)


def recommend(config: tyro.conf.OmitArgPrefixes[RecommendConfig]) -> None:
    """Recommend items to any users from what they have, whether seen in training or not."""
    validated(config)
    from multvae_jax.cli import commands

    commands.recommend(config)


def datasets() -> None:
    """List the data sets that go by a name."""
    from multvae_jax.cli import commands

    commands.list_datasets()


def main(arguments: list[str] | None = None) -> int:
    """Run a command.

    Returns:
        The exit status: 0 if all went well, 2 with one line on the standard error if not, 130
        if interrupted.
    """
    try:
        file = from_file.config_argument(sys.argv[1:] if arguments is None else arguments)
        defaults = TrainConfig() if file is None else from_file.read_config(file)
        tyro.extras.subcommand_cli_from_dict(
            {
                "train": train_with(defaults),
                "sweep": sweep_with(defaults),
                "evaluate": evaluate,
                "recommend": recommend,
                "datasets": datasets,
            },
            prog="multvae",
            description="Variational autoencoders for collaborative filtering.",
            args=arguments,
        )
    except InputError as error:
        print(f"multvae: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("multvae: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read our output has seen enough, as `head` does.
        sys.stderr.close()
        return 0
    except Exception as error:
        from multvae_jax.config.user_functions import error_in_user_file

        told = error_in_user_file(error)
        if told is None:
            raise
        print(f"multvae: {told}", file=sys.stderr)
        return 2
    return 0
