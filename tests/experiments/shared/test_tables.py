"""The statistics of a table, by hand and against scipy, and its Markdown."""

import math

import numpy as np
import pytest
import scipy.stats

from experiments.shared.tables import TableRow, format_markdown, summarize
from multvae_jax.evaluation import Evaluation
from multvae_jax.evaluation.significance import confidence_half_width
from tests.experiments.builders import table_of


def test_the_interval_is_students():
    values = np.random.default_rng(0).normal(0.4, 0.01, 5)
    low, high = scipy.stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert confidence_half_width(values.tolist()) == pytest.approx((high - low) / 2)
    assert confidence_half_width([0.4]) is None


def test_the_two_spreads_are_of_seeds_and_of_users():
    """Two seeds of three users: by hand."""
    one, other = (
        Evaluation({"ndcg@100": np.array(values)}, 0)
        for values in ([0.0, 0.5, 1.0], [0.2, 0.7, 0.6])
    )
    worse = Evaluation({"ndcg@100": np.array([0.0, 0.0, 0.1])}, 0)
    best, last = summarize({"a": TableRow([one, other], {"x": 1}), "b": TableRow([worse])})
    numbers = best["metrics"]["ndcg@100"]
    assert numbers["by_seed"] == pytest.approx([0.5, 0.5])
    assert numbers["interval"] == pytest.approx(0.0, abs=1e-9)
    # The users' means over seeds are .1, .6 and .8.
    assert numbers["mean"] == pytest.approx(0.5)
    assert numbers["standard_error"] == pytest.approx(math.sqrt(0.26 / 3) / math.sqrt(3))
    assert (best["setting"], best["difference"], best["p_value"]) == ({"x": 1}, 0.0, None)
    assert last["difference"] == pytest.approx(0.1 / 3 - 0.5)
    assert last["metrics"]["ndcg@100"]["interval"] is None
    # Three differences of one sign: two tosses of eight are as far out.
    assert last["p_value"] == pytest.approx(0.25, abs=0.02)
    assert last["corrected_p_value"] == last["p_value"]


def test_a_markdown_table_has_one_cell_per_column():
    text = format_markdown(["", "a", "b"], [["x", "1", "2"], ["y", "3", ""]])
    assert text.splitlines()[1] == "| --- | ---: | ---: |"
    assert table_of(text) == {"x": {"a": "1", "b": "2"}, "y": {"a": "3", "b": ""}}
