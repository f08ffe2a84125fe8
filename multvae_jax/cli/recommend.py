"""The command `recommend`."""

from __future__ import annotations

import csv
import json

from multvae_jax import recommending
from multvae_jax.cli.output import writing
from multvae_jax.config.options import RecommendConfig
from multvae_jax.data.interactions import read_histories
from multvae_jax.host.console import say
from multvae_jax.runs import run as runs

FEW = 3
"""Users that are named one by one on standard error; of more, only their number is printed."""


def recommend(config: RecommendConfig) -> None:
    """Write the items that a run recommends to every user of a file.

    Raises:
        InputError: if the run or the file cannot be read, or the output cannot be written.
    """
    run = runs.load_run(config.run, trust_code=config.trust_code)
    users, histories, notes = read_histories(
        config.history, user=config.user_column, item=config.item_column
    )
    for note in notes:
        say(note)
    found = recommending.recommend(run.scorer, run.catalogue, histories, config.k)
    unknown = sum(user.unknown for user in found)
    if unknown:
        ignored = (
            "item unknown to the model is" if unknown == 1 else "items unknown to the model are"
        )
        say(f"{', '.join(config.history)}: {unknown} {ignored} ignored")
    strangers = [user for user, mine in zip(users, found, strict=True) if mine.from_popularity]
    if strangers:
        named = ", ".join(strangers[:FEW])
        who = f"{'user' if len(strangers) == 1 else 'users'} {named}"
        if len(strangers) > FEW:
            who = f"{len(strangers)} of {len(users)} users ({named}, ...)"
        say(f"{who}: no item of the history is known; the most popular are shown")
    rows = (
        {
            "user": user,
            "rank": rank,
            "item": item,
            "title": run.catalogue.titles.get(item, ""),
            "score": score,
        }
        for user, recommendation in zip(users, found, strict=True)
        for rank, (item, score) in enumerate(
            zip(recommendation.items, recommendation.scores, strict=True), start=1
        )
    )
    with writing(config.out) as file:
        if config.format == "csv":
            writer = csv.DictWriter(
                file, ("user", "rank", "item", "title", "score"), lineterminator="\n"
            )
            writer.writeheader()
            writer.writerows(rows)
        else:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
