"""Genres and vectors of items, in the order of a catalogue."""

import numpy as np
import polars as pl
import pytest

from multvae_jax.data.item_features import find_item_features, read_item_features
from multvae_jax.data.item_vectors import read_item_vectors
from multvae_jax.data.types import Catalogue
from multvae_jax.datasets.registry import find_dataset
from multvae_jax.errors import InputError
from tests.data.builders import write

ITEMS = Catalogue(np.array(["9", "1", "5", "4"], object), np.ones(4, int), {})
EXPECTED = [{"Drama", "Film-Noir"}, {"Comedy"}, set(), set()]


def u_item(*genres_of):
    """Lines of u.item: id, title, dates, address and 19 flags."""
    lines = []
    for item, genres in genres_of:
        flags = ["1" if place in genres else "0" for place in range(19)]
        head = [
            item,
            f"Café, {item}" if item == "9" else item,
            "01-Jan-1995",
            "",
            "http://example.com/title?x%20(1995)",
        ]
        lines.append("|".join([*head, *flags]) + "\n")
    return "".join(lines).encode("latin-1")


FILES = {
    "movies.dat": "9::Café, la::Drama|Film-Noir\n1::Two::Comedy\n7::X::War\n".encode("latin-1"),
    "movies.csv": "movieId,title,genres\n9,\"Café, la\",Drama|Film-Noir\n1,Two,Comedy\n"
    "5,Z,(no genres listed)\n7,X,War\n",
    "u.item": u_item(("9", (8, 10)), ("1", (5,)), ("5", (0,)), ("7", (17,))),
    "items.csv": "item;category\n9;Drama, Film-Noir\n1;Comedy\n5;\n",
    "a.item": "item_id:token\tmovie_title:token_seq\tclass:token_seq\n9\tLa Café\tDrama Film-Noir\n"
    "1\tTwo\tComedy\n",
    "several.csv": "item,genre\n9,Drama\n9,Film-Noir\n1,Comedy\n",
    "brackets.csv": "item,genres\n9,\"['Drama', 'Film-Noir']\"\n1,['Comedy']\n5,[]\n",
    "items.jsonl": '{"item": "9", "genres": ["Drama", "Film-Noir"]}\n'
    '{"item": "1", "genres": ["Comedy"]}\n',
}  # fmt: skip


def sets_of(features):
    return [{features.names[g] for g in np.flatnonzero(row)} for row in features.values]


@pytest.mark.parametrize("name", FILES)
def test_genres_are_read_in_every_layout(tmp_path, name):
    path = write(tmp_path, name, FILES[name])
    found = read_item_features(path, ITEMS)
    assert sets_of(found) == EXPECTED
    assert found.names == ("Comedy", "Drama", "Film-Noir")
    assert found.values.dtype == np.float32
    assert found.notes[-1] == f"{found.source}: 2 of 4 items have no value"


def test_lists_of_parquet_and_columns_of_other_names(tmp_path):
    frame = pl.DataFrame({"item": ["9", "1"], "tags": [["b", "a"], ["b"]], "country": ["x", None]})
    frame.write_parquet(tmp_path / "items.parquet")
    tags = read_item_features(tmp_path / "items.parquet", ITEMS)
    assert sets_of(tags) == [{"a", "b"}, {"b"}, set(), set()]
    countries = read_item_features(tmp_path / "items.parquet", ITEMS, "country")
    assert sets_of(countries) == [{"x"}, set(), set(), set()]


def test_genres_beside_the_data_are_found():
    folder = find_dataset("ml-latest-small").folder
    items = Catalogue(np.array(["1", "260", "no"], object), np.ones(3, int), {})
    found = find_item_features(items, folder / "ratings.csv.gz")
    assert sets_of(found)[1:] == [{"Action", "Adventure", "Sci-Fi"}, set()]
    assert find_item_features(items, None) is None
    assert find_item_features(ITEMS, folder.parent / "ratings.csv") is None


@pytest.mark.parametrize(
    ("text", "column", "problem"),
    [
        ("item,title\n9,Two\n", None, ": no column of genres under a usual name; the columns are "
         "title; name one with --features-column"),
        ("item,title\n9,Two\n", "genre", ": no column 'genre'; the columns are item, title"),
        ("item,genres\n9,x\n1\n", None, ":3: 1 field where the header has 2"),
        ("item,genres\n70,x\n", None, ": none of the 4 items has a row; are the ids the same?"),
        ("item,genres\nB9,x\n 01,y\n", None, ": none of the 4 items has a row; 1 item is spelled "
         "differently; '01' may be '1' in the data"),
        ("item,genres\n9,\n1,n/a\n", None, ": column 'genres': none of the 4 items has a value"),
        ("item,title\n" + "".join(f"{n},t{n}\n" for n in range(3000)), "title", ": column 'title' "
         "has 3,000 different values, and features that items share are at most 2,000; name "
         "another --features-column"),
        (u_item(("9", (8,)), ("1", (18,))).decode("latin-1").replace("|1\n", "|yes\n"), None,
         ":2: column 'Western': 'yes' is not 0 or 1"),
    ],
)  # fmt: skip
def test_features_that_cannot_be_used_are_one_line(tmp_path, text, column, problem):
    path = write(tmp_path, "table", text)
    with pytest.raises(InputError) as caught:
        read_item_features(path, ITEMS, column)
    assert str(caught.value) == f"{path}{problem}"


VECTORS = np.array([[0.5, -2.0], [1e-3, 3.0], [0.0, 0.0], [0.0, 0.0]], np.float32)


def as_npz(path):
    np.savez(path, ids=np.array(["1", "9", "7"]), vectors=[[1e-3, 3], [0.5, -2], [8, 8]])


def as_parquet(path):
    pl.DataFrame({"item": [1, 9, 1], "v": [[1e-3, 3], [0.5, -2], [7, 7]]}).write_parquet(path)


@pytest.mark.parametrize(
    ("name", "save"),
    [
        ("a.csv", lambda path: path.write_text("item,x,y\n1,.001,3\n7,8,8\n9,0.5,-2\n")),
        ("a.txt", lambda path: path.write_text("1\t.001\t3\n7\t8\t8\n9\t0.5\t-2\n")),
        ("list.csv", lambda path: path.write_text('item,v\n1,"[0.001, 3]"\n9,"[0.5, -2]"\n')),
        (
            "a.itememb",
            lambda path: path.write_text("iid:token\te:float_seq\n1\t.001 3\n9\t.5 -2\n"),
        ),
        ("a.npz", as_npz),
        ("a.parquet", as_parquet),
        ("a.npy", lambda path: np.save(path, VECTORS.astype(np.float64))),
    ],
)
def test_vectors_are_read_by_the_id_of_their_item(tmp_path, name, save):
    save(tmp_path / name)
    found = read_item_vectors(tmp_path / name, ITEMS)
    assert found.values.dtype == np.float32
    np.testing.assert_array_equal(found.values, VECTORS)
    if name == "a.npy":
        assert "in the order of the items of the run" in found.notes[0]
    else:
        assert found.notes[-1] == f"{tmp_path / name}: 2 of 4 items have no vector"


@pytest.mark.parametrize(
    ("name", "save", "problem"),
    [
        ("a.csv", lambda path: path.write_text("item,x,y\n1,1,2\n\n9,0.5,two\n"),
         ":4: column 'y': 'two' is not a finite number"),
        ("a.csv", lambda path: path.write_text("item,x,y\n1,1,2\n9,0.5,inf\n"),
         ":3: column 'y': 'inf' is not a finite number"),
        ("a.csv", lambda path: path.write_text("item,v\n1,1 2\n9,0.5\n"),
         ":3: a vector of length 1, and the first one has length 2"),
        ("a.csv", lambda path: path.write_text("item,x\n70,1\n"),
         ": none of the 4 items has a vector; are the ids the same?"),
        ("a.csv", lambda path: path.write_text("item\n1\n9\n"), ": no column besides the ids"),
        ("a.npy", lambda path: np.save(path, np.eye(3)), ": 3 vectors for 4 items; give an .npz "
         "file with their ids, or one vector per item in the order of items.csv"),
        ("a.npy", lambda path: path.write_text("x"), ": not arrays of numbers or text as NumPy "
         "saves them; save ids as text with np.array(ids, str)"),
        ("a.npz", lambda path: np.savez(path, np.array(["1"], object), np.eye(1)),
         ": not arrays of numbers or text as NumPy saves them; save ids as text with "
         "np.array(ids, str)"),
        ("a.npz", lambda path: np.savez(path, a=np.arange(2), b=np.eye(3)),
         ": 2 ids for 3 vectors"),
        ("a.npz", lambda path: np.savez(path, a=np.eye(2), b=np.eye(3)), ": holds a (2, 2), b "
         "(3, 3); give one array of ids and one of numbers, items x dimensions"),
        ("a.npz", lambda path: np.savez(path, a=np.arange(2), b=[[1, 2], [0, np.nan]]),
         ": the vector of row 1, from 0, is not finite"),
        ("a.npy", lambda path: None, ": No such file or directory"),
    ],
)  # fmt: skip
def test_vectors_that_cannot_be_used_are_one_line(tmp_path, name, save, problem):
    path = tmp_path / name
    save(path)
    with pytest.raises(InputError) as caught:
        read_item_vectors(path, ITEMS)
    assert str(caught.value) == f"{path}{problem}"
