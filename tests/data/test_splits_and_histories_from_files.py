"""Given splits and histories read from files."""

import pytest

from multvae_jax.data.interactions import read_histories
from multvae_jax.data.split_reader import read_given_split
from multvae_jax.errors import InputError
from tests.data.builders import pairs, write


def test_a_given_split_shares_its_ids(tmp_path):
    train = write(tmp_path, "train.csv", "user,item\n10,c\n9,a\n10,c\n10,b\n")
    valid = write(tmp_path, "valid.tsv", "uid\tiid\n9\tb\n9\ta\n9\ta\n")
    test = write(tmp_path, "test.dat", "11::d::1\n10::c::1\n10::b::5\n10::e::2\n9::b::4\n")
    parts = read_given_split(train, valid, test)
    for part in parts:
        assert part.user_ids.tolist() == ["9", "10", "11"]
        assert part.item_ids.tolist() == ["c", "a", "b", "d", "e"]
    assert [pairs(part) for part in parts] == [
        [("10", "c"), ("9", "a"), ("10", "b")],
        [("9", "b")],
        [("11", "d"), ("10", "e"), ("9", "b")],
    ]
    assert [part.notes for part in parts] == [
        (f"{train}: 1 duplicate interaction counted once",),
        (
            f"{valid}: 1 duplicate interaction counted once",
            f"{valid}: 1 interaction left out because {train} has them",
        ),
        (
            f"{test}: no header: column 1 is read as the user, 2 as the item, 3 as the rating",
            f"{test}: ratings from 1 to 5 count alike (--min-rating)",
            f"{test}: 2 interactions left out because {train} has them",
        ),
    ]
    assert parts[2].csr().shape == (3, 5)
    first, none, last = read_given_split(train, None, test)
    assert none is None
    assert first.item_ids.tolist() == ["c", "a", "b", "d", "e"]
    assert pairs(last) == pairs(parts[2])


def test_a_given_split_with_ids_of_two_kinds_and_a_threshold(tmp_path):
    train = write(tmp_path, "train.csv", "user,item,rating\n10,1,5\n9,2,5\n9,3,1\n")
    test = write(tmp_path, "test.csv", "user,item,rating\nx,01,5\n9,1,4\n9,4,3\n")
    first, _, last = read_given_split(train, None, test, min_rating=4)
    assert first.user_ids.tolist() == ["10", "9", "x"]
    assert first.item_ids.tolist() == ["1", "2", "01"]
    assert pairs(last) == [("x", "01"), ("9", "1")]


def test_a_test_file_with_nothing_new_is_refused(tmp_path):
    train = write(tmp_path, "train.txt", "1 5 6\n2 7\n")
    test = write(tmp_path, "test.txt", "1 6\n2\n")
    with pytest.raises(InputError) as caught:
        read_given_split(train, None, test)
    assert str(caught.value) == f"{test}: every interaction is already in {train}"


def test_histories_keep_every_user_and_the_order(tmp_path):
    text = "user,item,rating\nb,2,5\na,1,3\nb,1,4\nb,2,5\n"
    path = write(tmp_path, "a.csv", text)
    assert read_histories(path) == (["b", "a"], [["2", "1"], ["1"]], ())
    note = f"{path}: 1 of 4 interactions have a rating below 4 and are left out (--min-rating)"
    assert read_histories(path, min_rating=4) == (["b", "a"], [["2", "1"], []], (note,))
    path = write(tmp_path, "one.csv", "user,item\n7,8\n")
    assert read_histories(path) == (["7"], [["8"]], ())
    path = write(tmp_path, "lines.txt", "7 8 9\n6\n")
    note = f"{path}: each line was read as a user and its items"
    assert read_histories(path) == (["7", "6"], [["8", "9"], []], (note,))
    path = write(tmp_path, "bad.csv", "user,item\n7,\n")
    with pytest.raises(InputError) as caught:
        read_histories(path)
    assert str(caught.value) == f"{path}:2: column 'item' is empty"
