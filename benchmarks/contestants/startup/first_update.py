"""This program from the start of a process to the end of its first update, at ML-20M's size."""

from __future__ import annotations

import json
import time


def main() -> None:
    """Import, prepare, compile, update once as `fit` does, and print the time of each stage."""
    began = time.perf_counter()
    import jax
    import numpy as np

    import multvae_jax as mv
    from benchmarks.harness.synthetic import random_histories
    from multvae_jax.data.types import Catalogue, HeldOut, Split

    model = mv.mult_vae()
    imported = time.perf_counter()
    train = random_histories(500)
    users, items = map(np.arange, train.shape)
    catalogue = Catalogue(items.astype(str), np.ones_like(items), {})
    split = Split(train, None, HeldOut(train, train, users), users, catalogue)
    drawn = time.perf_counter()
    run = mv.fit(jax.random.key(0), model, split, epochs=1)
    updated = time.perf_counter()
    update = run.log[0]["seconds"]
    stages = {
        "imports": imported - began,
        "data": drawn - imported,
        "initial parameters": updated - drawn - update,
        "first update": update,
    }
    print(json.dumps({"stages": stages}), flush=True)


if __name__ == "__main__":
    main()
