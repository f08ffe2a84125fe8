"""The annealing experiment: three schedules of beta, on the same keys."""

import pytest

from experiments.annealing import annealing
from tests.experiments.builders import results_in, run_quick

pytestmark = pytest.mark.updates


def test_annealing_writes_a_curve_for_each_schedule(ratings, tmp_path):
    assert run_quick(annealing, ratings, tmp_path, "--anneal-steps", "40") == 0
    results = results_in(tmp_path / "annealing" / "tastes-quick")
    never, to_one, to_best = results["validation"].values()
    assert [len(by_seed) for by_seed in (never, to_one, to_best)] == [2, 2, 2]
    for seed, cap in enumerate(results["best_beta_by_seed"]):
        best = to_one[seed].index(max(to_one[seed]))
        # 48 users in ten even batches of five per epoch.
        assert cap == pytest.approx(10 * (best + 1) / 40)
        # The same key, and the same slope up to the peak.
        assert to_best[seed][: best + 1] == pytest.approx(to_one[seed][: best + 1])
        assert never[seed][0] != pytest.approx(to_one[seed][0])
