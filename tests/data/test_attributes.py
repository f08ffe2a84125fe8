"""Columns of files about users: with a header, and in the layouts of MovieLens without one."""

import polars as pl
import pytest

from multvae_jax.data.attributes import read_user_columns
from multvae_jax.errors import InputError
from tests.data.builders import write

# Rows in the published layouts, made up.
USERS_DAT = "7::F::18::4::90210\n8::M::35::12::10115\n9::M::18::4::06-XY\n"
U_USER = "7|23|F|none|90210\n8|41|M|other|10115\n9|23|M|none|V1X\n"
GENDERS = {"7": "F", "8": "M", "9": "M"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("users.dat", USERS_DAT),
        ("renamed.txt", USERS_DAT),
        ("u.user", U_USER),
        ("users.csv", "userId,Gender,age\n7,F,23\n8,M,41\n9,M,23\n"),
        ("users.csv", "age;sex;gender;user id\n23;x;F;7\n41;x;M;8\n23;x;M;9\n"),
        ("small.user", "user_id:token\tage:token\tgender:token\n7\t23\tF\n8\t41\tM\n9\t23\tM\n"),
        ("users.jsonl", '{"user": 7, "gender": "F"}\n{"user": 8, "gender": "M"}\n'
         '{"user": 9, "gender": "M"}\n'),
    ],
)  # fmt: skip
def test_a_column_is_found_by_its_name_with_and_without_a_header(tmp_path, name, text):
    found = read_user_columns(write(tmp_path, name, text), ["gender"])
    ((_, values),) = found.values.items()
    assert values == GENDERS
    assert found.notes == ()


def test_typed_columns_are_read_as_text(tmp_path):
    frame = pl.DataFrame({"user": [7, 8], "age": [23, None], "new": [True, False]})
    frame.write_parquet(tmp_path / "users.parquet")
    found = read_user_columns(tmp_path / "users.parquet", ["age", "new"]).values
    assert found == {"age": {"7": "23"}, "new": {"7": "true", "8": "false"}}


def test_columns_are_named_by_number_and_known_by_the_description_of_movielens(tmp_path):
    path = write(tmp_path, "users.dat", USERS_DAT)
    found = read_user_columns(path, ["4", "Zip Code"]).values
    assert found == {
        "occupation": {"7": "4", "8": "12", "9": "4"},
        "zip-code": {"7": "90210", "8": "10115", "9": "06-XY"},
    }
    other = write(tmp_path, "other.txt", "7\tDE\t1\n8\tFR\t2\n")
    assert read_user_columns(other, ["2"]).values == {"column 2": {"7": "DE", "8": "FR"}}
    named = write(tmp_path, "named.csv", "country,user\nDE,7\n,8\n")
    assert read_user_columns(named, ["1"]).values == {"country": {"7": "DE"}}


def test_users_without_a_row_and_second_rows_are_counted(tmp_path):
    path = write(tmp_path, "users.csv", "user,age\n7,23\n8,41\n7,99\n")
    found = read_user_columns(path, ["age"], ["7", "9", "10"])
    assert found.values == {"age": {"7": "23"}}
    assert found.notes == (
        f"{path}: 1 row belongs to a user with an earlier row, which counts",
        f"{path}: 2 of 3 users have no row",
    )


@pytest.mark.parametrize(
    ("text", "column", "problem"),
    [
        ("user,age\n7,23\n", "gender", ": no column 'gender'; the columns are user, age"),
        ("user,age\n7,23\n", "3", ": no column '3'; the columns are user, age"),
        (USERS_DAT, "sex", ": no column 'sex'; the columns of MovieLens 1M's users.dat are user, "
         "gender, age, occupation, zip-code"),
        ("7\tDE\t1\n8\tFR\t2\n", "country", ": no column 'country'; there is no header, and the "
         "columns are numbered from 1 to 3"),
        ("user,age\n7,23\n8\n", "age", ":3: 1 field where the header has 2"),
        ("user,age\n7,23\n,41\n", "age", ":3: column 'user' is empty"),
        ("user,age\n1,23\n2,41\n", "age", ": none of the 2 users has a row; are the ids the same?"),
        ("user,age\n007,23\n2,41\n", "age", ": none of the 2 users has a row; 1 user is spelled "
         "differently; '007' may be '7' in the data"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_one_line_with_its_place(tmp_path, text, column, problem):
    path = write(tmp_path, "users.txt", text)
    with pytest.raises(InputError) as caught:
        read_user_columns(path, [column], ["7", "8"])
    assert str(caught.value) == f"{path}{problem}"
