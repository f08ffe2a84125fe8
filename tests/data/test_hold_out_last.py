"""The last items of each user held out, compared with a plain Python reference."""

import dataclasses

import numpy as np
import pytest

import multvae_jax as mv
from tests.data.builders import interactions, ratings_table, rows_of


@pytest.mark.parametrize("validation", [True, False])
@pytest.mark.parametrize("n_items", [1, 3])
def test_the_last_items_of_each_user_are_held_out(n_items, validation):
    rows = ratings_table(80, 30, seed=1)
    times = np.random.default_rng(2).integers(0, 6, len(rows)).tolist()
    split = mv.hold_out_last(interactions(rows, times=times), n_items, validation)
    dated = sorted(zip(times, range(len(rows)), rows, strict=True))
    ordered = {user: [(t, item) for t, _, (who, item) in dated if who == user] for user, _ in rows}
    n = n_items * (1 + validation)
    parts = {}
    for user in sorted(ordered):
        items = [item for _, item in ordered[user]]
        end = len(items) - n if len(items) > n else len(items)
        parts[user] = (items[:end], items[end:][: n - n_items], items[end:][n - n_items :])
    trained_on = {item for train, *_ in parts.values() for item in train}

    def read(matrix):
        return [{int(item) for item in row} for row in rows_of(matrix, split.catalogue.ids)]

    def known(lists):
        return [set(items) & trained_on for items in lists]

    assert split.user_ids.tolist() == [str(user) for user in parts]
    assert read(split.train) == known(train for train, *_ in parts.values())
    assert read(split.test.targets) == known(last for *_, last in parts.values())
    assert read(split.test.history) == known(a + b for a, b, _ in parts.values())
    assert (split.validation is not None) == validation
    if validation:
        assert read(split.validation.targets) == known(middle for _, middle, _ in parts.values())
        assert read(split.validation.history) == read(split.train)
    few = sum(len(items) <= n for items in ordered.values())
    tied = sum(
        items[-n_items][0] == items[-n_items - 1][0] for items in ordered.values() if len(items) > n
    )
    assert few > 1 < tied
    *_, about, ties = split.notes
    assert about.endswith(f"left out: {few} users with {n} items or fewer, who are trained on only")
    assert ties.startswith(f"{tied} users have a target of the same time as a history item")


def test_one_item_is_what_leave_one_out_holds_out():
    rows = ratings_table(60, 30, seed=3)
    data = interactions(rows, times=np.random.default_rng(4).random(len(rows)).tolist())
    ours, theirs = mv.hold_out_last(data), mv.leave_one_out(data)
    for name in ("history", "targets"):
        for one, other in ((ours.test, theirs.test), (ours.validation, theirs.validation)):
            assert (getattr(one, name) != getattr(other, name)).nnz == 0
    assert set(theirs.notes) < set(ours.notes)


def test_an_item_that_a_user_had_before_is_not_a_target():
    rows = [("a", "x"), ("a", "x"), ("a", "y"), ("b", "y"), ("b", "x")]
    split = mv.hold_out_last(interactions(rows, times=[9, 1, 2, 1, 2]), validation=False)
    assert rows_of(split.test.targets, split.catalogue.ids) == [{"y": 1}, {"x": 1}]
    assert "1 repeated interaction left out" in split.notes[0]


def test_data_without_times_and_a_wrong_number_are_refused():
    data = interactions([(user, item) for user in range(4) for item in range(4)])
    with pytest.raises(mv.InputError, match=r"^a split of the last items by time needs times"):
        mv.hold_out_last(data)
    dated = dataclasses.replace(data, times=np.arange(16.0))
    with pytest.raises(mv.InputError, match=r"^n_items: expected `int` >= 1"):
        mv.hold_out_last(dated, 0)
    with pytest.raises(mv.InputError, match="none of the 4 users has the 5 items needed to hold"):
        mv.hold_out_last(dated, 2)
    history = mv.hold_out_last(dated, 3, validation=False).test.history
    assert np.diff(history.indptr).tolist() == [1] * 4
