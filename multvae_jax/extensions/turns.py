"""Updates that alternate between the encoder and the rest of a model, as in RecVAE.

The parameters of such a model hold, beside the trained parts,

- `previous`: the encoder as it was when its last turn ended;
- `encoders_turn`: 1 while the encoder is updated, else 0.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool

from multvae_jax.types import Params

ENCODER = ("network", "encoder")
"""Place of the encoder among the parameters."""

MOVED = ("previous", "encoders_turn")
"""Parameters without a gradient, which the optimizer sets."""


class TurnsState(NamedTuple):
    """State of `in_turns`.

    Attributes:
        step: number of updates so far.
        encoder: state of the encoder's optimizer.
        others: state of the optimizer of all other trained parameters.
    """

    step: Array
    encoder: Any
    others: Any


def in_turns(
    optimizer: optax.GradientTransformation, encoder: int, others: int
) -> optax.GradientTransformation:
    """Update the encoder, then all other parameters, and so on.

    Both have a state of their own, such as Adam's moments, which rests in the turn of the other.
    Only schedules go on: a learning rate decays over all updates, not over those of a part. When
    the encoder's turn ends, the encoder is copied to `previous`.

    Args:
        optimizer: optimizer of both.
        encoder: number of updates in a turn of the encoder.
        others: number of updates in a turn of the others.
    """
    of_encoder, of_others = optax.masked(optimizer, _encoder), optax.masked(optimizer, _others)

    def is_encoders(step: Array) -> Bool[Array, ""]:
        return step % (encoder + others) < encoder

    def init(params: Params) -> TurnsState:
        trained = _trained(params)
        return TurnsState(jnp.int32(0), of_encoder.init(trained), of_others.init(trained))

    def update(
        gradients: Params, state: TurnsState, params: Params | None = None
    ) -> tuple[Params, TurnsState]:
        assert params is not None
        trained, own = _trained(params), _trained(gradients)
        now, next_ = is_encoders(state.step), is_encoders(state.step + 1)

        def turn(part: Any, before: Any, has_turn: Array) -> tuple[Params, Any]:
            def rest() -> tuple[Params, Any]:
                return jax.tree.map(jnp.zeros_like, own), _rested(before)

            return jax.lax.cond(has_turn, lambda: part.update(own, before, trained), rest)

        one, encoder_state = turn(of_encoder, state.encoder, now)
        other, others_state = turn(of_others, state.others, ~now)
        updates = jax.tree.map(lambda mine, a, b: a if mine else b, _encoder(own), one, other)

        def copied(update: Array, encoder: Array, previous: Array) -> Array:
            return jnp.where(now & ~next_, encoder + update - previous, jnp.zeros_like(previous))

        room, name = ENCODER
        previous = jax.tree.map(copied, updates[room][name], params[room][name], params["previous"])
        turned = next_.astype(jnp.float32) - params["encoders_turn"]
        updates |= {"previous": previous, "encoders_turn": turned}
        return updates, TurnsState(state.step + 1, encoder_state, others_state)

    return optax.GradientTransformation(init, update)


def _trained(params: Params) -> Params:
    """The parameters that have a gradient."""
    return {name: part for name, part in params.items() if name not in MOVED}


def _encoder(trained: Params) -> Params:
    """Return whether each array belongs to the encoder."""
    return jax.tree_util.tree_map_with_path(
        lambda path, _: tuple(entry.key for entry in path[: len(ENCODER)]) == ENCODER, trained
    )


def _others(trained: Params) -> Params:
    """Return whether each array belongs to another part."""
    return jax.tree.map(lambda is_encoders: not is_encoders, _encoder(trained))


def _rested(state: Any) -> Any:
    """The state of an optimizer after the update of another part: its schedules have gone on."""

    def advanced(count: Array) -> Array:
        return count + 1 if jnp.issubdtype(count.dtype, jnp.integer) else count

    def has_schedule(node: Any) -> bool:
        return isinstance(
            node, optax.ScaleByScheduleState | optax.schedules.InjectStatefulHyperparamsState
        )

    def after(node: Any) -> Any:
        if isinstance(node, optax.ScaleByScheduleState):
            return node._replace(count=advanced(node.count))
        if has_schedule(node):
            return node._replace(
                hyperparams_states=jax.tree.map(advanced, node.hyperparams_states),
                inner_state=_rested(node.inner_state),
            )
        return node

    return jax.tree.map(after, state, is_leaf=has_schedule)
