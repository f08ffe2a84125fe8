"""Training loop and search for beta: selection, stopping, reproducibility, and learning at all."""

import dataclasses

import jax
import numpy as np
import optax
import pytest

from multvae_jax.baselines.popularity import popularity
from multvae_jax.data.types import Split
from multvae_jax.errors import InputError
from multvae_jax.evaluation.evaluator import evaluate
from multvae_jax.fitting import fit
from multvae_jax.model_selection.refitting import search_beta
from multvae_jax.models import mult_dae, mult_vae
from multvae_jax.schedules import constant, linear_annealing
from tests.builders import checkerboard, found_at

pytestmark = pytest.mark.updates

MODELS = {
    "mult-vae": mult_vae((32,), 8),
    "mult-vae, no hidden layer": mult_vae((), 8),
    "mult-dae": mult_dae((), 16),
    "mult-dae, hidden layer": mult_dae((32,), 8),
}


@pytest.mark.parametrize("name", MODELS)
def test_every_model_finds_the_withheld_square(name):
    """The taste of a user never seen is plain from the history; chance would get a half."""
    split = checkerboard()
    run = fit(
        jax.random.key(0),
        MODELS[name],
        split,
        epochs=30,
        batch_size=20,
        optimizer=optax.adam(1e-2),
    )
    found = evaluate(run.scorer, split.test, found_at(4))
    assert found.mean("recall@4") == 1.0
    by_popularity = evaluate(popularity(run.catalogue.counts), split.test, found_at(4))
    assert by_popularity.mean("recall@4") <= 0.5


def small_fit(key: int = 0, **options):
    return fit(
        jax.random.key(key),
        mult_vae((16,), 4),
        checkerboard(),
        **{"epochs": 6, "batch_size": 20, "optimizer": optax.adam(1e-2)} | options,
    )


def test_the_same_key_gives_the_same_run_and_another_key_another():
    one, again, other = small_fit(0), small_fit(0), small_fit(1)
    without_time = [{k: v for k, v in entry.items() if k != "seconds"} for entry in one.log]
    assert without_time == [{k: v for k, v in e.items() if k != "seconds"} for e in again.log]
    for left, right in zip(jax.tree.leaves(one.params), jax.tree.leaves(again.params), strict=True):
        np.testing.assert_array_equal(left, right)
    assert one.log[0]["loss"] != other.log[0]["loss"]


def test_the_kept_epoch_is_the_first_best_of_validation_and_its_parameters_score_so():
    run = small_fit(epochs=12)
    values = [entry["validation"]["ndcg@100"] for entry in run.log]
    assert run.best_epoch == 1 + int(np.argmax(values))
    again = evaluate(run.scorer, checkerboard().validation)
    assert again.mean("ndcg@100") == pytest.approx(max(values), rel=1e-6)


def test_without_validation_users_the_last_epoch_is_kept():
    split = checkerboard()
    split = Split(split.train, None, split.test, split.user_ids, split.catalogue)
    run = fit(jax.random.key(0), mult_vae((16,), 4), split, epochs=3, batch_size=20)
    assert run.best_epoch == 3
    assert all("validation" not in entry for entry in run.log)
    for best, last in zip(
        jax.tree.leaves(run.params), jax.tree.leaves(run.state.params), strict=True
    ):
        np.testing.assert_array_equal(best, last)


def test_validation_every_third_epoch_and_at_the_end():
    run = small_fit(epochs=8, validate_every=3)
    assert [entry["epoch"] for entry in run.log if "validation" in entry] == [3, 6, 8]


def test_patience_stops_after_so_many_validations_without_a_new_best():
    # Nothing is learnt at rate 0, so that the first validation stays the best.
    still = optax.sgd(0.0)
    assert len(small_fit(epochs=20, optimizer=still, patience=3).log) == 4
    assert len(small_fit(epochs=20, optimizer=still, patience=2, validate_every=2).log) == 6


def test_report_sees_every_entry_and_can_stop():
    seen = []

    def report(state):
        seen.append(state.entry)
        return len(seen) == 2

    run = small_fit(callback=report)
    assert run.log == seen
    assert len(seen) == 2


def test_a_batch_larger_than_the_users_is_all_of_them():
    run = small_fit(batch_size=10_000, epochs=2)
    assert int(run.state.step) == 2


def test_beta_rises_over_half_the_updates_unless_given():
    run = small_fit(epochs=10)
    updates = int(run.state.step)
    assert updates == 30
    # Epoch n reads beta before its three updates; they are at 3n-3, 3n-2, 3n-1 of 15.
    risen = [
        np.mean([min(0.05, 0.05 * step / 15) for step in range(3 * n, 3 * n + 3)])
        for n in range(10)
    ]
    np.testing.assert_allclose([entry["beta"] for entry in run.log], risen, rtol=1e-5)
    assert small_fit(beta=constant(1.0)).log[0]["beta"] == 1.0


def test_the_callers_key_and_schedule_survive():
    key, beta = jax.random.key(3), constant(0.1)
    first = fit(key, mult_vae((16,), 4), checkerboard(), epochs=1, beta=beta)
    second = fit(key, mult_vae((16,), 4), checkerboard(), epochs=1, beta=beta)
    assert first.log[0]["loss"] == second.log[0]["loss"]


# --- the search for beta ----------------------------------------------------------------------

SEARCHED = mult_vae((8,), 4)
# Three updates an epoch, of the checkerboard's 60 users.
SEARCH = {"epochs": 6, "batch_size": 20, "optimizer": optax.adam(1e-2)}


def search(**options):
    return search_beta(jax.random.key(0), SEARCHED, checkerboard(), **SEARCH | options)


def test_the_cap_is_beta_at_the_best_epoch_of_a_rise_to_one():
    found = search(updates_to_one=100.0)
    best = np.argmax([entry["validation"]["ndcg@100"] for entry in found.run.log]) + 1
    assert 1 < best < 6, "the test needs a peak within the training"
    assert found.updates == 3 * best
    assert found.cap == pytest.approx(3 * best / 100)
    # The log keeps an epoch's mean: of the betas of its three updates.
    assert found.run.log[1]["beta"] == pytest.approx(np.mean([3, 4, 5]) / 100)


def test_the_training_after_it_has_the_same_slope_up_to_the_peak():
    found = search(updates_to_one=100.0)
    beta = linear_annealing(found.cap, found.updates)
    again = fit(jax.random.key(0), SEARCHED, checkerboard(), beta=beta, **SEARCH)
    peak = found.run.best_epoch
    for entry, before in zip(again.log[:peak], found.run.log[:peak], strict=True):
        assert entry["loss"] == pytest.approx(before["loss"], rel=1e-5)
    assert again.log[-1]["beta"] == pytest.approx(found.cap)
    assert found.run.log[-1]["beta"] > found.cap


def test_a_peak_after_the_rise_has_the_cap_one():
    found = search(updates_to_one=2.5)
    assert found.run.best_epoch > 1
    assert (found.cap, found.updates) == (1.0, 3)
    assert search(updates_to_one=3.0).updates == 3


def test_without_validation_users_there_is_no_peak():
    split = dataclasses.replace(checkerboard(), validation=None)
    with pytest.raises(InputError, match=r"^beta cannot be searched for: the split has no v"):
        search_beta(jax.random.key(0), SEARCHED, split, updates_to_one=9.0)
