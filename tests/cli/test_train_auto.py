"""`multvae train --model auto`."""

import json
import os
import signal

import pytest

import multvae_jax as mv
from multvae_jax.cli.main import main
from multvae_jax.config.options import DataOptions, ModelOptions, RunOptions, TrainConfig
from multvae_jax.config.unions import InteractionFile
from multvae_jax.model_selection import choosing
from multvae_jax.model_selection.trying import Candidate
from multvae_jax.runs.directory import keep_options
from multvae_jax.runs.run import write_config
from tests.builders import see_through_shape_checks
from tests.cli.builders import log_of, write_given_split

pytestmark = pytest.mark.updates


@pytest.fixture(scope="module", autouse=True)
def _small_models():
    """Small ones, and one that diverges."""
    models = {
        "small": Candidate(lambda: mv.mult_vae((), 4), epochs=2),
        "diverging": Candidate(lambda: mv.mult_vae((), 4), epochs=2, learning_rate=1e37),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(choosing, "MODELS", models)
        see_through_shape_checks(patch)
        yield


def choose(ratings, out, *options):
    given = ["train", "--model", "auto", "--data", str(ratings), "--held-out", "8"]
    return main([*given, "--out", str(out), *options])


@pytest.fixture(scope="module")
def made(folder, ratings):
    out = folder / "auto"
    assert choose(ratings, out, "--baselines", "popularity", "--minutes", "5") == 0
    return out


def test_all_that_was_tried_is_kept_best_first(made):
    tried = json.loads((made / "tried.json").read_text())
    assert [one["name"] for one in tried][-1] == "diverging"
    assert "training diverged" in tried[-1]["problem"]
    assert {one["name"] for one in tried[:-1]} == {"edlae", "small", "small + edlae"}
    values = [one["validation"]["ndcg@100"] for one in tried[:-1]]
    assert values == sorted(values, reverse=True)
    assert all(one["seconds"] > 0 and not one["stopped"] for one in tried)


def test_what_was_chosen_is_an_ordinary_run(made, folder, capsys):
    again = folder / "auto.json"
    assert main(["evaluate", str(made), "--out", str(again)]) == 0
    first, second = (json.loads(path.read_text()) for path in (made / "test.json", again))
    assert first["model"] == second["model"]
    assert first.keys() == {"model", "popularity", "users", "users_without_target"}
    (folder / "auto-history.csv").write_text("userId,movieId\na,101\na,102\n")
    history = str(folder / "auto-history.csv")
    capsys.readouterr()
    assert main(["recommend", str(made), "--history", history, "-k", "3"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4


@pytest.mark.parametrize("wanted", ["edlae", "small", "small + edlae"])
def test_its_configuration_trains_the_same_again(wanted, folder, ratings, monkeypatch, capsys):
    """Whatever validates best; the other metrics are made up."""
    attempt = choosing.Work.attempt

    def only(self, name, make, *how):
        def spoiled():
            made = make()
            values = dict.fromkeys(made.validation, float(name == wanted))
            return made._replace(validation=values)

        return attempt(self, name, spoiled, *how)

    monkeypatch.setattr(choosing.Work, "attempt", only)
    out, again = (folder / f"auto-{wanted.replace(' ', '')}{end}" for end in ("", "-again"))
    assert choose(ratings, out, "--baselines", "none", "--seed", "3") == 0
    shown = capsys.readouterr()
    assert f"{wanted}: NDCG@100 1.0000 on validation" in shown.err
    assert "diverging: left out after" in shown.err
    assert shown.out.splitlines()[3].split()[1] == wanted.split()[0]
    config = str(out / "config.json")
    assert main(["train", "--config", config, "--baselines", "none", "--out", str(again)]) == 0
    assert (again / "test.json").read_bytes() == (out / "test.json").read_bytes()
    model = mv.load_run(out).model
    assert isinstance(model, mv.Baseline) == (wanted == "edlae")


def test_on_a_given_split_it_is_trained_anew_on_all(folder, capsys):
    out = folder / "auto-given"
    files = write_given_split(folder / "of-auto")
    options = ["--model", "auto", "--cutoffs", "1", "--baselines", "popularity"]
    given = ["train", *files, *options, "--out", str(out)]
    assert main(given) == 0
    shown = capsys.readouterr()
    assert "trained anew on all interactions" in shown.err
    assert (out / "selection.jsonl").is_file()
    tested = json.loads((out / "test.json").read_text())
    assert tested["model"]["recall@1"]["mean"] > tested["popularity"]["recall@1"]["mean"]
    assert main([*given[:-1], str(folder / "refused"), "--held-out", "none"]) == 2
    assert "--held-out none: --model auto chooses on" in capsys.readouterr().err


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_a_signal_keeps_the_best_so_far(number, status, folder, ratings, monkeypatch, capsys):
    found = choosing.choose

    def signalled(*arguments, callback, **how):
        def then_a_signal(one):
            callback(one)
            os.kill(os.getpid(), number)

        return found(*arguments, callback=then_a_signal, **how)

    monkeypatch.setattr(choosing, "choose", signalled)
    out = folder / f"auto-{number.name}"
    assert choose(ratings, out, "--baselines", "none") == status
    said = capsys.readouterr().err
    assert f"{number.name}: stopping with the best so far" in said
    assert said.splitlines()[-1].endswith("stopped early; the best of 1 is kept")
    assert mv.load_run(out).model.name == "edlae"


def test_a_choice_that_was_killed_starts_over(folder, ratings, capsys):
    out = folder / "auto-killed"
    (out / "checkpoints").mkdir(parents=True)
    (out / "checkpoints" / "run.json").write_text('{"version": 1, "data": null}')
    data = DataOptions(source=InteractionFile(str(ratings)), held_out=8)
    write_config(out, TrainConfig(data, ModelOptions(model="auto")))
    keep_options(out, RunOptions(baselines=("none",), minutes=7.0))
    assert main(["train", "--resume", str(out)]) == 0
    assert "trying recommenders for 7 minutes" in capsys.readouterr().err
    assert "popularity" not in json.loads((out / "test.json").read_text())
    assert len(json.loads((out / "tried.json").read_text())) == 4
    assert log_of(out)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--latent", "3"], "--latent: has no effect with --model auto"),
        (["--epochs", "3"], "--epochs: has no effect with --model auto"),
        (["--anneal-steps", "3"], "--anneal-steps: has no effect with --model auto"),
        (["--blend", "ease"], "--blend: has no effect with --model auto"),
        (["--recipe", "paper"], "--recipe: has no effect with --model auto"),
        (["--checkpoint-every", "5m"], "--checkpoint-every: has no effect with --model auto"),
        (["--minutes", "0"], "minutes"),
        (["--select-by", "ndgc@10"], "--select-by ndgc@10: no such metric"),
        (["--model", "ease", "--minutes", "3"], "--minutes: is the time that --model auto may"),
        (["--model", "mult-vae", "--minutes", "3"], "--minutes: is the time that --model auto may"),
    ],
)
def test_what_has_no_effect_is_refused_in_one_line(folder, ratings, capsys, options, message):
    assert choose(ratings, folder / "refused", *options) == 2
    *_, last = capsys.readouterr().err.splitlines()
    assert last.startswith("multvae: ")
    assert message in last
    assert not (folder / "refused").exists()
