"""Held-out users, compared with the paper's procedure step by step in plain Python."""

# The authors draw from numpy's global generator; so does the reference, on purpose.
# ruff: noqa: NPY002

import gzip
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multvae_jax.data.interactions import read_interactions
from multvae_jax.data.splits import (
    PAPER_SEED,
    draw_targets,
    held_out_count,
    hold_out_users,
)
from multvae_jax.errors import InputError
from tests.data.builders import (
    DATA,
    interactions,
    letters,
    ratings_table,
    rows_of,
)

ML_1M = DATA / "ml-1m" / "ratings.csv.gz"


def paper_split(rows, n_validation, n_test, target_share, seed=98765):
    """Apply steps 1 to 3 of the paper's procedure to (user, item) rows in file order.

    Returns the train users, the items by number, and for either held-out part
    `user -> (history, targets)`, each a list in file order.
    """
    state = np.random.get_state()
    # 1. The user ids, sorted, in an order drawn from the seed: train, validation, test.
    unique_uid = sorted({user for user, _ in rows})
    np.random.seed(seed)
    permuted = [unique_uid[place] for place in np.random.permutation(len(unique_uid))]
    n_train = len(permuted) - n_validation - n_test
    train = permuted[:n_train]
    validation = permuted[n_train : n_train + n_validation]
    test = permuted[n_train + n_validation :]

    # 2. The items of train users' rows, numbered as they first appear there.
    trained_on = set(train)
    numbered = dict.fromkeys(item for user, item in rows if user in trained_on)
    items_of = {user: [] for user in unique_uid}
    for user, item in rows:
        if item in numbered:
            items_of[user].append(item)

    # 3. Fold-in and held-out items of each held-out user, the seed set anew for either part.
    def fold(users):
        np.random.seed(seed)
        parts = {}
        for user in sorted(users):
            items, chosen = items_of[user], []
            if len(items) >= 5:
                size = int(target_share * len(items))
                chosen = np.random.choice(len(items), size=size, replace=False).tolist()
            parts[user] = (
                [item for place, item in enumerate(items) if place not in chosen],
                [item for place, item in enumerate(items) if place in chosen],
            )
        return parts

    parts = fold(validation), fold(test)
    np.random.set_state(state)
    return sorted(train), list(numbered), *parts


def ids(keys):
    return [str(key) for key in keys]


def assert_same_split(split, expected, rows):
    """Check that a `Split` equals the result of `paper_split`, users and items in order."""
    train, numbered, validation, test = expected
    values = {(str(user), str(item)): value for user, item, value in rows}
    assert split.user_ids.tolist() == ids(train)
    assert split.catalogue.ids.tolist() == ids(numbered)
    trained_on = set(train)
    buyers = Counter(item for user, item, _ in rows if user in trained_on)
    assert split.catalogue.counts.tolist() == [buyers[item] for item in numbered]
    bought = {user: {} for user in ids(train)}
    for (user, item), value in values.items():
        if user in bought:
            bought[user][item] = value
    assert rows_of(split.train, split.catalogue.ids) == list(bought.values())
    for part, reference in ((split.validation, validation), (split.test, test)):
        assert part.user_ids.tolist() == ids(reference)
        for matrix, which in ((part.history, 0), (part.targets, 1)):
            assert matrix.shape == (len(reference), len(numbered))
            assert rows_of(matrix, split.catalogue.ids) == [
                {str(item): values[str(user), str(item)] for item in reference[user][which]}
                for user in reference
            ]


@pytest.mark.parametrize(
    ("fold_in", "target_share"), [(0.8, 0.2), (0.75, 0.25), (0.5, 0.5), (0.9, 0.1)]
)
@pytest.mark.parametrize(
    ("n_users", "n_items", "seed", "user_id", "item_id"),
    [
        (60, 90, 0, int, int),
        (150, 120, 1, letters, int),
        (200, 400, 2, int, letters),
        (240, 60, 3, letters, letters),
    ],
)
def test_the_split_is_the_papers_draw_for_draw(
    n_users, n_items, seed, user_id, item_id, fold_in, target_share
):
    pairs = ratings_table(n_users, n_items, seed, user_id, item_id)
    n_validation, n_test = n_users // 5, n_users // 4
    expected = paper_split(pairs, n_validation, n_test, target_share)
    values = np.random.default_rng(seed).integers(1, 6, len(pairs)) / 2
    rows = [(*pair, value) for pair, value in zip(pairs, values.tolist(), strict=True)]
    split = hold_out_users(interactions(rows), n_validation, n_test, fold_in)
    assert_same_split(split, expected, rows)

    # The table must hold the cases that matter.
    _, numbered, validation, test = expected
    for part in (validation, test):
        lengths = [len(history) + len(targets) for history, targets in part.values()]
        assert min(lengths) < 5 <= max(lengths)
        had = Counter(user for user, _ in pairs)
        assert any(length < had[user] for user, length in zip(part, lengths, strict=True))
    by_first_appearance = list(dict.fromkeys(item for _, item in pairs))
    assert numbered != [item for item in by_first_appearance if item in numbered]


def test_another_seed_draws_other_users_and_other_targets():
    pairs = ratings_table(100, 80, seed=4)
    rows = [(*pair, 1.0) for pair in pairs]
    split = hold_out_users(interactions(rows), 15, 25, 0.8, seed=7)
    assert_same_split(split, paper_split(pairs, 15, 25, 0.2, seed=7), rows)
    papers = hold_out_users(interactions(rows), 15, 25, 0.8)
    assert set(papers.test.user_ids) != set(split.test.user_ids)
    assert PAPER_SEED == 98765


@pytest.mark.parametrize("user_id", [lambda number: 3 * number + 1, letters], ids=["int", "str"])
def test_from_a_file_the_split_is_still_the_papers(tmp_path, user_id):
    """Integer ids ascend as numbers; ratings and users are filtered before anything is drawn."""
    random = np.random.default_rng(5)
    pairs = ratings_table(120, 100, 5, user_id)
    rated = [(*pair, rating) for pair in pairs for rating in [random.integers(1, 11) / 2]]
    path = tmp_path / "ratings.csv"
    path.write_text(
        "userId,movieId,rating\n" + "".join(f"{u},{i},{rating}\n" for u, i, rating in rated)
    )
    liked = [(user, item) for user, item, rating in rated if rating > 3.5]
    activity = Counter(user for user, _ in liked)
    kept = [(user, item) for user, item in liked if activity[user] >= 5]
    n_users = len({user for user, _ in kept})
    assert 2 * 12 < n_users < 120

    data = read_interactions(path, min_rating=4)
    split = hold_out_users(data, validation=12, test=12)
    assert_same_split(split, paper_split(kept, 12, 12, 0.2), [(*pair, 1.0) for pair in kept])


def test_numpys_global_generator_is_left_alone():
    np.random.seed(1)
    before = np.random.get_state()[1].tolist()
    hold_out_users(interactions(ratings_table(40, 50, seed=6)), 10, 10)
    assert np.random.get_state()[1].tolist() == before


@st.composite
def tables(draw):
    """Draw rows of a small table, and the numbers of users to hold out."""
    n_users = draw(st.integers(3, 14))
    rows = []
    for user in range(n_users):
        items = draw(st.sets(st.integers(0, 11), min_size=1, max_size=9))
        rows += [(user, item) for item in sorted(items)]
    rows = draw(st.permutations(rows))
    validation = draw(st.integers(1, n_users - 2))
    test = draw(st.integers(1, n_users - 1 - validation))
    return rows, validation, test


@given(tables(), st.sampled_from([0.2, 0.5, 0.75, 0.8, 0.95]), st.integers(0, 2**32 - 1))
def test_what_holds_of_every_split(table, fold_in, seed):
    rows, n_validation, n_test = table
    split = hold_out_users(interactions(rows), n_validation, n_test, fold_in, seed)
    catalogue = split.catalogue.ids.tolist()

    had = {}
    for user, item in rows:
        had.setdefault(str(user), set()).add(str(item))
    users = [part.user_ids.tolist() for part in (split, split.validation, split.test)]
    assert [len(part) for part in users[1:]] == [n_validation, n_test]
    assert sorted(users[0] + users[1] + users[2]) == sorted(had)

    train = rows_of(split.train, catalogue)
    assert [set(row) for row in train] == [had[user] for user in users[0]]
    assert set(catalogue) == set().union(*train)
    assert len(set(catalogue)) == len(catalogue)

    for part in (split.validation, split.test):
        histories, targets = rows_of(part.history, catalogue), rows_of(part.targets, catalogue)
        for user, history, found in zip(part.user_ids, histories, targets, strict=True):
            assert not history.keys() & found.keys()
            assert history.keys() | found.keys() == had[user] & set(catalogue)
            n = len(history) + len(found)
            assert len(found) <= (1 - fold_in) * n + 1e-6
            assert len(found) > (1 - fold_in) * n - 1 - 1e-6 or n < 5
            assert n >= 5 or not found

    lost = sum(len(had[user] - set(catalogue)) for user in users[1] + users[2])
    noun = "interaction" if lost == 1 else "interactions"
    note = f"{lost:,} {noun} of held-out users dropped: no training user has such an item"
    assert split.notes == ((note,) if lost else ())


@given(st.lists(st.integers(0, 9), min_size=1, max_size=15), st.integers(0, 2**32 - 1))
def test_users_with_fewer_than_five_items_draw_no_random_number(lengths, seed):
    rows = np.random.default_rng(0).permutation(np.repeat(np.arange(len(lengths)), lengths))
    marked = draw_targets(rows, len(lengths), 0.5, seed)
    enough = np.flatnonzero(np.array(lengths) >= 5)
    is_enough = np.isin(rows, enough)
    alone = draw_targets(np.searchsorted(enough, rows[is_enough]), len(enough), 0.5, seed)
    assert marked[is_enough].tolist() == alone.tolist()
    assert not marked[~is_enough].any()
    for user in enough:
        assert marked[rows == user].sum() == lengths[user] // 2


def test_a_users_draw_depends_on_the_order_of_the_file_alone():
    """Positions are drawn, not items: the same user with rows in another order keeps places."""
    rows = np.repeat([0, 1], 10)
    places = np.flatnonzero(draw_targets(rows, 2, 0.2, 3))
    np.random.seed(3)
    first, second = (sorted(np.random.choice(10, 2, replace=False).tolist()) for _ in range(2))
    assert places.tolist() == first + [10 + place for place in second]
    interleaved = np.tile([0, 1], 10)
    places = np.flatnonzero(draw_targets(interleaved, 2, 0.2, 3))
    assert places.tolist() == sorted(
        [2 * place for place in first] + [2 * place + 1 for place in second]
    )


@pytest.mark.parametrize(
    ("held_out", "n_users", "count"),
    [(1, 50, 1), (1.0, 50, 1), (10, 50, 10), (0.1, 50, 5), (0.1, 59, 5), (0.999, 50, 49)],
)
def test_a_number_below_one_is_a_share_of_the_users(held_out, n_users, count):
    assert held_out_count(held_out, n_users) == count


def test_shares_and_numbers_of_users_hold_out_the_same_users():
    data = interactions(ratings_table(50, 60, seed=8))
    shares, numbers = hold_out_users(data, 0.1, 0.2), hold_out_users(data, 5, 10)
    for part, n_users in (("validation", 5), ("test", 10)):
        by_share, by_number = getattr(shares, part), getattr(numbers, part)
        assert len(by_share.user_ids) == n_users
        assert by_share.user_ids.tolist() == by_number.user_ids.tolist()
        assert (by_share.targets != by_number.targets).nnz == 0
    by_default = hold_out_users(data)
    assert len(by_default.validation.user_ids) == len(by_default.test.user_ids) == 5


def test_notes_and_titles_of_the_file_are_kept_and_dropped_interactions_are_noted():
    rows = [(user, "shared") for user in range(10)] + [(user, f"own {user}") for user in range(10)]
    titles = {"shared": "One for All"} | {f"own {user}": f"Mine, {user}" for user in range(10)}
    data = interactions(rows, titles=titles, notes=("2 duplicate rows counted once",))
    split = hold_out_users(data, validation=2, test=3)
    kept = {"shared", *(f"own {user}" for user in split.user_ids)}
    assert split.catalogue.titles == {item: titles[item] for item in kept}
    assert split.notes == (
        "2 duplicate rows counted once",
        "5 interactions of held-out users dropped: no training user has such an item",
    )
    assert split.validation.history.nnz == 2
    assert split.test.history.nnz == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"test": 0.1, "validation": 0}, "no test users: 0 of 5 users held out"),
        ({"validation": 0.19, "test": 1}, "no validation users: 0 of 5 users held out"),
        (
            {"validation": 2, "test": 3},
            "2 validation and 3 test users leave no one to train on: the data has 5 users",
        ),
        (
            {"validation": 600, "test": 0.2},
            "600 validation and 1 test users leave no one to train on: the data has 5 users",
        ),
        (
            {"validation": 1, "test": 1, "fold_in": 1.0},
            "fold-in share 1.0 is not between 0 and 1",
        ),
        ({"validation": 1, "test": 1, "fold_in": 0}, "fold-in share 0 is not between 0 and 1"),
        ({"validation": 1, "test": 1, "fold_in": 80}, "fold-in share 80 is not between 0 and 1"),
    ],
)
def test_what_cannot_be_held_out_is_said(arguments, message):
    data = interactions([(user, item) for user in range(5) for item in range(6)])
    with pytest.raises(InputError) as caught:
        hold_out_users(data, **arguments)
    assert str(caught.value) == message


@pytest.mark.parametrize(("validation", "test"), [(0, 0), (0.0, 2), (1, 0)])
def test_nobody_needs_to_be_held_out(validation, test):
    """The parts that are left are those of the split with both, whose draws they share."""
    data = interactions([(user, item) for user in range(5) for item in range(6)])
    split = hold_out_users(data, validation, test)
    n_trained = 5 - validation - test
    assert len(split.user_ids) == split.train.shape[0] == n_trained
    assert split.train.nnz == 6 * n_trained
    assert (split.validation is None) == (validation == 0)
    assert split.test.history.shape == split.test.targets.shape == (test, 6)
    held_out = [*split.test.user_ids, *([] if validation == 0 else split.validation.user_ids)]
    assert {*split.user_ids, *held_out} == {*data.user_ids}
    with_both = hold_out_users(data, 1, 2)
    if test:
        np.testing.assert_array_equal(split.test.user_ids, with_both.test.user_ids)
        assert (split.test.targets != with_both.test.targets).nnz == 0


def test_one_user_may_be_all_there_is_to_train_on():
    data = interactions([(user, item) for user in range(5) for item in range(6)])
    split = hold_out_users(data, validation=2, test=2)
    assert split.train.shape == (1, 6)


@pytest.mark.slow
def test_the_split_of_movielens_1m():
    """Counts published for the data, and the whole split against the reference."""
    if not ML_1M.exists():
        pytest.skip("the MovieLens 1M ratings are not there")
    with gzip.open(ML_1M, "rt") as file:
        next(file)
        rated = [line.split(",")[:3] for line in file]
    liked = [(int(user), int(item)) for user, item, rating in rated if float(rating) > 3.5]
    assert len(liked) == 575_281
    activity = Counter(user for user, _ in liked)
    kept = [(user, item) for user, item in liked if activity[user] >= 5]
    assert len({user for user, _ in kept}) == 6_034

    data = read_interactions(ML_1M, min_rating=4)
    split = hold_out_users(data, validation=600, test=600)
    assert_same_split(split, paper_split(kept, 600, 600, 0.2), [(*pair, 1.0) for pair in kept])
