"""From a configuration to the values it stands for: models, optimizers, schedules."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax.numpy as jnp
import optax

from multvae_jax import recipe
from multvae_jax.config.options import ModelOptions, TrainingOptions
from multvae_jax.config.user_functions import accepted_arguments, call_function, find_function
from multvae_jax.datasets.presets import ANY_FILE
from multvae_jax.errors import InputError
from multvae_jax.likelihoods import Likelihood
from multvae_jax.models import Model
from multvae_jax.networks import Network
from multvae_jax.objectives import blockwise_logits
from multvae_jax.ops.matmul import matmul_in
from multvae_jax.priors import Prior

AUTO = "auto"
"""The `--beta` that is searched for."""


def build_model(choice: ModelOptions) -> Model:
    """The model of a configuration.

    `--model` names a function like `mult_vae`, which is given those of the options that it has
    parameters for.

    Raises:
        InputError: if a name means nothing, a function fails or makes something else than it
            should, or an option is set that the model has no parameter for.
    """

    def factory(option: str, name: str | None, home: str, kind: Any) -> Any:
        return None if name is None else partial(call_function, option, name, home, kind)

    prior = ("--prior", choice.prior, "multvae_jax.priors")
    latent = accepted_arguments(find_function(*prior), {"latent": choice.latent})
    likelihood = ("--likelihood", choice.likelihood, "multvae_jax.likelihoods")
    options = {
        "hidden": choice.hidden,
        "latent": choice.latent,
        "activation": find_function("--activation", choice.activation, "jax.nn"),
        "network": factory("--network", choice.network, "multvae_jax.mlp", Network),
        "likelihood": call_function(*likelihood, Likelihood, **choice.constants),
        "prior": call_function(*prior, Prior, **latent, **choice.prior_constants),
        "objective": factory("--objective", choice.objective, "multvae_jax.objectives", Callable),
        "dropout": choice.dropout,
        "weight_penalty": choice.weight_penalty,
    }
    plain = choice.model if ":" in choice.model else choice.model.replace("-", "_")
    model = ("--model", plain, "multvae_jax.models")
    usual = inspect.signature(find_function(*model)).parameters
    for part, argument in _arguments_of_parts(choice).items():
        if part in usual:
            options[part] = partial(options[part] or usual[part].default, **argument)
    taken = accepted_arguments(find_function(*model), options)
    behind = {"precision": "network", "item_block": "objective"}
    for option in (*options, *behind):
        is_set = getattr(choice, option) != getattr(ModelOptions(), option)
        if is_set and behind.get(option, option) not in taken:
            flag = option.replace("_", "-")
            raise InputError(f"--{flag}: --model {choice.model} has no parameter for it")
    given = {option: value for option, value in taken.items() if value is not None}
    made: Model = call_function(*model, Model, **given, **choice.model_constants)
    return made


def _arguments_of_parts(choice: ModelOptions) -> dict[str, dict[str, Any]]:
    """What the network and the objective are given beside their usual arguments."""
    given: dict[str, dict[str, Any]] = {}
    if choice.precision != "float32":
        given["network"] = {"matmul": matmul_in(jnp.dtype(choice.precision))}
    if choice.item_block is not None:
        given["objective"] = {"reconstruction": blockwise_logits(choice.item_block)}
    return given


def build_optimizer(training: TrainingOptions) -> optax.GradientTransformation:
    """The optimizer of a configuration.

    Raises:
        InputError: if the name means nothing, or no optimizer with a learning rate.
    """
    factory = find_function("--optimizer", training.optimizer, "optax")
    try:
        optimizer = factory(training.learning_rate)
    # Any function of optax can be named; what is no optimizer fails in its own way.
    except Exception as error:
        raise InputError(f"--optimizer {training.optimizer}: {error}") from None
    if not isinstance(optimizer, optax.GradientTransformation):
        raise InputError(f"--optimizer {training.optimizer}: is not an optimizer")
    return optimizer


def batch_size(training: TrainingOptions, n_users: int) -> int:
    """Users in an update: as set, or as in the recipe."""
    return training.batch_size or recipe.batch_size(n_users)


def n_epochs(training: TrainingOptions) -> int:
    """Passes over the training users, where no preset has set them, either: as for any file."""
    return training.epochs or ANY_FILE.epochs


def updates_of_rise(training: TrainingOptions, n_users: int, cap: float, share: float) -> float:
    """Updates over which beta rises from 0 to the cap.

    Args:
        training: its length in steps, its share of all updates, or neither.
        n_users: to train on.
        cap: where the rise ends.
        share: of all updates, where neither is set.
    """
    if training.anneal_steps is not None:
        # A cap of 0 is reached at once; the schedule asks for a positive number of updates.
        return max(1.0, cap * training.anneal_steps)
    updates = n_epochs(training) * math.ceil(n_users / batch_size(training, n_users))
    return (training.anneal_share or share) * updates


def build_beta(training: TrainingOptions, n_users: int) -> optax.Schedule:
    """The schedule of beta of a configuration, for so many training users.

    Raises:
        InputError: if the name means nothing, or no schedule of a cap and a number of updates.
    """
    updates = updates_of_rise(training, n_users, training.beta_cap, recipe.ANNEALED_SHARE)
    schedule = ("--beta", training.beta, "multvae_jax.schedules")
    beta: optax.Schedule = call_function(*schedule, Callable, training.beta_cap, updates)
    try:
        first = jnp.asarray(beta(jnp.int32(0)))
    # The file is the user's: whatever it raises is theirs to hear of, in one line.
    except Exception as error:
        raise InputError(f"--beta {training.beta}: {type(error).__name__}: {error}") from None
    if first.shape != ():
        raise InputError(f"--beta {training.beta}: gives the shape {first.shape}, not a number")
    return beta
