"""All settings trained by `fit`, one after the other in one process.

    python -m benchmarks.contestants.sweep.ours DATA HELD_OUT EPOCHS RECIPE SETTINGS

Prints as JSON the seconds of every epoch except the first of each setting, which compiles.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import jax

from multvae_jax.config.build_model import build_model
from multvae_jax.config.build_training import (
    batch_size,
    build_beta,
    build_optimizer,
    n_epochs,
    n_updates,
)
from multvae_jax.config.load_data import load_split
from multvae_jax.config.options import DataOptions, TrainConfig, TrainingOptions
from multvae_jax.config.resolve import with_recipe
from multvae_jax.config.unions import InteractionFile
from multvae_jax.defaults import shape_of
from multvae_jax.fitting import fit
from multvae_jax.sweeps.space import with_setting


def main(data: str, held_out: str, epochs: str, recipe: Any, settings: str) -> None:
    """Train with each setting, as `multvae train` does."""
    source = DataOptions(InteractionFile(data), held_out=float(held_out))
    fixed = TrainConfig(source, training=TrainingOptions(epochs=int(epochs), recipe=recipe))
    split = load_split(source)
    n_users = split.train.shape[0]
    seconds = []
    for setting in json.loads(settings):
        config = with_recipe(with_setting(fixed, setting, seed=0), shape_of(split))
        run = fit(
            jax.random.key(0),
            build_model(config.model),
            split,
            epochs=n_epochs(config.training),
            batch_size=batch_size(config.training, n_users),
            optimizer=build_optimizer(config.training, n_updates(config.training, n_users)),
            beta=build_beta(config.training, n_users),
        )
        seconds += [entry["seconds"] for entry in run.log[1:]]
    print(json.dumps({"epoch_seconds": seconds}))


if __name__ == "__main__":
    main(*sys.argv[1:])
