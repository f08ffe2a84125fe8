"""Configurations in the JSON of older versions, upgraded to that of this one."""

from __future__ import annotations

from typing import Any

RENAMED = {"objective": {"denoising": "denoising_loss"}}
"""Plain names that have changed, by option of the model."""


def upgrade(config: Any) -> Any:
    """A decoded configuration of `train` or `sweep` in the form of this version.

    Until version 0.2 the members of each union were options side by side, all but one of them
    null. A configuration that is in the new form already is returned unchanged.
    """
    if not isinstance(config, dict):
        return config
    new = {name: dict(part) if isinstance(part, dict) else part for name, part in config.items()}
    for name, upgraded in (("data", _source), ("training", _rise), ("search", _search)):
        if isinstance(new.get(name), dict):
            upgraded(new[name])
    _recipe(new)
    model = new.get("model")
    if isinstance(model, dict):
        for option, names in RENAMED.items():
            if model.get(option) in names:
                model[option] = names[model[option]]
        # It stood in every configuration, and is refused for a model without a likelihood.
        if model.get("likelihood") == "multinomial" and not _is_mult_vae(model):
            model["likelihood"] = None
    return new


def _is_mult_vae(model: dict[str, Any]) -> bool:
    return model.get("model", "mult-vae") in ("mult-vae", "mult_vae")


def _source(data: dict[str, Any]) -> None:
    dataset, file, train, test, validation = (
        data.pop(name, None) for name in ("dataset", "data", "train", "test", "validation")
    )
    if train is not None or test is not None or validation is not None:
        files = {"train": train, "test": test, "validation": validation}
        given = {name: path for name, path in files.items() if path is not None}
        data["source"] = {"type": "split", **given}
    elif file is not None:
        data["source"] = {"type": "file", "path": file}
    elif dataset is not None:
        data["source"] = {"type": "dataset", "name": dataset}


def _rise(training: dict[str, Any]) -> None:
    share, steps = training.pop("anneal_share", None), training.pop("anneal_steps", None)
    if steps is not None:
        training["rise"] = {"type": "steps", "steps": steps}
    elif share is not None:
        training["rise"] = {"type": "share", "share": share}


def _recipe(config: dict[str, Any]) -> None:
    """Name the recipe of the paper, which was the only one until version 0.2.

    A file that a person wrote by hand rarely has all of the options that tell an old file.
    """
    training, model = config.get("training"), config.get("model")
    if not isinstance(training, dict) or "recipe" in training:
        return
    if training.keys() >= {"learning_rate", "optimizer", "patience"}:
        training["recipe"] = "paper"
        # Mult-DAE has no beta, and ignored its options.
        if isinstance(model, dict) and model.get("model") in ("mult-dae", "mult_dae"):
            for name in ("beta", "beta_cap", "rise"):
                training.pop(name, None)


def _search(search: dict[str, Any]) -> None:
    if "search" in search:
        return
    random, optuna = search.pop("random", None), search.pop("optuna", None)
    at_once = search.pop("trials_at_once", None)
    if optuna is not None:
        batch = {} if at_once is None else {"trials_at_once": at_once}
        search["search"] = {"type": "optuna", "settings": optuna, **batch}
    elif random is not None:
        search["search"] = {"type": "random", "settings": random}
    else:
        search["search"] = {"type": "grid"}
