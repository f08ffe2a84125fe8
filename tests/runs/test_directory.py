"""The directory of a run: claimed, named when it is left behind, removed when it holds nothing."""

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from multvae_jax.config.options import RunOptions
from multvae_jax.errors import InputError
from multvae_jax.host.claim import claim
from multvae_jax.runs.directory import (
    begin,
    finish,
    is_resumable,
    keep_options,
    kept_options,
    new_run,
    resuming,
    unfinished_runs,
)


def leave_behind(directory):
    """A run that a killed program leaves: begun, with a checkpoint."""
    with new_run(directory, may_rename=False):
        (directory / "config.json").write_text("{}")
        begin(directory, "data")
        (directory / "checkpoints" / "training" / "12").mkdir(parents=True)
    return directory


def test_a_directory_without_anything_to_keep_is_removed_with_its_parents(tmp_path):
    with new_run(tmp_path / "a" / "run", may_rename=False) as directory:
        (directory / "config.json").write_text("{}")
    assert list(tmp_path.iterdir()) == []


def test_an_empty_directory_stays_as_it_was(tmp_path):
    (tmp_path / "run").mkdir()
    with new_run(tmp_path / "run", may_rename=False) as directory:
        (directory / "config.json").write_text("{}")
    assert list((tmp_path / "run").iterdir()) == []


def test_a_command_that_is_suggested_can_be_pasted():
    assert resuming(Path("my runs/1")) == "multvae train --resume 'my runs/1'"


def test_what_is_left_behind_is_named_with_what_to_do(tmp_path):
    for name in "abcde":
        leave_behind(tmp_path / name)
    old = tmp_path / ".train-mult-vae-x1y2"
    old.mkdir()
    (old / "metrics.jsonl").write_text("")
    (tmp_path / "other").mkdir()
    notes = unfinished_runs(tmp_path)
    assert notes == [
        *(
            f"{tmp_path / n}: an unfinished run; multvae train --resume {tmp_path / n}"
            for n in "abc"
        ),
        f"{tmp_path}: 2 more unfinished runs",
    ]
    # A hidden directory may belong to a program that is saving a run now.
    hours_ago = time.time() - 7200
    os.utime(old / "metrics.jsonl", (hours_ago, hours_ago))
    assert unfinished_runs(tmp_path)[-1] == (
        f"{old}: left over from a run that was killed while it was saved; remove it"
    )


def test_a_run_that_is_in_use_or_finished_is_not_named(tmp_path):
    with claim(leave_behind(tmp_path / "used")):
        assert unfinished_runs(tmp_path) == []
    finish(tmp_path / "used")
    assert not is_resumable(tmp_path / "used")
    assert unfinished_runs(tmp_path) == []
    assert unfinished_runs(tmp_path / "nowhere") == []


def test_an_unfinished_run_keeps_its_name(tmp_path):
    run = leave_behind(tmp_path / "run")
    refused = new_run(run, may_rename=False)
    with pytest.raises(InputError, match="has an unfinished run; multvae train --resume"):
        refused.__enter__()
    with new_run(run, may_rename=True) as directory:
        assert directory == tmp_path / "run-2"


def test_the_data_of_a_run_that_goes_on_are_those_it_was_begun_with(tmp_path):
    run = leave_behind(tmp_path / "run")
    assert begin(run, "data")
    with pytest.raises(InputError, match="its data has changed since the run began"):
        begin(run, "other")


@pytest.mark.parametrize("text", [b"", b"{", b"[1]", b"{}", b"\xff"])
def test_a_damaged_mark_is_one_line(tmp_path, text):
    mark = leave_behind(tmp_path / "run") / "checkpoints" / "run.json"
    mark.write_bytes(text)
    with pytest.raises(InputError) as caught:
        begin(tmp_path / "run", "data")
    assert str(caught.value) == f"{mark}: damaged; the run cannot go on"


def test_the_options_of_the_command_are_kept_until_the_run_is_finished(tmp_path):
    run = leave_behind(tmp_path / "run")
    assert kept_options(run) == RunOptions()
    asked = RunOptions(baselines=("wmf", "ease"), minutes=2.5, checkpoint_every="5m")
    keep_options(run, replace(asked, out=str(run)))
    assert kept_options(run) == asked
    keep_options(run, RunOptions(baselines=("none",), resume=str(run)))
    assert kept_options(run) == RunOptions(baselines=("none",))
    (run / "checkpoints" / "options.json").write_text('{"minutes": -1}')
    with pytest.raises(InputError, match=r"options.json: minutes: .*; remove it, and the run goes"):
        kept_options(run)
    finish(run)
    assert kept_options(run) == RunOptions()
