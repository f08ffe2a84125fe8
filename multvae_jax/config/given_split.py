"""A split that is given: which options have an effect; and what selects the epoch of any split."""

from __future__ import annotations

import dataclasses

from multvae_jax.config import all_users
from multvae_jax.config.options import DataOptions, TrainConfig
from multvae_jax.config.refusals import refuse_set
from multvae_jax.config.unions import (
    GivenSplit,
    LastSplit,
    NamedDataset,
    StoredSplit,
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
    """Return whether the data comes as a split, in files or by name.

    Raises:
        InputError: there is no data set of that name.
    """
    if isinstance(data.source, NamedDataset):
        return find_dataset(data.source.name).is_split
    return isinstance(data.source, GivenSplit | StoredSplit)


def is_on_all_users(data: DataOptions) -> bool:
    """Return whether all users are trained on, and none is left to test on."""
    return all_users.holds_out_nobody(data, is_given=is_given_split(data))


def refuse_without_effect(config: TrainConfig, selects: bool | None = None) -> None:
    """Refuse options that are set and have no effect on the data, before a preset fills in others.

    Args:
        config: the options.
        selects: whether something is selected where all users are trained on; by default as the
            options say.

    Raises:
        InputError: naming the first of them.
    """
    data, training = config.data, config.training
    _refuse_other_kinds(data)
    if not is_given_split(data):
        if data.held_out == 0:
            selects = all_users.selects_epoch(training) if selects is None else selects
            all_users.refuse_without_effect_on_all(config, selects=selects)
        return
    if isinstance(data.source, StoredSplit):
        refuse_set(data, _OF_READING, "has no effect with --store; it belongs to multvae store")
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
        all_users.refuse_selection(data, training, reason)
    elif data.held_out is not None and data.held_out >= 1:
        raise InputError(
            f"--held-out {data.held_out:g}: for a given split, a share of each user's training "
            "interactions is held out to select the epoch; give a share below 1, or none"
        )


_OF_READING = (
    *("titles", "min_rating", "min_user_count", "min_item_count", "held_out", "fold_in"),
    *("split_seed", "user_column", "item_column", "rating_column", "time_column", "encoding"),
    *("separator", "quote", "header", "lines"),
)
"""Options of the data that a store was written with."""

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


def split_to_select_on(split: Split, data: DataOptions, selects: bool = True) -> Split:
    """The split whose validation users select the epoch.

    A split without any is returned without a share of its training interactions, which it is then
    validated on, or as it is if nothing is to be held out.

    Args:
        split: the split.
        data: options of the data.
        selects: whether something is selected where all users are trained on.

    Raises:
        InputError: if no user has enough interactions.
    """
    share, why, instead = data.held_out, "no validation file", "--held-out none trains all epochs"
    if is_on_all_users(data):
        share = all_users.SHARE if selects else None
        why, instead = "no validation users", "--epochs alone trains without a selection"
    if split.validation is not None or not share:
        return split
    try:
        part = hold_out_interactions(split, share, data.split_seed, most_users=MOST_VALIDATED)
    except InputError as error:
        raise InputError(f"--held-out {data.held_out:g}: {error}; {instead}") from None
    assert part.validation is not None
    validated, n_users = len(part.validation.user_ids), split.train.shape[0]
    sample = ""
    if validated < n_users:
        sample = f", {validated:,} of {n_users:,} users are validated on"
    note = (
        f"{why}: {share:g} of each user's training interactions are held out "
        f"to select the epoch{sample}; then the model is trained on all"
    )
    return dataclasses.replace(part, notes=(*part.notes, note))
