"""Checks of metrics before anything is compiled: that they do not fail, and return a number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from multvae_jax.by_value import remembered
from multvae_jax.checks.out_of_bounds import index_error
from multvae_jax.errors import InputError, failure_of
from multvae_jax.evaluation.catalogue_metrics import CatalogueMetric
from multvae_jax.evaluation.list_metrics import ListMetric, UserList
from multvae_jax.evaluation.metrics import Metric
from multvae_jax.evaluation.values import AnyMetric


def check_traced_metrics(metrics: Mapping[str, AnyMetric], n_items: int) -> None:
    """Refuse metrics whose functions fail, or return something other than a number.

    Args:
        metrics: metrics by name.
        n_items: size of the catalogue.

    Raises:
        InputError: naming the metric, or the line of its function, and what has failed.
    """
    for name, metric in metrics.items():
        problem = _problem_of(metric, n_items)
        if problem is not None:
            raise InputError(problem.replace(_METRIC, f"metrics['{name}']"))


_METRIC = "<metric>"
"""Stands for the name of a metric, which the metric itself does not have."""


@remembered(most=256)
def _problem_of(metric: AnyMetric, n_items: int) -> str | None:
    def like(kind: Any, *shape: int) -> Any:
        return jax.ShapeDtypeStruct(shape, kind)

    k, number = min(metric.cutoff, n_items), like(jnp.int32)
    of_ranks, of_items = like(jnp.bool_, k), like(jnp.bool_, n_items)
    masks = of_ranks, of_ranks, number, of_items, of_items

    # Traced as in an evaluation: a NumPy array cannot be indexed with an item that is traced.
    def with_about(measured: Any, about: Any) -> Any:
        return metric.function(measured, **about)

    one = UserList(like(jnp.int32, k), *masks, like(jnp.float32), number)
    try:
        if isinstance(metric, CatalogueMetric):
            counts = like(jnp.int32, n_items)
            found = jax.eval_shape(with_about, counts, dict(metric.about))
        elif isinstance(metric, Metric):
            function = metric.function
            found = jax.eval_shape(
                lambda hits, n: function(hits, n, metric.cutoff), of_ranks, number
            )
        else:
            found = jax.eval_shape(with_about, one, dict(metric.about))
    except InputError:
        raise
    # Any exception of the user's function is reported in one line.
    except Exception as error:
        failure = failure_of(_METRIC, error)
        if isinstance(metric, Metric) and isinstance(error, AttributeError | TypeError):
            failure += "; a Metric takes (hits, n_targets, k), and a ListMetric the list"
        return failure
    if isinstance(metric, ListMetric) and metric.about:
        last = np.full(k, n_items - 1, np.int32)
        about = metric.about

        def of_last_items(one: Any, about: Any) -> Any:
            return metric.function(one._replace(items=last), **about)

        problem = index_error(of_last_items, one, dict(about))
        if problem is not None:
            return f"{_METRIC}: {problem}; an array in `about` needs a row per item, {n_items:,}"
    if getattr(found, "shape", None) != ():
        got = type(found).__name__
        if hasattr(found, "shape"):
            got = f"an array of shape {found.shape}"
        return f"{_METRIC}: returns {got}, and must return a number"
    return None
