"""The comparison with the metrics of other libraries, which are replaced by plain Python here."""

import numpy as np
import pytest

from experiments import peer_metrics
from tests.experiments.builders import read, run_quick


def precision_and_coverage(data, python):
    """Values in the form of a peer's; one of them is wrong."""
    del python
    found = {}
    for name, lists in data["lists"].items():
        found[name] = {
            "peer@10": {
                "precision": [
                    len(set(row[:10]) & set(mine)) / 10
                    for row, mine in zip(lists, data["targets"], strict=True)
                ],
                "coverage": len({item for row in lists for item in row[:10]})
                / len(data["vectors"]),
            }
        }
    found["EASE"]["peer@10"]["precision"][3] += 0.25
    return found


@pytest.mark.updates
def test_every_value_is_compared_user_by_user(ratings, tmp_path, monkeypatch):
    monkeypatch.setattr(peer_metrics, "theirs", precision_and_coverage)
    monkeypatch.setattr(peer_metrics, "interpreter", lambda *_: "python")
    assert run_quick(peer_metrics.peer_metrics, ratings, tmp_path) == 0
    results, table = read(next((tmp_path / "peer_metrics").iterdir()))
    coverage, precision = results["rows"]
    assert coverage["metric"] == "coverage@10"
    assert coverage["difference"] < 1e-7
    assert coverage["ours"] == pytest.approx(coverage["theirs"], rel=1e-6)
    assert precision["difference"] == pytest.approx(0.25, abs=1e-7)
    assert precision["ours"]["popularity"] == pytest.approx(precision["theirs"]["popularity"])
    assert precision["ours"]["EASE"] < precision["theirs"]["EASE"]
    assert list(table) == ["Coverage@10", "Precision@10"]


def test_rows_of_a_matrix():
    matrix = np.array([[0, 1, 1], [0, 0, 0], [1, 0, 0]])
    sparse = peer_metrics.sp.csr_array(matrix)
    assert peer_metrics.rows_of(sparse) == [[1, 2], [], [0]]
