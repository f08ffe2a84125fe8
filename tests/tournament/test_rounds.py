"""`try_idea`: who is found better, and what is left out. The trials are made up."""

import numpy as np
import pytest

from multvae_jax.errors import InputError
from multvae_jax.evaluation.significance import holm
from multvae_jax.tournament import rounds, try_idea
from tests.tournament.builders import NDCG, small, tastes, trial

HOW = {"select_by": "ndcg@10", "metrics": NDCG, "seeds": 3}


@pytest.fixture
def levels(monkeypatch):
    """The trial of each contender, by name; a contender without one has run out of time."""
    given, asked = {}, []

    def run_trial(contender, split, users, seeds, how, until):
        asked.append((contender.name, len(seeds)))
        return given[contender.name]._replace(tested=given[contender.name].tested[: len(seeds)])

    monkeypatch.setattr(rounds, "run_trial", run_trial)
    monkeypatch.setattr(rounds, "check_contender", lambda *given: None)
    given["asked"] = asked
    return given


def try_mine(data=None, rivals=("rival", "other"), **how):
    data = data or {"data": tastes()}
    return try_idea(small("mine"), data, [small(name) for name in rivals], **{**HOW, **how})


def test_differences_beyond_chance_are_called_so(levels):
    levels |= {"mine": trial(0.4), "rival": trial(0.3, seed=1), "other": trial(0.4, seed=2)}
    found = try_mine({"large": tastes(300), "small": tastes()})
    assert [one.data for one in found.rounds] == ["small", "large"]
    assert [(one.data, one.rival, one.verdict("ndcg@10")) for one in found.matches] == [
        ("small", "rival", "better"), ("small", "other", "not different"),
        ("large", "rival", "better"), ("large", "other", "not different"),
    ]  # fmt: skip
    p_values = np.array([one.tests["ndcg@10"].p_value for one in found.matches])
    corrected = [one.corrected["ndcg@10"] for one in found.matches]
    np.testing.assert_allclose(corrected, holm(p_values))
    levels["mine"] = trial(0.2)
    assert {one.verdict("ndcg@10") for one in try_mine().matches} == {"worse"}


def test_a_contender_with_a_problem_is_left_out_and_the_others_are_compared(levels):
    levels |= {"mine": trial(0.4), "rival": trial(0.3, problem="it is bad"), "other": trial(0.3)}
    found = try_mine()
    assert [one.rival for one in found.matches] == ["other"]
    assert found.left_out == ["data: rival is left out, as it is bad"]


def test_all_have_the_seeds_of_the_one_that_had_time_for_fewest(levels):
    levels |= {"rival": trial(0.3, seeds=3), "other": trial(0.3, seeds=2), "mine": trial(0.4)}
    found = try_mine()
    assert levels["asked"] == [("rival", 3), ("other", 3), ("mine", 2)]
    assert found.rounds[0].seeds == 2
    assert [len(one.tests["ndcg@10"].by_seed) for one in found.matches] == [2, 2]
    assert found.left_out == ["data: seeds from 2 on, for the time"]


def test_data_without_time_for_two_seeds_is_left_out_and_said(levels):
    levels |= {"rival": trial(0.3, seeds=1), "other": trial(0.3), "mine": trial(0.4)}
    said = []
    with pytest.raises(InputError, match="compared: data: rival had no 2 seeds in its"):
        try_mine(callback=said.append)
    assert said[-1].endswith("left out")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"seeds": 1}, "seeds: 1; a test over seeds needs 2 or more"),
        ({"minutes": 0.0}, "minutes"),
        ({"rivals": ["mine"]}, "contenders: mine, mine; give each a name of its own"),
        ({"rivals": []}, "needs a rival and data"),
        ({"select_by": "ndgc@10"}, "'ndgc@10' is not one of ndcg@10"),
    ],
)
def test_what_cannot_be_tried_is_refused(given, message):
    with pytest.raises(InputError, match=message):
        try_mine(**given)
