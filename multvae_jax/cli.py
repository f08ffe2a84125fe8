"""The command line. Nothing is imported before it is needed: `--help` knows no jax."""

from __future__ import annotations

import sys

import tyro

from multvae_jax.config import EvaluateConfig, RecommendConfig, TrainConfig, check
from multvae_jax.errors import InputError


def train(
    config: tyro.conf.OmitArgPrefixes[TrainConfig],
    out: str | None = None,
) -> None:
    """Train on interactions, then report on users never seen.

    Args:
        config: what to train on, what, and how.
        out: directory for the run, a new one below runs/ unless set.
    """
    check(config)
    from multvae_jax import commands

    commands.train(config, out)


def evaluate(config: tyro.conf.OmitArgPrefixes[EvaluateConfig]) -> None:
    """Evaluate a run again, at other cut-offs or on its validation users."""
    check(config)
    from multvae_jax import commands

    commands.evaluate(config)


def recommend(config: tyro.conf.OmitArgPrefixes[RecommendConfig]) -> None:
    """Recommend items to any users from what they have, whether seen in training or not."""
    check(config)
    from multvae_jax import commands

    commands.recommend(config)


def datasets() -> None:
    """List the data sets that go by a name."""
    from multvae_jax import commands

    commands.list_datasets()


def main(arguments: list[str] | None = None) -> int:
    """Run a command.

    Returns:
        The exit status: 0 if all went well, 2 with one line on the standard error if not, 130
        if interrupted.
    """
    try:
        tyro.extras.subcommand_cli_from_dict(
            {"train": train, "evaluate": evaluate, "recommend": recommend, "datasets": datasets},
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
    return 0
