"""Metrics of one user's list that depend on which items are shown, as pure functions.

Every metric takes a `UserList`, already cut off, and arrays about the items or users by name, such
as `counts`. A metric of your own is a function of the same form.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int


class UserList(NamedTuple):
    """The recommendation list of one user.

    Attributes:
        items: columns of the recommended items, best first.
        shown: whether there is an item at each rank; a list may be shorter than the cutoff. Where
            there is none, `items` holds an arbitrary column.
        hits: whether the item at each rank is a target.
        n_targets: number of items held out for the user.
        history: whether the user has each item of the catalogue.
        targets: whether each item of the catalogue is held out for the user.
        mean_target_rank: mean rank of the targets among all candidates, from 1; NaN for a list of
            another system, which does not tell it.
        n_candidates: number of items that were ranked for the user.
        history_mean: `values -> mean over the history`, where there is a faster way than the mask.
    """

    items: Int[Array, " k"]
    shown: Bool[Array, " k"]
    hits: Bool[Array, " k"]
    n_targets: Int[Array, ""]
    history: Bool[Array, " items"]
    targets: Bool[Array, " items"]
    mean_target_rank: Float[Array, ""]
    n_candidates: Int[Array, ""]
    history_mean: Callable[[Array], Array] | None = None

    def cut(self, k: int) -> UserList:
        """Return the first k ranks of the list."""
        return self._replace(items=self.items[:k], shown=self.shown[:k], hits=self.hits[:k])

    def mean(self, values: Float[Array, " k *any"]) -> Float[Array, " *any"]:
        """Return the mean of the values, one per rank, over the items shown; 0 if there are none.

        Example:
            The mean price of the items shown:

            >>> def mean_price(user_list, prices):
            ...     return user_list.mean(prices[user_list.items])
            >>> float(mean_price(UserList.of([2, 0], n_items=3), jnp.array([1.0, 2.0, 4.0])))
            2.5
        """
        return _mean_where(self.shown, values)

    def mean_of_history(self, values: Float[Array, " items *any"]) -> Float[Array, " *any"]:
        """Return the mean of the values, one per item, over the history; 0 if it is empty."""
        if self.history_mean is None:
            return _mean_where(self.history, values)
        return self.history_mean(values)

    @classmethod
    def of(
        cls,
        items: Sequence[int],
        n_items: int,
        history: Sequence[int] = (),
        targets: Sequence[int] = (),
    ) -> UserList:
        """Return the list of a user whose ranking ends with it, to try a metric.

        Args:
            items: columns of the items shown, best first.
            n_items: size of the catalogue.
            history: columns of the user's items.
            targets: columns of the items held out.

        Example:
            >>> UserList.of([2, 0], n_items=3, targets=[0]).hits.tolist()
            [False, True]
        """
        columns = np.asarray(items, np.int32)
        known, wanted = (np.isin(np.arange(n_items), one) for one in (history, targets))
        return cls(
            items=jnp.asarray(columns),
            shown=jnp.ones(len(columns), bool),
            hits=jnp.asarray(wanted[columns]),
            n_targets=jnp.int32(wanted.sum()),
            history=jnp.asarray(known),
            targets=jnp.asarray(wanted),
            mean_target_rank=jnp.float32(jnp.nan),
            n_candidates=jnp.int32((~known).sum()),
        )


def _mean_where(mask: Bool[Array, " n"], values: Float[Array, " n *any"]) -> Float[Array, " *any"]:
    kept = mask.reshape(-1, *(1,) * (values.ndim - 1))
    return jnp.where(kept, values, 0.0).sum(axis=0) / jnp.maximum(mask.sum(), 1).astype(jnp.float32)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class ListMetric:
    """A metric of one user's list.

    Attributes:
        function: `(user_list, **about) -> value`.
        cutoff: number of ranks that the function is given.
        about: the arrays that the function takes besides the list, by name. They are arguments of
            the compiled program.
        of_ranking: whether the function reads `mean_target_rank`, which costs another pass over the
            scores, and which the lists of another system do not tell.

    Example:
        The share of the shown items that are new:

        >>> def share_new(user_list, is_new):
        ...     return (is_new[user_list.items] * user_list.shown).sum() / user_list.shown.sum()
        >>> metric = ListMetric(share_new, 10, {"is_new": jnp.array([0.0, 1.0, 1.0])})
    """

    function: Callable[..., Array] = dataclasses.field(metadata={"static": True})
    cutoff: int = dataclasses.field(metadata={"static": True})
    about: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    of_ranking: bool = dataclasses.field(default=False, metadata={"static": True})

    def __call__(self, user_list: UserList) -> Float[Array, ""]:
        """Return the value for one user."""
        return jnp.asarray(self.function(user_list.cut(self.cutoff), **self.about), jnp.float32)


def auc(user_list: UserList) -> Float[Array, ""]:
    """Area under the ROC curve: the share of pairs of a target and another item in right order.

    The pairs are of all candidates, whatever the cutoff; of two equal scores, the item with the
    lower number comes first, as in every ranking here. With T targets of mean rank r among C
    candidates, AUC = 1 - (r - (T + 1) / 2) / (C - T), and 1 if all candidates are targets.

    Example:
        >>> metrics = {"auc": mv.ListMetric(auc, 1, of_ranking=True)}
        >>> 0 <= mv.evaluate(run.scorer, split.test, metrics).mean("auc") <= 1
        True
    """
    n_targets = user_list.n_targets.astype(jnp.float32)
    others = user_list.n_candidates.astype(jnp.float32) - n_targets
    above = user_list.mean_target_rank - (n_targets + 1.0) / 2.0
    return jnp.where(others > 0, 1.0 - above / jnp.maximum(others, 1.0), 1.0)


FAMILIES: Mapping[str, Callable[..., Array]] = {"auc": auc}
"""The metrics of this module by the names that tables and options call them."""
