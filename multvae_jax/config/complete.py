"""The configuration that a run uses: presets filled in, and options without effect refused."""

from __future__ import annotations

from dataclasses import replace

from multvae_jax import recipe
from multvae_jax.config.all_users import keep_selecting
from multvae_jax.config.build_model import build_model
from multvae_jax.config.build_training import AUTO, is_schedule
from multvae_jax.config.given_split import is_on_all_users
from multvae_jax.config.load_data import load_user_features
from multvae_jax.config.options import TrainConfig, TrainingOptions
from multvae_jax.config.resolve import preset_of, with_preset
from multvae_jax.config.unions import AnnealShare, AnnealSteps
from multvae_jax.config.vocabulary import BETA
from multvae_jax.data.user_encoder import UserEncoder
from multvae_jax.errors import InputError


def with_number_of_features(config: TrainConfig, encoder: UserEncoder | None = None) -> TrainConfig:
    """The configuration with the number of features of a user, which the file about users decides.

    Args:
        config: the options.
        encoder: the encoder of a run, as in `load_user_features`.

    Raises:
        InputError: if the file or a column is missing or broken.
    """
    features = load_user_features(config.data, encoder)
    number = None if features is None else features.encoder.width
    return replace(config, model=replace(config.model, n_user_features=number))


def complete(config: TrainConfig) -> TrainConfig:
    """The configuration with the preset of its data, but no rise of beta where it has no effect.

    Raises:
        InputError: if an option of beta is set that has no effect, or a name is unknown.
    """
    training = config.training
    if training.beta == AUTO and training.beta_constants:
        raise InputError("--beta-constants: --beta auto has none")
    reason = None
    if not build_model(config.model).has_beta:
        _refuse_beta(training, config.model.name)
        reason = f"{config.model.name} has no beta"
    elif training.beta != AUTO and is_schedule(BETA.find(training.beta)):
        reason = f"--beta {training.beta} is a schedule with values of its own"
    completed = with_preset(config)
    if is_on_all_users(config.data):
        completed = keep_selecting(completed, training)
    if reason is None:
        return completed
    steps = preset_of(config.data).anneal_steps
    # A run of an earlier version holds the preset's rise.
    if training.rise is not None and training.rise != (steps and AnnealSteps(steps)):
        flag = "share" if isinstance(training.rise, AnnealShare) else "steps"
        raise InputError(f"--anneal-{flag}: {reason}")
    return replace(completed, training=replace(completed.training, rise=None))


def _refuse_beta(training: TrainingOptions, model: str) -> None:
    if training.beta == AUTO:
        raise InputError(f"--beta auto: {model} has no beta to search for")
    if training.beta != TrainingOptions().beta:
        raise InputError(f"--beta: {model} has no beta")
    if training.beta_constants:
        raise InputError(f"--beta-constants: {model} has no beta")
    # Runs of an earlier version hold the cap, whatever their model.
    if training.beta_cap not in (None, recipe.BETA_CAP):
        raise InputError(f"--beta-cap: {model} has no beta")
