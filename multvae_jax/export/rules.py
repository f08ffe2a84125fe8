"""The steps that each operation of jax becomes: tables of names, and rules for the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from multvae_jax.export.program import HISTORY, CannotExportError
from multvae_jax.export.recorder import Const, Recorder, Value, Var, number_of

UNARY = {
    **{name: name for name in ("tanh", "exp", "log", "log1p", "expm1", "sqrt", "rsqrt", "sign")},
    **{"neg": "negative", "abs": "absolute", "logistic": "sigmoid"},
}
BINARY = {
    **{"add": "add", "sub": "subtract", "mul": "multiply", "div": "divide", "pow": "power"},
    **{"max": "maximum", "min": "minimum", "gt": "greater", "ge": "greater_equal", "lt": "less"},
    **{"le": "less_equal", "eq": "equal", "ne": "not_equal", "add_any": "add"},
    # Logical operations have operands that are 0 or 1.
    **{"and": "multiply", "or": "maximum"},
}
REDUCTIONS = {"reduce_sum": "sum", "reduce_max": "largest"}
SAME = ("copy", "copy_p", "optimization_barrier", "reduce_precision", "stop_gradient")
"""Operations that leave the entries as they are, or round them to fewer bits."""

MOVES = (
    *("broadcast_in_dim", "reshape", "squeeze", "expand_dims", "transpose", "slice", "rev"),
    *("gather", "dynamic_slice", "split"),
)
"""Operations that put entries in other places."""

SAME_ORDER = ("broadcast_in_dim", "reshape", "squeeze", "expand_dims")
"""Operations that keep the order of the entries if their number stays the same."""


def results_of(recorder: Recorder, eqn: Any, args: list[Value]) -> list[Value]:
    """The results of an equation with a vector of the user among its arguments.

    Args:
        recorder: the steps so far, to which those of the equation are added.
        eqn: the equation, without an inner jaxpr.
        args: its arguments.

    Raises:
        CannotExportError: the operation has no rule, or not for such arguments.
    """
    name = eqn.primitive.name
    shape = tuple(getattr(eqn.outvars[0].aval, "shape", ()))
    if name in SAME or (name == "convert_element_type" and _keeps_entries(eqn)):
        return list(args)
    if name in UNARY:
        return [recorder.step(UNARY[name], args, shape)]
    if name in BINARY:
        return [recorder.step(BINARY[name], args, shape)]
    if name in REDUCTIONS:
        return [recorder.reduced(REDUCTIONS[name], args[0], shape)]
    if name in MOVES:
        return _moved(recorder, eqn, args)
    if name in OTHERS:
        return [OTHERS[name](recorder, eqn, args, shape)]
    raise CannotExportError(f"the operation '{name}' of its score is not one of those that export")


def _keeps_entries(eqn: Any) -> bool:
    """Return whether a conversion rounds no fraction off."""
    source, target = eqn.invars[0].aval.dtype, eqn.outvars[0].aval.dtype
    return not (jnp.issubdtype(source, jnp.floating) and not jnp.issubdtype(target, jnp.floating))


def _moved(recorder: Recorder, eqn: Any, args: list[Value]) -> list[Value]:
    """Where the entries of a vector have gone: found by moving their numbers instead."""
    value, others = args[0], args[1:]
    if not isinstance(value, Var) or any(isinstance(other, Var) for other in others):
        raise CannotExportError(f"the operation '{eqn.primitive.name}' depends on the user's items")
    shapes = [tuple(var.aval.shape) for var in eqn.outvars]
    if value.repeated or value.size == 1:
        return [Var(value.name, shape, int(np.prod(shape)) != 1) for shape in shapes]
    places = jnp.arange(value.size, dtype=jnp.int32).reshape(value.shape)
    found = eqn.primitive.bind(places, *(other[0] for other in others), **eqn.params)
    parts = found if eqn.primitive.multiple_results else [found]
    return [
        recorder.taken(value, np.asarray(part).reshape(-1), shape)
        for part, shape in zip(parts, shapes, strict=True)
    ]


def _integer_pow(recorder: Recorder, eqn: Any, args: list[Value], shape: Any) -> Var:
    if eqn.params["y"] == 2:
        return recorder.step("multiply", [args[0], args[0]], shape)
    return recorder.step("power", [args[0], number_of(eqn.params["y"])], shape)


def _square(recorder: Recorder, eqn: Any, args: list[Value], shape: Any) -> Var:
    return recorder.step("multiply", [args[0], args[0]], shape)


def _not(recorder: Recorder, eqn: Any, args: list[Value], shape: Any) -> Var:
    return recorder.step("subtract", [number_of(1.0), args[0]], shape)


def _clamp(recorder: Recorder, eqn: Any, args: list[Value], shape: Any) -> Var:
    low, value, high = args
    return recorder.step("minimum", [recorder.step("maximum", [value, low], shape), high], shape)


def _select(recorder: Recorder, eqn: Any, args: list[Value], shape: Any) -> Var:
    if len(args) != 3:
        raise CannotExportError("a choice among more than two is not among the steps that export")
    return recorder.step("where", [args[0], args[2], args[1]], shape)


def _is_finite(recorder: Recorder, eqn: Any, args: list[Value], shape: Any) -> Var:
    largest = number_of(float(np.finfo(np.float32).max))
    return recorder.step("less_equal", [recorder.step("absolute", args, shape), largest], shape)


def _concatenate(recorder: Recorder, eqn: Any, args: list[Value], shape: Any) -> Var:
    axis = eqn.params["dimension"]
    if int(np.prod(shape[:axis])) != 1:
        raise CannotExportError("vectors joined side by side are not among the steps that export")
    nothing = Var(recorder.added("multiply", HISTORY, 0.0), (recorder.n_items,))
    none = Var(recorder.added("largest", nothing.name), (1,))
    parts = [
        # A constant becomes a vector of the user.
        recorder.full(arg if isinstance(arg, Var) else recorder.step("add", [none, arg], arg.shape))
        for arg in args
    ]
    return recorder.step("concat", parts, shape, size=int(np.prod(shape)))


def _dot_general(recorder: Recorder, eqn: Any, args: list[Value], shape: Any) -> Var:
    contracted, batched = eqn.params["dimension_numbers"]
    if any(map(len, batched)):
        raise CannotExportError("a product of many matrices is not among the steps that export")
    if all(isinstance(arg, Var) for arg in args):
        if int(np.prod(shape)) != 1:
            raise CannotExportError("an outer product is not among the steps that export")
        product = recorder.step("multiply", args, args[0].shape)
        return recorder.step("sum", [recorder.full(product)], shape, size=1)
    own = 0 if isinstance(args[0], Var) else 1
    vector, matrix, axes = args[own], args[1 - own], contracted[1 - own]
    n_summed = int(np.prod([vector.shape[axis] for axis in contracted[own]]))
    if vector.size != n_summed:  # type: ignore[union-attr]
        raise CannotExportError(
            "a product over parts of a vector is not among the steps that export"
        )
    array = np.asarray(matrix[0])
    moved = np.moveaxis(array, axes, range(len(axes))).reshape(n_summed, -1)
    is_same = moved.shape == array.shape and tuple(axes) == (0,)
    name = matrix.name if is_same else ""
    return recorder.matmul(vector, Const(moved, name), shape)


def _scatter_add(recorder: Recorder, eqn: Any, args: list[Value], shape: Any) -> Var:
    operand, indices, updates = args
    if not (isinstance(operand, Const) and isinstance(indices, Const)):
        raise CannotExportError("a sum by the user's items is not among the steps that export")
    assert isinstance(updates, Var)

    def added(numbers: np.ndarray) -> np.ndarray:
        into = jnp.zeros(shape, jnp.float32)
        given = jnp.asarray(numbers, jnp.float32).reshape(updates.shape)
        return np.asarray(eqn.primitive.bind(into, indices[0], given, **eqn.params)).reshape(-1)

    if (added(np.ones(updates.size)) == 1).all() and updates.size == int(np.prod(shape)):
        places = added(np.arange(updates.size)).astype(np.int32)
        found = updates._replace(shape=shape)
        if not updates.repeated:
            found = recorder.taken(updates, places, shape)
    elif int(np.prod(shape)) == 1 and added(np.ones(updates.size))[0] == updates.size:
        found = recorder.reduced("sum", updates, shape)
    else:
        raise CannotExportError("a sum by the user's items is not among the steps that export")
    start = np.asarray(operand[0])
    return recorder.step("add", [found, operand], shape) if start.any() else found


OTHERS: Mapping[str, Callable[[Recorder, Any, list[Any], Any], Var]] = {
    "integer_pow": _integer_pow,
    "square": _square,
    "not": _not,
    "clamp": _clamp,
    "select_n": _select,
    "is_finite": _is_finite,
    "concatenate": _concatenate,
    "dot_general": _dot_general,
    "scatter-add": _scatter_add,
}
