"""The users that were held out of the training of a run, and what has become of them since."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from multvae_jax.cli.output import listed
from multvae_jax.config.load_held_out import load_held_out
from multvae_jax.config.options import DataOptions
from multvae_jax.data.types import Catalogue, HeldOut
from multvae_jax.data.user_features import UserFeatures
from multvae_jax.errors import InputError
from multvae_jax.host.console import say
from multvae_jax.runs.held_out import changed_users
from multvae_jax.runs.id_maps import read_users
from multvae_jax.runs.loading import held_out_users, no_users
from multvae_jax.runs.manifest import checksum_of, read_manifest
from multvae_jax.runs.run import HELD_OUT


def own_users(
    directory: Path, part: str, catalogue: Catalogue, data: DataOptions | None
) -> HeldOut:
    """Return the users of a part of a run, with the interactions that were held out then.

    What has changed in the data of the training since then is said.

    Args:
        directory: directory of the run.
        part: "test" or "validation".
        catalogue: items of the run.
        data: the data that it was trained on; None if that is not known.

    Raises:
        InputError: if the run has no users of the part, or they cannot be read.
    """
    held_out: HeldOut | None = None
    if (directory / HELD_OUT).exists():
        held_out = held_out_users(directory, part, len(catalogue.ids))
        if held_out is not None and data is not None:
            _say_changes(directory, part, catalogue, data, held_out)
    elif data is not None:
        held_out = _found_again(directory, part, catalogue, data)
    if held_out is None:
        raise no_users(directory, part)
    return held_out


def told_features(
    features: UserFeatures, user_ids: Sequence[str], *, required: bool = False
) -> np.ndarray:
    """The features of some users, once it is said how they were read.

    Args:
        features: features of users.
        user_ids: the users; the features of one without a row are 0.
        required: whether at least one of them must have a row.

    Raises:
        InputError: none has.
    """
    for note in features.notes:
        say(note)
    missing = sum(user not in features.row_of for user in user_ids)
    if missing == len(user_ids) and required:
        raise InputError(
            f"{features.source}: none of the {missing:,} users has a row; name the file about them "
            "with --users-file"
        )
    if missing:
        say(
            f"{features.source}: {missing:,} of {len(user_ids):,} users have no row; their "
            "features are 0"
        )
    return features.of(user_ids)


def _found_again(
    directory: Path, part: str, catalogue: Catalogue, data: DataOptions
) -> HeldOut | None:
    """The users of a run of an older version, which only kept their ids."""
    parts = read_users(directory)
    own = parts.get(part, set())
    if not own:
        return None
    loaded = load_held_out(data, catalogue, part, lambda users: own)
    gone = sorted(own.difference(loaded.user_ids))
    new = sorted(set(loaded.user_ids).difference(*parts.values()))
    if gone or new:
        say(
            f"{directory}: its data has changed since the training: "
            f"{_changes(part, gone, (), new)}; the {part} users that are left are evaluated"
        )
    return loaded.held_out


def _say_changes(
    directory: Path, part: str, catalogue: Catalogue, data: DataOptions, held_out: HeldOut
) -> None:
    """Say what has become of the users in the data that the run was trained on."""
    manifest = read_manifest(directory)
    if manifest is None:
        return
    found = {path: checksum_of(Path(path)) for path in manifest.data}
    changed = [path for path, expected in manifest.data.items() if found[path] != expected]
    if not changed:
        return
    kept = "the users and interactions that were held out then are evaluated"
    missing = [path for path in changed if found[path] is None]
    if missing:
        say(f"{missing[0]}: is no longer there; {kept}")
        return
    parts, own = read_users(directory), held_out.user_ids.tolist()
    try:
        loaded = load_held_out(data, catalogue, part, lambda users: {*own})
    except InputError as error:
        say(f"{changed[0]}: has changed since the training ({error}); {kept}")
        return
    there, before = {*loaded.user_ids}, set().union(*parts.values())
    gone = [user for user in own if user not in there]
    new = [user for user in loaded.user_ids if user not in before]
    differing = changed_users(held_out, loaded.held_out)
    say(
        f"{changed[0]}: has changed since the training: "
        f"{_changes(part, gone, differing, new)}; {kept} (--data evaluates on other data)"
    )


def _changes(part: str, gone: Sequence[str], differing: Sequence[str], new: Sequence[str]) -> str:
    """Describe the changes in the users of a part."""
    found = [
        f"{len(ids):,} {kind}{'user' if len(ids) == 1 else 'users'} {what} ({listed(ids)})"
        for kind, what, ids in (
            (f"{part} ", "gone", gone),
            (f"{part} ", "with other interactions", differing),
            ("", "new", new),
        )
        if ids
    ]
    return ", ".join(found) if found else f"the {part} users are the same"
