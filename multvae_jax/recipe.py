"""How a model is trained when the caller sets nothing.

`fit`, `sweep`, the command line, the experiments and the benchmarks take these numbers from
here; their arguments and options override them. Nothing in this module imports jax.
"""

from __future__ import annotations

import math

EPOCHS = 100
"""Passes over the training users."""

LEARNING_RATE = 1e-3
"""Learning rate of Adam (section 4.4)."""

LARGEST_BATCH = 500
"""Users in an update at most: the paper's batch size (section 4.4)."""

FEWEST_UPDATES = 10
"""Updates in an epoch at least: a small data set is cut into smaller batches."""

BETA_CAP = 0.2
"""Largest weight of the KL term (section 2.2.2)."""

ANNEALED_SHARE = 0.5
"""Share of all updates over which beta rises from 0 to its cap."""

SELECT_BY = "ndcg@100"
"""Validation metric that selects the epoch (section 4.2)."""


def batch_size(n_users: int) -> int:
    """Users in an update: at most 500, and at least ten updates an epoch.

    All batches are about the same size: a last batch of a few users would move the parameters as
    far as a full one, in a direction that is mostly noise.

    Args:
        n_users: training users.

    Example:
        >>> batch_size(4832), batch_size(483)
        (484, 49)
    """
    return math.ceil(n_users / max(FEWEST_UPDATES, math.ceil(n_users / LARGEST_BATCH)))


def n_updates(n_users: int, batch_size: int, epochs: int) -> int:
    """Updates of a whole run."""
    return epochs * math.ceil(n_users / batch_size)
