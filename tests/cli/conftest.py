"""Ratings and a run that the tests of all commands share."""

import contextlib
import io
from pathlib import Path

import jax
import pytest

from tests.builders import write_ratings
from tests.cli.builders import Commands, train


@pytest.fixture(scope="package", autouse=True)
def _compile_quickly():
    """Most of the time of these tests is compiling programs that run a few times."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


@pytest.fixture(scope="package")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cli")


@pytest.fixture(scope="package")
def ratings(folder) -> Path:
    return write_ratings(folder / "ratings.csv")


@pytest.fixture(scope="package")
def run(folder, ratings) -> Path:
    """A run, with what its training printed beside it in printed.txt."""
    (folder / "movies.csv").write_text(
        "movieId,title,genres\n" + "".join(f'{i},"Film, the {i}",x\n' for i in range(100, 130))
    )
    printed = io.StringIO()
    # optax promotes dtypes; the first test that asks for the run need not allow it.
    with contextlib.redirect_stdout(printed), jax.numpy_dtype_promotion("standard"):
        assert train(ratings, folder / "run") == 0
    (folder / "printed.txt").write_text(printed.getvalue())
    return folder / "run"


@pytest.fixture(scope="package")
def commands(tmp_path_factory):
    """Commands that can be killed."""
    commands = Commands(tmp_path_factory.mktemp("commands"))
    yield commands
    commands.close()
