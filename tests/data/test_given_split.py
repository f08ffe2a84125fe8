"""Given splits, and validation targets taken out of their training interactions."""

import dataclasses

import numpy as np
import pytest
import scipy.sparse as sp

from multvae_jax.data.splits import given_split, hold_out_interactions, hold_out_users
from multvae_jax.errors import InputError
from tests.data.builders import interactions, rows_of


def test_interactions_of_the_training_users_are_held_out_to_tune_on():
    rows = [(user, item) for user in range(12) for item in range(user, user + 2 + user)]
    whole = hold_out_users(interactions(rows), 2, 2)
    part = hold_out_interactions(whole, 0.25, seed=1)
    catalogue = whole.catalogue.ids
    assert part.train.shape == whole.train.shape
    assert part.test is whole.test
    assert part.validation.history is part.train
    assert part.validation.user_ids.tolist() == whole.user_ids.tolist()
    for had, kept, held in zip(
        *(rows_of(m, catalogue) for m in (whole.train, part.train, part.validation.targets)),
        strict=True,
    ):
        assert kept | held == had
        assert len(kept) + len(held) == len(had)
        assert len(held) == (len(had) // 4 if len(had) >= 5 else 0)
    np.testing.assert_array_equal(part.catalogue.counts, (part.train.toarray() > 0).sum(axis=0))
    other = hold_out_interactions(whole, 0.25, seed=2)
    assert (other.train != part.train).nnz > 0
    for share in (0.0, 1.0, np.nan):
        with pytest.raises(InputError, match="the share must be between 0 and 1"):
            hold_out_interactions(whole, share)


def test_of_a_small_share_at_least_one_interaction_is_held_out_on_some_users():
    rows = [(user, item) for user in range(12) for item in range(user, user + 2 + user)]
    whole = hold_out_users(interactions(rows), 2, 2)
    lengths = np.diff(whole.train.indptr)
    part = hold_out_interactions(whole, 0.01)
    np.testing.assert_array_equal(np.diff(part.validation.targets.indptr), lengths >= 5)
    some = hold_out_interactions(whole, 0.01, most_users=3)
    assert (some.train != part.train).nnz == 0
    assert np.diff(some.validation.targets.indptr).tolist() == [1, 1, 1]
    assert set(some.validation.user_ids) < set(whole.user_ids[lengths >= 5])
    few = sp.csr_array(whole.train[:2].multiply(np.arange(whole.train.shape[1]) < 4))
    with pytest.raises(InputError, match="none of the 2 users has the 5 interactions"):
        hold_out_interactions(dataclasses.replace(whole, train=few, user_ids=whole.user_ids[:2]))


def test_a_given_split_shows_each_user_the_training_row():
    users, items = ["a", "b", "c", "d"], ["x", "y", "z", "w"]

    def part(rows, **more):
        return interactions(rows, users, items, **more)

    train = part(
        [("b", "y"), ("a", "x"), ("a", "z"), ("d", "x")], titles={"x": "X"}, notes=("train note",)
    )
    validation = part([("a", "y"), ("c", "w")], notes=("validation note",))
    test = part([("d", "w"), ("a", "w"), ("c", "x")], notes=("test note",))
    split = given_split(train, validation, test)

    assert split.user_ids.tolist() == ["a", "b", "d"]
    assert split.catalogue.ids.tolist() == items
    assert rows_of(split.train, items) == [{"x": 1, "z": 1}, {"y": 1}, {"x": 1}]
    histories = [{"x": 1, "z": 1}, {"y": 1}, {}, {"x": 1}]
    for held_out, targets in (
        (split.validation, [{"y": 1}, {}, {"w": 1}, {}]),
        (split.test, [{"w": 1}, {}, {"x": 1}, {"w": 1}]),
    ):
        assert held_out.user_ids.tolist() == users
        assert rows_of(held_out.history, items) == histories
        assert rows_of(held_out.targets, items) == targets
    assert split.catalogue.titles == {"x": "X"}
    assert split.catalogue.counts.tolist() == [2, 1, 1, 0]
    assert split.notes == ("train note", "validation note", "test note")

    without = given_split(train, None, test)
    assert without.validation is None
    assert rows_of(without.test.targets, items) == rows_of(split.test.targets, items)
    assert without.notes == ("train note", "test note")


def held_out_parts(**changed):
    """Parts of five users; c and d are validated and tested on, e has no targets."""
    users, items = list("abcde"), list("xyzw")
    rows = {
        "train": ["ay", "ax", "bx"],
        "validation_history": ["cx"],
        "validation": ["cy", "cw"],
        "test_history": ["dy", "dz", "ex"],
        "test": ["dx"],
        **changed,
    }
    return {
        name: interactions([tuple(row) for row in part], users, items, notes=(f"{name} note",))
        for name, part in rows.items()
    }


def test_users_with_histories_of_their_own_are_held_out():
    split = given_split(**held_out_parts())
    items = split.catalogue.ids
    assert items.tolist() == ["y", "x"]
    assert split.user_ids.tolist() == ["a", "b"]
    assert split.catalogue.counts.tolist() == [1, 2]
    assert rows_of(split.train, items) == [{"y": 1, "x": 1}, {"x": 1}]
    assert split.validation.user_ids.tolist() == ["c"]
    assert rows_of(split.validation.history, items) == [{"x": 1}]
    assert rows_of(split.validation.targets, items) == [{"y": 1}]
    assert split.test.user_ids.tolist() == ["d", "e"]
    assert rows_of(split.test.history, items) == [{"y": 1}, {"x": 1}]
    assert rows_of(split.test.targets, items) == [{"x": 1}, {}]
    assert split.notes[:-1] == tuple(f"{name} note" for name in held_out_parts())
    assert split.notes[-1] == (
        "given split: 2 test users with histories of their own, and 1 validation user; left out: "
        "1 held-out interaction of validation with items not trained on, 1 history interaction of "
        "test with items not trained on"
    )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"test_history": ["ay", "dy"]}, "test: 1 user with a history of their own, such as 'a', "),
        ({"test": ["bz", "dx"]}, "test: 1 user with a history of their own, such as 'b', are in"),
        ({"validation_history": ["ax", "bx"]}, "validation: 2 users with a history of their own"),
        ({"test": ["dw"]}, "test: none of its items is trained on"),
    ],
)
def test_a_user_of_the_training_is_not_held_out(changed, message):
    with pytest.raises(InputError) as caught:
        given_split(**held_out_parts(**changed))
    assert str(caught.value).startswith(message)


def test_half_of_the_histories_is_refused():
    parts = held_out_parts()
    for missing, message in (
        ("test_history", "test_history: is missing"),
        ("validation_history", "validation and validation_history: give both"),
    ):
        with pytest.raises(InputError, match=f"^{message}"):
            given_split(**parts | {missing: None})


def test_validation_users_may_be_test_users_and_that_is_noted():
    split = given_split(**held_out_parts(test_history=["cx", "dy"]))
    assert "of whom 1 are test users, too" in split.notes[-1]
    parts = held_out_parts() | {"validation": None, "validation_history": None}
    assert given_split(**parts).validation is None
