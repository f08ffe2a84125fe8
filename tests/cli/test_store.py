"""`multvae store`, and commands on a run that was trained from a store."""

import os
import shutil
import signal

import pytest

from multvae_jax.cli.main import main
from multvae_jax.data import histories
from multvae_jax.host.stored_matrix import StoredMatrix
from multvae_jax.runs import Checkpoints
from tests.builders import write_ratings
from tests.cli.builders import SMALL, assert_equal_runs

pytestmark = pytest.mark.updates

OPTIONS = ["--baselines", "popularity", *SMALL]


@pytest.fixture(scope="module")
def store(folder, ratings, run):
    """A store of the split that the run was trained on."""
    path = folder / "ratings.store"
    assert main(["store", "--data", str(ratings), "--held-out", "8", "--out", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def streamed(folder, store):
    """A run from the store, stopped after its first epoch and resumed."""
    save = Checkpoints.save

    def stopped(self, state):
        Checkpoints.save = save
        save(self, state)
        os.kill(os.getpid(), signal.SIGINT)

    Checkpoints.save = stopped
    words = ["--store", str(store), "--out", str(folder / "streamed"), *OPTIONS]
    assert main(["train", *words, "--checkpoint-every", "1"]) == 0
    shutil.copytree(folder / "streamed", folder / "stopped")
    assert main(["train", "--resume", str(folder / "streamed")]) == 0
    return folder / "streamed"


def test_a_run_from_a_store_is_that_from_the_ratings(run, streamed):
    assert_equal_runs(streamed, run)


def test_whom_to_recommend_to_is_read_in_parts(run, streamed, tmp_path, monkeypatch):
    """All users and some of them, with lists that do not depend on the parts."""
    blocks = StoredMatrix.blocks
    monkeypatch.setattr(StoredMatrix, "blocks", lambda self: blocks(self, n_entries=100))
    seen, parts_of_split = [], histories.parts_of_split

    def watched(split):
        seen.extend(parts := list(parts_of_split(split)))
        return iter(parts)

    monkeypatch.setattr("multvae_jax.runs.own_data.parts_of_split", watched)
    (tmp_path / "users.txt").write_text("7\n39\n3\n12\n")
    for words in (["--all"], ["--users", str(tmp_path / "users.txt")]):
        lists = []
        for one in (run, streamed):
            out = tmp_path / f"{one.name}.csv"
            assert main(["recommend", str(one), *words, "--out", str(out)]) == 0
            lists.append([row.split(",") for row in out.read_text().splitlines()[1:]])
        ours, theirs = lists
        assert [row[:3] for row in ours] == [row[:3] for row in theirs]
        scores = [[float(row[-1]) for row in one] for one in lists]
        assert scores[0] == pytest.approx(scores[1], abs=1e-6)
    # Of the run in memory there is one part at a time.
    assert len(seen) > 10
    assert max(part.train.nnz for part in seen[1:5]) <= 100


def test_a_run_goes_on_only_with_its_own_store(folder, streamed, store, tmp_path, capsys):
    other = write_ratings(tmp_path / "ratings.csv", n_items=20)
    kept = store.rename(tmp_path / "kept")
    assert main(["store", "--data", str(other), "--held-out", "8", "--out", str(store)]) == 0
    capsys.readouterr()
    assert main(["train", "--resume", str(folder / "stopped")]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "its data has changed since the run began; a run goes on only with the same" in said
    shutil.rmtree(store)
    kept.rename(store)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "--store", "{here}"], "{here}: not a store (it has no store.json)"),
        (["train", "--store", "{store}", "--data", "a.csv"], "--data and --store: give one or"),
        (["train", "--store", "{store}", "--min-rating", "4"], "--min-rating: has no effect with"),
        (["train", "--store", "{store}", "--held-out", "9"], "--held-out: has no effect with"),
        (["train", "--store", "{store}", "--split", "last"], "--split last: the data is a given"),
        (["store", "--store", "{store}"], "--store: is a store already"),
        (["store", "--data", "{ratings}", "--out", "{store}"], "{store}: already exists; choose"),
        (
            ["store", "--data", "{ratings}", "--out", "{ratings}/a/b"],
            "{ratings} is not a directory",
        ),
        (["store", "--data", "{ratings}", "--folds", "3"], "--folds: a store has one split"),
        (["store", "--data", "{ratings}", "--users-file", "u"], "--users-file: is not kept in a"),
    ],
)
def test_wrong_use_is_refused_in_one_line(words, message, store, ratings, tmp_path, capsys):
    places = {"store": store, "ratings": ratings, "here": tmp_path}
    words = [word.format(**places) for word in words]
    out = ["--out", str(tmp_path / "run")] if words[0] == "train" else []
    assert main([*words, *out]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message.format(**places) in line
