"""The text of a compiled program: its instructions, and the arrays that they are about."""

from __future__ import annotations

import math
import re
from typing import NamedTuple

import numpy as np


class Instruction(NamedTuple):
    """An instruction of a computation.

    Attributes:
        name: its name, which is that of its result.
        type: shape and dtype of the result; of a tuple, in parentheses.
        op: what it does, such as dot.
        operands: names of the instructions whose results it reads.
        attributes: the rest of its line.
        number: of a parameter or of an entry of a tuple, which one.
    """

    name: str
    type: str
    op: str
    operands: tuple[str, ...]
    attributes: str
    number: int

    def called(self, attribute: str) -> str:
        """Name of the computation that it calls; empty if there is none."""
        found = re.search(rf"{attribute}=\{{?%?([\w.\-]+)", self.attributes)
        return found[1] if found else ""

    def axes(self, attribute: str) -> list[int]:
        """Axes that an attribute lists."""
        found = re.search(rf"{attribute}=\{{([\d,]*)\}}", self.attributes)
        return [int(axis) for axis in found[1].split(",") if axis] if found else []

    @property
    def trips(self) -> int:
        """Number of iterations of a loop; 1 if it is not known."""
        found = re.search(r'known_trip_count":\{"n":"(\d+)"', self.attributes)
        return int(found[1]) if found else 1


Computation = dict[str, Instruction]
"""Instructions by name, in the order in which they run."""

_HEAD = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\{$")
_LINE = re.compile(r"^\s+(?:ROOT )?%?([\w.\-]+) = (.*)$")
_OP = re.compile(r"^(?P<type>\(.*?\)|[^\s(]+) (?P<op>[a-z][\w\-]*)\((?P<rest>.*)$")
_ARRAY = re.compile(r"\b([a-z]+\d*[a-z0-9]*)\[([\d,]*)\]")


def parsed(text: str) -> tuple[dict[str, Computation], str]:
    """The computations of a program by name, and the name of the one that runs."""
    computations: dict[str, Computation] = {}
    entry, current = "", None
    for line in text.splitlines():
        if current is None:
            if head := _HEAD.match(line):
                current = computations.setdefault(head[2], {})
                entry = head[2] if head[1] else entry
        elif line.startswith("}"):
            current = None
        elif (found := _LINE.match(line)) and (parts := _OP.match(found[2])):
            inside, attributes = _closed(parts["rest"])
            number = int(inside) if inside.isdecimal() else 0
            if parts["op"] == "get-tuple-element":
                number = int(re.search(r"index=(\d+)", attributes)[1])  # type: ignore[index]
            operands = tuple(re.findall(r"%([\w.\-]+)", inside))
            current[found[1]] = Instruction(
                found[1], parts["type"], parts["op"], operands, attributes, number
            )
    return computations, entry


def _closed(rest: str) -> tuple[str, str]:
    """Split a text at the parenthesis that closes a list of operands."""
    depth = 1
    for place, letter in enumerate(rest):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return rest[:place], rest[place + 1 :]
    return rest, ""


def shape_of(type_: str) -> tuple[int, ...]:
    """The shape of an array."""
    found = _ARRAY.search(type_)
    return tuple(int(size) for size in found[2].split(",") if size) if found else ()


def n_arrays(type_: str) -> int:
    """Number of arrays of a tuple."""
    return len(_ARRAY.findall(type_))


def bytes_of(type_: str) -> int:
    """Bytes of an array, or of all arrays of a tuple."""
    total = 0
    for dtype, dims in _ARRAY.findall(type_):
        bits = re.search(r"\d+", dtype)
        size = max(1, int(bits[0]) // 8) if bits else 1
        total += math.prod(int(each) for each in dims.split(",") if each) * size
    return total


_LISTED = re.compile(r"replica_groups=\{\{([\d,]+)\}")
_ARRANGED = re.compile(r"replica_groups=\[(\d+),(\d+)\]<=\[([\d,]+)\](?:T\(([\d,]+)\))?")

_NAMED = re.compile(r"replica_groups=mesh\[([^\]]*)\] \{([^}]*)\}")
_AXIS = re.compile(r"'(\w+)'=(\d+)")


def group_of(attributes: str) -> tuple[int, int]:
    """Size and span of the groups of a collective operation."""
    if listed := _LISTED.search(attributes):
        members = [int(number) for number in listed[1].split(",")]
    elif found := _ARRANGED.search(attributes):
        shape = [int(size) for size in found[3].split(",")]
        axes = [int(axis) for axis in found[4].split(",")] if found[4] else range(len(shape))
        devices = np.arange(math.prod(shape)).reshape(shape).transpose(axes)
        members = devices.reshape(int(found[1]), int(found[2]))[0].tolist()
    elif named := _NAMED.search(attributes):
        axes_of_mesh = {name: int(size) for name, size in _AXIS.findall(named[1])}
        inside = re.findall(r"'(\w+)'", named[2])
        devices = np.arange(math.prod(axes_of_mesh.values())).reshape(*axes_of_mesh.values())
        one = tuple(slice(None) if name in inside else 0 for name in axes_of_mesh)
        members = np.ravel(devices[one]).tolist()
    else:
        return 1, 1
    return len(members), max(members) - min(members) + 1
