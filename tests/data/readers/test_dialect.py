"""A text file read as the options say, whatever its content would suggest."""

import pytest

from multvae_jax.config.load_data import load_interactions
from multvae_jax.config.options import DataOptions
from multvae_jax.config.unions import InteractionFile
from multvae_jax.data.interactions import read_histories, read_interactions
from multvae_jax.data.readers.dialect import BLANKS, Dialect
from multvae_jax.data.split_reader import read_given_split
from multvae_jax.errors import InputError
from tests.data.builders import pairs, write

AS_WRITTEN = [
    ("user,item\n1,é\n2,b\n".encode("utf-16"), {"encoding": "utf-16"}),
    ("user,item\n1,é\n2,b\n".encode("utf-16-le"), {"encoding": "utf-16-le"}),
    ("user,item\n1,é\n2,b\n".encode("cp1252"), {"encoding": "latin-1"}),
    (b"user~item\n1~\xc3\xa9\n2~b\n", {"separator": "~"}),
    (b"user||item||a,b\n1||\xc3\xa9||x,y\n2||b||,\n", {"separator": "||"}),
    (b"user\titem\n1\t\xc3\xa9\n2\tb\n", {"separator": "tab"}),
    (b"user,item\n'1','\xc3\xa9'\n2,b\n", {"quote": "'"}),
    (b"1,\xc3\xa9\n2,b\n", {"header": "no"}),
    (b"1,\xc3\xa9\n2,b\n", {"header": "no", "lines": "rows"}),
    (b"1 \xc3\xa9\n2 b\n", {"lines": "users"}),
    (b"1,\xc3\xa9\n2,b,,\n", {"lines": "users"}),
    (b"1~ \xc3\xa9\n2~b\n", {"lines": "users", "separator": "~"}),
    (b"1  \xc3\xa9\n2\tb\n", {"lines": "rows"}),
    (b"1  \xc3\xa9\n2\tb\n", {"separator": "blanks"}),
]


@pytest.mark.parametrize(("text", "dialect"), AS_WRITTEN)
def test_a_file_is_read_in_the_given_dialect(tmp_path, text, dialect):
    path = write(tmp_path, "a.csv", text)
    expected = [("1", "é"), ("2", "b")]
    assert pairs(read_interactions(path, dialect=Dialect(**dialect), min_user_count=0)) == expected
    options = DataOptions(InteractionFile(str(path)), min_user_count=0, **dialect)
    assert pairs(load_interactions(options)) == expected
    histories = read_histories(path, dialect=Dialect(**dialect))
    assert (histories.user_ids, histories.items) == (["1", "2"], [["é"], ["b"]])


def test_a_split_is_read_in_the_given_dialect(tmp_path):
    train = write(tmp_path, "train.csv", b"user~item\n1~a\n2~b\n")
    test = write(tmp_path, "test.csv", b"user~item\n1~b\n2~a\n")
    parts = read_given_split(train, None, test, dialect=Dialect(separator="~"))
    assert pairs(parts[0]) == [("1", "a"), ("2", "b")]
    assert pairs(parts[2]) == [("1", "b"), ("2", "a")]


def test_quotes_are_text_without_a_quote_character(tmp_path):
    path = write(tmp_path, "a.csv", 'user,item\n1,"a"\n2,b"\n')
    data = read_interactions(path, dialect=Dialect(quote="none"), min_user_count=0)
    assert pairs(data) == [("1", '"a"'), ("2", 'b"')]


def test_separators_have_names():
    named = {"tab": "\t", "\\t": "\t", "blanks": BLANKS, "semicolon": ";", ";": ";", "::": "::"}
    assert {name: Dialect(separator=name).separator for name in named} == named


@pytest.mark.parametrize(
    ("dialect", "problem"),
    [
        ({"encoding": "klingon"}, "no encoding 'klingon'; "),
        ({"separator": ""}, "'' cannot separate fields; "),
        ({"separator": '"'}, "'\"' cannot separate fields; "),
        ({"quote": "ab"}, "'ab' cannot quote fields"),
    ],
)
def test_a_dialect_that_cannot_be(dialect, problem):
    with pytest.raises(InputError) as caught:
        Dialect(**dialect)
    assert str(caught.value).startswith(problem)
