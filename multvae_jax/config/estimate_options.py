"""The options of `multvae estimate`, beside those of `train`.

Nothing in this module imports jax, because `multvae --help` reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import tyro

from multvae_jax.bounds import Count
from multvae_jax.config.options import shown
from multvae_jax.errors import InputError


@dataclass(frozen=True)
class EstimateOptions:
    """The settings of a training that its estimate depends on.

    Attributes:
        users: Number of users, of data that is not there yet; give also --items and --clicks.
        items: Number of items, as --users.
        clicks: Number of interactions, as --users.
        device: Devices to estimate for: this, which is the machine at hand and is measured once,
            h100, a100, tpu-v5e, tpu-v6e.
        mesh: Devices that the training is divided over, as in train.
        json: Print JSON in place of the table.
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
                f"{' and '.join(missing)}: missing; data that is not there yet needs --users, "
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
