"""Environments of the peers, created once with pinned releases in the platform's cache folder.

RecBole needs numpy below 2, so that a single environment cannot hold them all.
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

from multvae_jax.errors import InputError

TORCH = "torch==2.13.0"


class Environment(NamedTuple):
    """Contents of a virtual environment.

    Attributes:
        requirements: packages for pip, with their releases.
        pythons: minor releases of Python 3 for which all of them have wheels.
    """

    requirements: tuple[str, ...]
    pythons: range


ENVIRONMENTS = {
    "pandas": Environment(("pandas==3.1.1", "numpy==2.4.6", "scipy==1.17.1"), range(11, 15)),
    "torch": Environment(
        (TORCH, "cornac==3.0.1", "numpy==2.4.6", "scipy==1.17.1"), pythons=range(11, 15)
    ),
    "serving": Environment(
        (
            *(TORCH, "numpy==2.4.6", "scipy==1.17.1"),
            *("starlette==1.10.0", "uvicorn==0.54.0", "httptools==0.9.0", "uvloop==0.23.0"),
        ),
        pythons=range(11, 15),
    ),
    "recbole": Environment(
        # RecBole fails with pandas 3, and ray, which it imports, has no wheels for later Pythons.
        (TORCH, "recbole==1.2.1", "numpy==1.26.4", "pandas==2.3.3", "scipy==1.17.1"),
        pythons=range(11, 12),
    ),
}

Run = Callable[[Sequence[str]], object]


def _run(command: Sequence[str]) -> None:
    # Output of the command goes to standard error: standard output is for the table.
    subprocess.run(command, check=True, stdout=sys.stderr)


def base_python(pythons: range) -> str:
    """An interpreter of one of the releases: this one if it matches, else the newest on the path.

    Raises:
        InputError: if there is none.
    """
    if sys.version_info.minor in pythons:
        return sys.executable
    names = [f"python3.{minor}" for minor in reversed(pythons)]
    for name in names:
        if found := shutil.which(name):
            return found
    raise InputError(f"none of {', '.join(names)} is on the path")


def interpreter(
    name: str, environment: Environment, home: Path | None = None, run: Run = _run
) -> Path:
    """The interpreter of an environment, which is created on first use.

    The folder's name depends on the requirements, and a marker is written last, so that an
    environment of other releases, or an incomplete one, is never taken for this one.

    Args:
        name: start of the folder's name.
        environment: what to install.
        home: folder of all environments; the platform's cache folder by default.
        run: runs a command, and raises if it fails.

    Raises:
        InputError: if no interpreter of a matching release is found.
        subprocess.CalledProcessError: if a command fails; its message is on standard error.
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
            print(f"creating the environment {folder}", file=sys.stderr)
            run([base, "-m", "venv", str(folder)])
            run([str(python), "-m", "pip", "install", "--quiet", *environment.requirements])
            complete.touch()
    return python
