"""From a configuration to the values it stands for: functions by name, models, schedules."""

from __future__ import annotations

import importlib
import importlib.util
import math
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import optax

from multvae_jax.config import ModelChoice, Training
from multvae_jax.errors import InputError
from multvae_jax.fitting import ANNEALED_SHARE
from multvae_jax.likelihoods import Likelihood
from multvae_jax.models import Model, mult_dae, mult_vae
from multvae_jax.presets import ANY_FILE

AUTO = "auto"
"""The `--beta` that is searched for."""


def find(option: str, name: str, home: str) -> Any:
    """The function that an option names.

    Args:
        option: for the message, such as `--likelihood`.
        name: of a public function of `home`; or `package.module:function`, or
            `path/to/file.py:function`.
        home: the module that plain names are looked up in.

    Raises:
        InputError: if there is no such file, module or function, or it fails to import.
    """
    place, colon, function = name.rpartition(":")
    module = _module(option, place) if colon else importlib.import_module(home)
    found = None if function.startswith("_") else getattr(module, function, None)
    if not callable(found):
        raise InputError(f"{option} {name}: there is no function '{function}' in {place or home}")
    return found


def _module(option: str, place: str) -> Any:
    is_file = place.endswith(".py")
    if is_file and not Path(place).is_file():
        raise InputError(f"{option} {place}: no such file")
    try:
        if not is_file:
            return importlib.import_module(place)
        spec = importlib.util.spec_from_file_location(Path(place).stem, place)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    # The file is the user's: whatever it raises is theirs to hear of, in one line.
    except Exception as error:
        raise InputError(f"{option} {place}: {type(error).__name__}: {error}") from error
    return module


def build_model(choice: ModelChoice) -> Model:
    """The model of a configuration.

    Raises:
        InputError: if a name means nothing, or the likelihood has no such constant.
    """
    factory = {"mult-vae": mult_vae, "mult-dae": mult_dae}[choice.model]
    likelihood = find("--likelihood", choice.likelihood, "multvae_jax.likelihoods")
    try:
        likelihood = likelihood(**choice.constants)
    except TypeError as error:
        raise InputError(f"--likelihood {choice.likelihood} --constants: {error}") from None
    if not isinstance(likelihood, Likelihood):
        raise InputError(f"--likelihood {choice.likelihood}: does not return a Likelihood")
    as_in_paper = {"hidden": choice.hidden, "weight_penalty": choice.weight_penalty}
    given: Any = {name: value for name, value in as_in_paper.items() if value is not None}
    return factory(
        latent=choice.latent,
        activation=find("--activation", choice.activation, "jax.nn"),
        likelihood=likelihood,
        dropout=choice.dropout,
        **given,
    )


def build_optimizer(training: Training) -> optax.GradientTransformation:
    """The optimizer of a configuration.

    Raises:
        InputError: if the name means nothing, or no optimizer with a learning rate.
    """
    factory = find("--optimizer", training.optimizer, "optax")
    try:
        optimizer = factory(training.learning_rate)
    # Any function of optax can be named; what is no optimizer fails in its own way.
    except Exception as error:
        raise InputError(f"--optimizer {training.optimizer}: {error}") from None
    if not isinstance(optimizer, optax.GradientTransformation):
        raise InputError(f"--optimizer {training.optimizer}: is not an optimizer")
    return optimizer


def batch_size(training: Training, n_users: int) -> int:
    """Users in an update; unless set, at most the paper's 500 and at least ten updates an epoch.

    The batches come out even: a last one of a few users would move the parameters as far as a
    full one, in a direction that is mostly noise.
    """
    return training.batch_size or math.ceil(n_users / max(10, math.ceil(n_users / 500)))


def n_epochs(training: Training) -> int:
    """Passes over the training users, where no preset has set them, either: as for any file."""
    return training.epochs or ANY_FILE.epochs


def updates_of_rise(training: Training, n_users: int, cap: float, share: float) -> float:
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


def build_beta(training: Training, n_users: int) -> optax.Schedule:
    """The schedule of beta of a configuration, for so many training users.

    Raises:
        InputError: if the name means nothing, or no schedule of a cap and a number of updates.
    """
    schedule = find("--beta", training.beta, "multvae_jax.schedules")
    updates = updates_of_rise(training, n_users, training.beta_cap, ANNEALED_SHARE)
    try:
        beta = schedule(training.beta_cap, updates)
        first = jnp.asarray(beta(jnp.int32(0)))
    # The file is the user's: whatever it raises is theirs to hear of, in one line.
    except Exception as error:
        raise InputError(f"--beta {training.beta}: {type(error).__name__}: {error}") from None
    if first.shape != ():
        raise InputError(f"--beta {training.beta}: gives the shape {first.shape}, not a number")
    return beta
