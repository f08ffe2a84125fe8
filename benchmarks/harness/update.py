"""A compiled update of Mult-VAE, XLA's counters of it, and their analytic minimum."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from multvae_jax.batching import CHUNK_WIDTH, Histories, take
from multvae_jax.models import mult_vae
from multvae_jax.recipe import BETA_CAP, LEARNING_RATE
from multvae_jax.schedules import linear_annealing
from multvae_jax.training.updates import init_state, make_train_step

FLOAT = 4
"""Bytes of a float32."""

BETA = linear_annealing(BETA_CAP, 40_000)


class UpdateShape(NamedTuple):
    """Sizes of an update: a batch of users over a catalogue, through I-600-200-600-I."""

    items: int
    users: int = 500
    hidden: int = 600
    latent: int = 200
    chunks: int = 2700

    @property
    def parameters(self) -> int:
        """Number of trained parameters."""
        kernels = 2 * self.items * self.hidden + 3 * self.hidden * self.latent
        return kernels + 2 * self.hidden + 2 * self.latent + self.items


class Counters(NamedTuple):
    """XLA's analysis of a compiled program. Nothing is run, so that noise cannot affect it.

    Attributes:
        flops: floating-point operations.
        bytes_accessed: read and written by all instructions, cached or not.
        temporaries: bytes of temporary memory at the peak.
    """

    flops: float
    bytes_accessed: float
    temporaries: int


def traced_update(shape: UpdateShape, members: int | None = None, **form: Any) -> jax.stages.Traced:
    """One update with Adam, its state donated, to be lowered for any backend.

    Args:
        shape: sizes of the update.
        members: number of updates side by side, by `vmap`; None: a single one, unmapped.
        form: arguments of `multvae_jax.models.mult_vae`.
    """
    model, optimizer = mult_vae((shape.hidden,), shape.latent, **form), optax.adam(LEARNING_RATE)
    update = make_train_step(model, optimizer)
    first = partial(init_state, model=model, optimizer=optimizer, n_items=shape.items, beta=BETA)
    chunk = (shape.chunks, CHUNK_WIDTH)
    histories = Histories(
        items=jax.ShapeDtypeStruct(chunk, jnp.int32),
        values=jax.ShapeDtypeStruct(chunk, jnp.float32),
        starts=jax.ShapeDtypeStruct((shape.users + 1,), jnp.int32),
        n_items=shape.items,
    )
    users = jax.ShapeDtypeStruct((shape.users,), jnp.int32)
    batch = jax.eval_shape(partial(take, capacity=shape.chunks), histories, users)
    arguments = (jax.eval_shape(first, jax.random.key(0)), batch)
    if members is not None:
        update = jax.vmap(update)
        arguments = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct((members, *leaf.shape), leaf.dtype), arguments
        )
    return jax.jit(update, donate_argnums=0).trace(*arguments)


def counters(compiled: jax.stages.Compiled) -> Counters:
    """Read XLA's analysis of a program."""
    cost, memory = compiled.cost_analysis(), compiled.memory_analysis()
    return Counters(cost["flops"], cost["bytes accessed"], memory.temp_size_in_bytes)


def minimum(shape: UpdateShape) -> Counters:
    """The least that an update costs, on paper.

    FLOPs: three products with each kernel after the first, and two products of the embedding bag
    with the interactions alone; twelve operations per parameter for Adam. Bytes: parameters, both
    moments and gradients once each way; the logits twice each way; the decoder kernel once per
    product. Temporaries: the gradients and two arrays of logits.
    """
    dense = shape.hidden * (3 * shape.latent + shape.items)
    interactions = shape.chunks * CHUNK_WIDTH
    flops = 6 * shape.users * dense + 4 * interactions * shape.hidden + 12 * shape.parameters
    logits = FLOAT * shape.users * shape.items
    kernel = FLOAT * shape.items * shape.hidden
    moved = 8 * FLOAT * shape.parameters + 4 * logits + 3 * kernel
    return Counters(flops, moved, FLOAT * shape.parameters + 2 * logits)


class Speed(NamedTuple):
    """The measured speed of a machine.

    Attributes:
        flops: floating-point operations per second of its fastest matrix product.
        bytes: bytes per second, read and written.
    """

    flops: float
    bytes: float


def floor(shape: UpdateShape, speed: Speed) -> dict[str, float]:
    """Seconds that an update takes at least on a machine, by what takes them.

    The three products of the decoder, one read and write of parameters and moments, and one read
    of the encoder's rows that the batch uses. The rest could happen at the same time.
    """
    product = 2 * shape.users * shape.hidden * shape.items
    kernels = FLOAT * 2 * shape.items * shape.hidden
    touched = FLOAT * shape.chunks * CHUNK_WIDTH * shape.hidden
    return {
        "three products at the best of their speeds": 3 * product / speed.flops,
        "parameters and moments, read and written": 3 * 2 * kernels / speed.bytes,
        "touched rows of the encoder, read": touched / speed.bytes,
    }
