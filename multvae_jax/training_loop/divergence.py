"""Training that diverged: which number is not finite, and in which update."""

from __future__ import annotations

import numpy as np

from multvae_jax.errors import InputError, listed
from multvae_jax.evaluation.result import Evaluation
from multvae_jax.runs.run import Run
from multvae_jax.training.finite import Check

NAMED = 3
"""Users of a batch that a message names."""


class DivergenceError(InputError):
    """A loss, a parameter or a score is not finite.

    Attributes:
        run: the run up to its last good epoch, with the parameters of the best one; None if no
            epoch was validated before.
    """

    def __init__(self, problem: str, run: Run | None) -> None:
        super().__init__(f"training diverged: {problem}")
        self.run = run


def problem_of_updates(
    check: Check, order: np.ndarray, user_ids: np.ndarray, *, epoch: int, before: int
) -> str | None:
    """Describe the first update whose numbers are not finite; None if all are finite.

    Args:
        check: the check of the updates.
        order: users of each batch, rows of `user_ids`, -1 where padded.
        user_ids: ids of the training users.
        epoch: the epoch of the updates, counted from 1.
        before: number of updates of the training before these.
    """
    loss, params = np.asarray(check.loss), np.asarray(check.params)
    bad = np.flatnonzero(~(loss & params))
    if bad.size:
        first = int(bad[0])
        name = f"update {before + first + 1} (epoch {epoch})"
        what = f"the loss of {name} is" if not loss[first] else f"the parameters after {name} are"
        users = user_ids[order[first][order[first] >= 0]]
        who = ", ".join(f"'{user}'" for user in users[:NAMED])
        more = f" and {users.size - NAMED:,} more" if users.size > NAMED else ""
        return f"{what} not finite; the users of its batch are {who}{more}"
    if not check.state:
        last = before + len(order)
        return (
            f"the parameters or the state of the optimizer are not finite after one of the "
            f"updates {before + 1} to {last} (epoch {epoch})"
        )
    return None


def problem_of_scores(result: Evaluation, epoch: int) -> str | None:
    """Describe scores of the validation users that are not numbers; None if all are numbers."""
    undefined = np.isnan(np.stack(list(result.values.values()))).all(axis=0)
    if not undefined.any():
        return None
    return (
        f"the scores of {int(undefined.sum()):,} of {undefined.size:,} validation users, or their "
        f"{listed(list(result.values))}, are not finite after epoch {epoch}"
    )
