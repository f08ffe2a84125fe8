"""Reading says what it left out and what does not fit together."""

import numpy as np
import pytest

import multvae_jax as mv
from multvae_jax.data.histories import read_known_histories
from multvae_jax.data.interactions import read_histories, read_interactions
from multvae_jax.data.split_reader import read_given_split
from multvae_jax.data.types import Catalogue
from multvae_jax.errors import InputError
from tests.data.builders import pairs, write


def table(rows):
    return "user,item,rating\n" + "".join(",".join(map(str, row)) + "\n" for row in rows)


def notes(path, **options):
    return [note.removeprefix(f"{path}: ") for note in read_interactions(path, **options).notes]


def test_users_and_items_with_few_interactions_are_counted(tmp_path):
    many = [(f"u{user}", f"i{item}", 1) for user in range(4) for item in range(6)]
    few = [(f"few{user}", "i0", 1) for user in range(9)]
    rare = [("u0", "rare", 1), ("rare", "rare2", 1)]
    path = write(tmp_path, "a.csv", table([*many, *few, *rare]))
    assert notes(path) == [
        "10 of 14 users have fewer than 5 interactions and are left out (--min-user-count)"
    ]
    assert notes(path, min_user_count=2, min_item_count=2) == [
        "2 of 8 items have fewer than 2 interactions and are left out (--min-item-count)",
        "10 of 14 users have fewer than 2 interactions and are left out (--min-user-count)",
    ]
    assert notes(path, min_user_count=0) == []


def test_ratings_below_the_threshold_are_counted(tmp_path):
    rows = [(user, item, 1 + (user + item) % 5) for user in range(4) for item in range(10)]
    path = write(tmp_path, "a.csv", table(rows))
    left_out = "24 of 40 interactions have a rating below 4 and are left out (--min-rating)"
    assert notes(path, min_rating=4, min_user_count=0) == [left_out]
    assert read_histories(path, min_rating=4).notes == (f"{path}: {left_out}",)
    assert notes(path, min_rating=1) == []


@pytest.mark.parametrize(
    ("ratings", "said"),
    [
        ((0.5, 5), "ratings from 0.5 to 5 count alike (--min-rating)"),
        ((-1, 10), "ratings from -1 to 10 count alike (--min-rating)"),
        ((1, 1), None),  # only likes
        ((1, 250), None),  # counts
    ],
)
def test_low_ratings_without_a_threshold_are_noted(tmp_path, ratings, said):
    rows = [(user, item, ratings[item % 2]) for user in range(2) for item in range(6)]
    assert notes(write(tmp_path, "a.csv", table(rows))) == [said] * (said is not None)


@pytest.mark.parametrize(
    ("train", "test", "said"),
    [
        ((1, 2, 3), ("1.0", "01", "3"), "2 items are spelled differently; '1.0' may be '1' in "),
        (("a", "b", "c"), ("A", "b"), "1 item is spelled differently; 'A' may be 'a' in "),
        (range(9), (0, *range(100, 120)), "only 1 of 21 items are in "),
        ((1, 2, 3), (2, 4), None),
    ],
)
def test_items_of_a_split_that_do_not_meet_are_noted(tmp_path, train, test, said):
    one = write(tmp_path, "train.csv", table([("u", "x", 1), *(("v", item, 1) for item in train)]))
    other = write(tmp_path, "test.csv", table([("u", item, 1) for item in test]))
    _, _, last = read_given_split(one, None, other)
    assert len(pairs(last)) == len(test)
    found = [note for note in last.notes if note.startswith(f"{other}: ")]
    assert [note[: len(str(other)) + 2 + len(said or "")] for note in found] == (
        [f"{other}: {said}"] if said else []
    )


def test_users_that_do_not_meet_are_noted_and_items_refused(tmp_path):
    train = write(tmp_path, "train.csv", table([("u01", "1", 1), ("u02", "2", 1)]))
    test = write(tmp_path, "test.csv", table([("U01", "2", 1), ("u3", "1", 1)]))
    assert read_given_split(train, None, test)[2].notes == (
        f"{test}: 1 user is spelled differently; 'U01' may be 'u01' in {train}",
        f"{test}: only 0 of 2 users are in {train}",
    )
    test = write(tmp_path, "test.csv", table([("u01", "02", 1), ("u02", "1.0", 1)]))
    with pytest.raises(InputError) as caught:
        read_given_split(train, None, test)
    assert str(caught.value) == (
        f"{test}: none of its 2 items is in {train}; 2 items are spelled differently; "
        f"'02' may be '2' in {train}"
    )


def test_items_of_histories_that_the_catalogue_spells_differently_are_noted(tmp_path):
    path = write(tmp_path, "h.csv", table([("u", "01", 1), ("u", "2", 1), ("v", "9", 1)]))
    histories = read_known_histories(
        path, Catalogue(np.array(["1", "2", "3"], object), np.ones(3, np.int64), {})
    )
    note = f"{path}: 1 item is spelled differently; '01' may be '1' in the training data"
    assert histories.notes == (note,)


@pytest.mark.parametrize("word", ["NaN", "nan", "NULL", "None", "NA", "N/A", r"\N"])
@pytest.mark.parametrize("role", ["user", "item"])
def test_words_for_a_missing_id_are_noted(tmp_path, word, role):
    rows = [[f"{1 + row % 5}", f"{row}"] for row in range(20)]
    for row in rows[::7]:
        row[role == "item"] = word
    path = write(tmp_path, "a.csv", "user,item\n" + "".join(",".join(row) + "\n" for row in rows))
    said = f"column '{role}' is '{word}' in 3 rows, where it is read as the id of one {role}"
    assert said in notes(path, min_user_count=0)


def test_a_column_of_missing_ids_is_refused(tmp_path):
    text = "session_id;user_id;item_id\n" + "".join(f"{n // 3};NA;{n}\n" for n in range(9))
    path = write(tmp_path, "a.csv", text)
    with pytest.raises(InputError) as caught:
        read_interactions(path, min_user_count=0)
    assert str(caught.value) == (
        f"{path}: column 'user_id' is 'NA' in 9 of 9 rows; name another --user-column"
    )
    assert read_interactions(path, user="session_id", min_user_count=0).n_users == 3


def test_a_refusal_has_the_notes_of_what_was_read_with_the_arguments_of_python(tmp_path):
    file = tmp_path / "a.csv"
    file.write_bytes("user,item,title\n1,2,caf\xe9\n3,4,th\xe9\n".encode("latin-1"))
    with pytest.raises(InputError, match="none of the 2 users is left") as caught:
        mv.read_interactions(file)
    assert caught.value.__notes__ == [
        f"{file}: not UTF-8, read as latin-1 (dialect=Dialect(encoding=...))"
    ]
