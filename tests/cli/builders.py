"""Small trainings by the command line, and what they leave on disk."""

import json
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

import jax
import numpy as np

from multvae_jax.cli.main import main
from tests.builders import assert_same

SMALL = ["--epochs", "2", "--hidden", "16", "--latent", "4"]


def train(ratings: Path, out: Path, *options: str) -> int:
    """Train on ratings, with eight validation and eight test users; returns the exit status.

    Unless asked for, no baseline is tuned.
    """
    given = ["train", "--data", str(ratings), "--held-out", "8", "--out", str(out)]
    return main([*given, "--baselines", "popularity", *SMALL, *options])


def write_given_split(folder: Path) -> list[str]:
    """Write two tastes of 12 items, of which each user lacks one; return the options for them."""
    folder.mkdir()
    parts: dict[str, list[str]] = {"train": [], "test": []}
    for user in range(30):
        items = [str(item) for item in range(user % 2, 24, 2)]
        wanted = items.pop(user // 2 % len(items))
        parts["train"].append(" ".join([str(user), *items]))
        parts["test"].append(f"{user} {wanted}")
    for part, lines in parts.items():
        (folder / f"{part}.txt").write_text("\n".join(lines) + "\n")
    return [word for part in parts for word in (f"--{part}", f"{folder}/{part}.txt")]


def log_of(run: Path, name: str = "metrics.jsonl") -> list[dict]:
    """The entries of a log."""
    return [json.loads(line) for line in (run / name).read_text().splitlines()]


def assert_equal_runs(one: Path, other: Path) -> None:
    """The same parameters to the bit, the same log but for its seconds, the same results."""
    logs = [
        [{name: v for name, v in entry.items() if name != "seconds"} for entry in log_of(run)]
        for run in (one, other)
    ]
    assert logs[0] == logs[1]
    assert (one / "test.json").read_bytes() == (other / "test.json").read_bytes()
    for part in ("params", "state"):
        assert_same(*(arrays_of(run / "checkpoint" / part) for run in (one, other)))
    assert {path.name for path in one.iterdir()} == {path.name for path in other.iterdir()}


def arrays_of(path: Path):
    from orbax.checkpoint import v1 as ocp

    def plain(leaf):
        is_key = jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        return np.asarray(jax.random.key_data(leaf) if is_key else leaf)

    with warnings.catch_warnings(action="ignore"):
        return jax.tree.map(plain, ocp.load(path.absolute()))


class Commands:
    """Commands in processes of their own, forked from one that has imported everything."""

    def __init__(self, folder: Path) -> None:
        self.output = folder / "output.txt"
        self.output.touch()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.cli.zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "ZYGOTE_OUTPUT": str(self.output)},
            cwd=Path(__file__).parents[2],
        )

    def start(self, *arguments, largest_file: int | None = None) -> int:
        """Start a command, which may be bound to a size of files; return its process."""
        self.output.write_text("")
        order = {"arguments": [str(part) for part in arguments], "largest_file": largest_file}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def wait(self) -> int:
        """The exit status of the command, negative for a signal."""
        return int(self._process.stdout.readline())

    def run(self, *arguments) -> int:
        self.start(*arguments)
        return self.wait()

    def wait_for(self, path: Path, lines: int = 1, seconds: float = 60) -> None:
        """Wait until a file has some lines."""
        end = time.monotonic() + seconds
        while not path.is_file() or path.read_text().count("\n") < lines:
            assert time.monotonic() < end, self.output.read_text()
            time.sleep(0.005)

    @property
    def said(self) -> str:
        """What the last command has written to standard output and standard error."""
        return self.output.read_text()

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
