"""Finding the steps of a score.

`trace` follows the score of one user through jax's own representation, the jaxpr. There every array
is a vector per user; what depends on weights alone is computed at once, and what only moves
entries about, such as a reshape, leaves a name behind or a `take`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from multvae_jax.batching import Batch
from multvae_jax.export.program import (
    HISTORY,
    CannotExportError,
    Program,
    Step,
    flat_params,
    path_of,
)
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
    weights = {name: _Const(array, name) for name, array in flat_params(params).items()}
    inputs = {HISTORY: (n_items,)} | {
        f"features/{path_of(path)}" if path else "features": np.shape(leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(features)
    }
    variables = [_Var(name, shape) for name, shape in inputs.items()]
    tracer = _Tracer(n_items)
    (scores,) = tracer.run(closed.jaxpr, closed.consts, [*weights.values(), *variables])
    if isinstance(scores, _Const):
        nothing = tracer.step("multiply", [_Var(HISTORY, (n_items,)), _number(0.0)], scores.shape)
        scores = tracer.step("add", [nothing, scores], scores.shape)
    scores = tracer.full(scores)
    lengths = {name: int(np.prod(shape)) for name, shape in inputs.items()}
    return _finished(tracer, scores, lengths)


def _finished(tracer: _Tracer, scores: _Var, inputs: Mapping[str, int]) -> Program:
    steps = _needed(tracer.steps, scores.name)
    named = {name for step in steps for name in step.inputs if isinstance(name, str)}
    weights = {name: array for name, array in tracer.weights.items() if name in named}
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


# --- values while tracing -------------------------------------------------------------------------


class _Const(NamedTuple):
    """An array that depends on weights alone; `name` if it has the entries of a parameter."""

    array: Any
    name: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        return np.shape(self.array)


class _Var(NamedTuple):
    """A vector of the user in the shape that jax gives it.

    With `repeated`, the vector has one entry, which fills the shape.
    """

    name: str
    shape: tuple[int, ...]
    repeated: bool = False

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))


_Value = _Const | _Var


def _number(value: float) -> _Const:
    return _Const(np.float32(value))


UNARY = {
    **{name: name for name in ("tanh", "exp", "log", "log1p", "expm1", "sqrt", "rsqrt", "sign")},
    **{"neg": "negative", "abs": "absolute", "logistic": "sigmoid"},
}
BINARY = {
    **{"add": "add", "sub": "subtract", "mul": "multiply", "div": "divide", "pow": "power"},
    **{"max": "maximum", "min": "minimum", "gt": "greater", "ge": "greater_equal", "lt": "less"},
    **{"le": "less_equal", "eq": "equal", "ne": "not_equal", "add_any": "add"},
    # Of numbers that are 0 or 1.
    **{"and": "multiply", "or": "maximum"},
}
NEUTRAL = {"maximum": -np.inf, "minimum": np.inf}
"""Numbers that change nothing."""

REDUCTIONS = {"reduce_sum": "sum", "reduce_max": "largest"}
SAME = ("copy", "copy_p", "optimization_barrier", "reduce_precision", "stop_gradient")
"""Operations that leave the entries as they are, or round them to fewer bits."""

MOVES = (
    *("broadcast_in_dim", "reshape", "squeeze", "expand_dims", "transpose", "slice", "rev"),
    *("gather", "dynamic_slice", "split"),
)
"""Operations that put entries in other places."""

SAME_ORDER = ("broadcast_in_dim", "reshape", "squeeze", "expand_dims")
"""Those that keep their order, if there are as many as before."""


@dataclass
class _Tracer:
    n_items: int
    steps: list[Step] = field(default_factory=list)
    weights: dict[str, np.ndarray] = field(default_factory=dict)

    def run(self, jaxpr: Any, consts: Sequence[Any], args: Sequence[_Value]) -> list[_Value]:
        """Follow the equations of a jaxpr; returns its results."""
        values: dict[Any, _Value] = dict(zip(jaxpr.invars, args, strict=True))
        values |= {var: _Const(c) for var, c in zip(jaxpr.constvars, consts, strict=True)}

        def read(var: Any) -> _Value:
            return _Const(var.val) if isinstance(var, core.Literal) else values[var]

        for eqn in jaxpr.eqns:
            results = self.apply(eqn, [read(var) for var in eqn.invars])
            values |= dict(zip(eqn.outvars, results, strict=True))
        return [read(var) for var in jaxpr.outvars]

    def apply(self, eqn: Any, args: list[_Value]) -> list[_Value]:
        """The results of an equation."""
        name, given = eqn.primitive.name, eqn.params
        if name == "platform_index":
            # Any platform computes the same; the first one is the CPU.
            return [_Const(np.int32(0))]
        if name == "cond" and isinstance(args[0], _Const):
            branch = given["branches"][int(args[0].array)]
            return self.run(branch.jaxpr, branch.consts, args[1:])
        inner = next((given[key] for key in ("jaxpr", "call_jaxpr") if key in given), None)
        if inner is not None and name not in ("while", "scan", "cond"):
            if _is_embedding_bag(inner) and isinstance(args[2], _Var):
                return [self.matmul(args[2], args[0], (1, args[0].shape[1]))]
            closed = inner if isinstance(inner, core.ClosedJaxpr) else None
            jaxpr, consts = (inner, ()) if closed is None else (closed.jaxpr, closed.consts)
            return self.run(jaxpr, consts, args)
        if all(isinstance(arg, _Const) for arg in args):
            return self.computed(eqn, args)
        shape = tuple(getattr(eqn.outvars[0].aval, "shape", ()))
        if name in SAME or (name == "convert_element_type" and _keeps_entries(eqn)):
            return list(args)
        if name in UNARY:
            return [self.step(UNARY[name], args, shape)]
        if name in BINARY:
            return [self.step(BINARY[name], args, shape)]
        if name in REDUCTIONS:
            return [self.reduced(REDUCTIONS[name], args[0], shape)]
        if name in MOVES:
            return self.moved(eqn, args)
        if name in OTHERS:
            return [OTHERS[name](self, eqn, args, shape)]
        raise CannotExportError(
            f"the operation '{name}' of its score is not one of those that export"
        )

    def computed(self, eqn: Any, args: list[_Value]) -> list[_Value]:
        """The results of an equation that depends on weights alone."""
        results = eqn.primitive.bind(*(arg[0] for arg in args), **eqn.params)
        results = results if eqn.primitive.multiple_results else [results]
        first = args[0] if args and eqn.primitive.name in SAME_ORDER else None
        if isinstance(first, _Const) and np.size(first.array) == np.size(results[0]):
            return [_Const(results[0], first.name)]
        return [_Const(result) for result in results]

    def name_of(self, value: _Value) -> str | float:
        """The name of a value; a constant of equal entries is a number, others become weights."""
        if isinstance(value, _Var):
            return value.name
        array = np.asarray(value.array)
        flat = array.reshape(-1)
        is_number = flat.size and np.array_equal(flat, np.full_like(flat, flat[0]), equal_nan=True)
        if is_number and (flat.size == 1 or not value.name):
            return float(flat[0])
        return self.weight(flat, value.name)

    def weight(self, array: np.ndarray, name: str = "") -> str:
        """The name of an array among the weights."""
        name = name or f"constant_{len(self.weights)}"
        number = array.dtype if array.dtype == np.int32 else np.float32
        self.weights.setdefault(name, np.ascontiguousarray(array, number))
        return name

    def step(
        self,
        op: str,
        args: Sequence[_Value | float],
        shape: tuple[int, ...],
        size: int | None = None,
    ) -> _Var:
        """Add a step."""
        own = [arg if isinstance(arg, float | int) else self.name_of(arg) for arg in args]
        if op in NEUTRAL and NEUTRAL[op] in own:
            return next(arg for arg in args if isinstance(arg, _Var))._replace(shape=shape)
        if any(isinstance(number, float) and not np.isfinite(number) for number in own):
            raise CannotExportError("its score computes with a number that is not finite")
        output = self.added(op, *own)
        if size is None:
            parts = [arg for arg in args if isinstance(arg, _Var)]
            numbers = [n for arg, n in zip(args, own, strict=True) if not isinstance(arg, _Var)]
            repeated = all(p.repeated or p.size == 1 for p in parts) and not any(
                isinstance(number, str) for number in numbers
            )
        else:
            repeated = size == 1
        return _Var(output, shape, repeated and int(np.prod(shape)) != 1)

    def full(self, value: _Var) -> _Var:
        """A vector with all entries of its shape."""
        if not value.repeated:
            return value
        zeros = self.weight(np.zeros(value.size, np.int32))
        return _Var(self.added("take", value.name, zeros), value.shape)

    def reduced(self, op: str, value: _Value, shape: tuple[int, ...]) -> _Var:
        """The sum or the extreme over all axes that have more than one entry."""
        assert isinstance(value, _Var)
        n_results = int(np.prod(shape))
        if n_results == value.size:
            return value._replace(shape=shape)
        if n_results != 1:
            raise CannotExportError(
                f"a {op} over parts of a vector is not among the steps that export"
            )
        return self.step(op, [self.full(value)], shape, size=1)

    def matmul(self, vector: _Value, matrix: _Value, shape: tuple[int, ...]) -> _Var:
        """The product of a vector and a constant matrix, `inputs x outputs`."""
        assert isinstance(vector, _Var)
        assert isinstance(matrix, _Const)
        name = self.weight(np.asarray(matrix.array), matrix.name)
        return _Var(self.added("matmul", self.full(vector).name, name), shape)

    def added(self, op: str, *inputs: str | float) -> str:
        """Add a step; returns the name of its result."""
        output = f"v{len(self.steps)}"
        self.steps.append(Step(op, output, inputs))
        return output

    def moved(self, eqn: Any, args: list[_Value]) -> list[_Value]:
        """Where the entries of a vector have gone: found by moving their numbers instead."""
        value, others = args[0], args[1:]
        if not isinstance(value, _Var) or any(isinstance(other, _Var) for other in others):
            raise CannotExportError(
                f"the operation '{eqn.primitive.name}' depends on the user's items"
            )
        shapes = [tuple(var.aval.shape) for var in eqn.outvars]
        if value.repeated or value.size == 1:
            return [_Var(value.name, shape, int(np.prod(shape)) != 1) for shape in shapes]
        places = jnp.arange(value.size, dtype=jnp.int32).reshape(value.shape)
        moved = eqn.primitive.bind(places, *(other[0] for other in others), **eqn.params)
        parts = moved if eqn.primitive.multiple_results else [moved]
        return [
            self.taken(value, np.asarray(part).reshape(-1), shape)
            for part, shape in zip(parts, shapes, strict=True)
        ]

    def taken(self, value: _Var, places: np.ndarray, shape: tuple[int, ...]) -> _Var:
        """The entries at some places: the vector itself, a slice of it, or a choice."""
        if np.array_equal(places, np.arange(value.size)):
            return value._replace(shape=shape)
        first, end = int(places[0]), int(places[-1]) + 1
        if np.array_equal(places, np.arange(first, end)):
            return self.step("slice", [value, first, end], shape, size=len(places))
        if (places < 0).any() or (places >= value.size).any():
            raise CannotExportError(
                "a look-up outside of a vector is not among the steps that export"
            )
        return _Var(self.added("take", value.name, self.weight(places)), shape)


def _is_embedding_bag(inner: Any) -> bool:
    """Whether a function with its own gradient is `multvae_jax.ops.embedding_bag`."""
    jaxpr = getattr(inner, "jaxpr", inner)
    return getattr(jaxpr.debug_info, "func_name", "") == "_embedding_bag"


def _keeps_entries(eqn: Any) -> bool:
    """Whether a conversion rounds no fraction off."""
    source, target = eqn.invars[0].aval.dtype, eqn.outvars[0].aval.dtype
    return not (jnp.issubdtype(source, jnp.floating) and not jnp.issubdtype(target, jnp.floating))


# --- operations with rules of their own -----------------------------------------------------------


def _integer_pow(tracer: _Tracer, eqn: Any, args: list[_Value], shape: Any) -> _Var:
    if eqn.params["y"] == 2:
        return tracer.step("multiply", [args[0], args[0]], shape)
    return tracer.step("power", [args[0], _number(eqn.params["y"])], shape)


def _square(tracer: _Tracer, eqn: Any, args: list[_Value], shape: Any) -> _Var:
    return tracer.step("multiply", [args[0], args[0]], shape)


def _not(tracer: _Tracer, eqn: Any, args: list[_Value], shape: Any) -> _Var:
    return tracer.step("subtract", [_number(1.0), args[0]], shape)


def _clamp(tracer: _Tracer, eqn: Any, args: list[_Value], shape: Any) -> _Var:
    low, value, high = args
    return tracer.step("minimum", [tracer.step("maximum", [value, low], shape), high], shape)


def _select(tracer: _Tracer, eqn: Any, args: list[_Value], shape: Any) -> _Var:
    if len(args) != 3:
        raise CannotExportError("a choice among more than two is not among the steps that export")
    return tracer.step("where", [args[0], args[2], args[1]], shape)


def _is_finite(tracer: _Tracer, eqn: Any, args: list[_Value], shape: Any) -> _Var:
    largest = _number(float(np.finfo(np.float32).max))
    return tracer.step("less_equal", [tracer.step("absolute", args, shape), largest], shape)


def _concatenate(tracer: _Tracer, eqn: Any, args: list[_Value], shape: Any) -> _Var:
    axis = eqn.params["dimension"]
    if int(np.prod(shape[:axis])) != 1:
        raise CannotExportError("vectors joined side by side are not among the steps that export")
    nothing = _Var(tracer.added("multiply", HISTORY, 0.0), (tracer.n_items,))
    none = _Var(tracer.added("largest", nothing.name), (1,))
    parts = [
        # A constant becomes a vector of the user.
        tracer.full(arg if isinstance(arg, _Var) else tracer.step("add", [none, arg], arg.shape))
        for arg in args
    ]
    return tracer.step("concat", parts, shape, size=int(np.prod(shape)))


def _dot_general(tracer: _Tracer, eqn: Any, args: list[_Value], shape: Any) -> _Var:
    contracted, batched = eqn.params["dimension_numbers"]
    if any(map(len, batched)):
        raise CannotExportError("a product of many matrices is not among the steps that export")
    if all(isinstance(arg, _Var) for arg in args):
        if int(np.prod(shape)) != 1:
            raise CannotExportError("an outer product is not among the steps that export")
        product = tracer.step("multiply", args, args[0].shape)
        return tracer.step("sum", [tracer.full(product)], shape, size=1)
    own = 0 if isinstance(args[0], _Var) else 1
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
    return tracer.matmul(vector, _Const(moved, name), shape)


def _scatter_add(tracer: _Tracer, eqn: Any, args: list[_Value], shape: Any) -> _Var:
    operand, indices, updates = args
    if not (isinstance(operand, _Const) and isinstance(indices, _Const)):
        raise CannotExportError("a sum by the user's items is not among the steps that export")
    assert isinstance(updates, _Var)

    def added(numbers: np.ndarray) -> np.ndarray:
        into = jnp.zeros(shape, jnp.float32)
        given = jnp.asarray(numbers, jnp.float32).reshape(updates.shape)
        return np.asarray(eqn.primitive.bind(into, indices[0], given, **eqn.params)).reshape(-1)

    if (added(np.ones(updates.size)) == 1).all() and updates.size == int(np.prod(shape)):
        places = added(np.arange(updates.size)).astype(np.int32)
        found = updates._replace(shape=shape)
        if not updates.repeated:
            found = tracer.taken(updates, places, shape)
    elif int(np.prod(shape)) == 1 and added(np.ones(updates.size))[0] == updates.size:
        found = tracer.reduced("sum", updates, shape)
    else:
        raise CannotExportError("a sum by the user's items is not among the steps that export")
    start = np.asarray(operand[0])
    return tracer.step("add", [found, operand], shape) if start.any() else found


OTHERS: Mapping[str, Callable[[_Tracer, Any, list[Any], Any], _Var]] = {
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
