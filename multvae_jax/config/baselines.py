"""Baselines from options, and options from baselines."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from multvae_jax.baselines import BASELINES, Baseline, with_constants
from multvae_jax.config.build_model import build_model
from multvae_jax.config.describe import own_values
from multvae_jax.config.options import ModelOptions, RunOptions, TrainingOptions
from multvae_jax.config.unions import AnnealShare
from multvae_jax.config.vocabulary import MODEL
from multvae_jax.errors import InputError, names_like
from multvae_jax.models import Blend, Model, blend_of

USED = ("model", "model_constants", "select_by", "cutoffs", "out", "resume", "baselines")
"""The options of the model, the training and the run that take effect on a baseline."""


def find_baseline(options: ModelOptions) -> Baseline | None:
    """The baseline that `--model` names, with its constants; None if it names a model.

    Raises:
        InputError: if the name is unknown, or the baseline has no such constant.
    """
    found = MODEL.find(options.model)
    if not isinstance(found, Baseline):
        return None
    try:
        return with_constants(found, options.model_constants)
    except InputError as error:
        raise InputError(f"--model-constants: {error}") from None


AUTO = "auto"
"""The `--blend` that is chosen by the size of the data."""


def find_blended(options: ModelOptions) -> Baseline | None:
    """The baseline that `--blend` names; None for the model alone, and for `auto`.

    Raises:
        InputError: if there is no such baseline, or constants are given without it.
    """
    if options.blend is None and options.blend_constants:
        raise InputError("--blend-constants: give the baseline, --blend edlae")
    if options.blend in (None, AUTO):
        return None
    if options.blend not in BASELINES:
        known = names_like(options.blend, [*BASELINES, AUTO])
        raise InputError(f"--blend {options.blend}: no such baseline{known}")
    found = BASELINES[options.blend]
    given = {name: n for name, n in options.blend_constants.items() if name != "weight"}
    try:
        return with_constants(found, given)
    except InputError as error:
        raise InputError(f"--blend-constants: {error}") from None


def find_model(options: ModelOptions, item_features: Any = None) -> Model | Baseline | Blend:
    """The model of a run with these options: a model, a baseline, or a blend of the two.

    Args:
        options: the options.
        item_features: as in `build_model`.

    Raises:
        InputError: as in `build_model`, `find_baseline` and `find_blended`.
    """
    baseline = find_baseline(options)
    if baseline is not None:
        return baseline
    model, blended = build_model(options, item_features), find_blended(options)
    return model if blended is None else blend_of(model, blended)


def refuse_unused(
    baseline: Baseline, model: ModelOptions, training: TrainingOptions, output: RunOptions
) -> None:
    """Refuse options that are set but have no effect on a baseline.

    Raises:
        InputError: naming the option.
    """
    given: Any
    for given in (model, training, output):
        unset = type(given)()
        for option in fields(given):
            name = option.name
            if name in USED or getattr(given, name) == getattr(unset, name):
                continue
            if name in baseline.constants:
                reason = f"is a constant of {baseline.name}: --model-constants {name} NUMBER"
            else:
                reason = f"has no effect on the baseline {baseline.name}"
            raise InputError(f"--{flag_of(name, getattr(given, name))}: {reason}")


def flag_of(name: str, value: Any) -> str:
    """The flag that has set an option."""
    if name == "start":
        return "from"
    if name == "rise":
        name = "anneal_share" if isinstance(value, AnnealShare) else "anneal_steps"
    return name.replace("_", "-")


def describe_baseline(baseline: Baseline) -> ModelOptions:
    """Options from which `find_baseline` makes a baseline again.

    Raises:
        InputError: if it has no name by which it can be found, for example because it was defined
            in a notebook.
    """
    functions = baseline.fit, baseline.score
    for name, value in (*BASELINES.items(), *own_values(baseline.fit)):
        if isinstance(value, Baseline) and (value.fit, value.score) == functions:
            return ModelOptions(model=name, model_constants=dict(baseline.constants))
    raise InputError("the baseline has no name by which it can be found again")
