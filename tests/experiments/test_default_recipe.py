"""The default recipe and its blend beside the linear models: what is written."""

import numpy as np
import pytest

from experiments.default_recipe import default_recipe
from tests.experiments.builders import METRICS, cell_of, read, run_quick


@pytest.mark.updates
def test_rows_and_what_each_seed_found(ratings, tmp_path):
    assert run_quick(default_recipe, ratings, tmp_path) == 0
    results, table = read(tmp_path / "default_recipe" / "tastes-quick")
    rows = {row["name"]: row for row in results["rows"]}
    assert list(table) == list(rows) == ["EASE", "EDLAE", "Mult-VAE", "Mult-VAE and EDLAE"]
    for name, row in rows.items():
        for heading, metric in METRICS.items():
            assert table[name][heading] == cell_of(row["metrics"][metric])
    alone, blended = (rows[name]["setting"]["by_seed"] for name in list(rows)[2:])
    assert len(alone) == len(blended) == 2
    for one, other in zip(alone, blended, strict=True):
        assert one["best_epoch"] == other["best_epoch"] <= 2
        assert 0 < other["weight"] < 1
        assert other["seconds"] >= one["seconds"]
    assert not np.isnan([row["metrics"]["ndcg@100"]["mean"] for row in rows.values()]).any()
