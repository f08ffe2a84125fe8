"""Finding the steps of a score.

`trace` follows the score of one user through jax's own representation, the jaxpr. There every array
is a vector per user; what depends on weights alone is computed at once, and what only moves
entries about, such as a reshape, leaves a name behind or a `take`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from multvae_jax.batching import Batch
from multvae_jax.export.program import HISTORY, Program, Step, flat_params, path_of
from multvae_jax.export.recorder import Const, Recorder, Value, Var, number_of
from multvae_jax.export.rules import SAME_ORDER, results_of
from multvae_jax.types import Params


def trace(
    score: Callable[[Params, Batch], Any], params: Params, n_items: int, features: Any = None
) -> Program:
    """Write a score as a program.

    Args:
        score: `(params, batch) -> users x items`.
        params: nested dicts of arrays.
        n_items: number of items.
        features: features of one user as a pytree of arrays with one row, if the score reads any.

    Raises:
        CannotExportError: the score has an operation that the program does not.
    """
    rows: Any = np.arange(n_items, dtype=np.int32)[:, None]
    nobody: Any = np.zeros(n_items, np.int32)
    user: Any = np.zeros(1, np.int32)

    def of_one(params: Params, history: Any, features: Any) -> Any:
        # An item per chunk, in the order of the catalogue: the values are then the dense history.
        batch = Batch(
            items=rows,
            values=history[:, None],
            owner=nobody,
            part=nobody,
            users=user,
            n_items=n_items,
            per_user=features,
        )
        return score(params, batch)

    like = jax.tree.map(jnp.asarray, features)
    closed = jax.make_jaxpr(of_one)(params, jnp.zeros(n_items, jnp.float32), like)
    weights = {name: Const(array, name) for name, array in flat_params(params).items()}
    inputs = {HISTORY: (n_items,)} | {
        f"features/{path_of(path)}" if path else "features": np.shape(leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(features)
    }
    variables = [Var(name, shape) for name, shape in inputs.items()]
    recorder = Recorder(n_items)
    (scores,) = _follow(recorder, closed.jaxpr, closed.consts, [*weights.values(), *variables])
    if isinstance(scores, Const):
        nothing = recorder.step(
            "multiply", [Var(HISTORY, (n_items,)), number_of(0.0)], scores.shape
        )
        scores = recorder.step("add", [nothing, scores], scores.shape)
    scores = recorder.full(scores)
    lengths = {name: int(np.prod(shape)) for name, shape in inputs.items()}
    return _finished(recorder, scores, lengths)


def _finished(recorder: Recorder, scores: Var, inputs: Mapping[str, int]) -> Program:
    steps = _needed(recorder.steps, scores.name)
    named = {name for step in steps for name in step.inputs if isinstance(name, str)}
    weights = {name: array for name, array in recorder.weights.items() if name in named}
    return Program(inputs, steps, scores.name, *_product(steps, scores.name), weights)


def _product(
    steps: Sequence[Step], scores: str
) -> tuple[str | None, str | None, str | float | None]:
    """The vector, the matrix and the bias whose product and sum are the scores, or None."""
    made = {step.output: step for step in steps}
    step, bias = made[scores], None
    if step.op == "add":
        own = [name for name in step.inputs if name in made]
        if len(own) != 1:
            return None, None, None
        (bias,) = [name for name in step.inputs if name != own[0]] or [own[0]]
        step = made[str(own[0])]
    if step.op != "matmul" or step.inputs[0] == HISTORY:
        return None, None, None
    return str(step.inputs[0]), str(step.inputs[1]), bias


def _needed(steps: Sequence[Step], output: str) -> list[Step]:
    """The steps that a result depends on."""
    needed, kept = {output}, []
    for step in reversed(steps):
        if step.output in needed:
            needed.update(name for name in step.inputs if isinstance(name, str))
            kept.append(step)
    return kept[::-1]


def _follow(
    recorder: Recorder, jaxpr: Any, consts: Sequence[Any], args: Sequence[Value]
) -> list[Value]:
    """Follow the equations of a jaxpr; returns its results."""
    values: dict[Any, Value] = dict(zip(jaxpr.invars, args, strict=True))
    values |= {var: Const(c) for var, c in zip(jaxpr.constvars, consts, strict=True)}

    def read(var: Any) -> Value:
        return Const(var.val) if isinstance(var, core.Literal) else values[var]

    for eqn in jaxpr.eqns:
        results = _apply(recorder, eqn, [read(var) for var in eqn.invars])
        values |= dict(zip(eqn.outvars, results, strict=True))
    return [read(var) for var in jaxpr.outvars]


def _apply(recorder: Recorder, eqn: Any, args: list[Any]) -> list[Value]:
    """The results of an equation."""
    name, given = eqn.primitive.name, eqn.params
    if name == "platform_index":
        # Any platform computes the same; the first one is the CPU.
        return [Const(np.int32(0))]
    if name == "cond" and isinstance(args[0], Const):
        branch = given["branches"][int(args[0].array)]
        return _follow(recorder, branch.jaxpr, branch.consts, args[1:])
    inner = next((given[key] for key in ("jaxpr", "call_jaxpr") if key in given), None)
    if inner is not None and name not in ("while", "scan", "cond"):
        if _is_embedding_bag(inner) and isinstance(args[2], Var):
            return [recorder.matmul(args[2], args[0], (1, args[0].shape[1]))]
        closed = inner if isinstance(inner, core.ClosedJaxpr) else None
        jaxpr, consts = (inner, ()) if closed is None else (closed.jaxpr, closed.consts)
        return _follow(recorder, jaxpr, consts, args)
    if all(isinstance(arg, Const) for arg in args):
        return _computed(eqn, args)
    return results_of(recorder, eqn, args)


def _computed(eqn: Any, args: list[Any]) -> list[Value]:
    """The results of an equation that depends on weights alone."""
    results = eqn.primitive.bind(*(arg.array for arg in args), **eqn.params)
    results = results if eqn.primitive.multiple_results else [results]
    first = args[0] if args and eqn.primitive.name in SAME_ORDER else None
    if first is not None and np.size(first.array) == np.size(results[0]):
        return [Const(results[0], first.name)]
    return [Const(result) for result in results]


def _is_embedding_bag(inner: Any) -> bool:
    """Return whether a function with its own gradient is `multvae_jax.ops.embedding_bag`."""
    jaxpr = getattr(inner, "jaxpr", inner)
    return getattr(jaxpr.debug_info, "func_name", "") == "_embedding_bag"
