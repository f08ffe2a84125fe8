"""The metrics of the lists of six recommenders."""

import numpy as np
import pytest

from experiments.beyond_accuracy import METRICS, OF_GENRES, ORDER, beyond_accuracy
from experiments.shared.vectors import item_vectors
from tests.builders import matrix
from tests.experiments.builders import cell_of, read, run_quick


@pytest.mark.updates
def test_every_recommender_and_metric_is_written(ratings, tmp_path):
    assert run_quick(beyond_accuracy, ratings, tmp_path) == 0
    results, table = read(tmp_path / "beyond_accuracy" / "tastes-quick")
    assert list(results["metrics"]) == [*METRICS, *OF_GENRES]
    for cells, numbers in zip(table.values(), results["metrics"].values(), strict=True):
        assert list(numbers) == list(cells) == list(ORDER)
        for name, cell in cells.items():
            if numbers[name]["standard_error"] is not None:
                assert cell == cell_of(numbers[name])
    seeds = {name: len(row["by_seed"]) for name, row in results["metrics"]["ndcg@100"].items()}
    assert seeds == {
        **dict.fromkeys(("Mult-VAE", "Mult-DAE", "WMF"), 2),
        **dict.fromkeys(("EASE", "item kNN", "popularity"), 1),
    }
    coverage = results["metrics"]["coverage@20"]
    assert coverage["popularity"]["standard_error"] is None
    assert coverage["popularity"]["mean"] <= min(row["mean"] for row in coverage.values())


def test_the_vectors_of_items_hold_their_similarities():
    train = matrix([{0, 1}, {0, 1, 2}, {2, 3}, {3}, {0}], 4)
    vectors = item_vectors(train)
    dense = train.toarray()
    # All but the smallest singular value are kept.
    error = np.linalg.norm(vectors @ vectors.T - dense.T @ dense, 2)
    smallest = np.linalg.svd(dense, compute_uv=False).min() ** 2
    assert error == pytest.approx(smallest, rel=1e-4)
