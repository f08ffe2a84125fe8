"""The estimate of what EASE costs, against measured seconds and the sizes of its matrices."""

import numpy as np
import pytest
import scipy.sparse as sp

from multvae_jax.baselines.cost import bytes_to_fit, is_affordable, seconds_to_fit


def matrix_of(n_users: int, n_items: int, nnz: int) -> sp.csr_array:
    """A matrix of a size, whose interactions are all of the first user."""
    pointers = np.full(n_users + 1, nnz, np.int64)
    pointers[0] = 0
    return sp.csr_array((np.ones(nnz), np.zeros(nnz, np.int64), pointers), shape=(n_users, n_items))


@pytest.mark.parametrize(
    ("n_users", "n_items", "nnz", "measured"),
    [
        (483, 5660, 38_246, 0.47),
        (6040, 3700, 804_199, 2.0),
        (20_000, 5000, 1_856_453, 5.2),
        (30_000, 10_000, 2_826_751, 27.5),
        (5000, 20_000, 914_731, 43.4),
    ],
)
def test_the_estimate_is_within_a_factor_of_two(n_users, n_items, nnz, measured):
    estimate = seconds_to_fit(matrix_of(n_users, n_items, nnz))
    assert measured / 2 <= estimate <= 2 * measured


def test_a_wide_matrix_is_expensive_although_its_inverse_is_small():
    wide, tall = matrix_of(5000, 20_000, 900_000), matrix_of(20_000, 5000, 900_000)
    assert is_affordable(tall, seconds=5.0, gigabytes=2.0)
    assert not is_affordable(wide, seconds=5.0, gigabytes=2.0)
    assert is_affordable(wide, seconds=60.0, gigabytes=2.0)


def test_the_memory_is_that_of_the_smaller_inverse_and_of_the_weights():
    assert bytes_to_fit((10, 30)) == 10 * 10 * 8 + 30 * 30 * 4
    assert bytes_to_fit((30, 10), 4) == 10 * 10 * 4 + 10 * 10 * 4
    few = sp.csr_array((10, 30_000))
    assert is_affordable(few, seconds=1.0, gigabytes=3.601)
    assert not is_affordable(few, seconds=1.0, gigabytes=3.599)
