"""Trainings in several processes, and what becomes of them when one is lost."""

import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import multvae_jax as mv
from multvae_jax.errors import InputError
from multvae_jax.parallel.processes import place_of
from tests.builders import write_ratings


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    path = tmp_path_factory.mktemp("processes") / "found"
    done = subprocess.run(
        [sys.executable, "-m", "tests.parallel.two_processes", str(path)],
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return pickle.loads(path.read_bytes()) | {"folder": path.parent}


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The training of the guide on one device."""
    path = write_ratings(tmp_path_factory.mktemp("alone") / "ratings.csv", n_users=60)
    split = mv.hold_out_users(mv.read_interactions(path), validation=8, test=8)
    return mv.fit(jax.random.key(0), mv.mult_vae, split, epochs=3)


@pytest.mark.parametrize("lost", [1, 0])
def test_a_process_that_loses_the_other_ends_with_one_line(found, lost):
    ended, left = found[f"loses {lost}"], 1 - lost
    assert ended["status"][lost] == -signal.SIGKILL
    assert ended["status"][left] == 2
    assert ended["seconds"] < 30
    lines = ended["err"][left].splitlines(keepends=True)
    assert [line for line in lines if line.startswith("multvae")] == lines[-1:]
    assert "multvae train --resume" in lines[-1]
    assert f"process {left} of 2: process {lost} has ended" in lines[-1]
    # The first one prints the progress, the other nothing but this.
    assert len(lines) == 1 or left == 0


def test_a_process_that_is_not_communicating_finds_the_coordinator_lost(found):
    ended = found["idle"]
    assert ended["status"] == [-signal.SIGKILL, 2]
    assert ended["err"][1] == (
        "multvae: process 1 of 2: process 0 has ended or cannot be reached\n"
    )


def test_a_pair_goes_on_to_the_result_of_one_device(found, alone):
    assert found["whole"]["status"] == [0, 0], found["whole"]["err"]
    assert "the training goes on after epoch 2" in found["whole"]["err"][0]
    assert "NDCG@100" in found["whole"]["out"][0]
    assert found["whole"]["out"][1] == found["whole"]["err"][1] == ""
    check_same(mv.load_run(found["folder"] / "runs/hosts"), alone)


def test_a_program_in_two_processes_has_the_result_of_one_device(found, alone):
    assert found["program"]["status"] == [0, 0], found["program"]["err"]
    assert "ndcg@100" in found["program"]["out"][0]
    check_same(mv.load_run(found["folder"] / "runs/python"), alone)


def check_same(run, alone):
    assert run.best_epoch == alone.best_epoch
    for ours, theirs in zip(run.log, alone.log, strict=True):
        for name in ("loss", "kl"):
            np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-5)
        for name, value in theirs["validation"].items():
            np.testing.assert_allclose(ours["validation"][name], value, rtol=1e-5)
    mine, other = jax.tree.leaves(run.params), jax.tree.leaves(alone.params)
    for ours, theirs in zip(mine, other, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=2e-6)


@pytest.mark.parametrize(("what", "named"), [("options", "--seed"), ("data", "the data")])
def test_processes_that_differ_are_refused(found, what, named):
    ended = found[what]
    assert ended["status"] == [2, 2]
    for lines in ended["err"]:
        assert lines.splitlines()[-1].startswith(f"multvae: {named}: not the same in process 1")


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("nothing", "--distributed: --coordinator HOST:PORT is missing, and no cluster is"),
        ("nobody there", "no answer within 1 s"),
        ("nobody comes", "not all processes have joined within 1 s"),
    ],
)
def test_a_process_alone_is_told_what_is_missing(found, what, message):
    status, error = found["refused"][what]
    assert status == 2
    assert error.startswith("multvae: --")
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("10.0.0.1:1", 2, 5), "--process 5: with --processes 2, it is one of 0 to 1"),
        (("10.0.0.1", 2, 0), "--coordinator 10.0.0.1: give HOST:PORT"),
        (("10.0.0.1:65536", 2, 0), "--coordinator 10.0.0.1:65536: give HOST:PORT"),
        ((None, 0, None), "--processes 0: give a whole number, at least 1"),
        ((None, None, -1), "--process -1: give a whole number, at least 0"),
    ],
)
def test_a_place_that_is_none_is_refused(options, message):
    with pytest.raises(InputError, match=f"^{message}"):
        place_of(*options)


def test_the_environment_gives_what_options_do_not(monkeypatch):
    monkeypatch.setenv("JAX_COORDINATOR_ADDRESS", "10.0.0.1:1234")
    monkeypatch.setenv("JAX_NUM_PROCESSES", "4")
    monkeypatch.setenv("JAX_PROCESS_ID", "9")
    assert place_of(None, None, 3) == ("10.0.0.1:1234", 4, 3)
    with pytest.raises(InputError, match="JAX_PROCESS_ID 9: with JAX_NUM_PROCESSES 4"):
        place_of(None, None, None)
