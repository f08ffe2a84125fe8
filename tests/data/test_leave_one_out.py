"""Leave-one-out splits, compared with a plain Python reference."""

from collections import Counter

import numpy as np
import pytest
import scipy.stats

from multvae_jax.data.splits import leave_one_out
from multvae_jax.errors import InputError
from tests.data.builders import interactions, ratings_table, rows_of


def left_out_by_hand(rows, times, n_held_out):
    """Return (history, [validation,] test) per user as lists of items, as the protocol has it."""
    of_users = {}
    for place, ((user, item), time) in enumerate(zip(rows, times, strict=True)):
        of_users.setdefault(user, []).append((time, place, item))
    split = {}
    for user, mine in of_users.items():
        items = [str(item) for _, _, item in sorted(mine)]
        last = [[], []] if n_held_out == 2 else [[]]
        if len(items) > n_held_out:
            last = [[item] for item in items[-n_held_out:]]
            items = items[:-n_held_out]
        split[str(user)] = (items, *last)
    return split


@pytest.mark.parametrize("validation", [True, False])
def test_the_last_item_of_each_user_is_left_out(validation):
    """Few distinct times, so that most are equal; users of one item and of two among them."""
    rows = ratings_table(120, 40, seed=5)
    times = np.random.default_rng(6).integers(0, 4, len(rows)).tolist()
    split = leave_one_out(interactions(rows, times=times), validation)
    expected = left_out_by_hand(rows, times, 2 if validation else 1)
    assert {1, 2} <= set(Counter(user for user, _ in rows).values())

    users, items = split.user_ids.tolist(), split.catalogue.ids.tolist()
    assert sorted(users) == sorted(expected)
    trained_on = {item for history, *_ in expected.values() for item in history}
    assert set(items) == trained_on
    first_seen = [str(i) for u, i in rows if str(i) in expected[str(u)][0]]
    assert items == list(dict.fromkeys(first_seen))
    counts = Counter(item for history, *_ in expected.values() for item in history)
    assert split.catalogue.counts.tolist() == [counts[item] for item in items]

    def kept(lists):
        return [sorted(set(row) & trained_on) for row in lists]

    def read(matrix):
        return [sorted(row) for row in rows_of(matrix, items)]

    by_user = [expected[user] for user in users]
    assert read(split.train) == kept(history for history, *_ in by_user)
    assert read(split.test.targets) == kept(last[-1] for _, *last in by_user)
    if validation:
        assert read(split.validation.history) == read(split.train)
        assert read(split.validation.targets) == kept(last[0] for _, *last in by_user)
        assert read(split.test.history) == kept(history + before for history, before, _ in by_user)
    else:
        assert split.validation is None
        assert read(split.test.history) == read(split.train)
    lost = sum(item not in trained_on for _, *last in by_user for items in last for item in items)
    assert lost > 1
    assert split.notes == (
        f"{lost} held-out interactions dropped: no user has the item in training",
    )


def test_without_times_any_item_may_be_left_out_and_the_seed_decides():
    """Of 600 users with 5 items each, every place is the last a fifth of the times."""
    rows = [(user, item) for user in range(600) for item in range(5)]
    data = interactions(rows)
    left_out = leave_one_out(data, seed=1).test.targets.indices
    assert len(left_out) == 600
    assert scipy.stats.chisquare(np.bincount(left_out, minlength=5)).pvalue > 1e-4
    assert left_out.tolist() == leave_one_out(data, seed=1).test.targets.indices.tolist()
    assert left_out.tolist() != leave_one_out(data, seed=2).test.targets.indices.tolist()


@pytest.mark.parametrize(("validation", "needed"), [(True, 3), (False, 2)])
def test_someone_must_have_an_item_to_train_on(validation, needed):
    data = interactions([(user, item) for user in range(4) for item in range(needed - 1)])
    with pytest.raises(InputError) as caught:
        leave_one_out(data, validation)
    assert str(caught.value) == (
        f"none of the 4 users has the {needed} items needed to hold out {needed - 1} "
        "and train on another"
    )
