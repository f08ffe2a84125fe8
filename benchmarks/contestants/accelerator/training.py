"""Training: users per second, many members, a catalogue in blocks, the whole recipe, kernels."""

from __future__ import annotations

import functools
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax

import multvae_jax as mv
from benchmarks.contestants.accelerator.sizes import PRECISIONS, Sizes
from benchmarks.contestants.accelerator.speed import in_precision, speed_in, type_of
from benchmarks.harness.epochs import FixedEpoch, fixed_epoch
from benchmarks.harness.sections import Budget, Found, Row
from benchmarks.harness.synthetic import random_held_out, random_histories
from benchmarks.harness.timing import largest_that_fits, samples
from benchmarks.harness.update import BETA, UpdateShape, floor
from multvae_jax import recipe
from multvae_jax.batching import Histories, plan_epoch, to_device
from multvae_jax.data.types import Catalogue, Split
from multvae_jax.keys import order_key
from multvae_jax.mlp import variational_mlp
from multvae_jax.models import Model, NetworkFactory, mult_vae
from multvae_jax.objectives import blockwise_logits, negative_elbo
from multvae_jax.ops.matmul import matmul_in

KERNELS = 15
"""Kernels that are listed, those that take most of the time."""


@functools.cache
def histories_of(users: int, items: int, mean: int) -> Histories:
    """Generated histories on the device."""
    return to_device(random_histories(users, items, mean))


def network_in(precision: str) -> NetworkFactory:
    """The paper's network with matrix products of a precision."""
    return partial(variational_mlp, matmul=matmul_in(type_of(precision)))


def model_in(precision: str, sizes: Sizes, **form: Any) -> Model:
    """Mult-VAE with matrix products of a precision."""
    return mult_vae((sizes.hidden,), sizes.latent, network=network_in(precision), **form)


def epoch_of(
    histories: Histories, batch_size: int, model: Model, members: int | None = None
) -> FixedEpoch:
    """A compiled epoch with Adam."""
    return fixed_epoch(
        histories, batch_size, model, optax.adam(recipe.LEARNING_RATE), BETA, members
    )


def training(sizes: Sizes, budget: Budget, found: Found) -> Iterator[Row]:
    """Users per second at each batch size and in each precision, against the roofline."""
    histories = histories_of(*sizes[:3])
    cases = [(batch, name) for batch in sizes.batches for name in PRECISIONS]
    for done, (batch, name) in enumerate(cases):
        if budget.left() < 0:
            return
        model = model_in(name, sizes)
        with in_precision(name):
            size, epoch = largest_that_fits(partial(epoch_of, histories, model=model), batch)
        taken = samples(epoch.run, budget.share(len(cases) - done) / 2)
        update = statistics.median(taken) / epoch.updates
        row: Row = {
            "batch": min(size, histories.n_users),
            "products": name,
            "users/s": epoch.users / statistics.median(taken),
            "ms per update": 1e3 * update,
        }
        shape = UpdateShape(sizes.items, row["batch"], sizes.hidden, sizes.latent, epoch.capacity)
        if (speed := speed_in(name, found.get("speed", ()))) is not None:
            products, *memory = (1e3 * part for part in floor(shape, speed).values())
            row |= {
                "products alone, ms": products,
                "memory alone, ms": sum(memory),
                "share of the roofline": (products + sum(memory)) / (1e3 * update),
            }
        yield {**row, "GB of temporaries": epoch.temporaries / 1e9, "samples": taken}
        del epoch


def members(sizes: Sizes, budget: Budget, found: Found) -> Iterator[Row]:
    """One model, and many of them side by side."""
    del found
    histories = histories_of(sizes.member_users, sizes.member_items, sizes.mean)
    model, batch = model_in("float32", sizes), recipe.batch_size(sizes.member_users)
    counts = (1, sizes.members)
    of_one = 0.0
    for done, wanted in enumerate(counts):
        if budget.left() < 0:
            return
        side_by_side = partial(epoch_of, histories, batch, model)
        if wanted == 1:
            n, epoch = 1, side_by_side()
        else:
            n, epoch = largest_that_fits(side_by_side, wanted, least=2)
        taken = samples(epoch.run, budget.share(len(counts) - done) / 2)
        seconds = statistics.median(taken)
        of_one = of_one or seconds
        yield {
            "members": n,
            "ms per epoch": 1e3 * seconds,
            "users/s of all": epoch.users / seconds,
            "over one after the other": seconds / (n * of_one),
            "GB": (epoch.arguments + epoch.temporaries) / 1e9,
            "samples": taken,
        }
        del epoch


def blocks(sizes: Sizes, budget: Budget, found: Found) -> Iterator[Row]:
    """Training on a large catalogue, its logits computed in blocks of items, and all at once."""
    del found
    objective = partial(negative_elbo, reconstruction=blockwise_logits(sizes.block))
    forms: dict[str, dict[str, Any]] = {f"{sizes.block:,}": {"objective": objective}, "all": {}}
    items = sizes.large_items
    for name, form in forms.items():
        if budget.left() < 0:
            return
        model = model_in("float32", sizes, **form)

        def make(items: int, model: Model = model) -> FixedEpoch:
            histories = to_device(random_histories(sizes.large_users, items, sizes.mean))
            return epoch_of(histories, sizes.batches[0], model)

        items, epoch = largest_that_fits(make, items, sizes.block)
        taken = samples(epoch.run, budget.left() / 3)
        yield {
            "items": items,
            "in a block": name,
            "users/s": epoch.users / statistics.median(taken),
            "ms per update": 1e3 * statistics.median(taken) / epoch.updates,
            "GB of parameters and moments": epoch.arguments / 1e9,
            "GB of temporaries": epoch.temporaries / 1e9,
            "samples": taken,
        }
        del epoch


def whole_recipe(sizes: Sizes, budget: Budget, found: Found) -> Iterator[Row]:
    """The paper's recipe by `fit`, reckoned from a few epochs, each with its validation."""
    del found
    train = random_histories(*sizes[:3])
    held_out = random_held_out(sizes.held_out, sizes.items, sizes.mean)
    users, items = map(np.arange, train.shape)
    catalogue = Catalogue(items.astype(str), np.ones_like(items), {})
    split = Split(train, held_out, held_out, users, catalogue)
    model = mult_vae((sizes.hidden,), sizes.latent)

    def timed_fit(epochs: int) -> tuple[float, list[float]]:
        began = time.perf_counter()
        run = mv.fit(
            jax.random.key(0),
            model,
            split,
            recipe=recipe.paper,
            epochs=sizes.epochs,
            stop_after=epochs,
        )
        seconds = time.perf_counter() - began
        return seconds, [entry["seconds"] for entry in run.log]

    def row(total: float, each: list[float]) -> Row:
        start, later = total - sum(each[1:]), each[1:]
        return {
            "epochs timed": len(later),
            "start and first epoch, s": start,
            "s per epoch": statistics.median(later),
            f"{sizes.epochs} epochs, s": start + (sizes.epochs - 1) * statistics.median(later),
            "drawing an epoch's batches, s": None,
            "samples": each,
        }

    compiling, first = timed_fit(2)
    yield row(compiling, first)
    # Compiled already; the start that counts is that of the first.
    more = int(min(sizes.epochs, 0.6 * budget.left() / first[1]))
    if more > 2:
        each = timed_fit(more)[1]
        start = compiling - sum(first[1:])
        drawn = _drawing(histories_of(*sizes[:3]), recipe.batch_size(sizes.users))
        timed = row(start + sum(each[1:]), each)
        yield {**timed, "drawing an epoch's batches, s": drawn}


def _drawing(histories: Histories, batch_size: int) -> float:
    """Seconds to draw the batches of an epoch, of which the device knows nothing."""
    key = jax.random.key(0)

    def timed() -> float:
        began = time.perf_counter()
        plan_epoch(order_key(key, 1), histories, batch_size)
        return time.perf_counter() - began

    return min(timed() for _ in range(3))


def profile(sizes: Sizes, budget: Budget, found: Found) -> Iterator[Row]:
    """The kernels of an update in the device's default precision, by their time."""
    del found, budget
    epoch = epoch_of(histories_of(*sizes[:3]), sizes.batches[0], model_in("float32", sizes))
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            seconds = epoch.run()
        (file,) = Path(folder).rglob("*.xplane.pb")
        kernels = kernel_seconds(jax.profiler.ProfileData.from_file(str(file)))
    for name, taken in kernels.most_common(KERNELS):
        yield {
            "kernel": name,
            "ms per update": 1e3 * taken / epoch.updates,
            "share of the kernels": taken / kernels.total(),
            "kernels of the time": kernels.total() / seconds,
        }


CONTROL = ("while", "call", "conditional", "end:")
"""Starts of the names of operations whose time is that of others."""


def kernel_seconds(trace: Any) -> Counter[str]:
    """Kernel -> its seconds in a trace, from the device's lines or, on a CPU, those of XLA."""
    planes = list(trace.planes)
    devices = [plane for plane in planes if plane.name.startswith("/device:")]
    lines = [line for plane in devices or planes for line in plane.lines]
    streams = [line for line in lines if line.name.startswith(("XLA Ops", "Stream"))]
    seconds: Counter[str] = Counter()
    for line in streams or lines:
        for event in line.events:
            is_kernel = bool(streams) or any(name == "hlo_op" for name, _ in event.stats)
            if is_kernel and not event.name.startswith(CONTROL):
                seconds[event.name.partition(" ")[0]] += 1e-9 * event.duration_ns
    return seconds
