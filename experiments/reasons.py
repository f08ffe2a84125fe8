"""Reasons: does a recommended item fall when what `why` names is taken out of the history?

    python -m experiments.reasons --dataset ml-1m --seeds 3

581 s on two shared cores of an AMD EPYC; share of 600 test users whose best item is still among the
best 20 when three tenths of the history are gone:

    by `why` .5056   by popularity .9917   at random .9956

All shares, and the score that is lost: results/reasons/README.md.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
import scipy.sparse as sp
from jaxtyping import Float, Int
from matplotlib.figure import Figure

import multvae_jax as mv
from experiments.shared.main import Report, main
from experiments.shared.options import Options, load_split
from experiments.shared.tables import cell, format_markdown
from multvae_jax.evaluation.significance import confidence_half_width
from multvae_jax.host.console import say
from multvae_jax.recommending.scoring import LeaveOneOut, leave_one_out_scores, score_items

SHARES = (0.1, 0.2, 0.3, 0.5)
"""Parts of the history that are taken out."""

TOP = 20

CAPTION = f"""
The item is the best one of each user, for the whole history, whose items are not ranked. Mean ±
half of its 95% interval over seeds (standard error over users) of: whether it is still among the
best {TOP}, and what its score has lost. Difference: by `why` less at random, of each user's means
over seeds, ± half of its 95% interval over users.
"""

Order = Callable[[LeaveOneOut, np.ndarray, np.random.Generator], Int[np.ndarray, " history"]]
"""`(effects of a user, counts of the items, generator) -> places of the history`, in turn."""

ORDERS: dict[str, Order] = {
    "by `why`": lambda one, counts, random: np.argsort(-one.effects[:, 0], kind="stable"),
    "by popularity": lambda one, counts, random: np.argsort(-counts[one.history], kind="stable"),
    "at random": lambda one, counts, random: random.permutation(len(one.history)),
}

MEASURES = {"kept": f"among the best {TOP}", "lost": "score lost"}


class Deleted(NamedTuple):
    """Rank and score of each user's best item when a part of the history is removed.

    Attributes:
        kept: 1 if the item is still among the best `TOP` outside the whole history, else 0.
        lost: what its score has lost.
    """

    kept: Float[np.ndarray, " users"]
    lost: Float[np.ndarray, " users"]


def without(
    found: Sequence[LeaveOneOut], orders: Sequence[np.ndarray], share: float, n_items: int
) -> sp.csr_array:
    """The histories without a share of their items, at least one, in the order of each."""
    rows = []
    for one, order in zip(found, orders, strict=True):
        n_out = max(1, round(share * len(order)))
        rows.append(np.sort(one.history[order[n_out:]]))
    starts = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    items = np.concatenate(rows)
    return sp.csr_array(
        (np.ones(len(items), np.float32), items, starts), shape=(len(rows), n_items)
    )


def deletion(
    scorer: mv.Scorer, catalogue: mv.Catalogue, histories: sp.csr_array, seed: int
) -> dict[str, dict[float, Deleted]]:
    """Order -> share -> what becomes of the best item of each user.

    Args:
        scorer: a trained model.
        catalogue: its items.
        histories: users x items.
        seed: seed of the random order.
    """
    users = np.arange(histories.shape[0])
    best = mv.recommend_lists(scorer, catalogue, histories, users, 1).items
    found = list(leave_one_out_scores(scorer, histories, best))
    whole = np.array([one.scores[0] for one in found])
    everything = np.tile(np.arange(len(catalogue.ids)), (len(users), 1))
    known = histories.toarray() > 0
    random = np.random.default_rng(seed)
    result: dict[str, dict[float, Deleted]] = {}
    for name, order in ORDERS.items():
        orders = [order(one, catalogue.counts, random) for one in found]
        result[name] = {}
        for share in SHARES:
            rest = without(found, orders, share, len(catalogue.ids))
            scores = score_items(scorer, rest, everything)
            of_best = np.take_along_axis(scores, best, axis=1)
            # What was taken out would come first again, and is not a recommendation.
            above = ((scores > of_best) & ~known).sum(axis=1)
            lost = whole - of_best[:, 0].astype(np.float64)
            result[name][share] = Deleted((above < TOP).astype(np.float64), lost)
    return result


def summary_of(found: Sequence[Mapping[str, Mapping[float, Deleted]]]) -> list[dict[str, Any]]:
    """One entry per measure and share: the mean of each order, and the paired difference."""
    entries = []
    for measure in MEASURES:
        for share in SHARES:
            values = {
                name: np.stack([getattr(one[name][share], measure) for one in found])
                for name in ORDERS
            }
            first, *_, last = (each.mean(axis=0) for each in values.values())
            entries.append(
                {
                    "measure": measure,
                    "share": share,
                    "orders": {name: _numbers(each) for name, each in values.items()},
                    "difference": float((first - last).mean()),
                    "difference_interval": confidence_half_width((first - last).tolist()),
                }
            )
    return entries


def _numbers(values: Float[np.ndarray, "seeds users"]) -> dict[str, Any]:
    by_seed = values.mean(axis=1).tolist()
    of_users = values.mean(axis=0)
    return {
        "mean": float(np.mean(by_seed)),
        "interval": confidence_half_width(by_seed),
        "standard_error": float(of_users.std(ddof=1) / np.sqrt(len(of_users))),
        "by_seed": by_seed,
    }


def markdown(entries: Sequence[Mapping[str, Any]]) -> str:
    """One line per measure and share, one column per order."""
    lines = []
    for entry in entries:
        cells = [cell(entry["orders"][name]) for name in ORDERS]
        difference = f"{entry['difference']:+.4f} ± {entry['difference_interval']:.4f}"
        what = f"{MEASURES[entry['measure']]}, {entry['share']:.0%} taken out"
        lines.append([what, *cells, difference])
    return format_markdown(["", *ORDERS, "difference"], lines) + CAPTION


def draw(entries: Sequence[Mapping[str, Any]], title: str) -> Figure:
    """A panel per measure: the deletion curve of each order, from the whole history."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    for axes, (measure, label) in zip(figure.subplots(1, 2), MEASURES.items(), strict=True):
        for name, marker in zip(ORDERS, "o^s", strict=True):
            mine = [entry["orders"][name] for entry in entries if entry["measure"] == measure]
            axes.errorbar(
                [0.0, *SHARES],
                [1.0 if measure == "kept" else 0.0, *(number["mean"] for number in mine)],
                yerr=[0.0, *(1.96 * number["standard_error"] for number in mine)],
                marker=marker,
                capsize=3,
                label=name.replace("`", ""),
            )
        axes.set(xlabel="share of the history taken out", ylabel=label)
        axes.set_ylim(bottom=0)
        axes.grid(visible=True, alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.suptitle(f"{title}: best item of each user, 95% over users")
    return figure


def reasons(options: Options) -> Iterator[Report]:
    """Take items out of histories by `why`, by popularity and at random."""
    split = load_split(options)
    length = {"epochs": 2} if options.quick else {}
    found = []
    for seed in options.all_seeds:
        run = mv.fit(jax.random.key(seed), mv.mult_vae, split, **length)
        found.append(deletion(run.scorer, run.catalogue, split.test.history, seed))
        say(f"seed {seed} is done")
        if seed == options.all_seeds[-1]:
            entries = summary_of(found)
            figure = draw(entries, options.data_name)
            yield Report(split, {"entries": entries}, markdown(entries), figure)


if __name__ == "__main__":
    sys.exit(main(reasons))
