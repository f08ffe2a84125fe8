"""`multvae train` on a split without validation: selected on held-out interactions, then on all."""

import json
import os
import signal

import jax
import numpy as np
import optax
import pytest

import multvae_jax as mv
from multvae_jax.cli.main import main
from multvae_jax.config.metrics import final_metrics
from multvae_jax.config.options import TrainingOptions
from multvae_jax.runs.directory import is_resumable
from tests.cli.builders import assert_equal_runs, log_of

pytestmark = pytest.mark.updates

SMALL = [
    *("--hidden", "8", "--latent", "4", "--epochs", "10", "--batch-size", "4"),
    *("--learning-rate", "0.002", "--held-out", "0.25", "--checkpoint-every", "1"),
    *("--recipe", "paper", "--baselines", "popularity"),
]


@pytest.fixture(scope="module")
def files(folder):
    """Two tastes of 20 items; every user has twelve in training and three to be found."""
    random = np.random.default_rng(0)
    parts: dict[str, list[str]] = {"train": [], "test": []}
    for user in range(40):
        items = 20 * (user % 2) + random.permutation(20)[:15]
        for part, some in (("train", items[:12]), ("test", items[12:])):
            parts[part].append(" ".join(map(str, [user, *some])))
    for part, lines in parts.items():
        (folder / f"{part}.txt").write_text("\n".join(lines) + "\n")
    return ["--train", str(folder / "train.txt"), "--test", str(folder / "test.txt")]


@pytest.fixture(scope="module")
def whole(commands, folder, files):
    """A run that was never stopped, and what it said."""
    run = folder / "selected"
    assert commands.run("train", *files, *SMALL, "--out", run) == 0, commands.said
    return run, commands.said


def test_the_epoch_is_selected_and_all_is_trained_on(whole, files, capsys):
    run, said = whole
    first, second = log_of(run, "selection.jsonl"), log_of(run)
    best = int(np.argmax([entry["validation"]["ndcg@100"] for entry in first])) + 1
    assert len(first) == 10
    assert 2 < len(second) == best
    assert not any("validation" in entry for entry in second)
    assert f"kept epoch {best} of 10 (best validation NDCG@100), trained anew on all" in said
    assert "0.25 of each user's training interactions are held out to select the epoch" in said
    # The same from Python, with the same test figures.
    split = mv.given_split(*mv.read_given_split(files[1], None, files[3]))
    python = mv.fit_on_all(
        jax.random.key(0),
        mv.mult_vae((8,), 4),
        split,
        recipe=mv.recipe.paper,
        share=0.25,
        epochs=10,
        batch_size=4,
        optimizer=optax.adam(0.002),
    )
    assert python.best_epoch == best
    tested = mv.evaluate(python.scorer, split.test, final_metrics(TrainingOptions()))
    found = json.loads((run / "test.json").read_text())["model"]
    for metric, numbers in tested.summary().items():
        assert found[metric]["mean"] == pytest.approx(numbers["mean"], rel=1e-4)
    assert main(["evaluate", str(run), "--part", "validation"]) == 2
    assert "it has no validation users" in capsys.readouterr().err


@pytest.mark.parametrize("log", ["selection.jsonl", "metrics.jsonl"])
def test_killed_in_either_training_it_goes_on(commands, files, whole, tmp_path, log):
    process = commands.start("train", *files, *SMALL, "--out", tmp_path / "run")
    commands.wait_for(tmp_path / "run" / log, lines=2)
    os.kill(process, signal.SIGKILL)
    assert commands.wait() < 0
    assert is_resumable(tmp_path / "run")
    resumed = ["train", "--resume", tmp_path / "run", "--baselines", "popularity"]
    assert commands.run(*resumed) == 0, commands.said
    assert_equal_runs(tmp_path / "run", whole[0])
    kept = [log_of(run, "selection.jsonl") for run in (tmp_path / "run", whole[0])]
    assert len({json.dumps([entry["validation"] for entry in log]) for log in kept}) == 1


def test_a_signal_in_the_selection_says_how_to_go_on(commands, files, tmp_path):
    run = tmp_path / "run"
    process = commands.start("train", *files, *SMALL, "--epochs", "10000", "--out", run)
    commands.wait_for(run / "selection.jsonl")
    os.kill(process, signal.SIGTERM)
    assert commands.wait() == 128 + signal.SIGTERM
    said = f"stopped in the selection of the epoch; multvae train --resume {run} continues it"
    assert said in commands.said


def test_without_selection_all_epochs_are_trained(files, tmp_path, capsys):
    options = [*SMALL, "--epochs", "2", "--held-out", "none", "--out", str(tmp_path / "run")]
    assert main(["train", *files, *options]) == 0
    assert "no validation: trained all 2 epochs" in capsys.readouterr().err
    assert len(log_of(tmp_path / "run")) == 2
    assert not (tmp_path / "run" / "selection.jsonl").exists()
