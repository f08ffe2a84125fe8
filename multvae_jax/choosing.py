"""`choose`: train several recommenders in a given time, and keep the one that validates best."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from jaxtyping import PRNGKeyArray

from multvae_jax import recipe
from multvae_jax.arguments import check_callback
from multvae_jax.blending import GRIDS, blend, usual_baseline
from multvae_jax.bounds import Positive, check_number
from multvae_jax.data.types import Split
from multvae_jax.divergence import DivergenceError
from multvae_jax.errors import InputError
from multvae_jax.evaluation.evaluator import evaluate, prepare_users
from multvae_jax.evaluation.metrics import PAPER_METRICS, Metric
from multvae_jax.extensions.recvae import recvae
from multvae_jax.fitting import fit
from multvae_jax.likelihoods import gaussian
from multvae_jax.models import Model, mult_dae, mult_vae
from multvae_jax.runs.run import Run
from multvae_jax.tuning import fit_baseline

MINUTES = 10.0
"""Time that `choose` may take."""


@dataclass(frozen=True)
class Tried:
    """A recommender that was tried.

    Attributes:
        name: its name.
        validation: its validation metrics.
        seconds: time that it took.
        stopped: whether the time ended before its training had.
    """

    name: str
    validation: Mapping[str, float]
    seconds: float
    stopped: bool


class Choice(NamedTuple):
    """Result of `choose`.

    Attributes:
        run: the run that validates best.
        name: name of its recommender.
        tried: all that were tried, in their order.
    """

    run: Run
    name: str
    tried: list[Tried]


def gaussian_vae() -> Model:
    """Mult-VAE without a hidden layer and with a Gaussian likelihood: good on dense data."""
    return mult_vae((), 200, likelihood=gaussian(10.0, 3.0))


MODELS: Mapping[str, Callable[[], Model]] = {
    "mult-vae": mult_vae,
    "gaussian vae": gaussian_vae,
    "mult-dae": mult_dae,
    "recvae": recvae,
}
"""The models, in the order in which they are tried: those that often rank best come first."""


def choose(
    key: PRNGKeyArray,
    split: Split,
    *,
    minutes: float = MINUTES,
    models: Mapping[str, Callable[[], Model]] = MODELS,
    select_by: str = recipe.SELECT_BY,
    metrics: Mapping[str, Metric] = PAPER_METRICS,
    callback: Callable[[Tried], bool | None] | None = None,
) -> Choice:
    """Try a baseline, then models alone and blended with it, and keep the best on validation.

    What is tried follows a fixed order until the time is up. A training that has not ended by then
    stops and takes part with its best epoch so far. The test users are not looked at, so that a
    test of the result is honest.

    Args:
        key: root key of each training, as in `fit`.
        split: training users, and validation users to choose on.
        minutes: time that may be taken. The baseline, and one epoch of a model, are finished
            whatever they take.
        models: functions that make the models to try, by name; as in `fit`.
        select_by: metric that is to be highest, one of `metrics`.
        metrics: validation metrics by name.
        callback: called with each recommender that was tried; if it returns True, no other follows.

    Raises:
        InputError: if the split has no validation users.

    Example:
        >>> choice = mv.choose(jax.random.key(0), split, minutes=10)
        >>> choice.name, mv.evaluate(choice.run.scorer, split.test).mean("ndcg@100")
    """
    check_number("minutes", minutes, Positive)
    check_callback(callback)
    if split.validation is None:
        raise InputError("nothing can be chosen: the split has no validation users")
    users = prepare_users(split.validation)
    deadline = time.monotonic() + 60 * minutes
    by: dict[str, Any] = {"select_by": select_by, "metrics": metrics}
    tried: list[Tried] = []
    best: tuple[float, Run, str] | None = None
    ended = False

    def late(_: Any = None) -> bool:
        return time.monotonic() > deadline

    def consider(name: str, make: Callable[[], Run]) -> Run | None:
        nonlocal best, ended
        began = time.monotonic()
        try:
            run = make()
        except DivergenceError:
            return None
        evaluation = evaluate(run.scorer, users, metrics)
        values = {metric: evaluation.mean(metric) for metric in metrics}
        entry = Tried(name, values, time.monotonic() - began, late())
        tried.append(entry)
        if best is None or values[select_by] > best[0]:
            best = values[select_by], run, name
        ended = bool(callback is not None and callback(entry)) or late()
        return run

    other = usual_baseline(split)
    grid = GRIDS[other.name]
    baseline = consider(
        other.name, lambda: fit_baseline(other, split, grid=grid, callback=late, **by)
    )
    assert baseline is not None
    for name, model in models.items():
        if ended:
            break
        run = consider(name, partial(fit, key, model, split, callback=late, **by))
        if run is not None:
            mixed = partial(blend, run, other, constants=dict(baseline.constants), **by)
            consider(f"{name} + {other.name}", mixed)
    assert best is not None
    return Choice(best[1], best[2], tried)


def ranked(tried: Sequence[Tried], metric: str) -> list[Tried]:
    """What was tried, best first."""
    return sorted(tried, key=lambda one: -one.validation[metric])
