"""Time and quality of contestants that train in alternating rounds."""

import numpy as np
import scipy.sparse as sp

import multvae_jax as mv
from benchmarks.harness.figures import quality_curves
from benchmarks.harness.rounds import Samples
from benchmarks.quality_over_time import elapsed_seconds, first_time, with_targets


def test_seconds_add_up_from_the_start_of_the_process(tmp_path):
    seconds = elapsed_seconds({"one": Samples(10.0, [1.0, 2.0], {})})
    assert seconds == {"one": [10, 11, 13]}
    quality = [0.1, 0.3, 0.2]
    assert first_time(seconds["one"], quality, 0.2) == 11
    assert first_time(seconds["one"], quality, 0.31) is None
    figure = quality_curves(seconds, {"one": quality}, "NDCG@100")
    figure.savefig(tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 1000
    (curve,) = figure.axes[0].lines
    assert curve.get_xydata().tolist() == [[10, 0.1], [11, 0.3], [13, 0.2]]


def test_users_with_nothing_held_out_are_not_scored():
    history = sp.csr_array(np.eye(3, 4))
    targets = sp.csr_array(np.array([[0, 1, 1, 0], [0, 0, 0, 0], [1, 0, 0, 0]]))
    kept = with_targets(mv.HeldOut(history, targets, np.array(["a", "b", "c"], object)))
    assert kept.user_ids.tolist() == ["a", "c"]
    assert kept.history.toarray().tolist() == [[1, 0, 0, 0], [0, 0, 1, 0]]
    assert kept.targets.nnz == 3
