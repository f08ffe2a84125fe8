"""Splits by time, compared with a plain Python reference; nothing looks ahead."""

import dataclasses
from collections import Counter

import numpy as np
import pytest

import multvae_jax as mv
from multvae_jax.data.splits.time import shown_time
from tests.data.builders import interactions, ratings_table, rows_of


def split_by_hand(rows, times, test, validation, min_user=0, min_item=0):
    """Return the two times, the items, and users' items in each part, from the definition."""
    n, ordered = len(rows), sorted(times)
    starts = [ordered[n - int(test * n)]]
    earlier = [time for time in ordered if time < starts[0]]
    if validation:
        starts.insert(0, earlier[len(earlier) - int(validation * n)])
    train = [row for row, time in zip(rows, times, strict=True) if time < starts[0]]
    for place, least in ((1, min_item), (0, min_user)):
        counts = Counter(row[place] for row in train)
        train = [row for row in train if counts[row[place]] >= least]
    items = list(dict.fromkeys(item for _, item in train))

    def of_users(some):
        found = {}
        for user, item in some:
            found.setdefault(user, set()).add(item)
        return found

    parts = []
    for start, end in zip(starts, [*starts[1:], np.inf], strict=True):
        dated = list(zip(rows, times, strict=True))
        history = of_users(row for row, time in dated if time < start and row[1] in items)
        during = of_users(row for row, time in dated if start <= time < end)
        parts.append(
            {
                user: (history[user], during[user] & set(items))
                for user in sorted(during)
                if len(history.get(user, ())) >= max(1, min_user)
            }
        )
    return starts, items, of_users(train), parts


def data_with_times(seed=0, distinct=60):
    """Few distinct times, so that many are equal; more users come as time goes on."""
    rows = ratings_table(90, 30, seed=seed)
    random = np.random.default_rng(seed)
    times = [int(user / 3 + random.integers(distinct)) for user, _ in rows]
    return rows, times


@pytest.mark.parametrize("validation", [0.15, 0])
@pytest.mark.parametrize(("min_user", "min_item"), [(0, 0), (4, 3)])
def test_every_part_is_that_of_the_definition(validation, min_user, min_item):
    rows, times = data_with_times()
    _, items, train, parts = split_by_hand(rows, times, 0.2, validation, min_user, min_item)
    split = mv.hold_out_time(
        interactions(rows, times=times),
        0.2,
        validation,
        min_user_count=min_user,
        min_item_count=min_item,
    )
    assert split.catalogue.ids.tolist() == [str(item) for item in items]
    assert split.user_ids.tolist() == [str(user) for user in sorted(train)]

    def read(matrix):
        return [{int(item) for item in row} for row in rows_of(matrix, split.catalogue.ids)]

    assert read(split.train) == [train[user] for user in sorted(train)]
    counts = Counter(item for user in train for item in train[user])
    assert split.catalogue.counts.tolist() == [counts[item] for item in items]
    held_out = [split.test] if not validation else [split.validation, split.test]
    assert (split.validation is None) == (not validation)
    for found, part in zip(held_out, parts, strict=True):
        assert found.user_ids.tolist() == [str(user) for user in part]
        assert read(found.history) == [history for history, _ in part.values()]
        assert read(found.targets) == [targets for _, targets in part.values()]
    # Users first seen between the two times are tested, with what they did there as history.
    if validation and not min_user:
        assert set(split.test.user_ids) - set(split.user_ids)


def redrawn(rows, times, start, end, random):
    """The same data with other users, items, times and order from `start` until `end`.

    The number of interactions there stays, and so does that of the earliest time: they decide the
    points in time. Some users and items are new.
    """
    late = [place for place, time in enumerate(times) if start <= time < end]
    taken = set(rows) - {rows[place] for place in late}
    users, items = (sorted({row[at] for row in rows}) for at in (0, 1))
    rows, times = list(rows), list(times)
    latest = min(end, max(times) + 9)
    anew = [
        start if times[place] == start else random.integers(start + 1, latest) for place in late
    ]
    for place, time in zip(late, random.permutation(anew), strict=True):
        while (pair := (random.choice([*users, 9001]), random.choice([*items, 9002]))) in taken:
            pass
        taken.add(pair)
        rows[place], times[place] = tuple(map(int, pair)), int(time)
    return rows, times


def as_texts(held_out, items):
    """User id to history and targets."""
    parts = (rows_of(matrix, items) for matrix in (held_out.history, held_out.targets))
    return dict(zip(held_out.user_ids, zip(*parts, strict=True), strict=True))


@pytest.mark.parametrize("seed", range(3))
def test_nothing_that_happened_in_a_part_changes_what_was_before(seed):
    rows, times = data_with_times(seed)
    random = np.random.default_rng(seed)
    whole = mv.hold_out_time(interactions(rows, times=times), 0.2, 0.15, min_user_count=2)
    items = whole.catalogue.ids
    (validated, tested), *_ = split_by_hand(rows, times, 0.2, 0.15)
    later = redrawn(rows, times, tested, np.inf, random)
    both = redrawn(*later, validated, tested, random)
    for (new_rows, new_times), same_validation in ((later, True), (both, False)):
        data = interactions(new_rows, times=new_times)
        other = mv.hold_out_time(data, 0.2, 0.15, min_user_count=2)
        assert other.user_ids.tolist() == whole.user_ids.tolist()
        assert other.catalogue.ids.tolist() == items.tolist()
        assert other.catalogue.counts.tolist() == whole.catalogue.counts.tolist()
        for name in ("indptr", "indices", "data"):
            np.testing.assert_array_equal(getattr(other.train, name), getattr(whole.train, name))
        before, now = (as_texts(split.validation, items) for split in (whole, other))
        assert (now == before) == same_validation
        common = before.keys() & now.keys()
        assert len(common) > 5
        assert all(now[user][0] == before[user][0] for user in common)
        if same_validation:
            before, now = (as_texts(split.test, items) for split in (whole, other))
            common = before.keys() & now.keys()
            assert len(common) > 5
            assert all(now[user][0] == before[user][0] for user in common)
            assert now != before


SMALL = """
a x 1
b x 2
b y 3
c y 4
a y 5
b z 6
d x 6
c x 8
d y 8
a z 9
a w 9
e x 9
"""


def small():
    rows = [line.split() for line in SMALL.split("\n") if line]
    return interactions([row[:2] for row in rows], times=[int(row[2]) for row in rows])


def test_a_small_split_by_hand():
    """Of 12, two are to be tested, but three are at time 9; two and no more are from 8 on."""
    split = mv.hold_out_time(small(), 2 / 12, 2 / 12)
    items = split.catalogue.ids
    assert items.tolist() == ["x", "y", "z"]
    assert split.user_ids.tolist() == ["a", "b", "c", "d"]
    assert rows_of(split.train, items) == [
        {"x": 1, "y": 1},
        {"x": 1, "y": 1, "z": 1},
        {"y": 1},
        {"x": 1},
    ]
    assert as_texts(split.validation, items) == {
        "c": ({"y": 1}, {"x": 1}),
        "d": ({"x": 1}, {"y": 1}),
    }
    assert as_texts(split.test, items) == {"a": ({"x": 1, "y": 1}, {"z": 1})}
    assert split.notes == (
        "split by time: trained on 7 interactions before 8, validated on the 2 (16.7%) from 8 on, "
        "tested on the 3 (25.0%) from 9 on; left out: 1 user seen only from then on (test), "
        "1 interaction with items not trained on (test)",
    )


def test_counts_are_those_of_the_training():
    """Later interactions neither bring z among the items, nor c among the users."""
    early, late = (
        ["ax", "ay", "aw", "az", "bx", "by", "dx", "dw", "cy"],
        ["bw", "bz", "cx", "fx", "av", "dy"],
    )
    data = interactions([tuple(row) for row in early + late], times=[1] * 9 + [9] * 6)
    split = mv.hold_out_time(data, 0.4, 0, min_user_count=2, min_item_count=2)
    items = split.catalogue.ids
    assert items.tolist() == ["x", "y", "w"]
    assert split.user_ids.tolist() == ["a", "b", "d"]
    assert as_texts(split.test, items) == {
        "a": ({"x": 1, "y": 1, "w": 1}, {}),
        "b": ({"x": 1, "y": 1}, {"w": 1}),
        "d": ({"x": 1, "w": 1}, {"y": 1}),
    }
    assert split.notes[0].endswith(
        "left out: 1 item with fewer than 2 training interactions, 1 user with fewer than 2 "
        "training interactions, 1 user seen only from then on (test), 1 user with fewer than 2 "
        "known items before it (test), 2 interactions with items not trained on (test)"
    )


def test_of_repeated_interactions_the_earliest_counts():
    """In the file the later one is first; it is not a target, because the user has the item."""
    rows = [("a", "x"), ("a", "y"), ("b", "x"), ("a", "x"), ("b", "y")]
    split = mv.hold_out_time(interactions(rows, times=[9, 2, 1, 1, 9]), 0.25, 0)
    assert as_texts(split.test, split.catalogue.ids) == {"b": ({"x": 1}, {"y": 1})}
    assert rows_of(split.train, split.catalogue.ids)[0] == {"x": 1, "y": 1}
    assert split.notes[0] == (
        "1 repeated interaction left out: the earliest of each user with each item is kept"
    )


def test_times_in_messages():
    assert [shown_time(time) for time in (8.0, 1e9, 12.5)] == ["8", "2001-09-09 01:46:40", "12.5"]


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"times": None}, {}, "a split by time needs times, and the data has none"),
        (
            {"times": np.full(12, np.nan)},
            {},
            "a split by time needs times, and some are not finite",
        ),
        ({}, {"test": 0.0}, "test share 0.0: must be between 0 and 1"),
        ({}, {"test": 1.0}, "test share 1.0: must be between 0 and 1"),
        ({}, {"test": np.nan}, "test share nan: must be between 0 and 1"),
        (
            {},
            {"test": 0.5, "validation": 0.5},
            "validation share 0.5: must be 0 or more",
        ),
        ({}, {"test": 0.01}, "a share of 0.01 of 12 interactions is not one to hold out"),
        ({"times": np.ones(12)}, {}, "no interaction is left to train on before 1, where"),
        ({}, {"min_item_count": 9}, "no interaction is left to train on before 8, where"),
        ({"times": np.arange(12.0)}, {"test": 0.1}, "no test user: of the 1 users seen from 11"),
    ],
)
def test_what_cannot_be_split_is_refused(change, options, message):
    data = dataclasses.replace(small(), **change)
    with pytest.raises(mv.InputError) as caught:
        mv.hold_out_time(data, **{"test": 2 / 12, "validation": 2 / 12, **options})
    assert str(caught.value).startswith(message)


def test_interactions_of_a_split_without_validation_can_be_held_out():
    rows, times = data_with_times()
    split = mv.hold_out_time(interactions(rows, times=times), 0.2, 0)
    part = mv.hold_out_interactions(split, 0.2)
    assert part.test is split.test
    assert (part.train + part.validation.targets != split.train).nnz == 0


def test_reading_can_keep_the_earliest_of_repeated_rows(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("user,item,time\n" + "a,x,9\nb,x,1\na,x,1\na,y,2\nb,y,3\nb,y,3\n")
    found = {
        repeats: mv.read_interactions(file, min_user_count=0, repeats=repeats)
        for repeats in ("first", "earliest")
    }
    assert found["first"].times.tolist() == [9, 1, 2, 3]
    assert found["earliest"].times.tolist() == [1, 1, 2, 3]
    assert found["first"].notes == found["earliest"].notes
