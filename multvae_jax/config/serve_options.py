"""The options of `multvae serve`.

Nothing in this module imports jax, because `multvae --help` reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import tyro
from msgspec import Meta

from multvae_jax.checks.bounds import Count, Cutoff
from multvae_jax.config.finished_runs import RUN

Port = Annotated[int, Meta(ge=0, le=65535)]


@dataclass(frozen=True)
class ServeConfig:
    """Options of `multvae serve`.

    Attributes:
        run: Directory of a run.
        host: Address to listen at; 0.0.0.0 lets other machines in, without a password.
        port: Port to listen at; 0 takes a free one.
        batch_size: Largest number of users ranked at once, from all requests that wait.
        max_k: Largest number of items that a request may ask for.
        max_history: Largest number of items in a history.
        max_users: Largest number of histories in a request.
        max_body: Largest size of a request in bytes.
        trust_code: Run the code of files and modules that the run names.
    """

    run: Annotated[tyro.conf.Positional[str], RUN]
    host: str = "127.0.0.1"
    port: Port = 8000
    batch_size: Count = 64
    max_k: Cutoff = 100
    max_history: Cutoff = 10_000
    max_users: Cutoff = 1_000
    max_body: Annotated[int, Meta(ge=1, le=2**31)] = 2**20
    trust_code: Annotated[bool, tyro.conf.arg(help_behavior_hint="")] = False
