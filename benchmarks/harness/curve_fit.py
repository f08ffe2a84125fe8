"""How a quantity grows with another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Line(NamedTuple):
    """`y = fixed + rate x`, by least squares of the relative errors.

    Attributes:
        fixed: what remains as x goes to nothing.
        rate: what each x adds.
        error: the largest relative distance of a point from the line.
    """

    fixed: float
    rate: float
    error: float


def exponent(x: Sequence[float], y: Sequence[float]) -> float:
    """The k of `y ~ x^k`: the least-squares slope of their logarithms."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def line(x: Sequence[float], y: Sequence[float]) -> Line:
    """Fit a line; a point counts by its relative distance, so that small x count as well."""
    xs, ys = np.asarray(x, float), np.asarray(y, float)
    rate, fixed = np.polyfit(xs, ys, 1, w=1 / ys)
    return Line(float(fixed), float(rate), float(np.max(np.abs(fixed + rate * xs - ys) / ys)))
