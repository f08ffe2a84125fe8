"""Held-out users: in groups, by the popularity of what they are shown, and one by one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from html import escape
from typing import Any

from multvae_jax.evaluation.groups import Group
from multvae_jax.evaluation.metrics import heading
from multvae_jax.reports import figures, pieces
from multvae_jax.reports.comparison import cell
from multvae_jax.reports.contents import BEYOND, SHOWN, Content
from multvae_jax.reports.examples import Example
from multvae_jax.reports.results import evaluations
from multvae_jax.reports.web_page import table_of

MOST_OF_HISTORY = 15
"""Most titles of a history that are shown; the others are counted."""


def groups(contents: Sequence[Content]) -> str:
    """The first metric by the length of the history."""
    with_any = {one.name: one.groups.groups for one in contents if one.groups is not None}
    text = pieces.left_out(contents, "groups", "groups of users")
    if not with_any:
        return text
    labels = dict.fromkeys(label for each in with_any.values() for label in each)
    (metric, *_) = next(iter(next(iter(with_any.values())).values())).values
    lines = [
        [
            label,
            _users_of([each.get(label) for each in with_any.values()]),
            *(_cell(each.get(label), metric) for each in with_any.values()),
        ]
        for label in labels
    ]
    drawn = [(figures.by_activity(contents, metric), f"{heading(metric)} by length of the history")]
    said = ["quarters of the users by the number of items in the history; bars: 95% over users."]
    notes = dict.fromkeys(note for one in contents if one.groups for note in one.groups.notes)
    table = table_of(["items in the history", "users", *with_any], lines)
    return pieces.beside(pieces.charts(drawn), table) + text + pieces.notes([*said, *notes])


def _users_of(found: Sequence[Group | None]) -> str:
    """The number of users of a group, which may differ between runs of other users."""
    return " or ".join(dict.fromkeys(f"{group.users:,}" for group in found if group is not None))


def _cell(group: Group | None, metric: str) -> str:
    return "" if group is None else cell(group.values[metric].mean, group.values[metric].interval)


def popularity(contents: Sequence[Content]) -> str:
    """How popular the recommended items are, and how much of the catalogue they cover."""
    text = pieces.left_out(contents, "popularity", "lists to look at")
    tested = [one.evaluation for one in contents if one.evaluation is not None]
    if not tested:
        return text
    known = [name for name in BEYOND if all(name in one.summary() for one in tested)]
    about = f"Share of the most popular items in lists of {SHOWN}"
    said = [
        "coverage: share of the catalogue that is in at least one list. Gini: 0 if all items are "
        "shown equally often, 1 if only one is.",
        "average popularity: training users of the items shown. Popularity lift: how much more "
        "popular they are than the user's history, 1 for twice as much. APLT: share of the items "
        "shown that are in the long tail. Novelty: self-information in bits.",
    ]
    drawn = [(figures.popularity_curve(contents), about)]
    return (
        pieces.beside(pieces.charts(drawn), evaluations(contents, known))
        + text
        + pieces.notes(said)
    )


def examples(contents: Sequence[Content]) -> str:
    """Some users with their histories, and what each run recommends."""
    # An id may name another user, or another history, in a run of other data.
    shown: defaultdict[Any, list[tuple[str, Example]]] = defaultdict(list)
    for one in contents:
        for example in one.examples:
            user = example.user, frozenset(example.history), example.n_targets
            shown[user].append((one.name, example))
    text = ""
    for same_user in shown.values():
        _, first = same_user[0]
        text += f"<h3>User {escape(first.user)}</h3>\n{_history(first)}"
        lists = "".join(
            f"<div>\n<h4>{escape(name)}</h4>\n{_list(example)}</div>\n"
            for name, example in same_user
        )
        text += f'<div class="lists">\n{lists}</div>\n'
    if text:
        text += pieces.notes(
            [
                "bold with a check mark: was held out for the user.",
                "because of: the score of the item without this one of the history is lower by the "
                "number; exact, one item at a time.",
            ]
        )
    return text + pieces.left_out(contents, "examples", "users to show")


def _history(example: Example) -> str:
    titles = example.history[:MOST_OF_HISTORY]
    more = len(example.history) - len(titles)
    words = "; ".join(titles) + (f"; and {more:,} more" if more else "")
    return (
        f'<p class="history"><b>{len(example.history):,} in the history, {example.n_targets:,} '
        f"held out.</b> {escape(words)}</p>\n"
    )


def _list(example: Example) -> str:
    lines = ""
    for item in example.items:
        because = "; ".join(f"{title} ({effect:+.2g})" for title, effect in item.reasons)
        why = f'<span class="why">because of {escape(because)}</span>' if because else ""
        kind, mark = (' class="hit"', " ✓") if item.is_hit else ("", "")
        lines += f"<li{kind}>{escape(item.title)}{mark}{why}</li>\n"
    return f"<ol>\n{lines}</ol>\n"
