"""The command `store`."""

from __future__ import annotations

import shlex
from pathlib import Path

from multvae_jax.config.given_split import refuse_without_effect
from multvae_jax.config.load_data import data_name, describe_split, load_split
from multvae_jax.config.options import DataOptions, TrainConfig
from multvae_jax.config.refusals import refuse_set
from multvae_jax.config.unions import StoredSplit, UserFolds
from multvae_jax.data.store_writer import write_store
from multvae_jax.errors import InputError
from multvae_jax.host.console import say
from multvae_jax.host.files import check_new_directory

_OF_TRAINING = ("items_file", "features_column", "item_vectors", "users_file", "user_features")


def store(data: DataOptions, out: str | None) -> None:
    """Read and split the data, and write it to a folder.

    Args:
        data: what to read, and how to split it.
        out: the folder; by default one with the name of the data in the current directory.

    Raises:
        InputError: as in the readers, an option has no effect, or the folder cannot be written.
    """
    if isinstance(data.source, StoredSplit):
        raise InputError("--store: is a store already; give the interactions with --data")
    if isinstance(data.split, UserFolds):
        raise InputError("--folds: a store has one split; leave it out")
    refuse_set(data, _OF_TRAINING, "is not kept in a store; give it to multvae train --store")
    refuse_without_effect(TrainConfig(data=data))
    target = Path(out or f"{data_name(data)}.store")
    # Before the data is read, which may take long.
    check_new_directory(target)
    split = load_split(data)
    for note in split.notes:
        say(note)
    say(describe_split(split))
    write_store(target, split)
    size = sum(path.stat().st_size for path in target.iterdir())
    say(f"{target}: {size / 1e6:,.1f} MB; multvae train --store {shlex.quote(str(target))}")
