"""Damaged files under any name, read with any options, give a table or one line."""

import random
import time

import pytest

from multvae_jax.data.interactions import read_histories, read_interactions
from multvae_jax.data.readers.dialect import Dialect
from multvae_jax.data.titles import read_titles
from multvae_jax.errors import InputError
from tests.data.fuzz.generator import case, damaged

PER_SEED = 60
NAMES = [
    "a.csv",
    "a.tsv",
    "a.dat",
    "a.txt",
    "a.inter",
    "a.item",
    "a.json",
    "a.parquet",
    "a.gz",
    "a",
]
OPTIONS = {
    "separator": [",", "tab", "blanks", "::", "|", "xx", "é", " "],
    "quote": ["none", "'", '"', "|"],
    "header": ["yes", "no"],
    "lines": ["rows", "users"],
    "encoding": ["latin-1", "utf-16", "ascii", "gb18030", "utf-7", "cp037", "utf-32"],
}
COLUMNS = [
    *[{}] * 12,
    {"user": "1"},
    {"user": "1", "item": "2"},
    {"user": "1", "item": "1"},
    {"user": "user_id", "item": "note"},
    {"rating": "rating"},
    {"time": "extra"},
    {"item": "0"},
    {"user": "99"},
    {"user": ""},
]


def check(folder, seed):
    """Check the file of a seed; the seed alone reproduces it."""
    draw = random.Random(seed)
    made = case(draw)
    data = made.data
    for _ in range(draw.choice([0, 1, 1, 2, 6])):
        data = damaged(draw, data)
    path = folder / draw.choice([made.name, *NAMES])
    path.write_bytes(data)
    chosen = {name: draw.choice(all_) for name, all_ in OPTIONS.items() if draw.random() < 0.2}
    dialect, columns = Dialect(**chosen), draw.choice(COLUMNS)
    threshold = draw.choice([None, 3])
    readers = [
        lambda: read_interactions(
            path, min_user_count=0, min_rating=threshold, dialect=dialect, **columns
        ),
        lambda: read_histories(path, min_rating=threshold, dialect=dialect, **columns),
        lambda: read_titles(path),
    ]
    place = f"seed {seed}: {path.name} {chosen} {columns} {data[:300]!r}"
    start = time.monotonic()
    message = ""
    try:
        draw.choice(readers)()
    except InputError as error:
        message = str(error)
    except Exception as error:
        raise AssertionError(place) from error
    assert not message or message.isprintable(), place
    assert len(message) < 2100, place
    assert not message or message.startswith(str(path)), f"{place}: {message}"
    assert time.monotonic() - start < 5, place


@pytest.mark.parametrize("block", range(10))
def test_a_damaged_file_is_read_or_refused_in_one_line(tmp_path, block):
    for seed in range(block * PER_SEED, (block + 1) * PER_SEED):
        check(tmp_path, seed)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(10, 60))
def test_more_damaged_files_are_read_or_refused_in_one_line(tmp_path, block):
    for seed in range(block * PER_SEED, (block + 1) * PER_SEED):
        check(tmp_path, seed)
