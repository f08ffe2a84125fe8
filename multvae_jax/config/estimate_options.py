"""The options of `multvae estimate`, beside those of `train`.

Nothing in this module imports jax, because `multvae --help` reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import tyro

from multvae_jax.checks.bounds import Count
from multvae_jax.config.options import shown
from multvae_jax.errors import InputError


@dataclass(frozen=True)
class EstimateOptions:
    """The settings of a training that its estimate depends on.

    Attributes:
        users: Number of users of data that does not exist yet; give --items and --clicks as well.
        items: Number of items of data that does not exist yet.
        clicks: Number of interactions of data that does not exist yet.
        device: Devices to estimate for: this (the machine at hand, which is measured once), h100,
            a100, tpu-v5e or tpu-v6e.
        mesh: Parts into which users and items are divided over devices, as in train.
        json: Print JSON instead of a table.
    """

    users: Annotated[Count | None, shown(unset="those of the data")] = None
    items: Annotated[Count | None, shown(unset="those of the data")] = None
    clicks: Annotated[Count | None, shown(unset="those of the data")] = None
    device: Annotated[tuple[str, ...], shown("NAMES")] = ("this",)
    mesh: Annotated[str | None, shown("data=N,items=N", "one device")] = None
    json: Annotated[bool, tyro.conf.arg(help_behavior_hint="")] = False

    @property
    def sizes(self) -> tuple[int, int, int] | None:
        """Users, items and interactions, if they are given.

        Raises:
            InputError: only some of them are given, or they contradict each other.
        """
        given = {"users": self.users, "items": self.items, "clicks": self.clicks}
        missing = [f"--{name}" for name, number in given.items() if number is None]
        if len(missing) == len(given):
            return None
        if missing:
            raise InputError(
                f"{' and '.join(missing)}: missing; data that does not exist yet needs --users, "
                "--items and --clicks"
            )
        assert self.users is not None
        assert self.items is not None
        assert self.clicks is not None
        if not self.users <= self.clicks <= self.users * self.items:
            raise InputError(
                f"--clicks {self.clicks}: {self.users:,} users with 1 to {self.items:,} items have "
                f"{self.users:,} to {self.users * self.items:,}"
            )
        return self.users, self.items, self.clicks
