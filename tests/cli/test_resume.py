"""`multvae train --resume`: killed at any moment, the run ends as if it had not been."""

import contextlib
import os
import random
import signal
import time
from pathlib import Path

import pytest

from multvae_jax.runs.directory import is_resumable
from tests.cli.builders import assert_equal_runs

pytestmark = pytest.mark.updates

# Sixteen updates an epoch, in two parts of eight, and a checkpoint after each epoch.
OPTIONS = [
    *("--held-out", "4", "--epochs", "12", "--hidden", "16", "--latent", "4", "--batch-size", "2"),
    # The results of a run that is resumed have them without being asked again.
    *("--checkpoint-every", "1", "--baselines", "popularity"),
]


@pytest.fixture(scope="module")
def whole(commands, folder, ratings):
    """A run that was never stopped, and the seconds that it took."""
    assert commands.run("train", "--data", ratings, *OPTIONS, "--out", folder / "warm") == 0
    began = time.perf_counter()
    assert commands.run("train", "--data", ratings, *OPTIONS, "--out", folder / "whole") == 0
    return folder / "whole", time.perf_counter() - began


def kill_and_resume(commands, ratings, whole, target: Path, moment: float) -> str:
    """Kill a training after some seconds and finish it; return what the second command said."""
    process = commands.start("train", "--data", ratings, *OPTIONS, "--out", target)
    time.sleep(moment)
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
    commands.wait()
    begun = (target / "config.json").exists()
    # It may be killed between its last write and its end, when nothing is left to do.
    if not begun or is_resumable(target):
        again = ["--resume"] if begun else ["--data", ratings, *OPTIONS, "--out"]
        assert commands.run("train", *again, target) == 0, commands.said
    assert_equal_runs(target, whole)
    return commands.said


@pytest.mark.parametrize("share", [0.3, 0.55, 0.8, 0.97])
def test_a_killed_run_resumes_to_the_same_run(commands, ratings, whole, tmp_path, share):
    run, seconds = whole
    said = kill_and_resume(commands, ratings, run, tmp_path / "run", share * seconds)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert "Traceback" not in said


@pytest.mark.slow
def test_fifty_random_kills(commands, ratings, whole, tmp_path):
    """Also in writes, and in the final report; the second half falls into the last third."""
    run, seconds = whole
    moments = random.Random(0)
    for number in range(50):
        start = 0.0 if number % 2 else 0.66
        moment = moments.uniform(start * seconds, 1.02 * seconds)
        kill_and_resume(commands, ratings, run, tmp_path / str(number), moment)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {str(number) for number in range(50)}
