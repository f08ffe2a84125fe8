"""Growth of one quantity with another: power laws and lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Line(NamedTuple):
    """`y = fixed + rate x`, fitted by least squares of the relative errors.

    Attributes:
        fixed: y at x = 0.
        rate: increase of y per unit of x.
        error: largest relative distance of a point from the line.
    """

    fixed: float
    rate: float
    error: float


def fit_exponent(x: Sequence[float], y: Sequence[float]) -> float:
    """The k of `y ~ x^k`: the least-squares slope of the logarithms."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def fit_line(x: Sequence[float], y: Sequence[float]) -> Line:
    """Fit a line to relative distances, so that points at small x count as much as the others."""
    xs, ys = np.asarray(x, float), np.asarray(y, float)
    rate, fixed = np.polyfit(xs, ys, 1, w=1 / ys)
    return Line(float(fixed), float(rate), float(np.max(np.abs(fixed + rate * xs - ys) / ys)))
