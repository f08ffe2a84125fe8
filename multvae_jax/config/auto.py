"""`--model auto`: several recommenders are tried, and the best is kept."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from multvae_jax.config.baselines import flag_of
from multvae_jax.config.options import ModelOptions, RunOptions, TrainingOptions
from multvae_jax.config.refusals import refuse_set
from multvae_jax.errors import InputError

AUTO = "auto"
"""The `--model` that stands for several."""

USED = (
    *("model", "select_by", "cutoffs", "seed"),
    *("out", "resume", "baselines", "minutes"),
)
"""The options that take effect with `--model auto`."""


def is_auto(model: ModelOptions) -> bool:
    """Return whether the options name no model, but the choice among several."""
    return model.model == AUTO


def check_use(model: ModelOptions, training: TrainingOptions, output: RunOptions) -> None:
    """Refuse options that are set but have no effect on a choice, or only on a choice.

    Raises:
        InputError: naming the option.
    """
    if not is_auto(model):
        refuse_set(output, ["minutes"], "is the time that --model auto may take; give both")
        return
    given: Any
    for given in (model, training, output):
        for option in fields(given):
            if option.name not in USED:
                flag = flag_of(option.name, getattr(given, option.name))
                reason = "has no effect with --model auto, whose models have their own"
                if getattr(given, option.name) != getattr(type(given)(), option.name):
                    raise InputError(f"--{flag}: {reason}")
