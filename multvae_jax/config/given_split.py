"""A split that is given as files: which options have an effect, and what selects the epoch."""

from __future__ import annotations

import dataclasses

from multvae_jax.config.options import DataOptions, TrainConfig
from multvae_jax.config.refusals import refuse_set
from multvae_jax.config.unions import (
    GivenSplit,
    LastSplit,
    NamedDataset,
    TimeSplit,
    UserFolds,
    UserSplit,
    split_name,
)
from multvae_jax.data.splits import MOST_VALIDATED, hold_out_interactions
from multvae_jax.data.types import Split
from multvae_jax.datasets.registry import find_dataset
from multvae_jax.errors import InputError


def is_given_split(data: DataOptions) -> bool:
    """Whether the data comes as a split, in files or by name.

    Raises:
        InputError: there is no data set of that name.
    """
    if isinstance(data.source, NamedDataset):
        return find_dataset(data.source.name).is_split
    return isinstance(data.source, GivenSplit)


def refuse_without_effect(config: TrainConfig) -> None:
    """Refuse options that are set and have no effect on the data, before a preset fills in others.

    Raises:
        InputError: naming the first of them.
    """
    data, training = config.data, config.training
    _refuse_other_kinds(data)
    if not is_given_split(data):
        if data.held_out == 0:
            raise InputError(
                "--held-out none: is for a split that is given as files; of other data, users "
                "are held out"
            )
        return
    refuse_set(
        data,
        ("min_user_count", "min_item_count", "fold_in"),
        "has no effect on a given split, which keeps its users, items and histories",
    )
    if isinstance(data.source, GivenSplit) and data.source.validation is not None:
        reason = "has no effect, because the validation file selects the epoch"
        refuse_set(data, ("held_out", "split_seed"), reason)
    elif data.held_out == 0:
        reason = "has no effect with --held-out none, which trains all epochs and keeps the last"
        refuse_set(data, ("split_seed",), reason)
        refuse_set(training, ("patience", "validate_every"), reason)
        usual = dataclasses.replace(training, select_by=None)
        # A file of options may have the usual metric written out.
        if training.selecting_metric != usual.selecting_metric:
            raise InputError(f"--select-by: {reason}")
    elif data.held_out is not None and data.held_out >= 1:
        raise InputError(
            f"--held-out {data.held_out:g}: of a given split, a share of each user's training "
            "interactions is held out to select the epoch; give a share below 1, or none"
        )


_BY_TIME = {
    TimeSplit: "has no effect with --split time, which holds out the latest interactions",
    LastSplit: "has no effect with --split last, which holds out the last items of each user",
}
"""Why options of held-out users have no effect."""


def _refuse_other_kinds(data: DataOptions) -> None:
    """Refuse options of another kind of split than that of the data.

    Raises:
        InputError: naming the first of them.
    """
    kind = data.split
    if is_given_split(data) and not isinstance(kind, UserSplit):
        flag = "--folds" if isinstance(kind, UserFolds) else f"--split {split_name(kind)}"
        raise InputError(f"{flag}: the data is a given split, which cannot be split otherwise")
    if type(kind) in _BY_TIME:
        refuse_set(data, ("held_out", "fold_in", "split_seed"), _BY_TIME[type(kind)])


def split_to_select_on(split: Split, data: DataOptions) -> Split:
    """The split whose validation users select the epoch.

    A split without any is returned without a share of its training interactions, which it is then
    validated on, or as it is if nothing is to be held out.

    Raises:
        InputError: if no user has enough interactions.
    """
    if split.validation is not None or not data.held_out:
        return split
    try:
        part = hold_out_interactions(
            split, data.held_out, data.split_seed, most_users=MOST_VALIDATED
        )
    except InputError as error:
        raise InputError(
            f"--held-out {data.held_out:g}: {error}; --held-out none trains all epochs"
        ) from None
    assert part.validation is not None
    validated, n_users = len(part.validation.user_ids), split.train.shape[0]
    sample = f", {validated:,} of {n_users:,} users are validated on" * (validated < n_users)
    note = (
        f"no validation file: {data.held_out:g} of each user's training interactions are held out "
        f"to select the epoch{sample}; then the model is trained on all"
    )
    return dataclasses.replace(part, notes=(*part.notes, note))
