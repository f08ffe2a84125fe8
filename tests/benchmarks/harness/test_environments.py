"""Environments of the peers, with a stand-in for the commands that create them."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.harness.environments import Environment, base_python, interpreter
from multvae_jax.errors import InputError

HERE = range(sys.version_info.minor, sys.version_info.minor + 1)


class Recorder:
    """Record commands; create the folder that venv would, and fail at a given word."""

    def __init__(self, fails_at=None):
        self.commands = []
        self.fails_at = fails_at

    def __call__(self, command):
        self.commands.append(list(command))
        if "venv" in command:
            Path(command[-1]).mkdir(parents=True)
        if self.fails_at in command:
            raise subprocess.CalledProcessError(1, command)


def test_an_environment_is_made_once_and_found_again(tmp_path):
    run, wanted = Recorder(), Environment(("one==1", "two==2"), HERE)
    python = interpreter("peer", wanted, tmp_path, run)
    (made, filled) = run.commands
    assert made == [sys.executable, "-m", "venv", str(python.parents[1])]
    assert filled[:4] == [str(python), "-m", "pip", "install"]
    assert filled[-2:] == ["one==1", "two==2"]
    assert python.parents[2] == tmp_path
    assert interpreter("peer", wanted, tmp_path, run) == python
    assert len(run.commands) == 2


def test_other_releases_get_another_folder(tmp_path):
    run = Recorder()
    first, second = (
        interpreter("peer", Environment((release,), HERE), tmp_path, run)
        for release in ("one==1", "one==2")
    )
    assert first != second
    assert len(run.commands) == 4


def test_one_that_broke_off_is_made_again_from_nothing(tmp_path):
    wanted = Environment(("one==1",), HERE)
    with pytest.raises(subprocess.CalledProcessError):
        interpreter("peer", wanted, tmp_path, Recorder(fails_at="install"))
    (half,) = (path for path in tmp_path.iterdir() if path.is_dir())
    (half / "left over").touch()
    run = Recorder()
    assert interpreter("peer", wanted, tmp_path, run).parents[1] == half
    assert len(run.commands) == 2
    assert not (half / "left over").exists()


def test_a_python_of_a_fitting_release_is_looked_for_on_the_path(tmp_path, monkeypatch):
    older = range(5, 7)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"^none of python3\.6, python3\.5 is on the path$"):
        base_python(older)
    for name in ("python3.5", "python3.6"):
        (tmp_path / name).touch(mode=0o755)
    assert base_python(older) == str(tmp_path / "python3.6")
    assert base_python(HERE) == sys.executable
