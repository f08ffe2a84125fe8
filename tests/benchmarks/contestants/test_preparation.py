"""Preparation in pandas gives the split of this program."""

import pytest

from benchmarks.harness.synthetic import random_ratings
from multvae_jax.data.interactions import read_interactions
from multvae_jax.data.splits import hold_out_users


@pytest.mark.parametrize("files", [False, True])
def test_pandas_gives_the_same_split(tmp_path, files):
    pytest.importorskip("pandas", reason="pandas is a peer of the benchmarks and not installed")
    from benchmarks.contestants.preparation import pandas_notebook

    table = random_ratings(n_users=200, n_items=1_000, n_ratings=6_000).sample(
        fraction=1.0, shuffle=True, seed=1
    )
    path = tmp_path / "ratings.csv"
    table.write_csv(path)
    ours = hold_out_users(read_interactions(path, min_rating=4), 30, 30)
    theirs = pandas_notebook.split(pandas_notebook.read(str(path)), 30, files)
    assert list(map(str, theirs.items)) == ours.catalogue.ids.tolist()
    assert list(map(str, theirs.train_users)) == ours.user_ids.tolist()
    assert (theirs.train != ours.train).nnz == 0
    for name in ("validation", "test"):
        users, history, targets = theirs.held_out[name]
        part = getattr(ours, name)
        assert list(map(str, users)) == part.user_ids.tolist()
        assert (history != part.history).nnz == 0
        assert (targets != part.targets).nnz == 0
        assert targets.nnz > 30
