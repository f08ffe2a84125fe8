"""Recommenders that are tried one after the other, and the best of them so far; see `choose`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, NamedTuple

import jax
import optax
from jaxtyping import PRNGKeyArray

from multvae_jax.baselines import Baseline
from multvae_jax.data.types import Split
from multvae_jax.errors import InputError, is_out_of_memory
from multvae_jax.evaluation.evaluation_set import prepare_users
from multvae_jax.evaluation.evaluator import evaluate
from multvae_jax.evaluation.values import AnyMetric
from multvae_jax.fitting import fit
from multvae_jax.model_selection.blending import GRIDS, WEIGHTS, blend
from multvae_jax.model_selection.tuning import best_setting, fit_baseline, settings_of
from multvae_jax.models import Blend, Model
from multvae_jax.recipe import Recipe
from multvae_jax.runs.run import Run
from multvae_jax.selection import Entry
from multvae_jax.training.fit_state import FitState
from multvae_jax.training_loop.divergence import DivergenceError


class Candidate(NamedTuple):
    """A model to try, and numbers of its training that are not those of the recipe.

    Attributes:
        model: the model, or a function that makes it, as in `fit`.
        epochs: passes over the training users at most.
        patience: validations without a new best after which training stops.
        learning_rate: learning rate of Adam.
    """

    model: Model | Callable[..., Model]
    epochs: int | None = None
    patience: int | None = None
    learning_rate: float | None = None


@dataclass(frozen=True)
class Tried:
    """A recommender that was tried.

    Attributes:
        name: its name.
        validation: its validation metrics; empty if there was a problem.
        seconds: time that it took; of a blend, besides the training of its model.
        stopped: whether it was stopped before its training or the choice of its constants ended.
        problem: why it takes no part, for example because it diverged; None if it does.
    """

    name: str
    validation: Mapping[str, float]
    seconds: float
    stopped: bool = False
    problem: str | None = None


class Choice(NamedTuple):
    """Result of `choose`.

    Attributes:
        run: the run that validates best; trained anew, if there is a `whole` split.
        name: name of its recommender.
        tried: all that were tried, in their order.
        selected: the run as it was validated; the same as `run` unless that was trained anew.
        candidate: the model of the run and its training; None for a baseline.
    """

    run: Run
    name: str
    tried: list[Tried]
    selected: Run
    candidate: Candidate | None


class _Made(NamedTuple):
    """A recommender that was made: its run, its validation metrics, and whether it was stopped."""

    run: Run
    validation: Mapping[str, float]
    stopped: bool


def ranked(tried: Sequence[Tried], metric: str) -> list[Tried]:
    """The recommenders that were tried, best first; those that failed come last."""
    return sorted(tried, key=lambda one: -one.validation.get(metric, -math.inf))


@dataclass
class Time:
    """The time that may be taken.

    Attributes:
        end: when it is over.
        is_asked_to_stop: whether the caller ends it earlier.
        trains_anew: whether the best is trained anew within it.
        anew: seconds that this takes for the best so far.
        blending: seconds that a blend takes.
        epoch: seconds from the start of a training to the end of its first epoch, as last seen.
    """

    end: float
    is_asked_to_stop: Callable[[], bool]
    trains_anew: bool
    anew: float = 0.0
    blending: float = 0.0
    epoch: float = 0.0

    def left(self, spent: float = 0.0) -> float:
        """Seconds that are left for a training that has taken some already."""
        if self.is_asked_to_stop():
            return 0.0
        anew = max(self.anew, spent) if self.trains_anew else 0.0
        return self.end - monotonic() - anew - self.blending


@dataclass
class Work:
    """The candidates to try, and the results so far.

    Attributes:
        key: root key of each training.
        split: the split to train and to choose on.
        numbers: the numbers of each training that are not set.
        select_by: metric that is to be highest.
        metrics: validation metrics.
        time: the time that may be taken.
        callback: called with each recommender that was tried.
        tried: what was tried.
        best: the best of it.
        is_ended: whether no other follows.
    """

    key: PRNGKeyArray
    split: Split
    numbers: Recipe
    select_by: str
    metrics: Mapping[str, AnyMetric]
    time: Time
    callback: Callable[[Tried], bool | None] | None
    tried: list[Tried] = field(default_factory=list)
    best: Choice | None = None
    is_ended: bool = False

    @property
    def by(self) -> dict[str, Any]:
        """The arguments that choose."""
        return {"select_by": self.select_by, "metrics": self.metrics}

    def validate(self, run: Run) -> dict[str, float]:
        """The validation metrics of a run."""
        assert self.split.validation is not None
        evaluation = evaluate(run.scorer, prepare_users(self.split.validation), self.metrics)
        return {metric: evaluation.mean(metric) for metric in self.metrics}

    def attempt(
        self,
        name: str,
        make: Callable[[], _Made],
        candidate: Candidate | None = None,
        before: float = 0.0,
    ) -> Run | None:
        """Try a recommender.

        Args:
            name: its name.
            make: makes it.
            candidate: its model.
            before: seconds that its parts have taken before.

        Returns:
            Its run; None if there was a problem.
        """
        began, made, problem = monotonic(), None, None
        try:
            made = make()
            if math.isnan(made.validation[self.select_by]):
                made, problem = None, "its scores are not finite"
        except (InputError, MemoryError, jax.errors.JaxRuntimeError) as error:
            if not isinstance(error, InputError) and not is_out_of_memory(error):
                raise
            problem = str(error) if isinstance(error, InputError) else "out of memory"
        seconds = monotonic() - began
        if made is None:
            entry = Tried(name, {}, seconds, problem=problem)
        else:
            entry = Tried(name, made.validation, seconds, made.stopped)
            if not self.tried or ranked([*self.tried, entry], self.select_by)[0] is entry:
                self.best = Choice(made.run, name, self.tried, made.run, candidate)
                self.time.anew = before + seconds
        self.tried.append(entry)
        asked = self.callback is not None and self.callback(entry)
        self.is_ended = bool(asked) or self.time.is_asked_to_stop()
        return None if made is None else made.run

    def try_baseline(self, baseline: Baseline, until: float) -> Run | None:
        """Try a baseline, with as many constants as the time until then allows."""
        grid = GRIDS.get(baseline.name, baseline.grid)
        settings = sum(1 for _ in settings_of(baseline, {}, grid))

        def is_late(_: Entry) -> bool:
            return monotonic() > until or self.time.is_asked_to_stop()

        def make() -> _Made:
            run = fit_baseline(baseline, self.split, grid=grid, callback=is_late, **self.by)
            values = best_setting(run.log, self.select_by)["validation"]
            return _Made(run, values, stopped=len(run.log) < settings)

        run = self.attempt(baseline.name, make)
        if run is not None:
            # Trained anew, it has one setting, and so has a blend.
            self.time.anew = self.tried[-1].seconds / len(run.log)
            began = monotonic()
            self.validate(run)
            # The scores of a blend are those of two recommenders.
            self.time.blending = 2 * (len(WEIGHTS) + 1) * (monotonic() - began)
        return run

    def try_model(self, name: str, candidate: Candidate) -> Run | None:
        """Try a model, until its training ends or the time is up."""
        began, cut = monotonic(), False

        def is_late(state: FitState) -> bool:
            nonlocal cut
            spent = monotonic() - began
            if state.entry is not None and len(state.log) == 1:
                self.time.epoch = spent
            cut = self.time.left(spent) <= 0
            return cut

        def make() -> _Made:
            run = self.fit(candidate, self.split, is_late)
            if not run.log:
                raise InputError("stopped in its first epoch")
            epochs = candidate.epochs or self.numbers.epochs
            values = run.log[run.best_epoch - 1]["validation"]
            return _Made(run, values, stopped=cut and len(run.log) < epochs)

        return self.attempt(name, make, candidate)

    def try_blend(self, name: str, candidate: Candidate, run: Run, baseline: Run) -> None:
        """Try the blend of a model that was trained and a baseline."""
        assert isinstance(baseline.model, Baseline)

        def make() -> _Made:
            blended = blend(run, baseline, **self.by)
            return _Made(blended, self.validate(blended), stopped=self.tried[-1].stopped)

        of_baseline = self.tried[0].seconds / len(baseline.log)
        before = self.tried[-1].seconds + of_baseline
        self.attempt(f"{name} + {baseline.model.name}", make, candidate, before)

    def fit(
        self,
        candidate: Candidate,
        split: Split,
        callback: Callable[[FitState], bool],
        **how: Any,
    ) -> Run:
        """Train a model with its own numbers, and those of the recipe for all others."""
        rate = candidate.learning_rate
        return fit(
            self.key,
            candidate.model,
            split,
            recipe=lambda data: self.numbers,
            epochs=candidate.epochs,
            patience=candidate.patience,
            optimizer=None if rate is None else optax.adam(rate),
            callback=callback,
            **self.by,
            **how,
        )

    def train_anew(self, best: Choice, whole: Split) -> Run | None:
        """Train what was chosen on a whole split; None if it was stopped or diverged."""
        model, constants = best.run.model, best.run.constants
        if isinstance(model, Baseline):
            return fit_baseline(model, whole, constants=constants)
        assert best.candidate is not None
        epochs = best.run.best_epoch
        try:
            run = self.fit(
                best.candidate,
                whole,
                lambda _: self.time.is_asked_to_stop(),
                stop_after=epochs,
            )
        except DivergenceError:
            return None
        if len(run.log) < epochs:
            return None
        if isinstance(model, Blend):
            return blend(run, model.baseline, constants=constants, **self.by)
        return run
