"""Programs timed from the start of their process."""

import sys
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks.harness.processes import (
    Finished,
    alternate_fresh,
    median_and_range,
    run_fresh,
    seconds_of,
)

ROOT = Path(__file__).parents[3]


def test_a_process_is_timed_to_its_answer_and_read_to_its_end():
    program = (
        "import json, time; print('noise'); print(json.dumps({'a': 1}), flush=True);"
        "time.sleep(0.6); print(json.dumps({'b': 2}))"
    )
    began = time.perf_counter()
    finished = run_fresh([sys.executable, "-S", "-c", program])
    assert finished.answer == {"a": 1, "b": 2}
    assert finished.seconds < time.perf_counter() - began - 0.5
    with pytest.raises(RuntimeError, match="status 3"):
        run_fresh([sys.executable, "-S", "-c", "raise SystemExit(3)"])


def test_the_peak_of_memory_is_of_the_process_itself():
    """The memory of the parent must not count for the child that it starts."""
    held = np.ones(25_000_000)
    program = (
        "import json; from benchmarks.harness.processes import peak_memory; before = peak_memory();"
        "x = b'1' * 100_000_000; print(json.dumps({'before': before, 'after': peak_memory()}))"
    )
    answer = run_fresh([sys.executable, "-c", program], {"PYTHONPATH": str(ROOT)}).answer
    assert answer["before"] < held.nbytes / 3
    assert 90_000_000 < answer["after"] - answer["before"] < 130_000_000


def test_programs_take_turns_and_learn_the_round():
    calls = []

    def run(name, number):
        calls.append((name, number))
        return Finished(10.0 * number + len(name), {})

    programs = {name: lambda number, name=name: run(name, number) for name in ("a", "bb")}
    finished = alternate_fresh(programs, rounds=2)
    assert calls == [("a", 0), ("bb", 0), ("a", 1), ("bb", 1)]
    assert seconds_of(finished) == {"a": [1, 11], "bb": [2, 12]}


def test_the_cells_are_the_median_and_the_range():
    assert median_and_range([3.0, 1.0, 1.26], 1) == ["1.3", "1.0 to 3.0"]
