"""Environments of the peers: made once with pinned releases, kept in the platform's cache folder.

RecBole needs a numpy below 2, so that no one environment holds all.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock
from platformdirs import user_cache_path

TORCH = "torch==2.13.0"


class Environment(NamedTuple):
    """What a virtual environment holds.

    Attributes:
        requirements: for pip.
        pythons: the minor releases of Python 3 that all of them have wheels for.
    """

    requirements: tuple[str, ...]
    pythons: range


ENVIRONMENTS = {
    "pandas": Environment(("pandas==3.1.1", "numpy==2.4.6", "scipy==1.17.1"), range(11, 15)),
    "torch": Environment(
        (TORCH, "cornac==3.0.1", "numpy==2.4.6", "scipy==1.17.1"), pythons=range(11, 15)
    ),
    "recbole": Environment(
        # pandas 3 refuses what it does; ray, which it imports, has no later wheels.
        (TORCH, "recbole==1.2.1", "numpy==1.26.4", "pandas==2.3.3", "scipy==1.17.1"),
        pythons=range(11, 12),
    ),
}

Run = Callable[[Sequence[str]], object]


def _run(command: Sequence[str]) -> None:
    # Its words go to the error output: the output itself is the table's.
    subprocess.run(command, check=True, stdout=sys.stderr)


def base_python(pythons: range) -> str:
    """An interpreter of one of the releases: this one if it is, else one on the path.

    Raises:
        RuntimeError: if there is none.
    """
    if sys.version_info.minor in pythons:
        return sys.executable
    names = [f"python3.{minor}" for minor in reversed(pythons)]
    for name in names:
        if found := shutil.which(name):
            return found
    raise RuntimeError(f"none of {', '.join(names)} is on the path")


def interpreter(
    name: str, environment: Environment, home: Path | None = None, run: Run = _run
) -> Path:
    """The interpreter of an environment, which is made if it is not there yet.

    What is required is part of the folder's name, and a mark is written last: an environment
    of other releases, or one that broke off, is never taken for this one.

    Args:
        name: what its folder is called.
        environment: what it holds.
        home: where environments are; the platform's cache folder unless given.
        run: runs a command, and raises if it fails.

    Raises:
        RuntimeError: if no Python fits.
        subprocess.CalledProcessError: if a command fails; it has said why.
    """
    home = home or user_cache_path("multvae_jax", appauthor=False) / "environments"
    base = base_python(environment.pythons)
    key = "\n".join([base, *environment.requirements])
    folder = home / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    complete = folder / "complete"
    home.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not complete.exists():
            shutil.rmtree(folder, ignore_errors=True)
            print(f"making the environment {folder}", file=sys.stderr)
            run([base, "-m", "venv", str(folder)])
            run([str(python), "-m", "pip", "install", "--quiet", *environment.requirements])
            complete.touch()
    return python
