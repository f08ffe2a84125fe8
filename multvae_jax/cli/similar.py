"""The command `similar`."""

from __future__ import annotations

from pathlib import Path

from multvae_jax.cli.output import write_rows
from multvae_jax.config.finished_runs import SimilarConfig
from multvae_jax.recommending.recommender import Recommender
from multvae_jax.runs.loading import read_run


def similar(config: SimilarConfig) -> None:
    """Write the items that are most similar to an item.

    Raises:
        InputError: if the run cannot be read, or the item is not in its catalogue.
    """
    run = read_run(Path(config.run), trust_code=config.trust_code).run
    found = Recommender(run).similar_items(config.item, config.k)
    ranks = range(1, len(found.items) + 1)
    rows = zip(ranks, found.items, found.titles, found.scores, strict=True)
    write_rows(("rank", "item", "title", "score"), rows)
