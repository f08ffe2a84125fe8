"""Optimizers for large catalogues: what each costs in NDCG@100, and the memory of its state.

    python -m experiments.optimizers --data gowalla-train.txt --min-user-count 20 \
        --min-item-count 20 --hidden 200 --latent 64 --epochs 50 --seeds 3

4,451 s on one core of an AMD EPYC that had much other work; NDCG@100 on 617 test users:

    Adam .2241   lazy .2236   first moment in bfloat16 .2235   Adafactor .2215

Adam beside lazy Adam, Adam with its first moment in bfloat16, and Adafactor, whose second moments
are factored. All have the learning rate of Adam.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from functools import partial

import optax

import multvae_jax as mv
from experiments.shared.main import Report, main, report_rows
from experiments.shared.options import Options, load_split
from experiments.shared.training import Tested, tested_by_seed, train
from multvae_jax.evaluation import prepare_users
from multvae_jax.host.console import say
from multvae_jax.recipe import LEARNING_RATE, SELECT_BY
from multvae_jax.types import n_bytes

OPTIMIZERS = {
    "Adam": optax.adam,
    "lazy Adam": mv.optimizers.lazy_adam,
    "Adam, first moment in bfloat16": partial(optax.adam, mu_dtype="bfloat16"),
    # Else its steps are in proportion to the parameters, which a rate of Adam makes a thousandth.
    "Adafactor": partial(optax.adafactor, multiply_by_parameter_scale=False),
}


def optimizers(options: Options) -> Iterator[Report]:
    """Optimizers that take less memory or time than Adam, and what they cost in quality."""
    split = load_split(options)
    test = prepare_users(split.test)
    model = mv.mult_vae(options.hidden, options.latent)
    found: dict[str, list[Tested]] = {}
    for seed in options.all_seeds:
        for name, factory in OPTIMIZERS.items():
            say(name)
            began = time.perf_counter()
            run = train(model, split, options, seed, optimizer=factory(LEARNING_RATE))
            setting = {
                "seconds": round(time.perf_counter() - began, 1),
                "best_epoch": run.best_epoch,
                "validation": run.log[run.best_epoch - 1]["validation"][SELECT_BY],
                "bytes_of_state_per_parameter": round(
                    n_bytes(run.state.opt_state) / (n_bytes(run.params) / 4), 3
                ),
            }
            found.setdefault(name, []).append((mv.evaluate(run.scorer, test), setting))
        rows = {name: tested_by_seed(tests) for name, tests in found.items()}
        yield report_rows(split, rows, options.data_name)


if __name__ == "__main__":
    sys.exit(main(optimizers))
