"""Functions are equal if they compute the same, and not if anything that they read differs."""

import functools
import types

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import multvae_jax as mv
from multvae_jax.by_value import ByValue, UnknownError, key_of, remembered
from multvae_jax.optimizers import with_numbers


def scaled(factor):
    return lambda x: factor * x


def nested(factor):
    inner = scaled(factor)
    return functools.partial(lambda x, y: inner(x) + y, y=1)


def twice():
    def again(n):
        return again(n - 1) if n else 0

    return again


@pytest.mark.parametrize(
    ("make", "values"),
    [
        (scaled, (2.0, 3.0, 2, float("nan"), -0.0, 0.0, "a", (1, 2), None, True)),
        (scaled, (np.zeros(3), np.ones(3), np.zeros(4), np.zeros(3, np.float32), jnp.zeros(3))),
        (nested, (2.0, 3.0)),
        (lambda widths: scaled([widths, 3]), (1, 2)),
        (lambda value: scaled({"a": value}), (1.0, 2.0)),
        (lambda _: twice(), (0,)),
        (optax.adam, (1e-3, 2e-3)),
        (lambda rate: optax.multi_transform({"a": optax.sgd(rate)}, {"network": "a"}), (0.1, 0.2)),
        (lambda width: mv.mult_vae((width,), 3).loss, (4, 5)),
        (lambda width: mv.recvae(width, 3).score, (4, 5)),
    ],
)
def test_equal_if_made_from_equal_values_alone(make, values):
    keys = [key_of(make(value)) for value in values]
    assert keys == [key_of(make(value)) for value in values]
    assert len(set(keys)) == len(values)


def test_numbers_that_are_arguments_of_the_program_do_not_count():
    likelihoods = [mv.likelihoods.gaussian(c1) for c1 in (1.0, 2.0)]
    losses = [
        ByValue(mv.mult_vae((4,), 3, likelihood=likelihood, dropout=rate).loss)
        for likelihood, rate in zip(likelihoods, (0.1, 0.2), strict=True)
    ]
    assert losses[0] == losses[1]
    assert losses[0] != ByValue(mv.mult_vae((4,), 3).loss)
    updates = [with_numbers(optax.adam, rate, {}).update for rate in (0.1, 0.2)]
    assert ByValue(updates[0]) == ByValue(updates[1])


def test_a_value_of_a_module_of_ones_own(monkeypatch):
    module = types.ModuleType("mine")
    module.rate = 1.0
    monkeypatch.setitem(globals(), "mine", module)

    def reads(x):
        return x * mine.rate  # noqa: F821

    before = key_of(reads)
    assert key_of(reads) == before
    module.rate = 2.0
    assert key_of(reads) != before


class Mutable:
    """An object whose attributes may change."""


@pytest.mark.parametrize("value", [Mutable(), [], [1.0]])
def test_what_may_change_is_not_remembered(value):
    with pytest.raises(UnknownError):
        key_of(scaled(value))
    made = remembered(most=2)(lambda function: object())
    function = scaled(value)
    assert made(function) is not made(function)


def test_few_results_are_remembered():
    made = remembered(most=2)(lambda function: object())
    first = made(scaled(1.0))
    assert made(scaled(1.0)) is first
    made(scaled(2.0))
    made(scaled(3.0))
    assert made(scaled(1.0)) is not first
