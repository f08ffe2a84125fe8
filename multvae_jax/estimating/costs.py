"""Costs of a compiled program, counted from its text.

XLA's own counters count the body of a loop once, whatever its number of iterations. Here, each
instruction counts as often as it runs, and what a cache still holds counts apart from what comes
from the memory.
"""

from __future__ import annotations

import math
from collections import OrderedDict, defaultdict
from collections.abc import Hashable, Iterator
from typing import NamedTuple

from multvae_jax.estimating.hlo import (
    Computation,
    Instruction,
    bytes_of,
    group_of,
    n_arrays,
    parsed,
    shape_of,
)

CACHE = 2**23
"""Bytes of the caches, as far as a program can count on them."""

COLLECTIVES = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")

_FREE = {
    *("parameter", "constant", "after-all", "partition-id", "replica-id", "iota"),
    *("tuple", "get-tuple-element", "bitcast", "opt-barrier"),
}
"""Instructions that compute nothing and move nothing."""


class Dot(NamedTuple):
    """A matrix product of `m x k` and `k x n` numbers of a type."""

    m: int
    k: int
    n: int
    dtype: str

    @property
    def flops(self) -> int:
        """Floating-point operations."""
        return 2 * self.m * self.k * self.n


class Exchange(NamedTuple):
    """A collective operation.

    Attributes:
        kind: its name in XLA, such as all-reduce.
        size: number of devices in each group.
        span: the largest distance between the numbers of two devices of a group, plus 1.
    """

    kind: str
    size: int
    span: int


class Costs(NamedTuple):
    """Costs of one run of a program, on one device.

    Attributes:
        dots: matrix products, and how often each is computed.
        streamed: bytes that instructions read and write, and that no cache holds.
        cached: bytes that they read and write in a cache.
        instructions: number of instructions that run.
        collectives: bytes that a device contributes to the collective operations of each kind.
        exchanges: number of collective operations.
        fresh: bytes that it writes to for the first time since the system has handed them out.
    """

    dots: dict[Dot, float]
    streamed: float
    cached: float
    instructions: float
    collectives: dict[Exchange, float]
    exchanges: float
    fresh: float = 0.0

    @property
    def flops(self) -> float:
        """Floating-point operations of the matrix products."""
        return sum(dot.flops * times for dot, times in self.dots.items())

    @property
    def bytes(self) -> float:
        """Bytes that are read and written, whether a cache holds them or not."""
        return self.streamed + self.cached

    @property
    def exchanged(self) -> float:
        """Bytes that a device contributes to collective operations."""
        return sum(self.collectives.values())

    def times(self, factor: float) -> Costs:
        """The costs of a number of runs."""
        return Costs(
            {dot: factor * number for dot, number in self.dots.items()},
            factor * self.streamed,
            factor * self.cached,
            factor * self.instructions,
            {exchange: factor * number for exchange, number in self.collectives.items()},
            factor * self.exchanges,
            factor * self.fresh,
        )


NO_COSTS = Costs({}, 0.0, 0.0, 0.0, {}, 0.0)
"""Costs of a program that does nothing."""


Value = int | tuple["Value", ...]
"""Where a result is: the number of an array, or those of a tuple."""


def costs_of(text: str, cache: int = CACHE) -> Costs:
    """Count what a program does.

    Args:
        text: the program as compiled, `jax.stages.Compiled.as_text()`. A loop whose number of
            iterations is not known counts once.
        cache: bytes that the caches hold.
    """
    computations, entry = parsed(text)
    walk = _Walk(computations, cache)
    walk.run(entry, 1.0, ())
    return Costs(
        dict(walk.dots),
        walk.streamed,
        walk.cached,
        walk.instructions,
        dict(walk.collectives),
        walk.exchanges,
    )


class _Walk:
    """Goes through a program in the order in which it runs, and counts.

    The caches are taken to hold the arrays that were used last.
    """

    def __init__(self, computations: dict[str, Computation], cache: int) -> None:
        self.computations, self.most = computations, cache
        self.held: OrderedDict[Hashable, int] = OrderedDict()
        self.used = self.arrays = self.iteration = 0
        self.dots: defaultdict[Dot, float] = defaultdict(float)
        self.collectives: defaultdict[Exchange, float] = defaultdict(float)
        self.streamed = self.cached = self.instructions = self.exchanges = 0.0

    def run(self, name: str, times: float, arguments: tuple[Value, ...]) -> Value:
        """Run a computation so many times; returns where its result is."""
        scope = self.computations.get(name, {})
        values: dict[str, Value] = {}
        result: Value = ()
        for each in scope.values():
            result = values[each.name] = self._value(each, times, scope, values, arguments)
        return result

    def _value(
        self,
        each: Instruction,
        times: float,
        scope: Computation,
        values: dict[str, Value],
        arguments: tuple[Value, ...],
    ) -> Value:
        operands = tuple(values.get(name, ()) for name in each.operands)
        op = each.op.removesuffix("-start")
        if op == "parameter" and each.number < len(arguments):
            return arguments[each.number]
        if op in ("bitcast", "opt-barrier") or op.endswith("-done"):
            return operands[0]
        if op == "tuple":
            return operands
        if op == "get-tuple-element" and isinstance(operands[0], tuple) and operands[0]:
            return operands[0][each.number]
        if op in _FREE:
            return self._new(each)
        if op == "while":
            return self._loop(each, times, operands)
        if op == "call":
            return self.run(each.called("to_apply"), times, operands)
        if op == "conditional":
            # The first branch stands for all of them.
            first = each.called("branch_computations") or each.called("true_computation")
            return self.run(first, times, operands[1:2])
        self.instructions += times
        if op in COLLECTIVES:
            exchange = Exchange(op, *group_of(each.attributes))
            # The devices of a group of one exchange nothing.
            if exchange.size > 1:
                sizes = sum(bytes_of(scope[name].type) for name in each.operands)
                self.collectives[exchange] += times * sizes
                self.exchanges += times
            return self._new(each)
        inner = self.computations.get(each.called("calls"), {}) if op == "fusion" else {}
        for product in (each, *inner.values()):
            if product.op == "dot":
                left = (scope if product is each else inner)[product.operands[0]]
                dot, number = _dot(product, left.type)
                self.dots[dot] += times * number
        return self._moved(each, times, scope, operands, inner)

    def _new(self, each: Instruction) -> Value:
        """A new place for a result."""
        first = self.arrays
        if not each.type.startswith("("):
            self.arrays += 1
            return first
        self.arrays += n_arrays(each.type)
        return tuple(range(first, self.arrays))

    def _loop(self, each: Instruction, times: float, operands: tuple[Value, ...]) -> Value:
        """Count the second iteration of a loop, which stands for all of them."""
        body, carry = each.called("body"), operands[0]
        self.iteration += 1
        carry = self.run(body, 0.0, (carry,))
        self.iteration += 1
        carry = self.run(body, times * each.trips, (carry,))
        self.iteration += 1
        return carry

    def _moved(
        self,
        each: Instruction,
        times: float,
        scope: Computation,
        operands: tuple[Value, ...],
        inner: Computation,
    ) -> Value:
        """Count what an instruction reads and writes; returns where its result is."""
        result: Value | None = None
        updates = [i for i in (inner.values() if inner else (each,)) if i.op in _IN_PLACE]
        for place, (name, value) in enumerate(zip(each.operands, operands, strict=True)):
            size = bytes_of(scope[name].type) if name in scope else 0
            part, is_target = _used(each, place, inner, size)
            if is_target and result is None:
                result = value
            self._touch(value, size, part, times)
        if result is None:
            result = self._new(each)
            for value in result if isinstance(result, tuple) else (result,):
                self._touch(value, bytes_of(each.type), bytes_of(each.type), times)
            return result
        for update in updates:
            types = inner if inner else scope
            size, part = (
                bytes_of(each.type),
                bytes_of(types[update.operands[_IN_PLACE[update.op]]].type),
            )
            self._touch(result, size, part, times)
        return result

    def _touch(self, value: Value, size: int, part: int, times: float) -> None:
        """Read or write an array, or a part of it."""
        if part == 0 or value == ():
            return
        # A part of an array that no cache holds is another one in each iteration.
        key: Hashable = value
        if part < size and value not in self.held:
            key, size = (value, part, self.iteration), part
        if key in self.held:
            self.cached += times * part
        else:
            self.streamed += times * part
        self.used += size - self.held.pop(key, 0)
        self.held[key] = size
        while self.used > self.most and self.held:
            self.used -= self.held.popitem(last=False)[1]


_IN_PLACE = {"dynamic-update-slice": 1, "scatter": 2}
"""Instructions that write a part of their first operand, and the operand with that part."""


def _used(each: Instruction, place: int, inner: Computation, size: int) -> tuple[int, bool]:
    """Bytes of an operand that are read, and whether it is written in place."""
    if inner:
        found = (i for i in inner.values() if i.op == "parameter" and i.number == place)
        uses = list(_uses(inner, next(found).name))
    else:
        uses = [(each, place)]
    total, is_target = 0, False
    for use, position in uses:
        if position == 0 and use.op in _IN_PLACE:
            is_target = True
        elif position == 0 and use.op in ("dynamic-slice", "gather", "slice"):
            total += bytes_of(use.type)
        else:
            total += size
    return min(total, size), is_target


def _uses(inner: Computation, name: str) -> Iterator[tuple[Instruction, int]]:
    for each in inner.values():
        for position, operand in enumerate(each.operands):
            if operand == name and each.op == "bitcast":
                yield from _uses(inner, each.name)
            elif operand == name:
                yield each, position


def _dot(product: Instruction, left: str) -> tuple[Dot, int]:
    """A matrix product, and how often it is computed."""
    dims = shape_of(left)
    k = math.prod(dims[axis] for axis in product.axes("lhs_contracting_dims"))
    batch = math.prod(dims[axis] for axis in product.axes("lhs_batch_dims"))
    m = math.prod(dims) // max(1, k * batch)
    n = math.prod(shape_of(product.type)) // max(1, m * batch)
    return Dot(m, k, n, left.partition("[")[0]), batch
