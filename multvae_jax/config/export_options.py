"""The options of `multvae export`.

Nothing in this module imports jax, because `multvae --help` reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from multvae_jax.checks.bounds import Count
from multvae_jax.config.finished_runs import RUN
from multvae_jax.config.options import shown


@dataclass(frozen=True)
class ExportConfig:
    """Options of `multvae export`.

    Attributes:
        run: Directory of a run.
        to: New directory for the files; with --page, the HTML file.
        page: Write the recommender as one HTML file, which works without a network.
        formats: Files to write: a jax.export artifact, an ONNX model, weights for NumPy and others,
            vectors of the items.
        k: Number of items that the jax.export artifact and the ONNX model recommend.
        trust_code: Run the code of files and modules that the run names.
    """

    run: Annotated[tyro.conf.Positional[str], RUN]
    to: Annotated[str | None, shown("DIR", "with --page, the name of the run and .html")] = None
    page: Annotated[bool, tyro.conf.arg(help_behavior_hint="")] = False
    formats: Annotated[
        tuple[Literal["jax", "onnx", "weights", "vectors"], ...] | None,
        shown("[FORMAT ...]", "all that the model has"),
    ] = None
    k: Annotated[Count, shown(aliases=("-k",))] = 20
    trust_code: Annotated[bool, tyro.conf.arg(help_behavior_hint="")] = False
