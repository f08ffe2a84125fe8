"""The protocol of alternating rounds, with contestants that only record their rounds."""

import sys

import pytest

from benchmarks.harness.rounds import Samples, alternate, median_ratio
from tests.benchmarks.builders import idle_contestant


def test_contestants_take_turns_and_the_time_after_a_round_does_not_count(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", ":".join(sys.path))
    monkeypatch.chdir(tmp_path)
    seen = []
    commands = {"slow": idle_contestant("s", nap=0.05), "aside": idle_contestant("a", aside=0.3)}
    samples = alternate(commands, rounds=3, observe=seen.append)
    assert (tmp_path / "done").read_text() == "sa" * 4
    assert seen == ["slow", "aside"] * 4
    assert all(len(taken.seconds) == 3 for taken in samples.values())
    # A sleep takes at least its time; the other would take 0.3 s per round if it were counted.
    assert min(samples["slow"].seconds) >= 0.05
    assert min(samples["aside"].seconds) < 0.3
    assert samples["slow"].ready >= 0.05
    assert samples["slow"].versions["numpy"]


def test_a_contestant_that_exits_early_is_named():
    with pytest.raises(RuntimeError, match=r"^gone exited before its last round$"):
        alternate({"gone": [sys.executable, "-c", "pass"]}, rounds=1)


def test_ratios_are_taken_round_by_round():
    """The second round was three times as slow for both; its ratio is still 2."""
    one, other = Samples(0, [1, 3, 1], {}), Samples(0, [2, 6, 5], {})
    assert median_ratio(one, other) == 2
