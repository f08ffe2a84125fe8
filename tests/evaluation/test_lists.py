"""`Lists` as a value."""

import numpy as np
import pytest

import multvae_jax as mv
from multvae_jax.evaluation.lists import NO_ITEM, UNKNOWN_ITEM, Lists
from tests.evaluation.builders import catalogue, lists_of


def test_lists_are_cut_and_chosen():
    lists = lists_of({"ann": "cab", "bob": "b?", "cy": ""})
    assert repr(lists) == "<Lists of 3 users, up to 3 of 3 items each>"
    assert lists.items.tolist() == [
        [2, 0, 1],
        [1, UNKNOWN_ITEM, NO_ITEM],
        [NO_ITEM, NO_ITEM, NO_ITEM],
    ]
    assert lists.lengths.tolist() == [3, 2, 0]
    assert lists.item_ids() == [["c", "a", "b"], ["b", None], []]
    assert lists.at(1).item_ids() == [["c"], ["b"], []]
    assert lists.at(99).k == 3
    chosen = lists.of_users(["bob", "dan", "ann"])
    assert chosen.user_ids.tolist() == ["bob", "dan", "ann"]
    assert chosen.item_ids() == [["b", None], [], ["c", "a", "b"]]
    assert np.isnan(chosen.scores[1]).all()
    nobody = lists.rows(slice(0, 0))
    assert nobody.of_users(["eve"]).item_ids() == [[]]


def test_several_lists_of_a_user_and_an_item_twice_in_a_list_are_refused():
    lists = lists_of({"ann": "cab", "bob": "b??"})
    lists.check_repeats()
    lists.items[1, 0] = lists.items[1, 2] = 1
    with pytest.raises(mv.InputError, match="the item 'b' is twice in the list of the user 'bob'"):
        lists.check_repeats()
    lists.user_ids[:] = "ann"
    with pytest.raises(mv.InputError, match="lists: the user 'ann' has 2 of them"):
        lists.of_users(["ann"])


@pytest.mark.parametrize(
    ("users", "items", "scores", "message"),
    [
        (["ann", "bob"], [[0]], [[0.0]], "2 user ids for 1 rows of items"),
        (["ann"], [[3]], [[0.0]], "items from 3 to 3; the columns of the catalogue are 0 to 2"),
        (["ann"], [[-3]], [[0.0]], "items from -3 to -3; the columns"),
    ],
)
def test_lists_that_do_not_fit_together_are_refused(users, items, scores, message):
    with pytest.raises(mv.InputError, match=message):
        Lists(
            np.array(users, object), np.array(items, np.int32), np.float32(scores), catalogue("abc")
        )
