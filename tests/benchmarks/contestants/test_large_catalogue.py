"""An epoch over a large catalogue, in a small form: its data, and its loss in blocks of items."""

import numpy as np
import pytest

from benchmarks.contestants.large_catalogue import epoch, random_split

pytestmark = pytest.mark.updates


def test_every_user_has_as_many_items_each_once():
    train = random_split(7, 103, 10).train
    assert train.shape == (7, 103)
    np.testing.assert_array_equal(np.diff(train.indptr), 10)
    assert all(len(set(row.indices)) == 10 for row in train)
    assert train.indices.max() < 103


def test_the_loss_in_blocks_is_that_of_all_logits_at_once():
    """Over ten updates, in blocks that do not divide the items, and with lazy Adam."""
    sizes = {"n_items": 1_000, "n_users": 40, "interactions": 10, "hidden": 8}
    whole = epoch(**sizes, block=0, optimizer="adam")
    blocks = epoch(**sizes, block=300, optimizer="adam")
    assert blocks["loss"] == pytest.approx(whole["loss"], rel=1e-5)
    # Not exactly the same number of the same program.
    assert blocks["loss"] > 10
