"""From the options of a split to the split."""

from __future__ import annotations

import dataclasses

import msgspec

from multvae_jax.config.options import DataOptions
from multvae_jax.config.unions import LastSplit, TimeSplit, UserFolds
from multvae_jax.data.splits import hold_out_last, hold_out_time, hold_out_users, user_fold
from multvae_jax.data.types import Interactions, Split
from multvae_jax.datasets.presets import Preset
from multvae_jax.errors import InputError


def folds_of(data: DataOptions) -> list[DataOptions]:
    """The options of each fold of a cross-validation; the given ones if there is one split."""
    kind = data.split
    if not isinstance(kind, UserFolds) or kind.fold is not None:
        return [data]
    return [
        dataclasses.replace(data, split=msgspec.structs.replace(kind, fold=number + 1))
        for number in range(kind.folds)
    ]


def counts_before_split(data: DataOptions, preset: Preset) -> Preset:
    """The filter to read with: a split by time counts in its training part, not in all of it."""
    if isinstance(data.split, TimeSplit):
        return dataclasses.replace(preset, min_user_count=None, min_item_count=None)
    return preset


def split_of(data: DataOptions, found: Interactions, preset: Preset, name: str) -> Split:
    """Split interactions as the options say.

    Args:
        data: the options.
        found: the interactions, filtered by `counts_before_split`.
        preset: the filter and the number of held-out users, as set or of the data.
        name: what the interactions are read from, for messages.

    Raises:
        InputError: as in the functions of `multvae_jax.data.splits`, or there are no times and the
            split needs them.
    """
    kind = data.split
    if isinstance(kind, TimeSplit | LastSplit) and found.times is None:
        option = "time" if isinstance(kind, TimeSplit) else "last"
        raise InputError(
            f"--split {option}: {name} has no times; name their column with --time-column, or "
            "hold out users with --split users"
        )
    match kind:
        case TimeSplit(test, validation):
            return hold_out_time(
                found,
                test,
                validation,
                min_user_count=preset.min_user_count or 0,
                min_item_count=preset.min_item_count or 0,
            )
        case LastSplit(n_items):
            return _with_note(hold_out_last(found, n_items), _filtered(preset))
    assert preset.held_out is not None
    share, seed = data.fold_in, data.split_seed
    if isinstance(kind, UserFolds):
        # The first stands for all to those who need a split to look at.
        of_fold = (kind.fold or 1, kind.folds, preset.held_out, share, seed)
        return user_fold(found, *of_fold, all_items=kind.all_items)
    split = hold_out_users(found, preset.held_out, preset.held_out, share, seed)
    if split.validation is None:
        n_users = split.train.shape[0]
        return _with_note(split, f"no user is held out: all {n_users:,} users are trained on")
    held_out = len(split.validation.user_ids), len(split.test.user_ids)
    return _with_note(
        split,
        f"split by users: {held_out[0]:,} to validate and {held_out[1]:,} to test on, with a share "
        f"of {share:g} of their items as history; the others are trained on, with all of their "
        "items",
    )


def _filtered(preset: Preset) -> str:
    """A note on counts that include what is held out; empty if there are none."""
    counts = {"user": preset.min_user_count, "item": preset.min_item_count}
    flags = [f"--min-{role}-count {count}" for role, count in counts.items() if (count or 0) > 1]
    if not flags:
        return ""
    count = "counts" if len(flags) == 1 else "count"
    return f"{' and '.join(flags)} {count} the held-out interactions, too"


def _with_note(split: Split, note: str) -> Split:
    return dataclasses.replace(split, notes=(*split.notes, note)) if note else split
