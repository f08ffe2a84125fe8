"""Recommendation lists in files: what is written is read again, and what other systems write."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import multvae_jax as mv
from multvae_jax.data import list_writer
from multvae_jax.evaluation import lists as lists_module
from multvae_jax.evaluation.list_files import read_lists
from multvae_jax.evaluation.lists import Lists
from tests.evaluation.builders import catalogue, lists_of

LETTERS = "ab07,;\"'|\\{}[]:#%é漢😀.-+/"
IN_IDS = {  # a reader of text takes a carriage return as the end of a line, in quotes as well
    "csv": LETTERS + " \t\n",
    "jsonl": LETTERS + " \t\n\r",
    "parquet": LETTERS + " \t\n\r",
    "run": LETTERS,
}


def names(rng, letters, n):
    """Different ids of a few letters."""
    found = {}
    while len(found) < n:
        name = "".join(rng.choice(list(letters), size=rng.integers(1, 6))).strip()
        # Blanks around an id are not part of it, and a sign may stand for what is missing.
        found[name if name not in ("", "-") else "007"] = None
    return list(found)


def some_lists(seed, n_users, letters):
    """Lists of 1 to 4 of 9 items, with scores of any size, and with ties."""
    rng = np.random.default_rng(seed)
    items = names(rng, letters, 9)
    shape = (n_users, 4)
    columns, scores = np.full(shape, -1, np.int32), np.full(shape, np.nan, np.float32)
    for row in range(n_users):
        n = 4 if row == 0 else rng.integers(1, 5)
        columns[row, :n] = rng.permutation(9)[:n]
        values = rng.choice([*rng.normal(size=3) * 10.0 ** rng.integers(-30, 30), 0, 0.25], size=n)
        scores[row, :n] = -np.sort(-values)
    titles = dict(zip(items[::2], names(rng, IN_IDS["jsonl"], 5), strict=True))
    users = np.array(names(rng, letters, n_users), object)
    return Lists(users, columns, scores, catalogue(items, titles))


def read_again(lists, path):
    lists.write(path)
    found = read_lists(path, lists.catalogue)
    assert found.user_ids.tolist() == lists.user_ids.tolist()
    np.testing.assert_array_equal(found.items, lists.items)
    np.testing.assert_array_equal(found.scores, lists.scores)
    return found


@pytest.mark.parametrize("n_users", [1, 2, 100])
@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet", "run"])
def test_what_is_written_is_read_again(ending, n_users, tmp_path):
    path = tmp_path / f"lists.{ending}"
    for seed in range(5 if n_users < 100 else 1):
        lists = some_lists(seed, n_users, IN_IDS[ending])
        found = read_again(lists, path)
        assert f"{path}: lists are in the order of the ranks" in found.notes


def test_the_columns_of_each_format(tmp_path):
    lists = lists_of({"ann": "ca", "bob": "b"}, of=["a", "b", "c"])
    lists.catalogue.titles["c"] = "Film, the"
    texts = {
        "lists.csv": 'user,rank,item,title,score\nann,1,c,"Film, the",2.0\nann,2,a,,1.0\n'
        "bob,1,b,,1.0\n",
        "lists.jsonl": '{"user":"ann","rank":1,"item":"c","title":"Film, the","score":2.0}\n'
        '{"user":"ann","rank":2,"item":"a","title":null,"score":1.0}\n'
        '{"user":"bob","rank":1,"item":"b","title":null,"score":1.0}\n',
        "lists.run": "ann Q0 c 1 2.0 multvae\nann Q0 a 2 1.0 multvae\nbob Q0 b 1 1.0 multvae\n",
    }
    for name, text in texts.items():
        lists.write(tmp_path / name)
        assert (tmp_path / name).read_text() == text
    lists.write(tmp_path / "lists.parquet")
    expected = pl.read_csv(tmp_path / "lists.csv")
    assert pl.read_parquet(tmp_path / "lists.parquet").rows() == expected.rows()
    lists.write(tmp_path / "no_ending", format="trec")
    assert (tmp_path / "no_ending").read_text() == texts["lists.run"]


def test_lists_without_scores_keep_their_order_in_a_run(tmp_path):
    lists = lists_of({"ann": "cab"})
    lists.scores[:] = np.nan
    lists.write(tmp_path / "lists.run")
    found = read_lists(tmp_path / "lists.run", lists.catalogue)
    assert found.item_ids() == [["c", "a", "b"]]
    assert (np.diff(found.scores[0]) < 0).all()


def test_a_large_parquet_file_is_joined_from_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(list_writer, "ROW_GROUP", 10)
    monkeypatch.setattr(lists_module, "_USERS_AT_ONCE", 3)
    lists = some_lists(0, 30, LETTERS)
    read_again(lists, tmp_path / "lists.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["lists.parquet"]


def test_nothing_is_left_of_lists_that_cannot_be_written(tmp_path, monkeypatch):
    monkeypatch.setattr(lists_module, "_USERS_AT_ONCE", 1)
    odd = lists_of({"ann": "cab", "b ob": "b"})
    with pytest.raises(mv.InputError, match="user 'b ob': an id with blanks cannot be written"):
        odd.write(tmp_path / "lists.run")
    unknown = lists_of({"ann": "cab", "bob": "b?"})
    for name in ("lists.csv", "lists.parquet"):
        with pytest.raises(mv.InputError, match="lists: 1 places hold an item that is not in"):
            unknown.write(tmp_path / name)
    with pytest.raises(mv.InputError, match=r"lists.txt: the ending .txt stands for no format"):
        odd.write(tmp_path / "lists.txt")
    with pytest.raises(mv.InputError, match="No such file or directory"):
        odd.write(tmp_path / "no" / "lists.parquet")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a full device")
@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_a_full_disk_is_one_line(format):
    with pytest.raises(mv.InputError, match="/dev/full: No space left on device"):
        lists_of({"ann": "cab"}).write("/dev/full", format)


def test_lists_of_nobody_are_a_file_without_rows(tmp_path):
    nobody = lists_of({"ann": "cab"}).rows(slice(0, 0))
    nobody.write(tmp_path / "lists.parquet")
    assert pl.read_parquet(tmp_path / "lists.parquet").schema == {
        "user": pl.String,
        "rank": pl.Int32,
        "item": pl.String,
        "title": pl.String,
        "score": pl.Float32,
    }
