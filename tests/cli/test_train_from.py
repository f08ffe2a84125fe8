"""`multvae train --from RUN`: a training that starts from a run."""

import json
from dataclasses import replace

import jax
import numpy as np
import optax
import pytest

import multvae_jax as mv
from multvae_jax.cli import train as command
from multvae_jax.cli.main import main
from multvae_jax.cli.warm_start import Started, resolved
from multvae_jax.config.convert import from_json
from multvae_jax.config.options import DataOptions, ModelOptions, TrainConfig, TrainingOptions
from multvae_jax.config.unions import AnnealShare, InteractionFile
from multvae_jax.config.warm_start import defaults_from
from multvae_jax.data.types import Catalogue
from multvae_jax.runs.run_config import RunConfig
from tests.builders import see_through_shape_checks
from tests.cli.builders import arrays_of, log_of

pytestmark = pytest.mark.updates


def train_from(run, out, *options):
    given = ["train", "--from", str(run), "--epochs", "2", "--out", str(out)]
    return main([*given, "--baselines", "none", *map(str, options)])


def config_of(run):
    return from_json((run / "config.json").read_bytes(), TrainConfig)


def test_on_the_same_data_it_goes_on_as_in_python(run, tmp_path, capsys):
    assert train_from(run, tmp_path / "more") == 0
    before, config = config_of(run), config_of(tmp_path / "more")
    assert (config.data, config.model) == (before.data, before.model)
    loaded = mv.load_run(run)
    beta = loaded.log[loaded.best_epoch - 1]["beta"]
    assert (config.training.beta, config.training.beta_cap) == ("constant", beta)
    split = mv.hold_out_users(mv.read_interactions(before.data.source.path), 8, 8)
    python = mv.fit(
        jax.random.key(0),
        loaded.model,
        split,
        start=loaded,
        epochs=2,
        optimizer=optax.adam(before.training.learning_rate),
    )
    kept = arrays_of(tmp_path / "more" / "checkpoint" / "params")
    for one, other in zip(jax.tree.leaves(kept), jax.tree.leaves(python.params), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    n_items = len(loaded.catalogue.ids)
    assert json.loads((tmp_path / "more" / "start.json").read_text()) == {
        "from": str(run.absolute()),
        "items": {"kept": n_items, "new": 0, "dropped": 0},
        "beta": beta,
    }
    said = capsys.readouterr().err
    assert f"{n_items} as trained there, 0 new, with fresh parameters, 0 gone" in said
    assert f"the optimizer starts afresh, and beta stays at {beta:.3g}" in said
    # Nobody who is held out now was trained on.
    assert "metrics are too high" not in said
    validated = log_of(run)[loaded.best_epoch - 1]["validation"]["ndcg@100"]
    assert f"before the first epoch: NDCG@100 {validated:.4f} on validation" in said


def fail(*arguments, **options):
    raise mv.InputError("the disk is full")


def test_newer_data_has_new_items_and_a_stopped_run_goes_on(
    run, ratings, tmp_path, capsys, monkeypatch
):
    newer = tmp_path / "newer.csv"
    lines = ratings.read_text().splitlines()
    # Item 100 is gone; 20 new users have two new items.
    kept = [line for line in lines if line.split(",")[1] != "100"]
    new = [f"{u},{item},5,0" for u in range(41, 61) for item in ("new", "newer", 101, 102, 103)]
    newer.write_text("\n".join([*kept, *new]) + "\n")
    monkeypatch.chdir(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "report_tested", fail)
        assert train_from(run, "next", "--data", newer, "--split-seed", "1") == 2
    said = capsys.readouterr().err
    before = {line.split(",")[0] for line in (run / "items.csv").read_text().splitlines()[1:]}
    assert "100" in before
    assert "2 new, with fresh parameters" in said
    assert "validation users were trained on in" in said
    assert "their metrics are too high" in said
    assert main(["train", "--resume", "next"]) == 0
    printed = capsys.readouterr()
    # The table is narrow, and its caption wraps.
    assert f"items: {len(before) - 1} as trained there, 2 new," in " ".join(printed.out.split())
    counts = {"kept": len(before) - 1, "new": 2, "dropped": 1}
    assert log_of(tmp_path / "next")[0]["start"] == counts


def test_no_epoch_is_selected_on_what_the_run_may_have_seen(run, tmp_path, capsys):
    options = ["--held-out", "0", "--patience", "1"]
    assert train_from(run, tmp_path / "selected", *options) == 2
    assert "may have been trained on what would be held out" in capsys.readouterr().err
    assert not (tmp_path / "selected").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--latent", "9"],
            "--latent: 9, but {run} has 4; a training that starts from a run keeps",
        ),
        (["--hidden", "none"], "--hidden: none, but {run} has 16; a training that starts from a"),
        (["--network", "bounded_mlp", "--activation", "relu"], "--activation: relu, but {run} has"),
        (["--model", "auto"], "--model: auto, but {run} has mult-vae; a training that starts from"),
        (["--folds", "3"], "--from and --folds: the run was trained on users that folds test on"),
        (["--resume", "runs"], "--resume and --from: give one or the other"),
        (["--config", "a.json"], "--config and --from: give one or the other"),
        (["--anneal-share", "0.5"], "--anneal-share: beta stays as it was in {run}; --beta linear"),
    ],
)
def test_what_cannot_be_started_from_a_run_is_refused(run, tmp_path, capsys, options, message):
    assert train_from(run, tmp_path / "out", *options) == 2
    assert capsys.readouterr().err.startswith(f"multvae: {message.format(run=run)}")
    assert not (tmp_path / "out").exists()


def test_a_run_saved_from_python_needs_the_place_of_the_data(tmp_path, capsys, monkeypatch):
    see_through_shape_checks(monkeypatch)
    model = mv.mult_vae((4,), 2)
    catalogue = Catalogue(np.array(["101"], object), np.ones(1, int), {})
    params = model.init(jax.random.key(0), 1)
    made = mv.Run(model, params, catalogue, 1, None, [{"epoch": 1, "loss": 1.0}])
    made.save(tmp_path / "python")
    assert train_from(tmp_path / "python", tmp_path / "out") == 2
    assert "saved from Python, without the place of its data; name it" in capsys.readouterr().err
    own = mv.Run(model._replace(made_by=None), params, catalogue, 1, None, made.log)
    with pytest.warns(UserWarning, match="to load the run, pass the model"):
        own.save(tmp_path / "own")
    assert train_from(tmp_path / "own", tmp_path / "out") == 2
    assert "start from it in Python, with fit(..., start=run)" in capsys.readouterr().err


# --- beta ---------------------------------------------------------------------------------------


def started(model, beta):
    log = [{"epoch": 1, "loss": 1.0, "beta": 0.0}, {"epoch": 2, "loss": 1.0, "beta": beta}]
    run = mv.Run(model, {}, Catalogue(np.zeros(0, object), np.zeros(0), {}), 2, None, log)
    return Started(
        "runs/first", RunConfig(DataOptions(FILE), ModelOptions(), TrainingOptions()), run
    )


FILE = InteractionFile("a")
USUAL = TrainingOptions()


@pytest.mark.parametrize(
    ("model", "given", "expected"),
    [
        (mv.mult_vae, {}, ("constant", 0.03)),
        (mv.mult_vae, {"beta_cap": 0.1}, ("constant", 0.1)),
        (mv.mult_vae, {"beta": "linear_annealing"}, ("linear_annealing", None)),
        (mv.mult_vae, {"beta": "auto"}, ("auto", None)),
        (mv.mult_dae, {}, (USUAL.beta, None)),
    ],
)
def test_beta_stays_as_it_was_unless_it_is_set(model, given, expected):
    """The schedule of the run itself does not count: its rise is over."""
    before = TrainingOptions(
        epochs=80, patience=10, beta_cap=0.05, rise=AnnealShare(0.5), learning_rate=0.003
    )
    config = defaults_from("--from runs/first", DataOptions(FILE), ModelOptions(), before)
    assert (config.training.epochs, config.training.patience) == (None, None)
    training = replace(config.training, **given)
    found = resolved(replace(config, training=training), started(model(), 0.03)).training
    assert (found.beta, found.beta_cap, found.rise) == (*expected, None)
    assert found.learning_rate == 0.003
