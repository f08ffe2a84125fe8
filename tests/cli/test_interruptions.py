"""What ends a training early, and what is kept: signals, a second process, a full disk, NaN."""

import contextlib
import json
import os
import signal
import threading

import jax
import numpy as np
import pytest

import multvae_jax as mv
from multvae_jax.cli import results
from multvae_jax.cli import train as command
from multvae_jax.cli.main import main
from multvae_jax.runs.directory import is_resumable
from tests.cli.builders import SMALL, log_of, train

pytestmark = pytest.mark.updates

# Long enough that a signal comes in the middle of it.
LONG = [
    *("--held-out", "8", "--hidden", "16", "--latent", "4", "--epochs", "100000"),
    *("--baselines", "none"),
]


@pytest.fixture
def training(commands, ratings, tmp_path):
    """A training that goes on, and its process."""
    run = tmp_path / "run"
    process = commands.start("train", "--data", ratings, *LONG, "--out", run)
    commands.wait_for(run / "metrics.jsonl", lines=2)
    return run, process


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_the_first_signal_ends_the_epoch_and_keeps_a_run_that_resumes(
    commands, training, number, status
):
    run, process = training
    os.kill(process, number)
    assert commands.wait() == status
    assert f"{number.name}: stopping after this epoch" in commands.said
    assert f"multvae train --resume {run} continues it" in commands.said
    assert "Traceback" not in commands.said
    # The run is whole: it has results, and it can be used.
    assert main(["evaluate", str(run), "--cutoffs", "5"]) == 0
    done = len(log_of(run))
    # It goes on, and can be stopped again.
    process = commands.start("train", "--resume", run)
    commands.wait_for(run / "metrics.jsonl", lines=done + 2)
    os.kill(process, signal.SIGTERM)
    assert commands.wait() == 143
    assert f"the training goes on after epoch {done}" in commands.said
    epochs = [entry["epoch"] for entry in log_of(run)]
    assert epochs == list(range(1, len(epochs) + 1))
    assert main(["evaluate", str(run), "--cutoffs", "5"]) == 0


def test_a_second_signal_ends_at_once_and_leaves_the_last_checkpoint(commands, ratings, tmp_path):
    run = tmp_path / "run"
    options = [*LONG, "--checkpoint-every", "1"]
    process = commands.start("train", "--data", ratings, *options, "--out", run)
    commands.wait_for(run / "metrics.jsonl", lines=20)
    os.kill(process, signal.SIGTERM)
    os.kill(process, signal.SIGTERM)
    assert commands.wait() == 143
    assert commands.said.count("Traceback") == 0
    assert f"multvae train --resume {run} continues it" in commands.said
    assert is_resumable(run)


def test_a_signal_in_the_last_epoch_leaves_a_finished_run(ratings, tmp_path, monkeypatch, capsys):
    fit = command.fit

    def fit_until_a_signal(callback, **options):
        def signalled(state):
            if state.entry is not None and len(state.log) == options["epochs"]:
                os.kill(os.getpid(), signal.SIGTERM)
            return callback(state)

        return fit(callback=signalled, **options)

    monkeypatch.setattr(command, "fit", fit_until_a_signal)
    assert train(ratings, tmp_path / "run") == 0
    assert "continues it" not in capsys.readouterr().err
    assert not is_resumable(tmp_path / "run")
    assert not (tmp_path / "run" / "checkpoints").exists()


def end_of_file(fifo):
    """End a FIFO for its reader, if there is one."""
    with contextlib.suppress(OSError):
        os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))


def test_a_signal_before_the_training_leaves_nothing(commands, tmp_path):
    """The program is reading; a FIFO keeps it there."""
    os.mkfifo(tmp_path / "ratings.csv")
    process = commands.start(
        "train", "--data", tmp_path / "ratings.csv", "--out", tmp_path / "a" / "run"
    )
    commands.wait_for(tmp_path / "a" / "run" / "config.json")
    os.kill(process, signal.SIGTERM)
    # The reader may be in a system call that only the end of the file ends.
    threading.Timer(0.5, end_of_file, [tmp_path / "ratings.csv"]).start()
    assert commands.wait() == 143
    assert commands.said.strip().endswith("multvae: interrupted")
    assert not (tmp_path / "a").exists()


def test_a_directory_that_is_being_trained_in_is_refused_at_once(
    commands, training, ratings, capsys
):
    run, process = training
    assert main(["train", "--data", str(ratings), *LONG, "--out", str(run)]) == 2
    assert f"{run}: in use by process {process} on " in capsys.readouterr().err
    assert main(["train", "--resume", str(run)]) == 2
    assert f"{run}: in use by process {process} on " in capsys.readouterr().err
    os.kill(process, signal.SIGKILL)
    assert commands.wait() == -signal.SIGKILL
    # An unfinished run is not written over, but named with the command that goes on.
    assert main(["train", "--data", str(ratings), *LONG, "--out", str(run)]) == 2
    assert f"has an unfinished run; multvae train --resume {run}" in capsys.readouterr().err


def test_two_runs_of_one_second_have_two_names(ratings, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command.time, "strftime", lambda form: "20260101-000000")
    for _ in range(2):
        options = ["--held-out", "8", "--baselines", "none", *SMALL]
        assert main(["train", "--data", str(ratings), *options]) == 0
    names = sorted(path.name for path in (tmp_path / "runs").iterdir())
    assert names == [
        "ratings-mult-vae-20260101-000000",
        "ratings-mult-vae-20260101-000000-2",
    ]
    assert f"run: runs/{names[1]}" in capsys.readouterr().out


@pytest.mark.parametrize("limit", [2_000, 20_000])
def test_a_full_disk_is_one_line_and_does_not_end_the_training(commands, limit, ratings, tmp_path):
    """A limit on the size of a file stands for the space on a disk."""
    run = tmp_path / "run"
    options = ["--data", ratings, "--held-out", "8", *SMALL, "--hidden", "64", "--out", run]
    commands.start("train", *options, "--checkpoint-every", "1", largest_file=limit)
    assert commands.wait() == 2
    *notes, last = commands.said.splitlines()
    assert last.startswith(f"multvae: {run}: File too large; neither can ")
    assert f"{run}: a checkpoint cannot be written (File too large); the training goes on" in notes
    assert any("kept epoch" in note for note in notes)
    assert "Traceback" not in commands.said


def test_a_run_whose_directory_fails_is_written_elsewhere(ratings, tmp_path, monkeypatch, capsys):
    elsewhere, write = tmp_path / "elsewhere", command.runs.write_run
    monkeypatch.setattr(results.tempfile, "mkdtemp", lambda prefix: str(elsewhere))

    def write_run(directory, *parts):
        write(directory, *parts)
        if directory != elsewhere:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(command.runs, "write_run", write_run)
    assert train(ratings, tmp_path / "run") == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"multvae: {tmp_path / 'run'}: No space left on device; the run was written to {elsewhere}"
    )
    assert len(mv.load_run(elsewhere).log) == 2


def test_too_little_space_is_said_before_the_first_epoch(ratings, tmp_path, monkeypatch, capsys):
    usage = type("Usage", (), {"free": 10_000})
    monkeypatch.setattr("multvae_jax.host.files.shutil.disk_usage", lambda path: usage)
    assert train(ratings, tmp_path / "run") == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"multvae: {tmp_path / 'run'}: 0.0 MB are free, and ")
    assert not (tmp_path / "run").exists()


def test_a_directory_that_vanishes_is_made_again(ratings, tmp_path, monkeypatch, capsys):
    run = tmp_path / "run"
    fit = command.fit

    def remove_and_fit(**options):
        import shutil

        shutil.rmtree(run)
        return fit(**options)

    monkeypatch.setattr(command, "fit", remove_and_fit)
    assert train(ratings, run) == 0
    assert len(mv.load_run(run).log) == 2


# --- numbers that are not finite ------------------------------------------------------------------

SPOILED = """
import jax.numpy as jnp
from multvae_jax.objectives import negative_elbo


def spoiled(network, likelihood, prior):
    right = negative_elbo(network, likelihood, prior)

    def loss(params, hyper, batch, key, step):
        value, terms = right(params, hyper, batch, key, step)
        value = jnp.where(step == 25, jnp.nan, value)
        return value, {**terms, "loss": value}

    return loss
"""


def test_the_epochs_before_a_divergence_are_kept_and_the_run_goes_on(ratings, tmp_path, capsys):
    (tmp_path / "my.py").write_text(SPOILED)
    run = tmp_path / "run"
    options = ["--objective", f"{tmp_path}/my.py:spoiled", "--epochs", "4"]
    # Twelve updates an epoch.
    options += ["--batch-size", "2", "--checkpoint-every", "1"]
    assert train(ratings, run, *options) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert "training diverged: the loss of update 26 (epoch 3) is not finite" in last
    assert "the users of its batch are '" in last
    assert f"is kept in {run}; a lower learning rate may help, or multvae train --resume" in last
    kept = mv.load_run(run, trust_code=True)
    assert len(kept.log) == 2
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(kept.params))
    again = ["train", "--resume", str(run), "--on-nan", "skip", "--trust-code"]
    assert main(again) == 0
    assert [entry.get("skipped") for entry in log_of(run)] == [None, None, 1, 0]
    assert not is_resumable(run)


@pytest.mark.nans
def test_a_run_whose_scores_are_not_finite_is_no_success(ratings, tmp_path, capsys, monkeypatch):
    """Without validation users, nothing has looked at the scores before the test."""
    rows = ratings.read_text()
    (tmp_path / "test.csv").write_text(rows)
    lines = rows.splitlines()
    (tmp_path / "train.csv").write_text("\n".join([lines[0], *lines[1::2]]) + "\n")
    files = ["--train", f"{tmp_path}/train.csv", "--test", f"{tmp_path}/test.csv"]
    huge = ["--optimizer", "sgd", "--learning-rate", "1e37", "--epochs", "1", "--batch-size", "999"]
    huge += ["--recipe", "paper", "--held-out", "none", "--baselines", "none"]
    status = main(
        ["train", *files, "--out", str(tmp_path / "run"), "--hidden", "8", "--latent", "4", *huge]
    )
    assert status == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert "not finite" in last
    json.dumps(last)


def test_resume_refuses_other_options_other_data_and_a_finished_run(
    run, ratings, folder, tmp_path, capsys
):
    def refusal(*arguments):
        assert main(["train", *map(str, arguments)]) == 2
        return capsys.readouterr().err.splitlines()[-1]

    assert refusal("--resume", run) == (
        f"multvae: {run}: the run is finished; there is nothing to resume"
    )
    assert "no such file" in refusal("--resume", tmp_path / "nothing").lower()
    assert refusal("--resume", run, "--latent", "5") == (
        f"multvae: --resume {run}: the run goes on with its own options, and its latent is not 5"
    )
    assert "--out and --resume" in refusal("--resume", run, "--out", tmp_path / "b")
    assert "--config and --resume" in refusal("--resume", run, "--config", run / "config.json")
    wrong = refusal("--data", ratings, "--checkpoint-every", "often")
    assert wrong.startswith("multvae: --checkpoint-every often: neither a number of epochs")


def test_a_run_does_not_go_on_with_other_data(commands, training, ratings, tmp_path, capsys):
    run, process = training
    os.kill(process, signal.SIGKILL)
    commands.wait()
    config = json.loads((run / "config.json").read_text())
    other = tmp_path / "other.csv"
    other.write_text("\n".join(ratings.read_text().splitlines()[:-3]) + "\n")
    config["data"]["source"]["path"] = str(other)
    (run / "config.json").write_text(json.dumps(config))
    assert main(["train", "--resume", str(run)]) == 2
    assert f"{run}: its data has changed since the run began" in capsys.readouterr().err
