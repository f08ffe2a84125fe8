"""The protocol of the benchmarks, with contestants that do nothing but write what they do."""

import sys

import pytest

from benchmarks.harness.rounds import Samples, alternate, median_ratio
from benchmarks.harness.throughput import table

CONTESTANT = """
import sys, time
from benchmarks.harness.rounds import turns
name, nap, aside = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
clock = turns(after_each=lambda: time.sleep(aside))
for turn in clock:
    with open("said", "a") as said:
        said.write(name)
    print("a library's own words")
    time.sleep(nap)
"""


def contestant(name, nap=0.0, aside=0.0):
    return [sys.executable, "-c", CONTESTANT, name, str(nap), str(aside)]


def test_contestants_take_turns_and_what_comes_after_is_off_the_clock(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", ":".join(sys.path))
    monkeypatch.chdir(tmp_path)
    seen = []
    commands = {"slow": contestant("s", nap=0.05), "aside": contestant("a", aside=0.3)}
    samples = alternate(commands, rounds=3, observe=seen.append)
    assert (tmp_path / "said").read_text() == "sa" * 4
    assert seen == ["slow", "aside"] * 4
    assert all(len(taken.seconds) == 3 for taken in samples.values())
    # A sleep takes at least its time; that of the other is 0.3 s a round if it were counted.
    assert min(samples["slow"].seconds) >= 0.05
    assert min(samples["aside"].seconds) < 0.3
    assert samples["slow"].ready >= 0.05
    assert samples["slow"].versions["numpy"]


def test_one_that_ends_early_is_named():
    with pytest.raises(RuntimeError, match=r"^gone ended before its time$"):
        alternate({"gone": [sys.executable, "-c", "pass"]}, rounds=1)


def test_ratios_are_taken_round_by_round():
    """The second round was three times as slow for both; the ratio of it is 2 all the same."""
    one, other = Samples(0, [1, 3, 1], {}), Samples(0, [2, 6, 5], {})
    assert median_ratio(one, other) == 2


def test_rates_are_users_over_seconds_and_ratios_are_of_times():
    samples = {
        "ours": Samples(3.4, [0.5, 0.25, 1.0], {}),
        "theirs": Samples(7.0, [1.0, 1.0, 1.5], {}),
    }
    _, _, ours, theirs = (
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in table(samples, 500, "ours").splitlines()
    )
    assert ours == ["ours", "1,000", "500 to 2,000", "1.00", "3"]
    assert theirs == ["theirs", "500", "333 to 500", "2.00", "7"]
