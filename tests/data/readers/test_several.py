"""Several files, folders and patterns that are read as one table."""

import gzip

import numpy as np
import polars as pl
import pytest

from multvae_jax.data.interactions import read_histories, read_interactions
from multvae_jax.data.readers.paths import files_of
from multvae_jax.data.split_reader import read_given_split
from multvae_jax.errors import InputError
from tests.data.builders import pairs, refusal, write

A = b"user,item,time\n1,a,5\n2,b,6\n"
B = b"user,item,time\n3,a,7\nx,c,8\n"
BOTH = [("1", "a"), ("2", "b"), ("3", "a"), ("x", "c")]


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "parts"
    folder.mkdir()
    write(folder, "part-0.csv", A)
    write(folder, "part-1.csv.gz", gzip.compress(B))
    for name in ("_SUCCESS", ".part-0.csv.crc", "README.txt", "md5sums"):
        write(folder, name, b"\0")
    return folder


def test_several_files_are_one_table(folder):
    data = read_interactions([folder / "part-0.csv", folder / "part-1.csv.gz"], min_user_count=0)
    assert pairs(data) == BOTH
    assert data.times.tolist() == [5, 6, 7, 8]


def test_files_are_read_in_the_order_that_they_are_given_in(folder):
    data = read_interactions([folder / "part-1.csv.gz", folder / "part-0.csv"], min_user_count=0)
    assert data.item_ids.tolist() == ["a", "c", "b"]


@pytest.mark.parametrize("named", ["{}", "{}/", "{}/part-*", "{}/**/part-?.csv*"])
def test_a_folder_or_a_pattern_is_its_files_in_order(folder, named):
    assert pairs(read_interactions(named.format(folder), min_user_count=0)) == BOTH


def test_a_file_is_read_once_however_often_it_is_named(folder):
    data = read_interactions([folder / "part-0.csv", folder], min_user_count=0)
    assert (pairs(data), data.notes) == (BOTH, (f"{folder}: 2 files were read as one table",))


def test_a_file_whose_name_is_a_pattern_is_that_file(tmp_path):
    path = write(tmp_path, "a[1].csv", A)
    write(tmp_path, "a1.csv", B)
    assert pairs(read_interactions(path, min_user_count=0)) == BOTH[:2]


def test_parquet_files_of_a_folder(tmp_path):
    for number, user in enumerate([1, 2]):
        frame = pl.DataFrame({"user": [user], "item": ["a"]})
        frame.write_parquet(tmp_path / f"part-{number}.parquet")
    assert pairs(read_interactions(tmp_path, min_user_count=0)) == [("1", "a"), ("2", "a")]


def test_other_columns_are_refused(folder):
    path = write(folder, "part-2.csv", b"user,item,when\n5,a,8\n")
    assert refusal(folder) == (
        f"{path}: the columns are user, item, when, and those of {folder}/part-0.csv are user, "
        "item, time; files that are read as one table have the same columns"
    )


def test_columns_in_another_order_are_the_same_columns(folder):
    write(folder, "part-2.csv", b"time,item,user\n9,d,4\n")
    assert pairs(read_interactions(folder, min_user_count=0)) == [*BOTH, ("4", "d")]


def test_an_error_names_its_own_file_and_line(folder):
    path = write(folder, "part-2.csv", A + b"5,,9\n")
    assert refusal(folder) == f"{path}:4: column 'item' is empty"


def test_an_integer_and_a_text_are_the_same_id_in_all_files(tmp_path):
    write(tmp_path, "a.csv", b"user,item\n1,7\n2,8\n")
    write(tmp_path, "b.csv", b"user,item\n1,7\n2,x\n")
    data = read_interactions(tmp_path, min_user_count=0)
    assert pairs(data) == [("1", "7"), ("2", "8"), ("2", "x")]


def test_the_same_note_on_several_files_is_given_once(tmp_path):
    for number in range(4):
        write(tmp_path, f"{number}.txt", f"{number} 1 2\n".encode())
    notes = read_interactions(tmp_path, min_user_count=0).notes
    alike = [note for note in notes if "a user and its items" in note]
    assert len(alike) == 1
    assert alike[0].startswith(f"{tmp_path}/0.txt: ")
    assert alike[0].endswith(" (as in 3 more files)")


def test_times_that_a_file_lacks_are_left_out_of_all(tmp_path):
    write(tmp_path, "a.csv", A)
    write(tmp_path, "b.csv", b"user,item,time\n3,a,spring\n")
    data = read_interactions(tmp_path, min_user_count=0)
    assert data.times is None
    assert any("'spring' is not a time" in note for note in data.notes)


def test_a_folder_of_several_kinds_is_refused_with_its_files(folder):
    write(folder, "titles.dat", b"1::x\n")
    assert refusal(folder) == (
        f"{folder}: a folder with files of several kinds (part-0.csv, part-1.csv.gz, titles.dat); "
        f"name the file of interactions, or a pattern such as '{folder}/*.dat'"
    )


def test_a_folder_with_a_split_is_refused(tmp_path):
    for name in ("train.txt", "test.txt"):
        write(tmp_path, name, b"1 2 3\n")
    assert refusal(tmp_path) == (
        f"{tmp_path}: a folder with the files of a split (test.txt, train.txt); give them as "
        "--train and --test"
    )


def test_the_usual_name_among_other_tables_is_read_with_a_note(tmp_path):
    for name, data in (("ratings.csv", A), ("movies.csv", b"item,title\na,A\n")):
        write(tmp_path, name, data)
    data = read_interactions(tmp_path, min_user_count=0)
    assert pairs(data) == BOTH[:2]
    assert data.notes == (
        f"{tmp_path}: ratings.csv was read, of movies.csv, ratings.csv",
        f"{tmp_path}/movies.csv: the titles of 1 of 2 items (--titles)",
    )
    assert dict(data.titles) == {"a": "A"}


def test_nothing_to_read(tmp_path):
    assert refusal(tmp_path).startswith(f"{tmp_path}: a folder without tables; ")
    assert refusal([]) == "no file is given"
    pattern = f"{tmp_path}/*.csv"
    assert refusal(pattern) == f"{pattern}: no such file, and no file matches it as a pattern"


def test_histories_and_given_splits_may_be_several_files(folder, tmp_path):
    assert read_histories([folder]).items == [["a"], ["b"], ["a"], ["c"]]
    test = write(tmp_path, "test.csv", b"user,item,time\n1,b,9\n")
    train, _, held_out = read_given_split(folder / "part*", None, [test])
    assert pairs(train) == BOTH
    assert np.array_equal(held_out.user_ids, train.user_ids)
    assert pairs(held_out) == [("1", "b")]


def test_standard_input_has_no_folder_to_find_titles_in():
    assert files_of("-").folder is None
    assert files_of(["a/b.csv", "c.csv"]).folder.parent.name == "a"


def test_an_error_after_reading_names_the_files(folder):
    with pytest.raises(InputError) as caught:
        read_interactions(folder)
    assert str(caught.value).startswith(f"{folder}/part-0.csv and 1 more: none of the 4 users")
