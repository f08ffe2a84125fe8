"""Examples of held-out users: their histories, and what a run recommends to them and why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from multvae_jax.data.types import Catalogue, HeldOut
from multvae_jax.evaluation.lists import Lists
from multvae_jax.evaluation.partitions import history_lengths
from multvae_jax.recommending.scoring import leave_one_out_scores
from multvae_jax.runs.run import Run


class Recommended(NamedTuple):
    """A recommended item.

    Attributes:
        title: its title, or its id.
        is_hit: whether it was held out for the user.
        reasons: titles of items of the history, and by how much the score is lower without each.
    """

    title: str
    is_hit: bool
    reasons: list[tuple[str, float]]


class Example(NamedTuple):
    """A user, and what a run recommends to them.

    Attributes:
        user: id of the user.
        history: titles of the items of the history, the least popular first.
        n_targets: number of items that were held out.
        items: recommended items, the best first.
    """

    user: str
    history: list[str]
    n_targets: int
    items: list[Recommended]


class Extent(NamedTuple):
    """How much a report shows.

    Attributes:
        users: number of users that are shown one by one.
        k: number of items that are recommended to each of them.
        reasons: number of reasons for each item.
    """

    users: int = 4
    k: int = 10
    reasons: int = 3


def example_rows(users: HeldOut, n: int) -> Int[np.ndarray, " n"]:
    """Rows of n users: the middle one of each of n groups by the length of the history.

    Users with equally many items stay in their order.
    """
    (rows,) = np.nonzero(np.diff(users.targets.indptr) > 0)
    order = rows[np.argsort(history_lengths(users), kind="stable")]
    n = min(n, len(order))
    return order[[(2 * number + 1) * len(order) // (2 * n) for number in range(n)]]


def examples_of(run: Run, users: HeldOut, lists: Lists, extent: Extent) -> list[Example]:
    """Some users with what is recommended to them, and the reasons.

    Args:
        run: the run.
        users: held-out users.
        lists: what the run recommends to each of them.
        extent: number of users, items and reasons.
    """
    rows = example_rows(users, extent.users)
    some, catalogue = users.rows(rows), run.catalogue
    if not len(rows):
        return []
    best = lists.items[rows, : extent.k]
    scored = leave_one_out_scores(run.scorer, some.history, best, user_features=some.user_features)
    title = titles_of(catalogue)
    counts = np.asarray(catalogue.counts)
    examples = []
    for row, one in enumerate(scored):
        targets = set(some.targets[[row]].indices.tolist())
        items = []
        for number, item in enumerate(best[row]):
            if item < 0:
                continue
            effects: Float[np.ndarray, " history"] = one.effects[:, number]
            order = np.argsort(-effects, kind="stable")[: extent.reasons]
            reasons = [
                (title(one.history[place]), float(effects[place]))
                for place in order
                if effects[place] > 0
            ]
            items.append(Recommended(title(item), int(item) in targets, reasons))
        by_users = one.history[np.argsort(counts[one.history], kind="stable")]
        history = [title(item) for item in by_users]
        examples.append(Example(str(some.user_ids[row]), history, len(targets), items))
    return examples


def titles_of(catalogue: Catalogue) -> Callable[[Any], str]:
    """A function from the column of an item to its title, or to its id if it has none."""

    def title(column: Any) -> str:
        name = str(catalogue.ids[column])
        return catalogue.titles.get(name) or name

    return title
