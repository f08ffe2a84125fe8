"""Grid search: which settings are tried, and on whom."""

import pytest

from experiments.shared.tuning import combinations, tune
from multvae_jax.errors import InputError


def test_tuning_needs_validation_users():
    with pytest.raises(InputError, match="no validation users"):
        tune(lambda **setting: None, {"a": (1, 2)}, None)


def test_the_grid_is_every_combination_and_quick_the_first_and_the_last():
    grid = {"a": (1, 2, 3), "b": (10, 20)}
    expected = [{"a": a, "b": b} for a in (1, 2, 3) for b in (10, 20)]
    assert combinations(grid, quick=False) == expected
    assert combinations(grid, quick=True) == [{"a": 1, "b": 10}, {"a": 3, "b": 20}]
