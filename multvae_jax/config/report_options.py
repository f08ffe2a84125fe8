"""The options of `multvae report`.

Nothing in this module imports jax, because `multvae --help` reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from multvae_jax.checks.bounds import Count, Cutoff
from multvae_jax.config.options import shown


@dataclass(frozen=True)
class ReportConfig:
    """Options of `multvae report`.

    Attributes:
        runs: Directories of the runs. Runs of the same users are compared with each other.
        out: HTML file to write; an existing file is replaced.
        part: Held-out users to evaluate the runs on.
        cutoffs: Ranks at which the metrics are cut off.
        metrics: Metrics of the table of results, at all --cutoffs or at one, as in evaluate; the
            first one decides which run is the best.
        examples: Number of users to show one by one.
        k: Number of items to recommend to each user that is shown.
        trust_code: Run the code of files and modules that the runs name.
    """

    runs: Annotated[
        tyro.conf.Positional[tuple[str, ...]],
        tyro.conf.arg(metavar="RUN [RUN ...]", help_behavior_hint=""),
    ]
    out: Annotated[str, shown("FILE")] = "report.html"
    part: Literal["test", "validation"] = "test"
    cutoffs: Annotated[
        tuple[Cutoff, ...] | None, shown("[INT ...]", "20 50 100; the paper's without --metrics")
    ] = None
    metrics: Annotated[
        tuple[str, ...] | None, shown("[METRIC ...]", "those of hits, NDCG first")
    ] = None
    examples: Count = 4
    k: Annotated[Count, shown(aliases=("-k",))] = 10
    trust_code: Annotated[bool, tyro.conf.arg(help_behavior_hint="")] = False
