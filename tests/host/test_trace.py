"""A trace of a few updates, read as Perfetto reads it."""

import gzip
import json

import jax
import jax.numpy as jnp
import pytest

from multvae_jax.cli.main import main
from multvae_jax.host.trace import UpdateTrace, checked_folder


def events(folder):
    """Names of what was traced."""
    (path,) = folder.glob("plugins/profile/*/perfetto_trace.json.gz")
    return {
        event.get("name") for event in json.loads(gzip.decompress(path.read_bytes()))["traceEvents"]
    }


def test_what_is_between_the_first_epoch_and_the_next_updates_is_traced(tmp_path, capsys):
    """Of updates of different names, those of the second epoch's first part alone."""

    def made(name):
        with jax.profiler.TraceAnnotation(name):
            jnp.ones(3).block_until_ready()

    with UpdateTrace(tmp_path) as trace:
        for updates, name in enumerate(["first", "last_of_first", "second", "more"], 1):
            made(name)
            trace.after(10 * updates, name == "last_of_first")
    assert "second" in events(tmp_path)
    assert not events(tmp_path) & {"first", "last_of_first", "more"}
    # What TensorBoard reads.
    (_,) = tmp_path.glob("plugins/profile/*/*.xplane.pb")
    said = capsys.readouterr().err
    assert "perfetto_trace.json.gz: 10 updates; open it at https://ui.perfetto.dev" in said


def test_a_training_that_ends_early_ends_the_trace(tmp_path, capsys):
    def interrupted():
        with UpdateTrace(tmp_path / "cut") as trace:
            trace.after(5, epoch_ended=True)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert "the updates until the end" in capsys.readouterr().err
    with UpdateTrace(tmp_path / "none") as trace:
        trace.after(5, epoch_ended=False)
    assert "nothing was traced" in capsys.readouterr().err
    with UpdateTrace(None) as trace:
        trace.after(5, epoch_ended=True)
        trace.after(6, epoch_ended=False)
    assert capsys.readouterr().err == ""


def test_a_trace_that_cannot_be_made_does_not_end_the_training(tmp_path, capsys, monkeypatch):
    def fails(*_, **__):
        raise RuntimeError("Profile has already been started")

    monkeypatch.setattr(jax.profiler, "start_trace", fails)
    with UpdateTrace(tmp_path) as trace:
        trace.after(5, epoch_ended=True)
        trace.after(10, epoch_ended=True)
    (line,) = capsys.readouterr().err.splitlines()
    assert "cannot be written (Profile has already been started); the training goes on" in line


def test_the_folder(tmp_path):
    assert checked_folder(()) is checked_folder(None) is None
    assert checked_folder([str(tmp_path / "a" / "b")]).is_dir()


def test_wrong_use_is_one_line(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    for words, message in (
        (["--profile", "a", "b"], "--profile a b: give one folder, or none for RUN/profile"),
        (["--profile", str(tmp_path / "file")], "file: is not a directory"),
        (["--profile", "--epochs", "1"], "--profile: traces updates of the second epoch"),
        (["--profile", "--model", "ease"], "--profile: has no effect on the baseline ease"),
    ):
        assert main(["train", *words]) == 2
        said = capsys.readouterr().err
        assert message in said
        assert len(said.splitlines()) == 1
