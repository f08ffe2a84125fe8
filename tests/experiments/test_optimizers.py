"""The experiment on optimizers: what is written of each."""

import pytest

from experiments import optimizers
from tests.experiments.builders import METRICS, cell_of, read, run_quick

pytestmark = pytest.mark.updates


def test_an_optimizer_is_written_with_the_size_of_its_state(ratings, tmp_path, monkeypatch):
    """One of them: each compiles programs of its own."""
    assert next(iter(optimizers.OPTIMIZERS)) == "Adam"
    lazy = {"lazy Adam": optimizers.OPTIMIZERS["lazy Adam"]}
    monkeypatch.setattr(optimizers, "OPTIMIZERS", lazy)
    assert run_quick(optimizers.optimizers, ratings, tmp_path, "--seeds", "1") == 0
    results, table = read(tmp_path / "optimizers" / "tastes-quick")
    (row,) = results["rows"]
    assert list(table) == [row["name"]] == ["lazy Adam"]
    (of_seed,) = row["setting"]["by_seed"]
    # Two moments of four bytes, and a count.
    assert of_seed["bytes_of_state_per_parameter"] == pytest.approx(8.0, abs=0.01)
    for heading, metric in METRICS.items():
        assert table["lazy Adam"][heading] == cell_of(row["metrics"][metric])
