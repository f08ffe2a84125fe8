"""Generated files are read as a simple reader reads them, or refused in one line."""

import random
import time

import pytest

from multvae_jax.data.readers.dialect import Dialect
from multvae_jax.data.readers.records import read_records
from multvae_jax.data.readers.schema import INTERACTIONS
from multvae_jax.errors import InputError
from tests.data.fuzz.generator import case

PER_SEED = 125
LONGEST_MESSAGE = 2100
SLOWEST = 5  # seconds for one file, also on a machine that is busy


def check(folder, seed):
    """Check the file of a seed; the seed alone reproduces it."""
    made = case(random.Random(seed))
    path = folder / made.name
    path.write_bytes(made.data)
    place = f"seed {seed}: {made.name} {made.dialect} {made.data[:300]!r}"
    start = time.monotonic()
    try:
        rows = read_records(path, INTERACTIONS, {}, Dialect(**made.dialect)).rows
    except InputError as error:
        message = str(error)
        assert not made.intact, f"{place}: {message}"
        assert message.isprintable(), place
        assert len(message) < LONGEST_MESSAGE, place
        assert message.startswith(str(path)), f"{place}: {message}"
    else:
        rows = rows.drop_nulls("item")
        found = [tuple(map(str, pair)) for pair in rows.select("user", "item").iter_rows()]
        if made.exact and found:  # nothing is refused later, as no user has an item
            readings = made.readings()
            assert found in readings, f"{place}:\n {found}\n {readings}"
    assert time.monotonic() - start < SLOWEST, place


@pytest.mark.parametrize("block", range(16))
def test_files_are_read_as_a_simple_reader_reads_them(tmp_path, block):
    for seed in range(block * PER_SEED, (block + 1) * PER_SEED):
        check(tmp_path, seed)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(16, 96))
def test_more_files_are_read_as_a_simple_reader_reads_them(tmp_path, block):
    for seed in range(block * PER_SEED, (block + 1) * PER_SEED):
        check(tmp_path, seed)
