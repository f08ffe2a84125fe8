"""Models, optimizers, schedules and metrics from the options that name them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax

from multvae_jax import recipe, schedules
from multvae_jax.arguments import problem_of_optimizer
from multvae_jax.baselines import Baseline
from multvae_jax.bounds import Cutoff, problem_of
from multvae_jax.config.options import CUTOFFS, ModelOptions, TrainConfig, TrainingOptions
from multvae_jax.config.refusals import refuse_set
from multvae_jax.config.unions import AnnealShare, AnnealSteps
from multvae_jax.config.user_functions import (
    accepted_arguments,
    has_parameter,
    takes_positional,
)
from multvae_jax.config.vocabulary import (
    ACTIVATION,
    BETA,
    LIKELIHOOD,
    MODEL,
    NETWORK,
    OBJECTIVE,
    OPTIMIZER,
    PRIOR,
)
from multvae_jax.errors import InputError, first_line, names_like
from multvae_jax.evaluation.metrics import PAPER_METRICS, Metric, at_cutoffs
from multvae_jax.likelihoods import Likelihood
from multvae_jax.models import Model
from multvae_jax.networks import Network
from multvae_jax.objectives import blockwise_logits
from multvae_jax.ops.matmul import matmul_in
from multvae_jax.priors import Prior

AUTO = "auto"
"""The `--beta` that is searched for."""


# --- models -------------------------------------------------------------------------------------

ARGUMENT = {
    "hidden": "hidden",
    "latent": "latent",
    "activation": "activation",
    "network": "network",
    "likelihood": "likelihood",
    "constants": "likelihood",
    "prior": "prior",
    "prior_constants": "prior",
    "objective": "objective",
    "dropout": "dropout",
    "weight_penalty": "weight_penalty",
    "precision": "network",
    "item_block": "objective",
}
"""The argument of a model through which each option of the model reaches it."""


def build_model(options: ModelOptions) -> Model:
    """The model of a configuration.

    `--model` names a model, or a function like `mult_vae`, which receives those of the options
    that it has parameters for.

    Raises:
        InputError: if a name is unknown, a function fails or returns something else than it
            should, or an option is set that cannot take effect.
    """
    factory = MODEL.find(options.model)
    if isinstance(factory, Model):
        refuse_set(options, ("model_constants", *ARGUMENT), f"--model {options.model} is a model")
        return factory
    if isinstance(factory, Baseline):
        raise InputError(
            f"--model {options.model}: is a baseline, which has no training; multvae train chooses "
            "its constants and fits it"
        )
    if not callable(factory):
        return _model(options, factory)
    arguments = {
        "hidden": options.hidden,
        "latent": options.latent,
        "activation": _activation(options),
        "network": _network_factory(options, factory),
        "likelihood": build_likelihood(options),
        "prior": build_prior(options),
        "objective": _objective_factory(options, factory),
        "dropout": options.dropout,
        "weight_penalty": options.weight_penalty,
    }
    taken = accepted_arguments(factory, arguments)
    without = [option for option, argument in ARGUMENT.items() if argument not in taken]
    refuse_set(options, without, f"--model {options.model} has no parameter for it")
    return _model(options, factory, **taken)


def _model(options: ModelOptions, factory: Any, **arguments: Any) -> Model:
    if twice := options.model_constants.keys() & arguments:
        raise InputError(
            f"--model-constants {min(twice)}: has an option of its own, "
            f"--{min(twice).replace('_', '-')}"
        )
    constants = options.model_constants if callable(factory) else {}
    taken = accepted_arguments(factory, constants) if constants else {}
    for name in constants.keys() - taken.keys():
        known = [name for name in inspect.signature(factory).parameters if name not in ARGUMENT]
        raise InputError(
            f"--model-constants {name}: --model {options.model} has no such constant"
            f"{names_like(name, known)}"
        )
    # What is unset is the function's own default.
    given = {argument: value for argument, value in arguments.items() if value is not None}
    model: Model = MODEL.call(options.model, Model, factory, **given, **constants)
    return model


def _activation(options: ModelOptions) -> Callable[..., Any]:
    found = ACTIVATION.find(options.activation)
    if not callable(found):
        got = type(found).__name__
        raise InputError(f"--activation {options.activation}: is not a function, but of type {got}")
    function: Callable[..., Any] = found
    like = jax.ShapeDtypeStruct((2,), jnp.float32)
    try:
        shape = jax.eval_shape(function, like).shape
    # Any exception of the user's function is reported in one line.
    except Exception as error:
        reason = first_line(error, with_type=True)
        raise InputError(f"--activation {options.activation}: {reason}") from error
    if shape != like.shape:
        raise InputError(
            f"--activation {options.activation}: returns the shape {shape} for a layer of shape "
            f"{like.shape}"
        )
    return function


def build_likelihood(options: ModelOptions) -> Likelihood:
    """The likelihood of a configuration.

    Raises:
        InputError: as in `build_model`.
    """
    found = LIKELIHOOD.find(options.likelihood)
    if isinstance(found, Likelihood):
        reason = f"--likelihood {options.likelihood} is a likelihood with constants of its own"
        refuse_set(options, ["constants"], reason)
        return found
    made: Likelihood = LIKELIHOOD.call(options.likelihood, Likelihood, found, **options.constants)
    return made


def build_prior(options: ModelOptions) -> Prior:
    """The prior of a configuration.

    Raises:
        InputError: as in `build_model`.
    """
    found = PRIOR.find(options.prior)
    if isinstance(found, Prior):
        reason = f"--prior {options.prior} is a prior with constants of its own"
        refuse_set(options, ["prior_constants"], reason)
        return found
    # A prior with parameters may need the length of z.
    latent = {"latent": options.latent} if _takes_latent(found) else {}
    made: Prior = PRIOR.call(options.prior, Prior, found, **latent, **options.prior_constants)
    return made


def _takes_latent(prior: Any) -> bool:
    return callable(prior) and bool(accepted_arguments(prior, {"latent": 0}))


def _network_factory(options: ModelOptions, model: Callable[..., Any]) -> Any:
    """`(hidden, latent, activation) -> Network` in the precision that is set; None: the model's."""
    factory = None
    if options.network is not None:
        found = NETWORK.find(options.network)
        if isinstance(found, Network):
            reason = f"--network {options.network} is a network of its own shape"
            # The prior may still need the length of z.
            latent = [] if _takes_latent(PRIOR.find(options.prior)) else ["latent"]
            refuse_set(options, ["hidden", *latent, "activation", "precision"], reason)
            return lambda *shape: found
        factory = partial(NETWORK.call, options.network, Network, found)
    if options.precision == "float32":
        return factory
    return _with_argument(
        factory or _default(model, "network"),
        matmul=matmul_in(jnp.dtype(options.precision)),
    )


def _objective_factory(options: ModelOptions, model: Callable[..., Any]) -> Any:
    """`(network, likelihood[, prior]) -> Loss`, in blocks of items if set; None: the model's."""
    factory = None
    if options.objective is not None:
        found = OBJECTIVE.find(options.objective)
        # A loss has five arguments; a function that makes one is called with two or three.
        if callable(found) and takes_positional(found, 5) and not takes_positional(found, 3):
            reason = f"--objective {options.objective} is a loss that is computed in its own way"
            refuse_set(options, ["item_block"], reason)
            return lambda *parts: found
        factory = partial(OBJECTIVE.call, options.objective, Callable, found)
    if options.item_block is None:
        return factory
    return _with_argument(
        factory or _default(model, "objective"),
        reconstruction=blockwise_logits(options.item_block),
    )


def _default(function: Callable[..., Any], parameter: str) -> Any:
    """The default of a parameter; None if the function has no such parameter or no default."""
    found = inspect.signature(function).parameters.get(parameter)
    return None if found is None or found.default is found.empty else found.default


def _with_argument(factory: Any, **argument: Any) -> Any:
    """A factory with one argument more, if the model has a factory."""
    return None if factory is None else partial(factory, **argument)


# --- training -----------------------------------------------------------------------------------


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
    """From a learning rate to the optimizer of a configuration; see also `build_optimizer`.

    Args:
        training: its decay and warm-up make a schedule of the learning rate.
        updates: number of updates of the whole training. A function of the user's with a
            parameter of this name receives it.

    Raises:
        InputError: if the name is unknown, or a learning rate is set for an optimizer that has one.
    """
    found = OPTIMIZER.find(training.optimizer)
    if isinstance(found, optax.GradientTransformation):
        reason = f"--optimizer {training.optimizer} is an optimizer with a rate of its own"
        refuse_set(training, ["learning_rate", "decay", "warmup"], reason)
        return lambda learning_rate: found
    factory: schedules.OptimizerFactory = found
    if has_parameter(found, "updates"):
        factory = partial(found, updates=updates)
    if callable(found) and (training.decay != "none" or training.warmup):
        schedule = partial(DECAY[training.decay], updates=updates, warmup=training.warmup)
        return schedules.scheduled(factory, schedule)
    return factory


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
    )
    if training.optimizer not in OPTIMIZER.names and (problem := problem_of_optimizer(optimizer)):
        raise InputError(f"--optimizer {training.optimizer}: {problem}")
    return optimizer


def has_own_rate(training: TrainingOptions) -> bool:
    """Whether `--optimizer` stands for an optimizer that has a learning rate of its own."""
    return isinstance(OPTIMIZER.find(training.optimizer), optax.GradientTransformation)


def takes_cap(config: TrainConfig) -> bool:
    """Whether the largest beta of a configuration has an effect."""
    training = config.training
    has_values = training.beta != AUTO and is_schedule(BETA.find(training.beta))
    return not has_values and build_model(config.model).has_beta


def unused_widths(options: ModelOptions) -> set[str]:
    """Those of the options `hidden` and `latent` that a network of its own widths leaves unused."""
    if options.network is None or not isinstance(NETWORK.find(options.network), Network):
        return set()
    # The prior may still need the length of z.
    return {"hidden"} if _takes_latent(PRIOR.find(options.prior)) else {"hidden", "latent"}


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
        refuse_set(training, ["beta_cap"], reason)
        beta = found
    else:
        cap = recipe.BETA_CAP if training.beta_cap is None else training.beta_cap
        updates = updates_of_rise(training, n_users, cap, recipe.ANNEALED_SHARE)
        beta = BETA.call(training.beta, Callable, found, cap, updates)
    try:
        first = jnp.asarray(beta(jnp.int32(0)))
    # Any exception of the user's file is reported in one line.
    except Exception as error:
        raise InputError(f"--beta {training.beta}: {type(error).__name__}: {error}") from None
    if first.shape != ():
        raise InputError(f"--beta {training.beta}: gives the shape {first.shape}, not a number")
    return beta


def is_schedule(found: Any) -> bool:
    """Whether a value of `--beta` is a schedule, and not a function that makes one."""
    return callable(found) and takes_positional(found, 1) and not takes_positional(found, 2)


def validation_metrics(training: TrainingOptions) -> dict[str, Metric]:
    """The paper's metrics, and the one that selects the epoch.

    Raises:
        InputError: if there is no such metric; the message lists the metrics.
    """
    name = training.selecting_metric
    cutoff = name.rpartition("@")[2]
    if cutoff.isdecimal() and int(cutoff) and (problem := problem_of(int(cutoff), Cutoff)):
        raise InputError(f"--select-by {name}: the cutoff {cutoff}: {problem}")
    known = at_cutoffs([int(cutoff) if cutoff.isdecimal() and int(cutoff) else 100])
    if name not in known:
        raise InputError(
            f"--select-by {name}: no such metric{names_like(name, known)}, or another cutoff"
        )
    return {**PAPER_METRICS, name: known[name]}


def final_metrics(training: TrainingOptions) -> dict[str, Metric]:
    """Test metrics of a run: those of the validation, and all others at the cutoffs."""
    cutoffs = CUTOFFS if training.cutoffs is None else training.cutoffs
    return {**validation_metrics(training), **at_cutoffs(cutoffs)}


def shown_metrics(training: TrainingOptions) -> list[str]:
    """Test metrics that a training shows: all of them if it has cutoffs of its own."""
    return list((validation_metrics if training.cutoffs is None else final_metrics)(training))
