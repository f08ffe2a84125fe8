"""Folds of users for a cross-validation."""

import itertools

import numpy as np
import pytest

import multvae_jax as mv
from multvae_jax.data.splits import user_fold
from tests.data.builders import interactions, ratings_table


@pytest.fixture(scope="module")
def data():
    return interactions(ratings_table(83, 30, seed=0))


@pytest.mark.parametrize("n_folds", [2, 5, 83])
def test_each_user_is_tested_on_in_one_fold(data, n_folds):
    splits = list(mv.user_folds(data, n_folds, validation=9))
    tested = [split.test.user_ids.tolist() for split in splits]
    assert sorted(itertools.chain(*tested), key=int) == data.user_ids.tolist()
    sizes = [len(users) for users in tested]
    assert max(sizes) - min(sizes) <= 1
    for split in splits:
        parts = [split.user_ids, split.validation.user_ids, split.test.user_ids]
        assert len(parts[1]) == 9
        assert sorted(np.concatenate(parts), key=int) == data.user_ids.tolist()
        assert split.train.shape[0] == len(parts[0])
    times = [sum(user in split.validation.user_ids for split in splits) for user in data.user_ids]
    assert max(times) - min(times) <= 1


def test_the_last_fold_is_the_usual_split(data):
    *_, last = mv.user_folds(data, 5, validation=9, fold_in=0.6, seed=3)
    usual = mv.hold_out_users(data, 9, len(last.test.user_ids), 0.6, 3)
    for one, other in ((last.test, usual.test), (last.validation, usual.validation)):
        assert one.user_ids.tolist() == other.user_ids.tolist()
        assert (one.history != other.history).nnz == (one.targets != other.targets).nnz == 0
    assert last.catalogue.ids.tolist() == usual.catalogue.ids.tolist()
    assert last.notes == (
        *usual.notes,
        "fold 5 of 5: tested on 16 of 83 users, validated on 9 others; each user is tested on in "
        "one fold",
    )


def test_folds_with_all_items_have_one_catalogue():
    # Every third user has an item of their own, which only some folds train on.
    rows = [(user, item) for user in range(60) for item in range(user % 4, 24, 2)]
    rare = interactions([*rows, *((user, 100 + user) for user in range(0, 60, 3))])
    plain, shared = (list(mv.user_folds(rare, 4, all_items=flag)) for flag in (False, True))
    assert len({split.train.shape[1] for split in plain}) > 1
    for one, other in zip(plain, shared, strict=True):
        assert other.catalogue.ids.tolist() == rare.item_ids.tolist()
        trained = np.flatnonzero(other.catalogue.counts)
        assert set(one.catalogue.ids) == set(other.catalogue.ids[trained])
        untrained = len(rare.item_ids) - len(trained)
        assert f"{untrained} of {len(rare.item_ids)} items have no training user" in other.notes
        # The same users, with the same interactions in the items that both have.
        assert other.user_ids.tolist() == one.user_ids.tolist()
        column = {item: number for number, item in enumerate(other.catalogue.ids)}
        own = [column[item] for item in one.catalogue.ids]
        np.testing.assert_array_equal(other.train.toarray()[:, own], one.train.toarray())
        whole = other.test.history.toarray() + other.test.targets.toarray()
        of_rare = rare.csr().toarray()[[int(user) for user in other.test.user_ids]]
        np.testing.assert_array_equal(whole, of_rare)


def test_folds_are_made_when_asked_for_and_follow_the_seed(data):
    folds = mv.user_folds(data, 5)
    first = next(folds).test.user_ids.tolist()
    assert first == user_fold(data, 1, 5).test.user_ids.tolist()
    assert first != next(mv.user_folds(data, 5, seed=1)).test.user_ids.tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_folds": 1}, "1 folds: give 2 or more, and no more than the 83 users"),
        ({"n_folds": 84}, "84 folds: give 2 or more"),
        ({"validation": 0}, "no validation users: 0 of 83 users held out"),
        ({"validation": 1.5}, "validation users: 1.5 is neither"),
        ({"validation": 66}, "66 validation and 17 test users of a fold leave no one to train on"),
        ({"fold_in": 1.0}, "fold-in share 1.0 is not between 0 and 1"),
    ],
)
def test_what_cannot_be_done_is_refused_at_once(data, options, message):
    with pytest.raises(mv.InputError) as caught:
        mv.user_folds(data, **options)
    assert str(caught.value).startswith(message)


def test_there_is_no_fold_beyond_the_last(data):
    with pytest.raises(mv.InputError, match=r"^fold 6: there are folds 1 to 5"):
        user_fold(data, 6, 5)
