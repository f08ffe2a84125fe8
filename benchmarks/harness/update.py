"""An update of Mult-VAE, and what it must cost at the least."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from multvae_jax.batching import CHUNK_WIDTH, Batch
from multvae_jax.models import mult_vae
from multvae_jax.schedules import linear_annealing
from multvae_jax.training import TrainState, init_state, make_train_step

FLOAT = 4
"""Bytes of a float32."""


class Shape(NamedTuple):
    """Sizes of an update: a batch of users over a catalogue, through I-600-200-600-I."""

    items: int
    users: int = 500
    hidden: int = 600
    latent: int = 200
    chunks: int = 2700

    @property
    def parameters(self) -> int:
        """Number of trained numbers."""
        kernels = 2 * self.items * self.hidden + 3 * self.hidden * self.latent
        return kernels + 2 * self.hidden + 2 * self.latent + self.items


class Counters(NamedTuple):
    """What XLA says of a compiled program, without running it: noise cannot touch it.

    Attributes:
        flops: floating-point operations.
        bytes_accessed: read and written by all instructions, cached or not.
        temporaries: bytes of temporary memory at the peak.
    """

    flops: float
    bytes_accessed: float
    temporaries: int


def traced_step(shape: Shape, members: int | None = None, **form: Any) -> jax.stages.Traced:
    """One update with Adam, its state donated, to be lowered for any backend.

    Args:
        shape: sizes of the update.
        members: so many updates side by side, by `vmap`; a single one unless given.
        form: of the model, as `multvae_jax.models.mult_vae` takes it.
    """
    model, optimizer = mult_vae((shape.hidden,), shape.latent, **form), optax.adam(1e-3)
    train_step = make_train_step(model, optimizer)

    def first(key: jax.Array) -> dict[str, Any]:
        beta = linear_annealing(0.2, 40_000)
        return vars(init_state(key, model, optimizer, shape.items, beta))

    def update(state: dict[str, Any], batch: dict[str, Any]) -> tuple[dict[str, Any], Any]:
        after, terms = train_step(TrainState(**state), Batch(**batch, n_items=shape.items))
        return vars(after), terms

    batch = {
        "items": jax.ShapeDtypeStruct((shape.chunks, CHUNK_WIDTH), jnp.int32),
        "values": jax.ShapeDtypeStruct((shape.chunks, CHUNK_WIDTH), jnp.float32),
        "owner": jax.ShapeDtypeStruct((shape.chunks,), jnp.int32),
        "part": jax.ShapeDtypeStruct((shape.chunks,), jnp.int32),
        "users": jax.ShapeDtypeStruct((shape.users,), jnp.int32),
    }
    state = jax.eval_shape(first, jax.random.key(0))
    if members is None:
        return jax.jit(update, donate_argnums=0).trace(state, batch)
    states, batches = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((members, *leaf.shape), leaf.dtype), (state, batch)
    )
    return jax.jit(jax.vmap(update), donate_argnums=0).trace(states, batches)


def counters(compiled: jax.stages.Compiled) -> Counters:
    """Read XLA's own analysis of a program."""
    cost, memory = compiled.cost_analysis(), compiled.memory_analysis()
    return Counters(cost["flops"], cost["bytes accessed"], memory.temp_size_in_bytes)


def minimum(shape: Shape) -> Counters:
    """What an update costs at the least, on paper.

    FLOPs: three products with each kernel behind the first, and the two of the bag with the
    interactions alone; Adam's twelve operations a parameter. Bytes: parameters, both moments
    and gradients once each way; the logits twice each way; the decoder kernel once a product.
    Temporaries: the gradients and two arrays of logits.
    """
    dense = shape.hidden * (3 * shape.latent + shape.items)
    interactions = shape.chunks * CHUNK_WIDTH
    flops = 6 * shape.users * dense + 4 * interactions * shape.hidden + 12 * shape.parameters
    logits = FLOAT * shape.users * shape.items
    kernel = FLOAT * shape.items * shape.hidden
    moved = 8 * FLOAT * shape.parameters + 4 * logits + 3 * kernel
    return Counters(flops, moved, FLOAT * shape.parameters + 2 * logits)
