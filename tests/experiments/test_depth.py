"""Depth and latent size: which networks are trained, and what is written of them."""

import pytest

from experiments import depth
from tests.experiments.builders import METRICS, cell_of, read, run_quick


@pytest.mark.updates
def test_depths_and_sizes_are_written(ratings, tmp_path, monkeypatch):
    """Two of the architectures: each compiles programs of its own."""
    some = [depth.Architecture("Mult-VAE", 2, 4), depth.Architecture("Mult-DAE", 0, 1)]
    assert set(some) < set(depth.architectures(4, quick=True))
    monkeypatch.setattr(depth, "architectures", lambda latent, quick: some)
    assert run_quick(depth.depth, ratings, tmp_path, "--seeds", "1") == 0
    results, table = read(tmp_path / "depth" / "tastes-quick")
    assert list(table) == [row["name"] for row in results["rows"]]
    assert list(table) == [
        "Mult-VAE, 2 hidden of 16, code 4",
        "Mult-DAE, none hidden, code 1",
    ]
    for row in results["rows"]:
        for heading, metric in METRICS.items():
            assert table[row["name"]][heading] == cell_of(row["metrics"][metric])


def test_no_network_is_trained_twice():
    every = depth.architectures(64, quick=False)
    assert len(every) == len(set(every)) == 12
    of_vae = [tried[1:] for tried in every if tried.model == "Mult-VAE"]
    assert sorted(of_vae) == [(0, 64), (1, 16), (1, 32), (1, 64), (1, 128), (2, 64)]
    of_dae = [tried[1:] for tried in every if tried.model == "Mult-DAE"]
    assert sorted(of_dae) == [(0, 16), (0, 32), (0, 64), (0, 128), (1, 64), (2, 64)]
    assert depth.Architecture("Mult-VAE", 1, 4) in depth.architectures(4, quick=True)


def test_depth_needs_a_width(ratings, tmp_path, capsys):
    assert run_quick(depth.depth, ratings, tmp_path, "--hidden", "none") == 2
    assert capsys.readouterr().err.splitlines() == [
        "--hidden none: give the width that every hidden layer has"
    ]
