"""Training from a store: the stores of the benchmark, and what it measures, in a small form."""

import io
import json
import sys

import numpy as np
import pytest

import multvae_jax as mv
from benchmarks import streaming
from benchmarks.contestants.streaming import memory, trainer
from benchmarks.harness.rounds import Samples
from benchmarks.harness.synthetic import random_histories


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("streaming") / "store"
    streaming.write(path, random_histories(16), 40)
    return path


def test_a_large_store_repeats_histories_with_other_items(store):
    split, drawn = mv.open_store(store), random_histories(16)
    whole = split.train.tocsr()
    assert split.train.shape == (40, streaming.ML20M_ITEMS)
    np.testing.assert_array_equal(
        np.diff(whole.indptr)[:32].reshape(2, 16)[1], np.diff(drawn.indptr)
    )
    assert set(whole.indices[: drawn.nnz]) != set(whole.indices[drawn.nnz : 2 * drawn.nnz])
    assert len(set(split.user_ids.tolist())) == 40


def test_the_reading_is_timed_by_the_protocol_of_rounds(store, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["trainer", str(store), "reading", "8"])
    monkeypatch.setattr(sys, "stdin", io.StringIO("go\ngo\n"))
    trainer.main()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert ["seconds" in line for line in lines] == [False, True, True]


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_memory_is_that_of_this_process(store):
    memory.drop_from_cache(store)
    before = memory.resident()
    # Above 32 MiB an allocation never reuses memory that malloc has kept from a freed one.
    mine = np.ones(100_000_000, np.uint8)
    after = memory.resident()
    assert after["RssAnon"] - before["RssAnon"] > 0.8 * mine.size
    # The kinds are read one after the other, and shared memory is not shown.
    assert after["VmRSS"] >= 0.9 * (after["RssAnon"] + after["RssFile"])


def test_processor_time_is_compared_round_by_round():
    one, other = (Samples(0.0, [1.0, 1.0], {}, cpu) for cpu in ([9.0, 2.0, 4.0], [9.0, 4.0, 8.0]))
    assert streaming.cpu_ratio(one, other) == 0.5
