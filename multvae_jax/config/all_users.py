"""A training on all users, `--held-out 0`: what selects the epoch, and what has no effect.

Nobody is left to validate or to test on. Unless `--epochs` alone decides on the length, a share of
each user's interactions is held out in a first training, which selects the epoch.
"""

from __future__ import annotations

import dataclasses

from multvae_jax.config.options import DataOptions, RunOptions, TrainConfig, TrainingOptions
from multvae_jax.config.refusals import refuse_set
from multvae_jax.config.unions import UserFolds, UserSplit
from multvae_jax.errors import InputError

SHARE = 0.1
"""Share of each user's interactions that the first training does not see, as in `fit_on_all`."""

HERE = "--held-out 0"


def holds_out_nobody(data: DataOptions, *, is_given: bool) -> bool:
    """Return whether all users are trained on.

    Args:
        data: the options of the data.
        is_given: whether it comes as a split, whose test users are in a file of their own.
    """
    return data.held_out == 0 and not is_given and isinstance(data.split, UserSplit)


def selects_epoch(training: TrainingOptions) -> bool:
    """Return whether a first training selects the epoch; otherwise `--epochs` alone decides."""
    return training.epochs is None or training.patience is not None


def keep_selecting(config: TrainConfig, before: TrainingOptions) -> TrainConfig:
    """The configuration with a patience that says that the epoch is selected.

    Where a preset fills in the epochs, nothing else would tell a selection from `--epochs`. A
    patience of all epochs never ends a training early.

    Args:
        config: with what a preset fills in.
        before: the options of the training without it.
    """
    training = config.training
    if selects_epoch(training) or not selects_epoch(before):
        return config
    return dataclasses.replace(
        config, training=dataclasses.replace(training, patience=training.epochs)
    )


def refuse_without_effect_on_all(config: TrainConfig, *, selects: bool) -> None:
    """Refuse options that are set and have no effect if all users are trained on.

    Args:
        config: the options, before a preset fills in others.
        selects: whether the epoch is selected.

    Raises:
        InputError: naming the first of them.
    """
    data, model, training = config.data, config.model, config.training
    if isinstance(data.split, UserFolds):
        raise InputError(
            f"{HERE} and --folds: the folds test on all users in turn; leave out one or the other"
        )
    refuse_set(data, ("fold_in",), f"has no effect with {HERE}, which leaves no users to show to")
    if selects:
        return
    reason = f"has no effect with {HERE} and --epochs, which trains all epochs and keeps the last"
    refuse_selection(data, training, reason)
    if model.blend is not None and "weight" not in model.blend_constants:
        raise InputError(
            f"--blend: with {HERE} and --epochs nothing is held out to choose its weight on; give "
            "--blend-constants weight 0.3, or leave out --epochs"
        )


def refuse_selection(data: DataOptions, training: TrainingOptions, reason: str) -> None:
    """Refuse options of a selection of the epoch, where there is none.

    Raises:
        InputError: naming the first of them.
    """
    refuse_set(data, ("split_seed",), reason)
    refuse_set(training, ("patience", "validate_every"), reason)
    usual = dataclasses.replace(training, select_by=None)
    # A file of options may have the usual metric written out.
    if training.selecting_metric != usual.selecting_metric:
        raise InputError(f"--select-by: {reason}")


def refuse_baselines_beside(output: RunOptions) -> None:
    """Refuse baselines to test beside a model that leaves nobody to test on.

    Raises:
        InputError: if any are named.
    """
    if output.baselines not in (None, ("none",)):
        raise InputError(
            f"--baselines: has no effect with {HERE}, which leaves no users to test on"
        )
