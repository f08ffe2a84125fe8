"""`Evaluation`: what a recommender was measured to be."""

from __future__ import annotations

import dataclasses

import numpy as np

from multvae_jax.checks.bounds import (
    LeastCount,
    check_array,
    check_mapping,
    check_number,
    check_text,
)
from multvae_jax.errors import InputError, names_like
from multvae_jax.host.notebook import html_table


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """The metrics of each user with at least one target, and of all their lists together.

    Attributes:
        values: metric -> one float64 value per user, in the order of the held-out users.
        users_without_target: number of held-out users that were left out because nothing of
            theirs is held out.
        overall: metric of all lists together, such as coverage -> its value.
        user_ids: ids of the users, in the order of the values; None if they are not known.

    Example:
        >>> evaluation = Evaluation({"recall@20": np.array([0.5, 1.0])}, users_without_target=0)
        >>> evaluation.mean("recall@20"), evaluation.users
        (0.75, 2)
    """

    values: dict[str, np.ndarray]
    users_without_target: int
    overall: dict[str, float] = dataclasses.field(default_factory=dict)
    user_ids: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            InputError: there are not as many values of each metric as users.
        """
        check_mapping("values", self.values, "one value per user by metric")
        check_number("users_without_target", self.users_without_target, LeastCount)
        check_mapping("overall", self.overall, "numbers by metric")
        for metric, values in self.values.items():
            check_array(f"values['{metric}']", values)
            if values.shape != (self.users,):
                raise InputError(
                    f"values['{metric}']: of shape {values.shape}, for {self.users:,} users"
                )

    def __repr__(self) -> str:
        metrics = ", ".join(f"{name} {value}" for name, value in self._shown())
        return f"<Evaluation of {self.users:,} users: {metrics}>"

    def _repr_html_(self) -> str:
        return html_table(f"Evaluation of {self.users:,} users", ("metric", "mean"), self._shown())

    def _shown(self) -> list[tuple[str, str]]:
        """Each metric with its mean and standard error, as text."""
        return [
            (name, " ± ".join(f"{number:.4f}" for number in numbers.values()))
            for name, numbers in self.summary().items()
        ]

    @property
    def users(self) -> int:
        """Number of users that the means are over."""
        if self.user_ids is not None:
            return len(self.user_ids)
        return len(next(iter(self.values.values()), ()))

    def mean(self, metric: str) -> float:
        """Return the mean of a metric over the users, or the value of a metric of all lists.

        Raises:
            InputError: it was not evaluated.
        """
        self._check(metric)
        if metric in self.overall:
            return self.overall[metric]
        return float(self.values[metric].mean())

    def standard_error(self, metric: str) -> float:
        """Return the standard error of the mean: the standard deviation over sqrt(users).

        It is NaN for a metric of all lists together, which is not a mean over users.

        Raises:
            InputError: it was not evaluated.
        """
        self._check(metric)
        if metric in self.overall:
            return float("nan")
        return float(self.values[metric].std() / np.sqrt(self.users))

    def _check(self, metric: str) -> None:
        known = [*self.values, *self.overall]
        check_text("metric", metric, "the name of a metric")
        if metric not in known:
            raise InputError(f"{metric}: was not evaluated{names_like(str(metric), known)}")

    def summary(self) -> dict[str, dict[str, float]]:
        """Return `{metric: {"mean": ..., "standard_error": ...}}`.

        A metric of all lists together has no standard error.
        """
        of_users = {
            metric: {"mean": self.mean(metric), "standard_error": self.standard_error(metric)}
            for metric in self.values
        }
        return {**of_users, **{metric: {"mean": value} for metric, value in self.overall.items()}}
