"""`multvae train` with baselines: as the model, and beside it."""

import json
import threading
import time
from functools import partial

import numpy as np
import pytest

from multvae_jax.cli import baselines_beside
from multvae_jax.cli.main import main
from multvae_jax.evaluation import evaluate
from tests.baselines.builders import needs_implicit
from tests.builders import checkerboard, found_at
from tests.cli.builders import SMALL, log_of, train, write_given_split

pytestmark = pytest.mark.updates


def fit(ratings, out, *options):
    given = ["train", "--data", str(ratings), "--held-out", "8", "--out", str(out)]
    return main([*given, *map(str, options)])


@pytest.fixture(scope="module")
def ease_run(folder, ratings):
    out = folder / "ease"
    assert fit(ratings, out, "--model", "ease") == 0
    return out


def test_a_baseline_makes_a_run_like_a_model(ease_run):
    assert sorted(path.name for path in ease_run.iterdir()) == [
        "checkpoint",
        "config.json",
        "held_out.npz",
        "items.csv",
        "manifest.json",
        "metrics.jsonl",
        "test.json",
        "users.csv",
    ]
    log = log_of(ease_run)
    assert len(log) == 7
    best = max(log, key=lambda entry: entry["validation"]["ndcg@100"])
    config = json.loads((ease_run / "config.json").read_text())
    assert config["model"]["model_constants"] == best["constants"]
    tested = json.loads((ease_run / "test.json").read_text())
    assert set(tested) == {"model", "popularity", "users", "users_without_target"}


def test_its_run_is_evaluated_and_recommends(ease_run, folder, capsys):
    assert main(["evaluate", str(ease_run), "--out", str(folder / "ease.json")]) == 0
    assert (folder / "ease.json").read_bytes() == (ease_run / "test.json").read_bytes()
    assert " ease " in capsys.readouterr().out
    (folder / "history.csv").write_text("userId,movieId\na,101\na,102\n")
    history = str(folder / "history.csv")
    assert main(["recommend", str(ease_run), "--history", history, "-k", "3"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_its_configuration_gives_the_same_run_without_a_choice(ease_run, folder, capsys):
    out = folder / "ease-again"
    assert main(["train", "--config", str(ease_run / "config.json"), "--out", str(out)]) == 0
    assert len(log_of(out)) == 1
    assert (out / "test.json").read_bytes() == (ease_run / "test.json").read_bytes()
    assert "the best of" not in capsys.readouterr().err


def test_what_is_chosen_and_what_lies_at_an_end_is_said(folder, ratings, capsys):
    """With one metric for all, every setting is the best, and the first one is taken."""
    out = folder / "edges"
    options = ["--model", "edlae", "--model-constants", "dropout", "0.5"]
    options += ["--baselines", "none"]
    assert fit(ratings, out, *options, "--select-by", "hit_rate@30") == 0
    said = capsys.readouterr().err
    assert "edlae: regularization 1, the best of 6 settings on validation" in said
    assert "edlae: regularization 1 is the smallest value that was tried; a smaller one" in said
    config = json.loads((out / "config.json").read_text())
    assert config["model"]["model_constants"] == {"dropout": 0.5, "regularization": 1.0}
    assert {entry["constants"]["dropout"] for entry in log_of(out)} == {0.5}


def test_popularity_is_not_compared_with_itself(folder, ratings, capsys):
    out = folder / "popularity"
    assert fit(ratings, out, "--model", "popularity", "--baselines", "popularity") == 0
    assert "popularity" not in json.loads((out / "test.json").read_text())
    capsys.readouterr()
    assert main(["evaluate", str(out)]) == 0
    assert capsys.readouterr().out.count("popularity") == 1


def test_a_given_split_chooses_on_held_out_interactions(folder, capsys):
    out = folder / "ease-given"
    files = write_given_split(folder / "of-ease")
    assert main(["train", *files, "--model", "ease", "--cutoffs", "1", "--out", str(out)]) == 0
    assert len(log_of(out)) == 7
    assert json.loads((out / "test.json").read_text())["model"]["recall@1"]["mean"] == 1.0


REFUSED = [
    (["--epochs", "3"], "--epochs: has no effect on the baseline ease"),
    (["--latent", "3"], "--latent: has no effect on the baseline ease"),
    (["--beta-cap", "0.1"], "--beta-cap: has no effect on the baseline ease"),
    (["--anneal-steps", "9"], "--anneal-steps: has no effect on the baseline ease"),
    (["--anneal-share", "1"], "--anneal-share: has no effect on the baseline ease"),
    (["--seed", "1"], "--seed: has no effect on the baseline ease"),
    (["--checkpoint-every", "5m"], "--checkpoint-every: has no effect on the baseline ease"),
    (["--model", "wmf", "--seed", "1"], "--seed: is a constant of wmf: --model-constants seed"),
    (["--model", "edlae", "--dropout", "0.1"], "--dropout: is a constant of edlae"),
    (["--model-constants", "lambda", "3"], "--model-constants: ease has no constant 'lambda'"),
    (["--model", "item-knn", "--model-constants", "neighbors", "1.5"], "is not a whole number"),
    (["--model-constants", "regularization", "-1"], "EASE: the regularization -1.0 is not a pos"),
    (["--baselines", "eas"], "--baselines eas: no such baseline; did you mean ease?"),
    (["--baselines", "none", "ease"], "--baselines none: no such baseline"),
    (["--select-by", "ndgc@10"], "--select-by ndgc@10: no such metric"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED, ids=lambda value: str(value)[:40])
def test_what_has_no_effect_is_refused_in_one_line(folder, ratings, capsys, options, message):
    model = [] if "--model" in options else ["--model", "ease"]
    assert fit(ratings, folder / "refused", *model, *options) == 2
    *_, last = capsys.readouterr().err.splitlines()
    assert last.startswith("multvae: ")
    assert message in last
    assert not (folder / "refused").exists()


def test_a_sweep_of_a_baseline_is_refused(ratings, folder, capsys):
    data = ["--data", str(ratings), "--out", str(folder / "refused")]
    assert main(["sweep", *data, "--model", "ease", "--vary", "latent", "2", "3"]) == 2
    assert "--model ease: is a baseline, which has no training" in capsys.readouterr().err


# --- beside a model -----------------------------------------------------------------------------


def test_ease_is_shown_beside_a_model_where_it_takes_seconds(folder, ratings, ease_run, capsys):
    out = folder / "beside"
    assert fit(ratings, out, *SMALL, "--epochs", "1") == 0
    shown = capsys.readouterr()
    assert "ease" in shown.out
    assert "popularity" in shown.out
    assert "the best of 5 settings on validation" in shown.err
    tested = json.loads((out / "test.json").read_text())
    alone = json.loads((ease_run / "test.json").read_text())
    chosen = json.loads((ease_run / "config.json").read_text())["model"]["model_constants"]
    if chosen["regularization"] in baselines_beside.COMPARISON_GRID["regularization"]:
        assert tested["ease"] == alone["model"]
    assert tested["popularity"] == alone["popularity"]


def beside(names, split=None, name="mult-vae"):
    split = split or checkerboard()
    return baselines_beside.baselines_beside(name, split, names, "recall@4", found_at(4))


@needs_implicit
def test_the_baselines_beside_a_model_can_be_named(capsys):
    baselines_beside.check_baselines(["item-knn", "popularity"])
    found = beside(["item-knn", "popularity"])
    assert list(found) == ["item-knn", "popularity"]
    assert evaluate(found["item-knn"], checkerboard().test, found_at(4)).mean("recall@4") == 1.0
    assert "item-knn: neighbors " in capsys.readouterr().err
    baselines_beside.check_baselines(["none"])
    assert beside(["none"]) == {}


def test_ease_is_left_out_where_it_takes_long_or_does_not_fit(monkeypatch, capsys):
    assert list(beside(None)) == ["popularity", "ease"]
    assert list(beside(None, name="ease")) == ["popularity"]
    monkeypatch.setattr("multvae_jax.baselines.linear.physical_memory", lambda: 100)
    assert list(beside(None)) == ["popularity"]
    assert "ease: left out of the comparison (EASE: 40 items" in capsys.readouterr().err
    monkeypatch.setattr(baselines_beside, "SECONDS", 1e-9)
    assert list(beside(None)) == ["popularity"]
    assert capsys.readouterr().err == ""


SPLIT = checkerboard()
FIT = partial(baselines_beside.baselines_beside, "mult-vae", SPLIT, None, "recall@4", found_at(4))


def test_baselines_are_fitted_in_a_thread_and_told_when_asked_for(monkeypatch, capsys):
    threads, fit = [], baselines_beside.fit_baseline

    def fit_noting_the_thread(*args, **named):
        threads.append(threading.current_thread())
        return fit(*args, **named)

    monkeypatch.setattr(baselines_beside, "fit_baseline", fit_noting_the_thread)
    finish = baselines_beside.begun(FIT)
    while not threads or threads[0].is_alive():
        time.sleep(0.01)
    assert capsys.readouterr().err == ""
    found, told = finish(), capsys.readouterr().err
    assert "ease: regularization" in told

    assert len(threads) == 1
    again = FIT()
    assert threads.pop() is threading.main_thread()
    assert capsys.readouterr().err == told
    weights = [one["ease"].args[0]["item_weights"] for one in (found, again)]
    np.testing.assert_array_equal(*weights)


def test_which_baselines_take_little(monkeypatch):
    assert baselines_beside.take_little(SPLIT, None)
    assert not baselines_beside.take_little(SPLIT, ("ease",))
    monkeypatch.setattr(baselines_beside, "FEW_SECONDS", 1e-9)
    assert not baselines_beside.take_little(SPLIT, None)


def test_what_fails_in_a_thread_fails_when_it_is_asked_for(monkeypatch):
    def fail(*args, **named):
        raise ZeroDivisionError

    monkeypatch.setattr(baselines_beside, "fit_baseline", fail)
    finish = baselines_beside.begun(FIT)
    with pytest.raises(ZeroDivisionError):
        finish()


def test_baselines_beside_a_model_can_be_left_out(folder, ratings):
    out = folder / "beside-none"
    assert train(ratings, out, "--epochs", "1", "--baselines", "none") == 0
    assert set(json.loads((out / "test.json").read_text())) == {
        "model",
        "users",
        "users_without_target",
    }
