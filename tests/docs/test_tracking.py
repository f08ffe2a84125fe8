"""The blocks of the page on tracking, with the programs that are installed, and what they keep."""

import json
import re
import sqlite3
import struct
from pathlib import Path

import jax
import pytest

import multvae_jax as mv
from multvae_jax.selection import scalars
from tests.builders import write_ratings
from tests.docs.builders import blocks

pytestmark = pytest.mark.updates

START, *BLOCKS = [text for _, _, text in blocks("docs/tracking.md")]


def of_tensorboard(names):
    """The values of the last epoch in a file of events: records of a length, a message, checks."""
    from tensorboardX.proto.event_pb2 import Event

    (path,) = Path("logs/first").glob("events.*")
    data, found = path.read_bytes(), {}
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        event = Event.FromString(data[12 : 12 + length])
        found |= {value.tag: value.simple_value for value in event.summary.value}
        data = data[16 + length :]
    return found


def of_mlflow(names):
    import mlflow

    (run,) = mlflow.search_runs(output_format="list", search_all_experiments=True)
    return run.data.metrics


def of_wandb(names):
    import wandb

    # Ends the process that writes the file, a log of messages with names and numbers as text.
    wandb.teardown()
    (path,) = Path("wandb").glob("offline-run-*/*.wandb")
    text = path.read_bytes().decode("latin-1")
    last = scalars(names["run"].log[-1])
    return {name: value for name, value in last.items() if name in text and str(value) in text}


def of_trackio(names):
    (path,) = Path("trackio").glob("*.db")
    ((text,),) = sqlite3.connect(path).execute(
        "SELECT metrics FROM metrics ORDER BY step DESC LIMIT 1"
    )
    return json.loads(text)


READERS = {
    "tensorboardX": of_tensorboard,
    "mlflow": of_mlflow,
    "wandb": of_wandb,
    "trackio": of_trackio,
}


def test_every_block_is_of_a_program_that_can_be_read():
    assert [re.findall(r"^(?:from|import) (\w+)", text)[0] for text in BLOCKS] == list(READERS)
    for text in BLOCKS:
        assert len([line for line in text.splitlines() if line.strip()]) <= 10


# What these programs deprecate in packages of their own is not for this suite.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("package", READERS)
def test_a_program_keeps_the_numbers_of_every_epoch(package, tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    pytest.importorskip(package, reason=f"{package} is not installed")
    write_ratings(tmp_path / "ratings.csv", n_users=60)
    monkeypatch.chdir(tmp_path)
    (text,) = [text for text in BLOCKS if re.match(rf"(from|import) {package}\b", text)]
    small = text.replace("mv.mult_vae, split", "mv.mult_vae((), 4), split, epochs=2")
    assert small != text
    names = {"__name__": "tracking"}
    jax.config.update("jax_disable_most_optimizations", True)
    try:
        exec(compile(START + small, package, "exec"), names)
    finally:
        jax.config.update("jax_disable_most_optimizations", False)
    run = names["run"]
    assert isinstance(run, mv.Run)
    found = READERS[package](names)
    assert len(run.log) == 2
    for name, value in scalars(run.log[-1]).items():
        if name != "step":
            # Two of the programs have no "@" in their names.
            kept = next(
                one
                for one in (name, name.replace("@", "_"), name.replace("@", "_at_"))
                if one in found
            )
            assert found[kept] == pytest.approx(value, rel=1e-6), name
