"""The values of a score while it is followed, and the steps that are found.

An array of the score is a `Const`, which depends on weights alone, or a `Var`, a vector per user.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from multvae_jax.export.program import CannotExportError, Step


class Const(NamedTuple):
    """An array that depends on weights alone; `name` if it has the entries of a parameter."""

    array: Any
    name: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return np.shape(self.array)


class Var(NamedTuple):
    """A vector of the user in the shape that jax gives it.

    With `repeated`, the vector has one entry, which fills the shape.
    """

    name: str
    shape: tuple[int, ...]
    repeated: bool = False

    @property
    def size(self) -> int:
        """Number of entries of its shape."""
        return int(np.prod(self.shape))


Value = Const | Var


def number_of(value: float) -> Const:
    """A number that is the same for all users."""
    return Const(np.float32(value))


NEUTRAL = {"maximum": -np.inf, "minimum": np.inf}
"""The neutral number of each operation."""


@dataclass
class Recorder:
    """The steps of a program so far.

    Attributes:
        n_items: number of items.
        steps: the steps, in their order.
        weights: arrays that they name.
    """

    n_items: int
    steps: list[Step] = field(default_factory=list)
    weights: dict[str, np.ndarray] = field(default_factory=dict)

    def name_of(self, value: Value) -> str | float:
        """The name of a value; a constant of equal entries is a number, others become weights."""
        if isinstance(value, Var):
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
        args: Sequence[Value | float],
        shape: tuple[int, ...],
        size: int | None = None,
    ) -> Var:
        """Add a step."""
        own = [arg if isinstance(arg, float | int) else self.name_of(arg) for arg in args]
        if op in NEUTRAL and NEUTRAL[op] in own:
            return next(arg for arg in args if isinstance(arg, Var))._replace(shape=shape)
        if any(isinstance(number, float) and not np.isfinite(number) for number in own):
            raise CannotExportError("its score computes with a number that is not finite")
        output = self.added(op, *own)
        if size is None:
            parts = [arg for arg in args if isinstance(arg, Var)]
            numbers = [n for arg, n in zip(args, own, strict=True) if not isinstance(arg, Var)]
            repeated = all(p.repeated or p.size == 1 for p in parts) and not any(
                isinstance(number, str) for number in numbers
            )
        else:
            repeated = size == 1
        return Var(output, shape, repeated and int(np.prod(shape)) != 1)

    def full(self, value: Var) -> Var:
        """A vector with all entries of its shape."""
        if not value.repeated:
            return value
        zeros = self.weight(np.zeros(value.size, np.int32))
        return Var(self.added("take", value.name, zeros), value.shape)

    def reduced(self, op: str, value: Value, shape: tuple[int, ...]) -> Var:
        """The sum or the extreme over all axes that have more than one entry."""
        assert isinstance(value, Var)
        n_results = int(np.prod(shape))
        if n_results == value.size:
            return value._replace(shape=shape)
        if n_results != 1:
            raise CannotExportError(
                f"a {op} over parts of a vector is not among the steps that export"
            )
        return self.step(op, [self.full(value)], shape, size=1)

    def matmul(self, vector: Value, matrix: Value, shape: tuple[int, ...]) -> Var:
        """The product of a vector and a constant matrix, `inputs x outputs`."""
        assert isinstance(vector, Var)
        assert isinstance(matrix, Const)
        name = self.weight(np.asarray(matrix.array), matrix.name)
        return Var(self.added("matmul", self.full(vector).name, name), shape)

    def added(self, op: str, *inputs: str | float) -> str:
        """Add a step; returns the name of its result."""
        output = f"v{len(self.steps)}"
        self.steps.append(Step(op, output, inputs))
        return output

    def taken(self, value: Var, places: np.ndarray, shape: tuple[int, ...]) -> Var:
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
        return Var(self.added("take", value.name, self.weight(places)), shape)
