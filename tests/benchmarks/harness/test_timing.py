"""Repeated runs, and sizes that fit the memory."""

import jax.numpy as jnp
import pytest

from benchmarks.harness.timing import largest_that_fits, repeated, samples


def test_a_loop_is_timed_and_leaves_its_arguments_alone():
    carry = jnp.zeros(3)
    timed = repeated(lambda x, y: x + y, carry, jnp.ones(3), repeats=2)
    assert timed() > 0
    assert carry.tolist() == [0, 0, 0]


@pytest.mark.parametrize(("seconds", "expected"), [(0, 3), (60, 5)])
def test_samples_are_at_least_and_at_most_so_many(seconds, expected):
    numbers = iter(range(100))
    assert samples(lambda: next(numbers), seconds, 3, 5) == list(range(expected))


def make(limit, tried):
    def made(size):
        tried.append(size)
        if size > limit:
            raise RuntimeError(f"RESOURCE_EXHAUSTED: out of memory allocating {size}")
        return str(size)

    return made


def test_a_size_is_halved_until_it_fits():
    tried = []
    assert largest_that_fits(make(30, tried), 100) == (25, "25")
    assert tried == [100, 50, 25]


def test_nothing_below_the_least_size_is_tried():
    tried = []
    with pytest.raises(RuntimeError, match="RESOURCE_EXHAUSTED"):
        largest_that_fits(make(30, tried), 100, least=40)
    assert tried == [100, 50]


def test_other_errors_are_not_about_the_size():
    def broken(size):
        raise ValueError(size)

    with pytest.raises(ValueError, match=r"^8$"):
        largest_that_fits(broken, 8)
