"""Optimizer, schedules, epochs and batch size from the options of the training."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from multvae_jax import optimizers, recipe, schedules
from multvae_jax.averages import evaluated
from multvae_jax.checks.signatures import has_parameter, takes_positional
from multvae_jax.config.build_model import build_model
from multvae_jax.config.constants import constants_of
from multvae_jax.config.options import TrainConfig, TrainingOptions
from multvae_jax.config.refusals import refuse_set
from multvae_jax.config.unions import AnnealShare, AnnealSteps
from multvae_jax.config.vocabulary import BETA, MEASURE, OPTIMIZER
from multvae_jax.errors import InputError
from multvae_jax.training.arguments import check_functions
from multvae_jax.training.optimizer_checks import problem_of_optimizer
from multvae_jax.training.updates import Measure

AUTO = "auto"
"""The `--beta` that is searched for."""

DECAY = {
    "none": schedules.constant_rate,
    "linear": schedules.linear_decay,
    "cosine": schedules.cosine_decay,
    "step": schedules.step_decay,
}
"""The schedule of the learning rate that each `--decay` stands for."""

SOME_UPDATES = 1_000
"""Number of updates with which an optimizer is tried before the data is read."""


def optimizer_factory(training: TrainingOptions, updates: int) -> schedules.OptimizerFactory:
    """From a learning rate, and the `optimizer_numbers`, to the optimizer of a configuration.

    Args:
        training: its decay makes a schedule of the learning rate.
        updates: number of updates of the whole training. A function of the user's with a
            parameter of this name receives it.

    Raises:
        InputError: if the name is unknown, or a learning rate is set for an optimizer that has one.
    """
    found: Any = OPTIMIZER.find(training.optimizer)
    if has_own_rate(training):
        reason = f"--optimizer {training.optimizer} is an optimizer with a rate of its own"
        refuse_set(training, ["learning_rate", "decay", "warmup"], reason)
    if isinstance(found, optax.GradientTransformation):
        reason = f"--optimizer {training.optimizer} is an optimizer with constants of its own"
        refuse_set(training, ["optimizer_constants", "moments"], reason)
        return optimizers.composed(lambda learning_rate: found, updates)
    if not callable(found):
        wrong: schedules.OptimizerFactory = found
        return wrong
    if training.moments != "float32":
        try:
            found = optimizers.with_moments(found, training.moments)
        except InputError:
            able = [name for name, own in OPTIMIZER.names.items() if has_parameter(own, "mu_dtype")]
            raise InputError(
                f"--moments {training.moments}: --optimizer {training.optimizer} takes no type of "
                f"its first moments, mu_dtype. Among the named ones, {', '.join(able)} do"
            ) from None
    decay = DECAY[training.decay]
    return optimizers.composed(optimizers.of_length(found, updates), updates, decay)


OF_OPTIMIZER = ("warmup", "clip", "ema", "swa")
"""Options that are numbers of an optimizer, beside its learning rate and its constants."""


def optimizer_numbers(training: TrainingOptions) -> dict[str, float]:
    """The numbers of the optimizer of a configuration, by name, apart from its learning rate.

    Raises:
        InputError: if two of them contradict each other, or the optimizer does not have one.
    """
    if training.ema is not None and training.swa is not None:
        raise InputError("--ema and --swa: give one or the other")
    numbers = {name: getattr(training, name) for name in OF_OPTIMIZER}
    set_ = {name: number for name, number in numbers.items() if number is not None}
    if not set_["warmup"]:
        del set_["warmup"]
    found = OPTIMIZER.find(training.optimizer)
    taken = ("learning_rate", *OF_OPTIMIZER)
    return {**set_, **constants_of(training, "optimizer", found, taken)}


def traced_numbers(training: TrainingOptions) -> set[str]:
    """Names of the numbers of an optimizer that may be traced, as in a sweep."""
    found = OPTIMIZER.find(training.optimizer)
    return {
        name
        for name, number in optimizer_numbers(training).items()
        if name in OF_OPTIMIZER or _is_traced(found, name, number)
    }


@functools.lru_cache
def _is_traced(found: Any, name: str, number: float) -> bool:
    return optimizers.can_be_traced(optimizers.of_length(found, SOME_UPDATES), name, number)


def build_optimizer(training: TrainingOptions, updates: int) -> optax.GradientTransformation:
    """The optimizer of a configuration, for a number of updates.

    Raises:
        InputError: as `optimizer_factory`, or if the name does not stand for an optimizer.
    """
    optimizer: optax.GradientTransformation = OPTIMIZER.call(
        training.optimizer,
        optax.GradientTransformation,
        optimizer_factory(training, updates),
        recipe.LEARNING_RATE if training.learning_rate is None else training.learning_rate,
        **optimizer_numbers(training),
    )
    if training.optimizer not in OPTIMIZER.names and (problem := problem_of_optimizer(optimizer)):
        raise InputError(f"--optimizer {training.optimizer}: {problem}")
    return optimizer


def has_own_rate(training: TrainingOptions) -> bool:
    """Return whether `--optimizer` stands for an optimizer that has a learning rate of its own."""
    found = OPTIMIZER.find(training.optimizer)
    if isinstance(found, optax.GradientTransformation):
        return True
    return has_parameter(found, "updates") and not optimizers.takes_rate(found)


def takes_cap(config: TrainConfig) -> bool:
    """Return whether the largest beta of a configuration has an effect."""
    training = config.training
    has_values = training.beta != AUTO and is_schedule(BETA.find(training.beta))
    return not has_values and build_model(config.model).has_beta


def batch_size(training: TrainingOptions, n_users: int) -> int:
    """Users per update; the recipe's unless set."""
    return training.batch_size or recipe.batch_size(n_users)


def n_epochs(training: TrainingOptions) -> int:
    """Passes over the training users; the recipe's where neither option nor preset is set."""
    return training.epochs or recipe.EPOCHS


def n_updates(training: TrainingOptions, n_users: int) -> int:
    """Updates of the whole training, for a number of training users."""
    return recipe.n_updates(n_users, batch_size(training, n_users), n_epochs(training))


def updates_of_rise(training: TrainingOptions, n_users: int, cap: float, share: float) -> float:
    """Updates over which beta rises from 0 to a cap.

    Args:
        training: its rise, if set, is a number of updates or a share of them.
        n_users: number of training users.
        cap: value of beta at the end of the rise.
        share: share of all updates, if no rise is set.
    """
    if isinstance(training.rise, AnnealSteps):
        # With a cap of 0 there is no rise, but a schedule needs a positive number of updates.
        return max(1.0, cap * training.rise.steps)
    if isinstance(training.rise, AnnealShare):
        share = training.rise.share
    return share * n_updates(training, n_users)


def build_measure(training: TrainingOptions) -> Measure | None:
    """The further terms of the log of a configuration, if there are any.

    Raises:
        InputError: if the name is unknown, or does not stand for a function of three arguments.
    """
    if training.measure is None:
        return None
    found: Measure = MEASURE.find(training.measure)
    try:
        check_functions(None, evaluated, found)
    except InputError as error:
        raise InputError(f"--measure {training.measure}: {error}") from None
    return found


def build_beta(training: TrainingOptions, n_users: int) -> optax.Schedule:
    """The schedule of beta of a configuration, for a number of training users.

    A function of one argument is a schedule, `step -> beta`; one of two is called with the cap
    and the number of updates of the rise.

    Raises:
        InputError: if the name is unknown, or does not stand for a schedule.
    """
    found = BETA.find(training.beta)
    beta: optax.Schedule
    if is_schedule(found):
        reason = f"--beta {training.beta} is a schedule with values of its own"
        refuse_set(training, ["beta_cap", "beta_constants"], reason)
        beta = found
    else:
        cap = recipe.BETA_CAP if training.beta_cap is None else training.beta_cap
        updates = updates_of_rise(training, n_users, cap, recipe.ANNEALED_SHARE)
        constants = constants_of(training, "beta", found, ("cap", "updates"))
        beta = BETA.call(training.beta, Callable, found, cap, updates, **constants)
    try:
        shape = jax.eval_shape(lambda step: jnp.asarray(beta(step)), np.int32(0)).shape
    # Any exception of the user's file is reported in one line.
    except Exception as error:
        raise InputError(f"--beta {training.beta}: {type(error).__name__}: {error}") from None
    if shape != ():
        raise InputError(f"--beta {training.beta}: gives the shape {shape}, not a number")
    return beta


def is_schedule(found: Any) -> bool:
    """Return whether a value of `--beta` is a schedule, and not a function that makes one."""
    return callable(found) and takes_positional(found, 1) and not takes_positional(found, 2)
