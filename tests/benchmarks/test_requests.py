"""Requests to a `Recommender`: a small run of the benchmark."""

import itertools

import numpy as np

from benchmarks import requests


def test_no_request_compiles_anything(monkeypatch):
    monkeypatch.setattr(requests, "MOST_ITEMS", 8)
    monkeypatch.setattr(requests, "MOST_USERS", 1)
    recommender = requests.recommender_of(40)
    found = requests.observe(recommender, 60)
    assert (found["programs"], found["compiled"]) == (1, 0)
    assert found["requests"] == list(range(1, 61))
    # What would be compiled is seen.
    with requests.compilations() as made:
        recommender.recommend([["item 0"]], 9)
    assert len(made) > 0


def test_requests_are_of_all_sizes():
    ids = np.array([f"item {number}" for number in range(300)], object)
    asked = list(itertools.islice(requests.requests_for(ids, 0, 64), 500))
    assert {1, 100} < {k for _, k in asked} < set(range(1, 101))
    lengths = [len(mine) for histories, _ in asked for mine in histories]
    assert min(lengths) == 1
    assert max(lengths) > 290
    assert all(len(mine) == len(set(mine)) for histories, _ in asked for mine in histories)
    users = [len(histories) for histories, _ in asked]
    assert 0.85 < users.count(1) / len(users) < 0.95
    assert max(users) > 50


def test_growth_is_from_half_to_half():
    assert requests.growth(np.array([5.0, 5, 9, 6, 6, 7])) == 1.0
