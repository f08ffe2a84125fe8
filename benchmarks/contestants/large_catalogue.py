"""One epoch of Mult-VAE over random histories, in a process of its own.

    python -m benchmarks.contestants.large_catalogue ITEMS USERS INTERACTIONS HIDDEN BLOCK OPTIMIZER

BLOCK is the number of items whose logits are computed at a time, or 0 for all of them. It prints
the loss of the epoch, its seconds, and the most memory that the process has held.
"""

from __future__ import annotations

import json
import sys
from functools import partial

import jax
import numpy as np
import optax
import scipy.sparse as sp

import multvae_jax as mv
from multvae_jax.data.types import Catalogue, HeldOut
from multvae_jax.host.memory import peak_memory
from multvae_jax.objectives import blockwise_logits, full_logits, negative_elbo

OPTIMIZERS = {"adam": optax.adam, "lazy_adam": mv.optimizers.lazy_adam}


def random_split(n_users: int, n_items: int, interactions: int) -> mv.Split:
    """Users with as many items each, one from each of as many parts of the catalogue."""
    part = n_items // interactions
    drawn = np.random.default_rng(0).integers(0, part, (n_users, interactions))
    items = (part * np.arange(interactions)[None] + drawn).ravel()
    ends = np.arange(0, items.size + 1, interactions)
    train = sp.csr_array((np.ones(items.size, np.float32), items, ends), (n_users, n_items))
    catalogue = Catalogue(np.arange(n_items).astype(str), np.bincount(items, minlength=n_items), {})
    # Nobody is ranked: only the updates are of interest.
    nobody = sp.csr_array((0, n_items), dtype=np.float32)
    held_out = HeldOut(nobody, nobody, np.array([], object))
    return mv.Split(train, None, held_out, np.arange(n_users).astype(str), catalogue)


def epoch(
    n_items: int, n_users: int, interactions: int, hidden: int, block: int, optimizer: str
) -> dict[str, float]:
    """Train one epoch with `fit`; its loss and seconds."""
    way = blockwise_logits(block) if block else full_logits
    model = mv.mult_vae((hidden,), objective=partial(negative_elbo, reconstruction=way))
    split = random_split(n_users, n_items, interactions)
    run = mv.fit(jax.random.key(0), model, split, epochs=1, optimizer=OPTIMIZERS[optimizer](1e-3))
    return {name: run.log[0][name] for name in ("loss", "log_likelihood", "seconds")}


if __name__ == "__main__":
    *sizes, optimizer = sys.argv[1:]
    found = epoch(*map(int, sizes), optimizer)
    print(json.dumps({**found, "peak_bytes": peak_memory()}), flush=True)
