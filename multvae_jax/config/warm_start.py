"""The options of a run as the defaults of a training that starts from it, `--from`.

Nothing in this module imports jax.
"""

from __future__ import annotations

from dataclasses import replace

from multvae_jax.config.options import DataOptions, ModelOptions, TrainConfig, TrainingOptions
from multvae_jax.config.unions import InteractionFile
from multvae_jax.errors import InputError

KEPT = "kept"
"""The `--beta` of `--from`: the value in the epoch whose parameters the run has."""

NO_DATA = InteractionFile("")
"""Placeholder for the data of a run that does not name any; the command line must."""


def defaults_from(
    named: str,
    data: DataOptions | None,
    model: ModelOptions | None,
    training: TrainingOptions | None,
) -> TrainConfig:
    """The defaults of a training that starts from a run.

    All options are those of the run, except the length of the training, which is that of a new
    one, and the schedule of beta, which has come to its end.

    Args:
        named: what names the run, for messages.
        data: options of the data of the run; None if it does not know them.
        model: options of its model.
        training: options of its training.

    Raises:
        InputError: no option describes its model.
    """
    if model is None:
        raise InputError(
            f"{named}: saved from Python with a model that no option describes; start from it in "
            "Python, with fit(..., start=run)"
        )
    usual = TrainingOptions()
    return TrainConfig(
        data=DataOptions(source=NO_DATA) if data is None else data,
        model=model,
        training=replace(
            usual if training is None else training,
            epochs=None,
            patience=None,
            beta=KEPT,
            beta_constants={},
            beta_cap=None,
            rise=None,
        ),
    )
