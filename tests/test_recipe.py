"""One recipe: Python and the command line train the same model in the same way."""

import json

import jax
import numpy as np
import pytest

import multvae_jax as mv
from multvae_jax import recipe
from multvae_jax.cli.main import main

pytestmark = pytest.mark.updates


@pytest.mark.parametrize(
    ("n_users", "size"),
    [(1, 1), (9, 1), (10, 1), (483, 49), (5000, 500), (5001, 455), (10**6, 500)],
)
def test_an_epoch_has_at_least_ten_even_batches_of_at_most_500_users(n_users, size):
    assert recipe.batch_size(n_users) == size


@pytest.fixture(scope="module")
def ratings(tmp_path_factory):
    """Ratings of ten users; two of them are trained on, one at a time."""
    random, path = np.random.default_rng(0), tmp_path_factory.mktemp("data") / "ratings.csv"
    rows = [
        f"{user},{item}"
        for user in range(10)
        for item in random.choice(30, random.integers(6, 12), replace=False)
    ]
    path.write_text("\n".join(["user,item", *rows]))
    return path


def logs_of_both(ratings, tmp_path, options, **arguments):
    """The log of `multvae train` and that of `fit`, without the seconds."""
    command = ["train", "--data", str(ratings), "--held-out", "4", "--out", str(tmp_path / "run")]
    assert main([*command, *options]) == 0
    written = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    split = mv.hold_out_users(mv.read_interactions(ratings), validation=4, test=4)
    run = mv.fit(jax.random.key(0), mv.mult_vae(), split, **arguments)
    return [
        [{name: value for name, value in entry.items() if name != "seconds"} for entry in log]
        for log in (map(json.loads, written), run.log)
    ]


def test_fit_with_nothing_set_makes_the_updates_of_multvae_train(ratings, tmp_path):
    of_command, of_fit = logs_of_both(ratings, tmp_path, [])
    assert of_command == of_fit
    assert (len(of_fit), of_fit[-1]["step"]) == (100, 200)
    # Beta reaches 0.2 after half of the updates: the log has the mean over an epoch's updates.
    assert of_fit[24]["beta"] == pytest.approx(0.2 * (24 * 2 + 0.5) / 100, rel=1e-5)
    assert of_fit[50]["beta"] == pytest.approx(0.2)


def test_fit_refuses_a_metric_that_it_does_not_measure(ratings):
    split = mv.hold_out_users(mv.read_interactions(ratings), validation=4, test=4)
    with pytest.raises(mv.InputError, match=r"^select_by: 'recall@5' is not a metric of"):
        mv.fit(jax.random.key(0), mv.mult_vae(), split, select_by="recall@5")
