"""The identity of a sweep, by what its results depend on, and of its members in a journal."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec

from multvae_jax.config.convert import from_json
from multvae_jax.config.options import SweepConfig, TrainConfig
from multvae_jax.config.resolve import with_preset, with_recipe
from multvae_jax.data.types import Split
from multvae_jax.defaults import shape_of
from multvae_jax.recipe import DataShape
from multvae_jax.sweeps.journal import Record
from multvae_jax.sweeps.space import Setting, plain_name


def identity_of(config: SweepConfig, splits: Sequence[Split]) -> dict[str, Any]:
    """Everything that decides a result; a journal is resumed only if this is unchanged.

    Args:
        config: the options.
        splits: the split, or those of all folds.
    """
    split = splits[0]
    options = deciding(config, shape_of(split))
    arrays = (
        part
        for one in splits
        if one.validation is not None
        for matrix in (one.train.tocsr(), one.validation.history, one.validation.targets)
        for part in (matrix.indptr, matrix.indices, matrix.data)
    )
    checksum = 0
    for array in arrays:
        checksum = zlib.crc32(array.tobytes(), checksum)
    for one in splits:
        for part in (one, one.validation):
            # From files, these are single arrays.
            if part is not None and part.user_features is not None:
                checksum = zlib.crc32(part.user_features.tobytes(), checksum)
    users, items = split.train.shape
    contents = {"users": users, "items": items, "interactions": split.train.nnz}
    return {"sweep": options, "data": {**contents, "checksum": checksum}}


def deciding(config: SweepConfig, data: DataShape) -> dict[str, Any]:
    """The options that decide a result, on data of a size."""
    complete = with_recipe(
        with_preset(TrainConfig(config.data, config.model, config.training)), data
    )
    options: dict[str, Any] = msgspec.to_builtins(
        replace(config, data=complete.data, model=complete.model, training=complete.training)
    )
    del options["resources"], options["training"]["cutoffs"]
    options["training"]["select_by"] = config.training.selection
    options["search"]["search"].pop("trials_at_once", None)
    options["search"]["vary"] = [
        [plain_name(name), *values] for name, *values in options["search"]["vary"]
    ]
    return options


def upgraded(identity: Record) -> Record:
    """The identity of a journal, which an older version may have written, in the present form."""
    options, data = json.dumps(identity.get("sweep")).encode(), identity.get("data", {})
    size = DataShape(*(data.get(name, 0) for name in ("users", "items", "interactions")))
    return {**identity, "sweep": deciding(from_json(options, SweepConfig), size)}


def key_of(setting: Setting, seed: int, fold: int = 0) -> str:
    """Text that identifies a member; the fold counts from 1, and is 0 if there is one split."""
    named = {plain_name(name): value for name, value in setting.items()}
    place = [seed, fold] if fold else [seed]
    return json.dumps([msgspec.to_builtins(named), *place], sort_keys=True)


def as_varied(setting: Setting) -> dict[str, Any]:
    """A setting from JSON, where tuples have become lists, as it was before."""
    return {plain_name(name): tuple(v) if isinstance(v, list) else v for name, v in setting.items()}


def unique(settings: Sequence[Setting]) -> list[Setting]:
    """The settings without repeats, in the order in which they first appear."""
    return list({key_of(setting, 0): setting for setting in settings}.values())
