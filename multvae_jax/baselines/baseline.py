"""`Baseline`: a recommender that is fitted at once, without epochs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import scipy.sparse as sp
from jaxtyping import Array

from multvae_jax.batching import Batch
from multvae_jax.checks.bounds import check_is_number
from multvae_jax.errors import InputError, names_like
from multvae_jax.networks import Head
from multvae_jax.types import Params

Setting = Mapping[str, float]
"""Constants of a baseline, by name."""


class Baseline(NamedTuple):
    """A recommender that is fitted at once, without epochs.

    Attributes:
        name: name in tables and on the command line.
        fit: `(train, **constants) -> params`, from a users x items matrix to a dict of arrays.
        score: `(params, batch) -> users x items`, higher is better.
        constants: the numbers that `fit` takes, with their defaults. One whose default is an
            integer takes whole numbers only.
        grid: values of constants to choose from on the validation users, each in ascending order.
        fit_each: `(train, settings) -> params of each setting`, for a baseline that can share
            work between settings; by default each is fitted by `fit`.
        head: `(params, batch) -> Head`, if the scores are products of a vector of the user and one
            of the item.
        check: called before a training whose model is to be blended with the baseline; it raises
            `InputError` if `fit` cannot work here, such as for want of a package.

    Example:
        >>> import numpy as np
        >>> from multvae_jax.batching import empty_batch
        >>> def fit(train, power):
        ...     return {"popularity": train.sum(axis=0) ** power}
        >>> def score(params, batch):
        ...     return np.tile(params["popularity"], (len(batch.users), 1))
        >>> mine = Baseline("tempered", fit, score, {"power": 1.0}, {"power": (0.5, 1.0)})
        >>> params = mine.fit(sp.csr_array([[1, 1], [1, 0]]), power=2.0)
        >>> mine.score(params, empty_batch(n_items=2)).tolist()
        [[4.0, 1.0]]
    """

    name: str
    fit: Callable[..., Params]
    score: Callable[[Params, Batch], Array]
    constants: Setting = {}  # noqa: RUF012 - never modified
    grid: Mapping[str, Sequence[float]] = {}
    fit_each: Callable[[sp.csr_array, Sequence[Setting]], Iterable[Params]] | None = None
    head: Callable[[Params, Batch], Head] | None = None
    check: Callable[[], object] | None = None


def with_constants(baseline: Baseline, given: Mapping[str, Any]) -> Baseline:
    """The baseline with other values of some of its constants.

    Raises:
        InputError: naming a constant that the baseline does not have, or a value that is not a
            number, or not a whole one where it must be.

    Example:
        >>> weak = with_constants(mv.baselines.EASE, {"regularization": 1.0})
        >>> weak.constants
        {'regularization': 1.0}
    """
    values = dict(baseline.constants)
    for name, value in given.items():
        if name not in values:
            listed = names_like(name, values) if values else "; it has none"
            raise InputError(f"{baseline.name} has no constant '{name}'{listed}")
        kind = type(values[name])
        try:
            check_is_number(name, value)
            values[name] = kind(value)
        except (TypeError, ValueError, OverflowError):
            raise InputError(f"{baseline.name}: {name} {value!r} is not a number") from None
        if values[name] != value and value == value:
            raise InputError(f"{baseline.name}: {name} {value:g} is not a whole number")
    return baseline._replace(constants=values)
