"""`multvae train --held-out 0`: a final model, trained on all users."""

import contextlib
import io

import jax
import numpy as np
import optax
import pytest

import multvae_jax as mv
from multvae_jax.cli import train as command
from multvae_jax.cli.main import main
from multvae_jax.runs.directory import is_resumable
from tests.cli.builders import arrays_of, log_of

pytestmark = pytest.mark.updates

SMALL = ["--hidden", "8", "--latent", "4", "--recipe", "paper", "--batch-size", "20"]


def train_all(ratings, out, *options):
    return main(
        ["train", "--data", str(ratings), "--held-out", "0", "--out", str(out), *SMALL, *options]
    )


@pytest.fixture(scope="module")
def final(folder, ratings):
    """A run whose epoch was selected, which was stopped after that and resumed; what it printed."""
    out, printed = folder / "final", io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "report_tested", fail)
        assert train_all(ratings, out, "--epochs", "6", "--patience", "6") == 2
    assert is_resumable(out)
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        assert main(["train", "--resume", str(out)]) == 0
    return out, printed.getvalue()


def fail(*arguments, **options):
    raise mv.InputError("the disk is full")


def test_the_epoch_is_selected_and_all_users_are_trained_on(final, ratings):
    final, _ = final
    first, second = log_of(final, "selection.jsonl"), log_of(final)
    best = int(np.argmax([entry["validation"]["ndcg@100"] for entry in first])) + 1
    assert len(first) == 6
    assert len(second) == best
    assert not any("validation" in entry for entry in second)
    assert not (final / "test.json").exists()
    parts = [line.split(",")[1] for line in (final / "users.csv").read_text().splitlines()[1:]]
    assert parts == ["train"] * 40
    # The same in Python.
    split = mv.hold_out_users(mv.read_interactions(ratings), validation=0, test=0)
    run = mv.fit_on_all(
        jax.random.key(0),
        mv.mult_vae((8,), 4),
        split,
        recipe=mv.recipe.paper,
        epochs=6,
        batch_size=20,
        optimizer=optax.adam(0.001),
    )
    assert run.best_epoch == best
    kept = arrays_of(final / "checkpoint" / "params")
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), kept, run.params
    )


def test_the_validation_of_the_selection_is_shown_as_such(final):
    run, said = final
    best = max(entry["validation"]["ndcg@100"] for entry in log_of(run, "selection.jsonl"))
    assert f"{best:.4f}" in said
    assert "mult-vae, validation" in said
    assert "±" not in said
    assert "no test: all 40 users were trained on" in said


def test_epochs_alone_train_without_a_selection(ratings, tmp_path, capsys):
    assert train_all(ratings, tmp_path / "run", "--epochs", "2") == 0
    printed = capsys.readouterr()
    assert "no validation: trained all 2 epochs" in printed.err
    assert printed.out == f"run: {tmp_path / 'run'}\n"
    assert not (tmp_path / "run" / "selection.jsonl").exists()


def test_the_run_recommends_and_is_evaluated_on_new_users_only(final, ratings, folder, capsys):
    final, _ = final
    assert main(["evaluate", str(final)]) == 2
    assert capsys.readouterr().err == (
        f"multvae: {final}: it has no test users, because it was trained on all users (--held-out "
        f"0); multvae evaluate {final} --data FILE evaluates it on new users\n"
    )
    assert main(["compare", str(final), "--lists", "lists.csv"]) == 2
    assert "it has no test users" in capsys.readouterr().err
    with pytest.raises(mv.InputError, match="it has no test users, because"):
        mv.load_held_out_users(final)
    assert main(["recommend", str(final), "--all", "-k", "1"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1 + 40
    assert main(["similar", str(final), "101", "-k", "2"]) == 0
    new = folder / "new.csv"
    new.write_text(ratings.read_text().strip().replace("\n", "\nnew-"))
    assert main(["evaluate", str(final), "--data", str(new)]) == 0
    assert "mean ± standard error over 4" in capsys.readouterr().out
