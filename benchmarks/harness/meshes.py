"""Updates on meshes of virtual devices: the memory that they take, and their time."""

from __future__ import annotations

import re
import statistics
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.harness.synthetic import random_histories
from multvae_jax.batching import divided_order, plan_epoch, to_device
from multvae_jax.estimating.lengths import Lengths
from multvae_jax.estimating.programs import (
    Training,
    any_beta,
    compiled_epoch_of,
    program_of_compiled,
)
from multvae_jax.keys import order_key
from multvae_jax.models import mult_vae
from multvae_jax.parallel.meshes import make_mesh, parts_of_users
from multvae_jax.parallel.partition import partition_of
from multvae_jax.recipe import LEARNING_RATE
from multvae_jax.sizes import with_users
from multvae_jax.training.updates import init_state

ROUNDS = 3


def resident_and_seconds(
    data: int, parts: int, n_items: int, batch_size: int, n_users: int
) -> dict[str, Any]:
    """Measure updates on a mesh in this process, and count what their program communicates.

    Returns:
        `exchanged`, bytes of collective operations of each device in an update; `resident`, bytes
        that the process has more at the peak than before there were arrays; `counted`, the same by
        XLA's analysis; and the `seconds` of an update in each round.
    """
    mesh = None if data * parts == 1 else make_mesh(data, parts)
    matrix = random_histories(n_users, n_items)
    nobody = np.zeros(0, int)
    lengths = Lengths(n_items, np.diff(matrix.indptr).astype(int), nobody, nobody)
    model, optimizer = mult_vae(), optax.adam(LEARNING_RATE)
    training = Training(model, optimizer, batch_size, 1, {}, mesh=mesh)
    epoch = compiled_epoch_of(lengths, training)
    program = program_of_compiled(epoch.compiled)
    key = jax.random.key(0)
    before = _status("VmRSS")

    def first(key: Any) -> Any:
        return init_state(key, model, optimizer, n_items, any_beta())

    partition = partition_of(jax.eval_shape(first, key), n_items, mesh)
    state = partition.made_by(first)(key)
    histories = to_device(matrix, n_chunks=epoch.room.chunks, mesh=mesh)
    plan = plan_epoch(order_key(key, 1), histories, batch_size, epoch.room.capacity)
    order = jnp.asarray(divided_order(plan.order[: epoch.updates], parts_of_users(mesh)))
    on_device = with_users(histories, epoch.room.users)
    jax.block_until_ready((state, on_device))
    # From here on, the peak is that of the updates.
    Path("/proc/self/clear_refs").write_text("5")
    seconds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        state, terms, _ = epoch.compiled(state, on_device, order)
        jax.block_until_ready(terms)
        seconds.append((time.perf_counter() - began) / epoch.updates)
    # The state and the data of all devices, and their temporaries.
    counted = (program.arguments + program.temporaries + program.results) * data * parts
    return {
        "exchanged": program.costs.exchanged / epoch.updates,
        "resident": _status("VmHWM") - before,
        "counted": counted,
        "seconds": seconds,
        "median": statistics.median(seconds),
    }


def _status(name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.M)
    assert found is not None
    return 1024 * int(found[1])
