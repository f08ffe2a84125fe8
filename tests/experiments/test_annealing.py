"""The annealing experiment: three ways of beta, on the same keys."""

import json

import pytest

from tests.experiments.test_experiments import _from_the_root, ratings  # noqa: F401 - fixtures

pytestmark = pytest.mark.updates


def test_annealing_writes_a_curve_for_each_way(ratings, tmp_path):  # noqa: F811
    from experiments.annealing import annealing
    from experiments.common import command

    small = ["--quick", "--hidden", "8", "--latent", "4", "--held-out", "16"]
    options = ["--data", str(ratings), "--out", str(tmp_path), *small, "--anneal-steps", "40"]
    assert command(annealing, "", options) == 0
    results = json.loads((tmp_path / "annealing" / "tastes-quick" / "results.json").read_text())
    never, to_one, to_best = results["validation"].values()
    assert [len(by_seed) for by_seed in (never, to_one, to_best)] == [2, 2, 2]
    for seed, cap in enumerate(results["best_beta_by_seed"]):
        best = to_one[seed].index(max(to_one[seed]))
        # 48 users in ten even batches of five an epoch.
        assert cap == pytest.approx(10 * (best + 1) / 40)
        # The same key, and the same slope up to the peak.
        assert to_best[seed][: best + 1] == pytest.approx(to_one[seed][: best + 1])
        assert never[seed][0] != pytest.approx(to_one[seed][0])
