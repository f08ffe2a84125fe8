"""`choose`: train several recommenders in a given time, and keep the one that validates best."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any

import numpy as np
from jaxtyping import PRNGKeyArray

from multvae_jax import recipe as recipes
from multvae_jax.checks.bounds import (
    Count,
    NotNegative,
    Positive,
    check_function,
    check_kind,
    check_mapping,
    check_number,
    described,
)
from multvae_jax.checks.signatures import cannot_take
from multvae_jax.data.types import Split
from multvae_jax.defaults import recipe_numbers
from multvae_jax.errors import InputError
from multvae_jax.evaluation.metrics import PAPER_METRICS
from multvae_jax.evaluation.values import AnyMetric
from multvae_jax.extensions.recvae import recvae
from multvae_jax.keys import check_key
from multvae_jax.likelihoods import gaussian
from multvae_jax.mlp import bounded_mlp
from multvae_jax.model_selection.blending import usual_baseline
from multvae_jax.model_selection.trying import Candidate, Choice, Time, Tried, Work
from multvae_jax.models import Model, mult_dae, mult_vae
from multvae_jax.recipe import DataShape, Recipe
from multvae_jax.training.arguments import check_callback, check_metrics

OF_BASELINE = 0.5
"""Share of the time after which no further constants of the baseline are tried."""


def gaussian_vae() -> Model:
    """Mult-VAE without a hidden layer and with a Gaussian likelihood: good on dense data."""
    return mult_vae((), 200, network=bounded_mlp, likelihood=gaussian(10.0, 3.0))


MODELS: Mapping[str, Candidate] = {
    "mult-vae": Candidate(mult_vae),
    "gaussian mult-vae": Candidate(gaussian_vae),
    "mult-dae": Candidate(mult_dae),
    # Three of four epochs are the encoder's: ten cycles without a new best are 40 epochs.
    "recvae": Candidate(recvae, epochs=200, patience=40, learning_rate=5e-4),
}
"""The models, in the order in which they are tried: those that often rank best come first."""


def choose(
    key: PRNGKeyArray,
    split: Split,
    *,
    minutes: float = recipes.MINUTES,
    models: Mapping[str, Candidate | Model | Callable[..., Model]] = MODELS,
    whole: Split | None = None,
    recipe: Callable[[DataShape], Recipe] = recipes.adaptive,
    select_by: str = recipes.SELECT_BY,
    metrics: Mapping[str, AnyMetric] = PAPER_METRICS,
    callback: Callable[[Tried], bool | None] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Choice:
    """Try a baseline, then models alone and blended with it, and keep the best on validation.

    What is tried follows a fixed order until the time is up. A training that has not ended by then
    stops and takes part with its best epoch so far; none begins that would not end its first
    epoch. What diverges or does not fit in the memory is left out. The test users are not looked
    at, so that a test of the result is honest.

    Args:
        key: root key of each training, as in `fit`.
        split: training users, and validation users to choose on.
        minutes: time that may be taken; one setting of the baseline is finished whatever it takes.
        models: the models to try, or functions that make them, by name; as in `fit`.
        whole: the split of which `split` is a part, as `hold_out_interactions` made it. What is
            chosen is trained anew on it, with its constants and for its number of epochs, within
            the time.
        recipe: the numbers of each training that are not set, as in `fit`.
        select_by: metric that is to be highest, one of `metrics`.
        metrics: validation metrics by name.
        callback: called with each recommender that was tried; if it returns True, no other follows.
        should_stop: asked every few updates; when it returns True, all ends with the best so far,
            which is not trained anew.

    Raises:
        InputError: if the split has no validation users, or nothing could be trained.

    Example:
        >>> choice = mv.choose(key, split, minutes=10, models={"mine": model})
        >>> evaluation = mv.evaluate(choice.run.scorer, split.test)
    """
    check_key("key", key)
    check_kind("split", split, Split, "hold_out_users(data)")
    check_number("minutes", minutes, Positive)
    check_callback(callback)
    check_function("should_stop", should_stop, "a function without arguments")
    if cannot_take(should_stop, 0):
        raise InputError("should_stop: it must take no arguments")
    candidates = _checked(models)
    if whole is not None:
        check_kind("whole", whole, Split, "the one that hold_out_interactions was given")
        if not np.array_equal(whole.catalogue.ids, split.catalogue.ids):
            raise InputError("whole: it has other items than the split, which must be a part of it")
    check_metrics(metrics, select_by, split.train.shape[1])
    if split.validation is None:
        raise InputError(
            "nothing can be chosen: the split has no validation users; hold_out_interactions(split)"
            " makes some"
        )
    began, seconds = monotonic(), 60 * minutes
    work = Work(
        key=key,
        split=split,
        numbers=recipe_numbers(recipe, whole or split),
        select_by=select_by,
        metrics=metrics,
        time=Time(began + seconds, should_stop, trains_anew=whole is not None),
        callback=callback,
    )
    baseline = work.try_baseline(usual_baseline(split), began + OF_BASELINE * seconds)
    for name, candidate in candidates.items():
        if work.is_ended or work.time.left() <= work.time.epoch:
            break
        run = work.try_model(name, candidate)
        if run is not None and baseline is not None and not work.is_ended:
            work.try_blend(name, candidate, run, baseline)
    best = work.best
    if best is None:
        problems = "; ".join(f"{one.name}: {one.problem}" for one in work.tried)
        raise InputError(f"nothing could be trained ({problems})")
    if whole is None or should_stop():
        return best
    anew = work.train_anew(best, whole)
    return best if anew is None else best._replace(run=anew)


def _checked(models: Any) -> dict[str, Candidate]:
    """The models as candidates, by name.

    Raises:
        InputError: one is neither a model nor a function that makes one.
    """
    wanted = "models by name, such as {'mult-vae': mult_vae}"
    check_mapping("models", models, wanted)
    found: dict[str, Candidate] = {}
    for name, given in models.items():
        place = f"models['{name}']"
        found[name] = one = given if isinstance(given, Candidate) else Candidate(given)
        if not isinstance(one.model, Model) and not callable(one.model):
            raise InputError(f"{place}: {described(one.model)}; give a model, such as mult_vae()")
        check_number(f"{place}.epochs", one.epochs, Count | None)
        check_number(f"{place}.patience", one.patience, Count | None)
        check_number(f"{place}.learning_rate", one.learning_rate, NotNegative | None)
    return found
