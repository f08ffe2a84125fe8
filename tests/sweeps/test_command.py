"""`multvae sweep` as a user meets it, and `--config`, which takes what it finds."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import pytest

from multvae_jax.cli.main import main
from multvae_jax.sweeps import groups, optuna_study
from multvae_jax.sweeps.parts import Outcome
from multvae_jax.sweeps.space import read_space
from tests.builders import write_ratings
from tests.cli.builders import SMALL

pytestmark = pytest.mark.updates

VARY = ["--vary", "learning-rate", "1e-3", "1e-1", "--seeds", "2"]


@pytest.fixture(scope="module")
def ratings(tmp_path_factory) -> Path:
    return write_ratings(tmp_path_factory.mktemp("sweep") / "ratings.csv")


def sweep_arguments(ratings: Path, out: Path, *options: str) -> list[str]:
    given = ["sweep", "--data", str(ratings), "--held-out", "8", "--out", str(out)]
    return [*given, *SMALL, *options]


@pytest.fixture(scope="module")
def swept(ratings) -> Path:
    out = ratings.parent / "swept"
    assert main(sweep_arguments(ratings, out, *VARY)) == 0
    return out


def records(out: Path) -> list[dict]:
    _, *lines = (out / "members.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_a_sweep_writes_every_member_and_the_settings_in_order(swept):
    names = sorted(path.name for path in swept.iterdir())
    assert names == ["best.json", "members.jsonl", "results.json", "sweep.png"]
    members = records(swept)
    assert [(m["setting"]["learning-rate"], m["seed"]) for m in members] == [
        (1e-3, 0),
        (1e-3, 1),
        (1e-1, 0),
        (1e-1, 1),
    ]
    assert all([entry["epoch"] for entry in member["log"]] == [1, 2] for member in members)
    settings = json.loads((swept / "results.json").read_text())["settings"]
    means = [setting["mean"] for setting in settings]
    assert means == sorted(means, reverse=True)
    for setting in settings:
        by_seed = [
            member["log"][member["best_epoch"] - 1]["validation"]["ndcg@100"]
            for member in members
            if member["setting"] == setting["setting"]
        ]
        assert setting["by_seed"] == by_seed
        assert setting["mean"] == pytest.approx(sum(by_seed) / 2)
        # Student's t with one degree of freedom has its 97.5% quantile at 12.706.
        half = 12.7062 * abs(by_seed[0] - by_seed[1]) / 2
        assert setting["interval"] == pytest.approx(half, rel=1e-4)
    assert (swept / "sweep.png").read_bytes().startswith(b"\x89PNG")


def test_train_makes_the_same_run_of_the_best_setting(swept, ratings, tmp_path):
    best = json.loads((swept / "results.json").read_text())["settings"][0]
    run = tmp_path / "run"
    given = ["--config", str(swept / "best.json"), "--baselines", "none"]
    assert main(["train", *given, "--out", str(run)]) == 0
    log = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    values = [entry["validation"]["ndcg@100"] for entry in log]
    assert max(values) == pytest.approx(best["by_seed"][0], rel=1e-5)
    training = json.loads((run / "config.json").read_text())["training"]
    assert training["learning_rate"] == best["setting"]["learning-rate"]


def test_what_is_finished_is_not_trained_again(swept, ratings, tmp_path, monkeypatch):
    """Of a journal cut within its third member, the first two are taken as they are."""
    out = tmp_path / "killed"
    out.mkdir()
    lines = (swept / "members.jsonl").read_text().splitlines(keepends=True)
    # A value that training would not find again.
    first = json.loads(lines[1])
    first["validation"]["ndcg@100"] = 0.125
    (out / "members.jsonl").write_text(
        lines[0] + json.dumps(first) + "\n" + lines[2] + lines[3][:40]
    )
    trained = []
    sweep = groups.sweep

    def counted(members, *args, **options):
        trained.append(len(members))
        return sweep(members, *args, **options)

    monkeypatch.setattr(groups, "sweep", counted)
    assert main(sweep_arguments(ratings, out, *VARY)) == 0
    assert trained == [2]
    before, after = records(swept), records(out)
    assert after[0] == first
    assert [m["validation"] for m in after[1:]] == [m["validation"] for m in before[1:]]
    by_seed = [s["by_seed"] for s in json.loads((out / "results.json").read_text())["settings"]]
    assert [0.125, before[1]["validation"]["ndcg@100"]] in by_seed
    # And with all of them finished there is nothing to train.
    results = (out / "results.json").read_bytes()
    assert main(sweep_arguments(ratings, out, *VARY)) == 0
    assert trained == [2]
    assert (out / "results.json").read_bytes() == results


def test_the_journal_of_another_sweep_or_of_other_data_is_refused(swept, ratings, tmp_path, capsys):
    journal = (swept / "members.jsonl").read_bytes()
    assert main(sweep_arguments(ratings, swept, *VARY, "--epochs", "3")) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    place = swept / "members.jsonl"
    assert said == (
        f"multvae: {place}: of another sweep, with epochs 2 and not 3; name another with --out"
    )
    before = ratings.read_text()
    try:
        ratings.write_text(before.replace(",100,", ",129,"))
        assert main(sweep_arguments(ratings, swept, *VARY)) == 2
    finally:
        ratings.write_text(before)
    assert "of another sweep, with " in capsys.readouterr().err
    assert (swept / "members.jsonl").read_bytes() == journal


def test_settings_that_change_shapes_are_programs_of_their_own(ratings, tmp_path, monkeypatch):
    trained = []

    def counted(members, *args, **options):
        trained.append(len(members))
        return sweep(members, *args, **options)

    sweep = groups.sweep
    monkeypatch.setattr(groups, "sweep", counted)
    vary = ["--vary", "latent", "3", "4", "--vary", "dropout", "0.0", "0.5", "0.9"]
    assert main(sweep_arguments(ratings, tmp_path / "out", *vary, "--epochs", "1")) == 0
    assert trained == [3, 3]
    assert len(records(tmp_path / "out")) == 6


WRONG = {
    "unknown": (["--vary", "betas", "1"], "--vary betas: not an option of the model or the "),
    "both": (["--random", "2", "--optuna", "2"], "--random and --optuna: give one or the other"),
    "batch": (["--trials-at-once", "2"], "--trials-at-once: is the size of a batch of --optuna"),
    "two rises": (
        ["--vary", "anneal-share", "0.5", "--vary", "anneal-steps", "5"],
        "--anneal-share and --anneal-steps: give one or the other",
    ),
    "metric": (
        ["--vary", "latent", "2", "--select-by", "recal@20"],
        "--select-by recal@20: no such metric; did you mean recall@20?",
    ),
    "nothing": (["--optuna", "2"], "--optuna: nothing varies; give it a --vary"),
    "range": (["--vary", "latent", "2:4"], "--vary latent: a range takes --random or --optuna"),
    "likelihood": (
        ["--vary", "likelihood", "multinomial", "gausian"],
        "--likelihood gausian: no such likelihood; did you mean gaussian? "
        "There are: gaussian, multinomial, logistic, poisson, or my_file.py:name",
    ),
    "constant": (
        ["--vary", "constants.c3", "1", "--likelihood", "gaussian"],
        "--constants c3: --likelihood gaussian has no such constant",
    ),
    "devices": (
        ["--vary", "latent", "2", "--devices", "7"],
        "--devices: jax is in use already, with another number",
    ),
    "memory": (["--vary", "latent", "2", "--memory", "1e-6"], "more than the limit of 1e-06 GB"),
    "max-parallel": (
        ["--vary", "latent", "2", "--max-parallel", "0"],
        "--max-parallel: expected `int` >= 1",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_is_one_line(name, ratings, tmp_path, capsys):
    options, message = WRONG[name]
    # From here on the number of devices is fixed.
    assert jax.devices()
    assert main(sweep_arguments(ratings, tmp_path / "out", *options)) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[-1].startswith("multvae: ")
    assert message in said[-1]
    assert not (tmp_path / "out").exists()


def test_another_metric_selects_the_setting(ratings, tmp_path, capsys):
    options = ["--select-by", "mrr@1", "--vary", "anneal-share", "0.2", "1", "--seed", "3"]
    out = tmp_path / "out"
    assert main(sweep_arguments(ratings, out, *options, "--learning-rate", "0.3")) == 0
    results = json.loads((out / "results.json").read_text())
    assert results["metric"] == "mrr@1"
    for setting in results["settings"]:
        (member,) = (m for m in records(out) if m["setting"] == setting["setting"])
        assert set(member["validation"]) == {"recall@20", "recall@50", "ndcg@100", "mrr@1"}
        values = [entry["validation"]["mrr@1"] for entry in member["log"]]
        assert setting["by_seed"] == [max(values)]
    shown = capsys.readouterr()
    assert "MRR@1" in shown.out
    assert "NDCG@100" not in shown.out + shown.err
    assert "best MRR@1 " in shown.err
    best = json.loads((out / "best.json").read_text())["training"]
    assert best["select_by"] == "mrr@1"
    share = results["settings"][0]["setting"]["anneal-share"]
    assert best["rise"] == {"type": "share", "share": share}
    # Its journal is that of another sweep.
    assert main(sweep_arguments(ratings, out, *options[2:], "--learning-rate", "0.3")) == 2
    assert 'with select-by "mrr@1" and not "ndcg@100"' in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_keeps_what_is_trained_and_says_how_to_go_on(
    number, ratings, tmp_path, monkeypatch, capsys
):
    outcome = Outcome([{"epoch": 1, "loss": 1.0, "validation": {"ndcg@100": 0.5}}], 1)

    def half(members, *_, callback, on_part, **__):
        on_part({0: outcome})
        os.kill(os.getpid(), number)
        callback({})
        pytest.fail("it goes on")

    monkeypatch.setattr(groups, "sweep", half)
    out = tmp_path / "out"
    assert main(sweep_arguments(ratings, out, *VARY)) == 128 + number
    *_, told, last = said = capsys.readouterr().err.splitlines()
    assert f"{number.name}: stopping after this epoch; a second signal stops at once" in said
    assert told == (
        f"{out / 'members.jsonl'}: 1 of the settings and seeds are trained; the same command with "
        f"--out {out} continues from there"
    )
    assert last == "multvae: interrupted"
    assert len(records(out)) == 1
    assert [path.name for path in out.iterdir()] == ["members.jsonl"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_under_a_sweep_is_one_line(swept, ratings, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "members.jsonl").write_bytes((swept / "members.jsonl").read_bytes())
    (out / "sweep.png").symlink_to("/dev/full")
    assert main(sweep_arguments(ratings, out, *VARY)) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"multvae: {out / 'sweep.png'}: No space left on device"
    )


@pytest.mark.nans
def test_a_sweep_of_what_diverges_says_so(ratings, tmp_path, capsys):
    options = ["--vary", "learning-rate", "1e30", "--optimizer", "sgd"]
    assert main(sweep_arguments(ratings, tmp_path / "out", *options)) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "multvae: training diverged with every setting; a lower learning rate may help"
    )
    (member,) = records(tmp_path / "out")
    assert member["diverged"]


def test_a_study_trains_as_many_settings_as_asked_a_batch_as_one_program(
    ratings, tmp_path, monkeypatch
):
    trained = []
    sweep = groups.sweep

    def counted(members, *args, **options):
        trained.append(len(members))
        return sweep(members, *args, **options)

    monkeypatch.setattr(groups, "sweep", counted)
    options = ["--vary", "learning-rate", "1e-3:1e-1:log", "--epochs", "1"]
    asked = ["--optuna", "5", "--trials-at-once", "3"]
    assert main(sweep_arguments(ratings, tmp_path / "out", *options, *asked)) == 0
    assert trained == [3, 2]
    rates = {member["setting"]["learning-rate"] for member in records(tmp_path / "out")}
    assert len(rates) == 5
    assert all(1e-3 <= rate <= 1e-1 for rate in rates)


def test_a_study_finds_the_best_of_a_space_that_is_known():
    """A hill over three options of three kinds. 60 draws at random reach 0.9 of its height with
    a chance of about 0.6; the sampler, which knows the results of its draws, reaches more."""
    space = read_space(
        [
            ("learning-rate", "1e-4:1e-1:log"),
            ("latent", "10:300"),
            ("hidden", "600", "200,100", "50"),
        ]
    )
    asked, told = [], []

    def value(setting):
        away = abs(setting["latent"] - 120) / 290 + abs(setting["learning-rate"] - 3e-3)
        return 1.0 - away - 0.3 * (setting["hidden"] != (200, 100))

    def train(settings):
        asked.append(len(settings))
        told.extend(settings)
        return [value(setting) for setting in settings]

    optuna_study.study(space, train, trials=60, at_once=10, seed=0)
    assert asked == [10] * 6
    assert max(map(value, told)) > 0.95
    first, last = told[:10], told[-10:]
    assert sum(map(value, last)) > sum(map(value, first))
    # What is known already counts, and is built on.
    asked.clear()
    before = [(setting, value(setting)) for setting in told[:50]]
    optuna_study.study(space, train, trials=60, at_once=10, seed=0, before=before)
    assert asked == [10]


def test_train_takes_a_file_and_the_options_win(ratings, tmp_path, capsys):
    file = tmp_path / "options.json"
    file.write_text(
        json.dumps(
            {
                "data": {"data": str(ratings), "held_out": 8},
                "model": {"hidden": [16], "latent": 4, "likelihood": "gaussian"},
                "training": {"epochs": 1, "seed": 3},
            }
        )
    )
    out = tmp_path / "run"
    options = ["--latent", "5", "--constants", "c0", "0.5", "--baselines", "none"]
    assert main(["train", f"--config={file}", *options, "--out", str(out)]) == 0
    config = json.loads((out / "config.json").read_text())
    assert config["model"]["hidden"] == [16]
    assert config["model"]["latent"] == 5
    assert config["model"]["constants"] == {"c0": 0.5}
    assert config["training"]["seed"] == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "No such file or directory"),
        ("{", "not JSON: expecting property name enclosed in double quotes in line 1, column 2"),
        ('{"training": {"epochs": 0}}', "training.epochs: expected `int` >= 1"),
    ],
)
def test_a_wrong_file_is_one_line(text, message, tmp_path, capsys):
    file = tmp_path / "options.json"
    if text is not None:
        file.write_text(text)
    assert main(["train", "--config", str(file)]) == 2
    assert capsys.readouterr().err == f"multvae: --config {file}: {message}\n"


@pytest.mark.slow
def test_a_sweep_that_is_killed_goes_on_from_there(ratings, tmp_path):
    """SIGKILL once a member is finished; what has begun by then is trained again."""
    out = tmp_path / "out"
    options = [*VARY, "--epochs", "40", "--max-parallel", "1", "--devices", "1"]
    arguments = sweep_arguments(ratings, out, *options)
    program = "import sys; from multvae_jax.cli.main import main; sys.exit(main(sys.argv[1:]))"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    running = subprocess.Popen([sys.executable, "-c", program, *arguments], env=environment)
    journal = out / "members.jsonl"
    while running.poll() is None and (
        not journal.exists() or len(journal.read_text().splitlines()) < 2
    ):
        time.sleep(0.02)
    running.send_signal(signal.SIGKILL)
    running.wait()
    finished = journal.read_text().splitlines()[1:]
    assert 1 <= len(finished) < 4
    assert main(arguments) == 0
    lines = journal.read_text().splitlines()[1:]
    assert len(lines) == 4
    assert lines[0] == finished[0]
