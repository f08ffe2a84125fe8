"""Elementwise updates of large arrays, in one pass over the memory.

XLA on a CPU compiles every output of an elementwise function to a loop of its own, so that an
update of Adam reads its moments and gradients several times. `in_blocks` computes all outputs of a
few rows before it goes on to the next rows: only the first read of a row goes to the memory, and
the cache serves the others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Literal
from jaxtyping import Array

LARGE = 2**20
"""Entries from which an array is updated in blocks; smaller ones stay in the cache as a whole."""

BLOCK = 2**16
"""Entries of a block: a few arrays of as many float32 fit in the cache of one core."""

# fmt: off
_ELEMENTWISE = frozenset((
    "abs", "add", "add_any", "and", "ceil", "clamp", "convert_element_type", "copy", "div", "eq",
    "exp", "exp2", "expm1", "floor", "ge", "gt", "integer_pow", "is_finite", "le", "log", "log1p",
    "logistic", "lt", "max", "min", "mul", "ne", "neg", "not", "or", "pow", "round", "rsqrt",
    "select_n", "sign", "sqrt", "square", "sub", "tanh", "xor",
))
# fmt: on
_CALLS = ("jit", "pjit", "closed_call", "custom_jvp_call")

Update = Callable[..., Any]
"""`(old, *others) -> new`; `old` and `new` are pytrees of equal structure, shapes and types."""


def is_without_copies() -> bool:
    """Return whether XLA writes blocks over donated arrays without a copy of a whole array.

    That of jax 0.12 copies two arrays in each update, which takes three times as long as the update
    itself; that of jax 0.10 copies none.
    """
    return jax.__version_info__ < (0, 11)


def in_blocks(update: Update, large: int = LARGE, block: int = BLOCK) -> Update:
    """The same update, in a form that a CPU computes a block of rows at a time.

    This concerns large arrays whose new entries depend on the entries in the same place, and on
    numbers that are computed beforehand, such as the norm of a gradient. Other arrays, and other
    devices, are left to XLA. Results are equal, up to the rounding of sums that XLA fuses.

    It is made for donated buffers, which are overwritten, and neither for `vmap`, under which it
    takes longer than the update itself, nor for gradients of an update.

    Args:
        update: the update.
        large: number of entries from which an array is large.
        block: number of entries in a block.

    Example:
        >>> def momentum(old, gradient):
        ...     params, trace = old
        ...     trace = 0.9 * trace + gradient
        ...     return params - 0.1 * trace, trace
        >>> old = (jnp.ones(4), jnp.zeros(4))
        >>> params, trace = in_blocks(momentum, large=4, block=2)(old, 5 * jnp.ones(4))
        >>> params.tolist(), trace.tolist()
        ([0.5, 0.5, 0.5, 0.5], [5.0, 5.0, 5.0, 5.0])
    """

    def blocked(old: Any, *others: Any) -> Any:
        leaves, structure = jax.tree.flatten(old)
        if all(jnp.size(leaf) < large for leaf in leaves):
            return update(old, *others)
        given, of_others = jax.tree.flatten(others)

        def flat(*arrays: Array) -> list[Array]:
            first = jax.tree.unflatten(structure, arrays[: len(leaves)])
            rest = jax.tree.unflatten(of_others, arrays[len(leaves) :])
            return jax.tree.leaves(update(first, *rest))

        def by_rows(*arrays: Array) -> list[Array]:
            program = _program(jax.make_jaxpr(flat)(*arrays))
            return _run(program, len(leaves), large, block, arrays)

        new = jax.lax.platform_dependent(*leaves, *given, cpu=by_rows, default=flat)
        return jax.tree.unflatten(structure, new)

    return blocked


class _Constant(NamedTuple):
    value: Any


class _Step(NamedTuple):
    """An operation of a program; values are numbered."""

    primitive: Any
    params: dict[str, Any]
    inputs: list[int | _Constant]
    outputs: list[int]


class _Program(NamedTuple):
    """A program without calls. The first values are its inputs.

    Attributes:
        steps: its operations, in their order.
        outputs: the values that it returns.
        types: shape and dtype of every value.
    """

    steps: list[_Step]
    outputs: list[int | _Constant]
    types: list[Any]


def _program(traced: ClosedJaxpr) -> _Program:
    """The program of a function, with the programs that it calls in their place."""
    steps: list[_Step] = []
    types: list[Any] = []

    def new(variable: Any) -> int:
        types.append(variable.aval)
        return len(types) - 1

    def walk(jaxpr: Any, consts: Iterable[Any], arguments: Iterable[Any]) -> list[Any]:
        values: dict[Any, Any] = dict(zip(jaxpr.invars, arguments, strict=True))
        values |= {var: _Constant(c) for var, c in zip(jaxpr.constvars, consts, strict=True)}

        def of(atom: Any) -> Any:
            return _Constant(atom.val) if isinstance(atom, Literal) else values[atom]

        for equation in jaxpr.eqns:
            inputs = [of(atom) for atom in equation.invars]
            inner = equation.params.get("jaxpr", equation.params.get("call_jaxpr"))
            if equation.primitive.name in _CALLS and isinstance(inner, ClosedJaxpr):
                results = walk(inner.jaxpr, inner.consts, inputs)
            else:
                results = [new(variable) for variable in equation.outvars]
                steps.append(_Step(equation.primitive, equation.params, inputs, results))
            values |= dict(zip(equation.outvars, results, strict=True))
        return [of(atom) for atom in jaxpr.outvars]

    arguments = [new(variable) for variable in traced.jaxpr.invars]
    return _Program(steps, walk(traced.jaxpr, traced.consts, arguments), types)


def _numbered(values: Iterable[int | _Constant]) -> Iterator[int]:
    return (value for value in values if isinstance(value, int))


def _by_entry(program: _Program, large: int) -> dict[int, _Step]:
    """The steps that compute each entry of a large array from entries in the same place."""

    def shape(value: int | _Constant) -> tuple[int, ...]:
        return jnp.shape(value.value if isinstance(value, _Constant) else program.types[value])

    found = {}
    for step in program.steps:
        of_output = shape(step.outputs[0])
        allowed = {(), of_output} if step.primitive.name in _ELEMENTWISE else {()}
        known = step.primitive.name in _ELEMENTWISE or step.primitive.name == "broadcast_in_dim"
        if known and math.prod(of_output) >= large and {*map(shape, step.inputs)} <= allowed:
            found[step.outputs[0]] = step
    return found


def _behind(outputs: Iterable[int], steps: dict[int, _Step]) -> tuple[list[int], set[int]]:
    """The steps that values are computed by, in their order, and the values these begin with."""
    needed, begin, todo = set(), set(), list(outputs)
    while todo:
        value = todo.pop()
        if value not in steps:
            begin.add(value)
        elif value not in needed:
            needed.add(value)
            todo.extend(_numbered(steps[value].inputs))
    return sorted(needed), begin


def _chains(program: _Program, n_old: int, steps: dict[int, _Step]) -> list[list[int]]:
    """Outputs that can be written in blocks, in the order of writing, if they depend on each other.

    An output is written over the old array in its place. All that are computed from this old array
    have to be written earlier.
    """
    later: dict[int, set[int]] = {}
    for place, value in enumerate(program.outputs[:n_old]):
        if isinstance(value, int) and value in steps:
            old, new = program.types[place], program.types[value]
            same = old.shape == new.shape and old.dtype == new.dtype
            if same and jnp.issubdtype(old.dtype, jnp.floating):
                later[place] = {v for v in _behind([value], steps)[1] if v < n_old} - {place}
    groups: list[set[int]] = []
    for place, after in later.items():
        group = {place}.union(after & later.keys())
        joined = [other for other in groups if other & group]
        groups = [other for other in groups if not other & group] + [group.union(*joined)]
    chains = []
    for group in groups:
        before = {place: {p for p in group if place in later[p]} for place in group}
        try:
            chains.append([*TopologicalSorter(before).static_order()])
        # Two arrays that are computed from each other, which XLA has to copy.
        except CycleError:
            continue
    return chains


def _run(
    program: _Program, n_old: int, large: int, block: int, arrays: tuple[Array, ...]
) -> list[Array]:
    """Outputs of a program, from its inputs, of which the first are overwritten."""
    by_entry = _by_entry(program, large)
    chains = _chains(program, n_old, by_entry)
    in_rows = {place for chain in chains for place in chain}
    values: dict[int, Any] = dict(enumerate(arrays))
    at_once = {place: v for place, v in enumerate(program.outputs) if place not in in_rows}
    needed = {*_numbered(at_once.values())}
    for place in in_rows:
        needed |= _behind(_numbered([program.outputs[place]]), by_entry)[1]
    whole = {value: step for step in program.steps for value in step.outputs}
    order = {id(step): number for number, step in enumerate(program.steps)}
    todo = {id(whole[v]): whole[v] for v in _behind(needed, whole)[0]}
    for key in sorted(todo, key=order.__getitem__):
        _apply(todo[key], values)
    new = {
        place: value.value if isinstance(value, _Constant) else values[value]
        for place, value in at_once.items()
    }
    for chain in chains:
        new |= _write(program, chain, by_entry, block, values)
    return [jnp.asarray(new[place], program.types[place].dtype) for place in range(n_old)]


def _apply(step: _Step, values: dict[int, Any], shape: tuple[int, ...] | None = None) -> None:
    """Compute a step, for operands of another shape than the traced one if it is given."""
    inputs = [v.value if isinstance(v, _Constant) else values[v] for v in step.inputs]
    if shape is not None and step.primitive.name == "broadcast_in_dim":
        results = [jnp.broadcast_to(inputs[0], shape)]
    else:
        results = step.primitive.bind(*inputs, **step.params)
        results = results if step.primitive.multiple_results else [results]
    values |= dict(zip(step.outputs, results, strict=True))


def _write(
    program: _Program,
    chain: list[int],
    by_entry: dict[int, _Step],
    block: int,
    values: dict[int, Any],
) -> dict[int, Array]:
    """Write the outputs of a chain over the old arrays: place -> new array."""
    shape = program.types[chain[0]].shape
    rows = max(1, block // math.prod(shape[1:]))
    full, rest = divmod(shape[0], rows)

    def of_rows(start: Array, size: int, old: dict[int, Array]) -> dict[int, Array]:
        new, old = dict(old), dict(old)
        for place in chain:
            (output,) = _numbered([program.outputs[place]])
            steps, begin = _behind([output], by_entry)
            local: dict[int, Any] = {}
            for value in begin:
                array = old[value] if value in old else values[value]
                is_large = jnp.shape(array) == shape
                local[value] = (
                    jax.lax.dynamic_slice_in_dim(array, start, size) if is_large else array
                )
            for value in steps:
                _apply(by_entry[value], local, (size, *shape[1:]))
            written = jax.lax.dynamic_update_slice_in_dim(old[place], local[output], start, axis=0)
            new[place] = old[place] = written
            # The old array is overwritten in place only if every read of it comes first. What is
            # written next therefore depends on this array, by an offset of 0 that XLA cannot fold.
            entry = written[(start, *(0,) * (len(shape) - 1))].astype(jnp.float32)
            start = start + jnp.where(jnp.isfinite(entry), 0.0 * entry, 0.0).astype(jnp.int32)
        return new

    held = {place: values[place] for place in chain}
    held = jax.lax.fori_loop(0, full, lambda i, old: of_rows(i * rows, rows, old), held)
    return of_rows(jnp.int32(full * rows), rest, held) if rest else held
