"""Histories in a stream of lines."""

import gzip
import io
import json

import numpy as np
import pytest

from multvae_jax.data import history_lines
from multvae_jax.data.history_lines import Lines, history_blocks, open_lines
from multvae_jax.data.known_items import KnownItems
from multvae_jax.data.types import Catalogue
from multvae_jax.errors import InputError

ITEMS = KnownItems(Catalogue(np.array(["a", "b", "50", "é"], object), np.ones(4, np.int64), {}))

GOOD = [
    ('{"user": "ann", "items": ["b", "a", "b"]}', "ann", [0, 1], 0),
    ('{"item_ids": [50, 50.0, "x"], "user_id": 7}', "7", [2], 1),
    ('["a", "nothing", "é"]', "3", [0, 3], 1),
    ("bob a  50\tb", "bob", [0, 1, 2], 0),
    ("a,b c", "a,b", [], 1),
    ('{"user": "none", "items": []}', "none", [], 0),
]


def stream(text, name="f"):
    return Lines(name, io.BytesIO(text), None, lambda: 0)


def blocks(text, size=2048):
    said = []
    return list(history_blocks(stream(text), ITEMS, said.append, size)), said


@pytest.mark.parametrize("size", [1, 4, 100])
def test_every_form_of_a_line_is_read_in_order(size):
    text = (
        "\ufeff"
        + "\n".join(line for line, *_ in GOOD[:2])
        + "\n"
        + "\n".join(line for line, *_ in GOOD[2:])
    )
    found, said = blocks(text.encode(), size)
    assert said == []
    assert all(len(block.user_ids) <= size for block in found)
    rows = [
        (user, sorted(block.known.matrix[[row]].indices.tolist()), int(block.known.unknown[row]))
        for block in found
        for row, user in enumerate(block.user_ids)
    ]
    assert rows == [(user, items, unknown) for _, user, items, unknown in GOOD]


BAD = [
    (b'{"user": "ann", "items": ["b"', "f:2: not JSON in one line: "),
    (b'{"user": "ann"}', 'f:2: an object without "user" and "items"'),
    (b'{"user": "ann", "items": "b"}', "f:2: 'items' is not a list"),
    (b'{"user": "ann", "items": [["b"]]}', "f:2: 'items': [\"b\"] is neither text nor a number"),
    (b'{"user": null, "items": ["b"]}', "f:2: 'user': null is neither text nor a number"),
    (b"[true]", "f:2: 'items': true is neither text nor a number"),
    (b"ann,b,5", "f:2: 'ann,b,5' is a row of a table"),
    (b"ann \xff", "f:2: not UTF-8 text"),
    (b"[" * 100_000, "f:2: not JSON in one line: "),
    (b"ann " + b"b " * 60, "f:2: longer than 100 bytes"),
]


@pytest.mark.parametrize(("line", "message"), BAD, ids=range(len(BAD)))
def test_a_bad_line_is_named_and_the_others_are_read(line, message, monkeypatch):
    if "longer" in message:
        monkeypatch.setattr(history_lines, "LONGEST_LINE", 100)
    found, said = blocks(b"bob a\n" + line + b"\n\ncarl b\n")
    assert [user for block in found for user in block.user_ids] == ["bob", "carl"]
    (told,) = said
    assert told.startswith(message)


def test_a_file_of_another_kind_is_refused_soon():
    read = []

    class Rows(io.RawIOBase):
        def readline(self, most):
            read.append(most)
            return b"1,2,3\n"

    with pytest.raises(InputError, match=r"f:100: .*none of the first 100 lines is a history"):
        list(history_blocks(Lines("f", Rows(), None, lambda: 0), ITEMS, lambda told: None))
    assert len(read) == 100


def test_a_compressed_file_is_unpacked_as_it_is_read(tmp_path):
    path = tmp_path / "many.jsonl.gz"
    text = "".join(json.dumps({"user": n, "items": ["a"]}) + "\n" for n in range(5))
    path.write_bytes(gzip.compress(text.encode()))
    with open_lines(path) as lines:
        assert lines.size == path.stat().st_size
        (block,) = history_blocks(lines, ITEMS, pytest.fail)
        assert lines.done() == lines.size
    assert block.user_ids == ["0", "1", "2", "3", "4"]
    path.write_bytes(path.read_bytes()[:-20])
    with (
        open_lines(path) as lines,
        pytest.raises(InputError, match=r"\.gz: after line \d: "),
    ):
        list(history_blocks(lines, ITEMS, pytest.fail))


def test_a_table_of_numbers_is_refused(tmp_path):
    (tmp_path / "f.parquet").write_bytes(b"PAR1" + bytes(100))
    with (
        pytest.raises(InputError, match=r"f\.parquet: not lines of text"),
        open_lines(tmp_path / "f.parquet"),
    ):
        pass
    with (
        pytest.raises(InputError, match=r"none\.txt: No such file"),
        open_lines(tmp_path / "none.txt"),
    ):
        pass
