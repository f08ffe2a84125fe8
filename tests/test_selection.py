"""The epoch to keep, and when training ends, on logs written by hand."""

import math

import pytest

from multvae_jax.selection import best_of, diverged, is_validated, out_of_patience


def log_of(*values):
    """One entry per epoch; None for an epoch without validation."""
    return [
        {"epoch": n, "loss": 1.0} | ({} if value is None else {"validation": {"ndcg@9": value}})
        for n, value in enumerate(values, start=1)
    ]


@pytest.mark.parametrize(
    ("values", "best"),
    [
        ([0.1, 0.3, 0.2], 2),
        ([0.3, 0.3, 0.3], 1),
        ([None, 0.1, None, 0.4], 4),
        ([math.nan, 0.1, math.nan], 2),
        ([math.nan], None),
        ([None, None], None),
        ([], None),
    ],
)
def test_the_best_epoch_is_the_first_with_the_highest_number(values, best):
    assert best_of(log_of(*values), "ndcg@9") == best


@pytest.mark.parametrize(
    ("values", "patience", "ends"),
    [
        ([0.3, 0.1, 0.2], 2, True),
        ([0.3, 0.1, 0.2], 3, False),
        ([0.3, 0.1, 0.2], None, False),
        ([0.1, 0.2, 0.3], 1, False),
        # A value as high as the best is no new best, and an epoch without validation is not one.
        ([0.3, 0.3], 1, True),
        ([0.3, None, None, 0.1], 2, False),
        ([0.3, math.nan], 1, True),
        ([math.nan, math.nan], 1, False),
        ([], 1, False),
    ],
)
def test_patience_counts_the_validations_since_the_best(values, patience, ends):
    assert out_of_patience(log_of(*values), "ndcg@9", patience) == ends


def test_every_nth_epoch_and_the_last_are_validated():
    assert [epoch for epoch in range(1, 9) if is_validated(epoch, 8, 3)] == [3, 6, 8]
    assert [epoch for epoch in range(1, 5) if is_validated(epoch, 4, 1)] == [1, 2, 3, 4]


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_has_diverged(loss):
    assert diverged({"epoch": 1, "loss": loss})
    assert not diverged({"epoch": 1, "loss": -1e30})
