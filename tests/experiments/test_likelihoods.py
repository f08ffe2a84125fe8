"""The experiment on likelihoods: each is tuned, and every setting reaches the model."""

import pytest

from experiments import likelihoods
from experiments.shared.options import Options, load_split
from tests.experiments.builders import METRICS, cell_of, read, run_quick


@pytest.mark.updates
def test_likelihoods_are_tuned_and_tested(ratings, tmp_path, monkeypatch):
    """One of the eight rows, with a constant of its own: each compiles programs of its own."""
    for table, name in (("NETWORKS", "VAE"), ("LIKELIHOODS", "gaussian")):
        monkeypatch.setattr(likelihoods, table, {name: getattr(likelihoods, table)[name]})
    assert run_quick(likelihoods.likelihoods, ratings, tmp_path, "--seeds", "1") == 0
    results, table = read(tmp_path / "likelihoods" / "tastes-quick")
    (row,) = results["rows"]
    assert list(table) == [row["name"]] == ["VAE, gaussian"]
    for heading, metric in METRICS.items():
        assert table[row["name"]][heading] == cell_of(row["metrics"][metric])
    assert len(row["tried"]) == 2
    best = max(setting["ndcg@100"] for setting in row["tried"])
    assert {**row["setting"], "ndcg@100": best} in row["tried"]
    assert row["setting"].keys() == {"beta", "learning_rate", "ratio"}


def test_every_setting_of_a_likelihood_reaches_the_model(monkeypatch):
    calls = []

    def train(model, split, options, seed, **overrides):
        calls.append((model, overrides))

    monkeypatch.setattr(likelihoods, "train", train)
    options = Options()
    split = load_split(options)
    gaussian, _ = likelihoods.LIKELIHOODS["gaussian"]
    likelihoods.train_vae(gaussian, split, options, 0, beta=0.7, learning_rate=0.01, ratio=0.2)
    likelihoods.train_dae(
        gaussian, split, options, 0, weight_penalty=0.3, learning_rate=0.01, ratio=0.2
    )
    (vae, of_vae), (dae, of_dae) = calls
    for model in (vae, dae):
        assert model.hyper["likelihood"] == {"c1": 10.0, "c0": pytest.approx(2.0)}
    assert float(of_vae["beta"](10**9)) == pytest.approx(0.7)
    assert dae.hyper["weight_penalty"] == 0.3
    assert "optimizer" in of_vae
    assert "optimizer" in of_dae
