"""Counts of real files, which are not part of the project, as published or counted elsewhere."""

import numpy as np

from multvae_jax.data.interactions import read_interactions
from multvae_jax.data.split_reader import read_given_split
from tests.data.builders import DATA, needs_data


@needs_data
def test_counts_of_ml_1m():
    data = read_interactions(DATA / "ml-1m" / "ratings.csv.gz", min_rating=4, min_user_count=0)
    assert len(data.users) == 575_281
    assert (np.bincount(data.users) >= 5).sum() == 6_034
    data = read_interactions(DATA / "ml-1m" / "ratings.csv.gz", min_rating=4)
    assert data.n_users == 6_034
    assert data.titles["3408"] == "Erin Brockovich (2000)"


@needs_data
def test_counts_of_ml_100k():
    data = read_interactions(DATA / "ml-100k" / "ml-100k.inter")
    assert (data.n_users, data.n_items, len(data.users)) == (943, 1_682, 100_000)
    assert data.times[0] == 881250949


@needs_data
def test_counts_of_gowalla():
    folder = DATA / "gowalla"
    train, _, test = read_given_split(folder / "train.txt.gz", None, folder / "test.txt.gz")
    assert (train.n_users, train.n_items) == (29_858, 40_981)
    assert (len(train.users), len(test.users)) == (810_128, 217_242)
