"""Fitted exponents and lines."""

import numpy as np
import pytest

from benchmarks.harness.curve_fit import fit_exponent, fit_line


@pytest.mark.parametrize("power", [0.5, 1.0, 1.7])
def test_exponents_are_found(power):
    x = np.array([1, 2, 4, 8, 16])
    assert fit_exponent(x, 3.0 * x**power) == pytest.approx(power)


def test_a_line_is_found_and_a_parabola_has_a_large_error():
    x = [34, 68, 136, 272, 544]
    fitted = fit_line(x, [0.2 + 0.01 * each for each in x])
    assert fitted == pytest.approx((0.2, 0.01, 0.0), abs=1e-12)
    assert fit_line(x, [0.001 * each**2 for each in x]).error > 0.3
