"""How the recommenders of a split are judged and selected.

On most data, other users are held out, and the metrics are the paper's. A given split without
validation, such as LightGCN's Gowalla, has the same users in training and test; others publish the
recall and the NDCG of 20 items there, with recall as hits over test items.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import multvae_jax as mv
from multvae_jax.data.splits import MOST_VALIDATED
from multvae_jax.evaluation.metrics import PAPER_METRICS, at_cutoffs
from multvae_jax.recipe import SELECT_BY


class Protocol(NamedTuple):
    """How recommenders are judged.

    Attributes:
        metrics: metrics of the test and of the validation, by name.
        select_by: the one that selects epochs and constants, and that rows are tested by.
    """

    metrics: Mapping[str, mv.Metric]
    select_by: str


OTHER_USERS = Protocol(PAPER_METRICS, SELECT_BY)
SAME_USERS = Protocol(
    {name: at_cutoffs([20])[name] for name in ("uncapped_recall@20", "ndcg@20")}, "ndcg@20"
)


def protocol_of(split: mv.Split) -> Protocol:
    """The protocol of a split."""
    return SAME_USERS if split.validation is None else OTHER_USERS


def part_to_select_on(split: mv.Split) -> mv.Split:
    """A split without a tenth of each user's interactions, which it is validated on.

    As in `multvae train`, at most 5,000 users are validated on. A split that has validation users
    is returned as it is.
    """
    if split.validation is not None:
        return split
    return mv.hold_out_interactions(split, most_users=MOST_VALIDATED)
