"""Runs and sweeps on disk that older code wrote still load.

The folder `old` holds a run of each model, what they recommended, and a sweep, as the code wrote
them before options that exclude each other became unions. Curves and training states are left out.
"""

import csv
import io
import json
import shutil
from pathlib import Path

import pytest

from multvae_jax.cli.main import main
from multvae_jax.sweeps import groups

pytestmark = pytest.mark.updates

OLD = Path(__file__).parent / "old"
SWEEP = [
    *("sweep", "--data", "ratings.csv", "--held-out", "5", "--epochs", "2"),
    # The only recipe of that version.
    *("--recipe", "paper"),
    *("--hidden", "6", "--latent", "3", "--likelihood", "gaussian"),
    *("--constants", "c1", "1", "c0", "0.2"),
    *("--vary", "beta-cap", "0.1", "0.2", "--seeds", "2", "--out", "sweep"),
]


@pytest.fixture
def old(tmp_path, monkeypatch) -> Path:
    """A copy to work in; its runs name their data by absolute paths, as they were written."""
    folder = tmp_path / "old"
    shutil.copytree(OLD, folder)
    for run in ("run", "run-dae"):
        change_config(folder / run, data={"data": str(folder / "ratings.csv")})
    monkeypatch.chdir(folder)
    return folder


def change_config(run: Path, **parts: dict) -> None:
    config = json.loads((run / "config.json").read_text())
    for part, options in parts.items():
        config[part] |= options
    (run / "config.json").write_text(json.dumps(config))


def rows_of(text: str) -> list[dict]:
    rows = csv.DictReader(io.StringIO(text))
    return [{**row, "score": float(row["score"])} for row in rows]


@pytest.mark.parametrize("run", ["run", "run-dae"])
@pytest.mark.parametrize("objective", [None, "as named then"])
def test_an_old_run_recommends_as_it_did(run, objective, old, capsys):
    if objective is not None:
        name = "denoising" if run == "run-dae" else "negative_elbo"
        change_config(old / run, model={"objective": name})
    assert main(["recommend", run, "--history", "history.csv", "-k", "3"]) == 0
    found, expected = map(rows_of, (capsys.readouterr().out, Path(f"{run}-golden.csv").read_text()))
    for row in expected:
        row["score"] = pytest.approx(row["score"], rel=1e-4)
    assert found == expected
    assert len(found) > 0


@pytest.mark.parametrize("run", ["run", "run-dae"])
def test_an_old_run_gives_its_test_metrics_again(run, old):
    assert main(["evaluate", run, "--out", "again.json"]) == 0
    found, before = (
        json.loads(Path(file).read_text()) for file in ("again.json", f"{run}/test.json")
    )
    assert found.keys() == before.keys()
    assert (found["users"], found["users_without_target"]) == (5, 0)
    for recommender in ("model", "popularity"):
        assert found[recommender].keys() == before[recommender].keys()
        for metric, summary in before[recommender].items():
            assert found[recommender][metric] == pytest.approx(summary, rel=1e-4)


def test_the_configuration_of_an_old_run_trains_again(old):
    given = ["--config", "run-dae/config.json", "--epochs", "1", "--baselines", "none"]
    assert main(["train", *given, "--out", "new"]) == 0
    (entry,) = map(json.loads, Path("new/metrics.jsonl").read_text().splitlines())
    first, _ = map(json.loads, Path("run-dae/metrics.jsonl").read_text().splitlines())
    assert entry["loss"] == pytest.approx(first["loss"], rel=1e-4)


def test_the_best_setting_of_an_old_sweep_trains(old):
    given = ["--config", "sweep/best.json", "--baselines", "none"]
    assert main(["train", *given, "--out", "new"]) == 0
    (best,) = json.loads(Path("sweep/results.json").read_text())["settings"][:1]
    log = [json.loads(line) for line in Path("new/metrics.jsonl").read_text().splitlines()]
    values = [entry["validation"]["ndcg@100"] for entry in log]
    assert max(values) == pytest.approx(best["by_seed"][0], rel=1e-4)
    assert log[-1]["beta"] == pytest.approx(0.1)


def test_an_old_sweep_resumes_with_the_members_that_are_missing(old, monkeypatch):
    trained = []
    sweep = groups.sweep

    def counted(members, *args, **options):
        trained.extend(members)
        return sweep(members, *args, **options)

    monkeypatch.setattr(groups, "sweep", counted)
    journal = Path("sweep/members.jsonl")
    whole = journal.read_text()
    before = json.loads(Path("sweep/results.json").read_text())
    assert main(SWEEP) == 0
    assert trained == []
    assert journal.read_text() == whole
    assert json.loads(Path("sweep/results.json").read_text()) == before
    # Killed while the last member was being written.
    journal.write_text(whole[:-200])
    assert main(SWEEP) == 0
    assert len(trained) == 1
    lines = journal.read_text().splitlines()
    assert lines[:-1] == whole.splitlines()[:-1]
    last, expected = (json.loads(text.splitlines()[-1]) for text in (journal.read_text(), whole))
    assert (last["setting"], last["seed"]) == (expected["setting"], expected["seed"])
    assert last["validation"] == pytest.approx(expected["validation"], rel=1e-4)


def test_the_journal_of_an_old_sweep_with_other_options_is_refused(old, capsys):
    assert main([*SWEEP, "--epochs", "3"]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "multvae: sweep/members.jsonl: of another sweep, with epochs 2 and not 3; "
        "name another with --out"
    )
