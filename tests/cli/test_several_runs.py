"""Metrics of several runs that cannot be compared, named with the run."""

import numpy as np
import pytest

import multvae_jax as mv
from multvae_jax.cli.several_runs import refuse_undefined


def test_metrics_that_are_not_numbers_are_refused_with_the_run():
    good = {"recall@5": np.array([0.5, 1.0, 0.0])}
    refuse_undefined("runs/a", mv.Evaluation(good, 0, {"coverage@5": 0.5}))
    users = {**good, "lift@5": np.array([np.nan, 0.1, np.nan])}
    with pytest.raises(mv.InputError, match=r"^runs/a: lift@5 of 2 of 3 users is not a number$"):
        refuse_undefined("runs/a", mv.Evaluation(users, 0))
    with pytest.raises(mv.InputError, match=r"^runs/a: gini@5 is not a number$"):
        refuse_undefined("runs/a", mv.Evaluation(good, 0, {"gini@5": np.nan}))
