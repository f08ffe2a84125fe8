"""The command `why`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from multvae_jax.cli.histories import features_of, read_histories_of
from multvae_jax.cli.output import write_rows
from multvae_jax.config.finished_runs import WhyConfig
from multvae_jax.config.options import DataOptions
from multvae_jax.data.known_items import KnownItems
from multvae_jax.recommending.scoring import leave_one_out_scores
from multvae_jax.recommending.top_k import recommend_lists
from multvae_jax.runs.loading import read_run

HEADING = ("user", "item", "title", "score", "because", "because_title", "effect")


def why(config: WhyConfig) -> None:
    """Write what the score of each item loses without the items of the history that matter most.

    Raises:
        InputError: if the run or the file cannot be read, or an item is not in the catalogue.
    """
    saved = read_run(Path(config.run), trust_code=config.trust_code)
    run = saved.run
    wanted = None
    if config.items is not None:
        wanted = KnownItems(run.catalogue).columns_of(config.items, "--items")
    own = saved.config.data or DataOptions()
    histories = read_histories_of(config, own, run, "there are no reasons to show")
    features = features_of(config, own, run, histories)
    matrix, users = histories.matrix, histories.user_ids()
    if wanted is None:
        lists = recommend_lists(
            run.scorer, run.catalogue, matrix, users, config.k, user_features=features
        )
        items = lists.items
    else:
        items = np.tile(wanted, (len(users), 1))
    ids, titles = run.catalogue.ids, run.catalogue.titles

    def rows() -> Iterator[tuple[Any, ...]]:
        found = leave_one_out_scores(run.scorer, matrix, items, user_features=features)
        for user, mine, one in zip(users, items, found, strict=True):
            for number in np.flatnonzero(mine >= 0):
                item, effects = ids[mine[number]], one.effects[:, number]
                about = (user, item, titles.get(item), one.scores[number])
                for reason in np.argsort(-effects, kind="stable")[: config.reasons]:
                    because = ids[one.history[reason]]
                    yield (*about, because, titles.get(because), effects[reason])

    write_rows(HEADING, rows())
