"""The same command gives the same digits in any environment, and compiles nothing twice."""

import collections
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from tests.cli.builders import SMALL, log_of, train

pytestmark = pytest.mark.updates

ENVIRONMENTS = [
    {"PYTHONHASHSEED": "1", "TZ": "UTC", "LC_ALL": "C", "XLA_THREADS": "1"},
    {"PYTHONHASHSEED": "2", "TZ": "Asia/Kathmandu", "LC_ALL": "tr_TR.UTF-8", "PYTHONUTF8": "0"},
]

# One core, or all of them; jax makes as many threads as there are.
COMMAND = """
import os, sys
if sys.argv[1] == "one":
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from multvae_jax.cli.main import main
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores cannot be chosen here")
def test_hash_seed_time_zone_locale_and_cores_change_no_digit(run, ratings, tmp_path):
    for number, (environment, cores) in enumerate(zip(ENVIRONMENTS, ("one", "all"), strict=True)):
        out = tmp_path / str(number)
        options = ["--data", ratings, "--held-out", "8", *SMALL, "--out", out]
        subprocess.run(
            [sys.executable, "-c", COMMAND, cores, "train", *map(str, options)],
            env={**os.environ, **environment},
            cwd=Path(__file__).parents[2],
            check=True,
            capture_output=True,
        )
    one, other = tmp_path / "0", tmp_path / "1"
    for name in ("test.json", "items.csv", "users.csv"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    for entry, again in zip(log_of(one), log_of(other), strict=True):
        assert {**entry, "seconds": 0} == {**again, "seconds": 0}


def test_no_program_of_a_training_is_compiled_twice(ratings, tmp_path, caplog):
    """Counted from what jax logs: the name of each program with the types of its arguments."""
    jax.clear_caches()
    with jax.log_compiles(), caplog.at_level(logging.WARNING):
        assert train(ratings, tmp_path / "run", "--epochs", "4") == 0
    found = (re.match(r"Compiling jit\((\w+)\) .*", r.getMessage()) for r in caplog.records)
    # Operations of jax that run one by one are programs, too; they also differ in static arguments.
    compiled = collections.Counter(
        text[0]
        for text in found
        if text is not None
        and not any(hasattr(room, text[1]) for room in (jax.lax, jax.numpy, jax.random))
        and not text[1].startswith("_")
    )
    assert any("jit(epoch)" in text for text in compiled)
    assert any("jit(ranked_scores)" in text for text in compiled)
    assert any("jit(measured_lists)" in text for text in compiled)
    # The validation and the test have other metrics, of the same lists.
    assert [text for text, n in compiled.items() if n > 1 + ("jit(measured_lists)" in text)] == []
