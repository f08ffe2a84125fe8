"""Numbers that are not finite: found in every kind of place, named, stopped at or skipped."""

import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import multvae_jax as mv
from multvae_jax.batching import plan_epoch, to_device
from multvae_jax.fitting import fit
from multvae_jax.keys import order_key
from multvae_jax.training.updates import means
from multvae_jax.training_loop.divergence import DivergenceError
from tests.builders import assert_close, checkerboard

pytestmark = [pytest.mark.updates, pytest.mark.nans]

KEY = jax.random.key(0)
SPLIT = checkerboard()
OPTIONS = {"epochs": 3, "batch_size": 5, "optimizer": optax.adam(1e-2)}


def run(model=None, split=SPLIT, **options):
    return fit(KEY, model or mv.mult_vae((16,), 4), split, **OPTIONS | options)


def spoiled_at(update, spoil):
    """A Mult-VAE whose loss or gradient `spoil` breaks at one update, counted from 0."""
    model = mv.mult_vae((16,), 4)

    def loss(params, hyper, batch, key, step):
        value, terms = model.loss(params, hyper, batch, key, step)
        return spoil(value, terms, params, step == update)

    return model._replace(loss=loss)


def loss_is_nan(value, terms, params, here):
    value = jnp.where(here, jnp.nan, value)
    return value, {**terms, "loss": value}


def gradient_is_nan(value, terms, params, here):
    # sqrt has an infinite slope at 0, which the chain rule multiplies with 0.
    first = jax.tree.leaves(params)[0].ravel()[0]
    return value + jnp.sqrt(jnp.where(here, (first - first) ** 2, 1.0)), terms


def gradient_is_huge(value, terms, params, here):
    return value * jnp.where(here, 1e25, 1.0), terms


def batch_of(update):
    """The ids of the users in the batch of an update, counted from 0."""
    histories = to_device(SPLIT.train)
    epoch, place = divmod(update, 12)
    order = plan_epoch(order_key(KEY, epoch + 1), histories, 5).order[place]
    return [f"u{user}" for user in order if user >= 0]


@pytest.mark.parametrize("update", [0, 7, 25])
@pytest.mark.parametrize(
    ("spoil", "what"),
    [(loss_is_nan, "the loss of"), (gradient_is_nan, "the parameters after")],
)
def test_the_update_and_the_users_of_its_batch_are_named(update, spoil, what):
    with pytest.raises(DivergenceError) as caught:
        run(spoiled_at(update, spoil))
    assert f"{what} update {update + 1} (epoch {update // 12 + 1})" in str(caught.value)
    named = re.findall("'(u[0-9]+)'", str(caught.value))
    assert named == batch_of(update)[:3]
    assert "and 2 more" in str(caught.value)


def test_the_epochs_before_are_kept():
    with pytest.raises(DivergenceError) as caught:
        run(spoiled_at(25, loss_is_nan))
    kept = caught.value.run
    assert kept is not None
    assert len(kept.log) == 2
    assert kept.best_epoch in (1, 2)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(kept.params))


def test_nothing_is_kept_where_nothing_was_good():
    with pytest.raises(DivergenceError) as caught:
        run(spoiled_at(0, loss_is_nan))
    assert caught.value.run is None


def test_the_last_update_of_a_run_is_checked_too():
    """Its loss is measured before it: only the parameters tell."""
    model = spoiled_at(11, lambda value, terms, params, here: (value * here * 1e20, terms))
    with pytest.raises(DivergenceError, match=r"the parameters after update 12 \(epoch 1\)"):
        run(model, epochs=1, optimizer=optax.sgd(1e20))


def test_without_validation_users_the_parameters_are_checked_too():
    split = mv.Split(SPLIT.train, None, SPLIT.test, SPLIT.user_ids, SPLIT.catalogue)
    with pytest.raises(DivergenceError, match="the parameters after update 36"):
        run(spoiled_at(35, gradient_is_nan), split)


def test_an_optimizer_whose_state_overflows_is_found():
    """Adam squares the gradient: the parameters stay finite, and never move again."""
    with pytest.raises(DivergenceError, match=r"state of the optimizer are not finite .* 7 to 12"):
        run(spoiled_at(7, gradient_is_huge))


def test_finite_parameters_with_scores_that_are_not_are_found():
    with pytest.raises(DivergenceError, match="the scores of 60 of 60 validation users"):
        run(epochs=1, batch_size=60, optimizer=optax.sgd(1e37))


def test_an_infinite_number_in_an_optimizer_is_no_fault():
    """A schedule that remembers the best loss starts at infinity."""
    plateau = optax.chain(optax.adam(1e-2), optax.with_extra_args_support(remember_best()))
    assert len(run(optimizer=plateau).log) == 3


def remember_best():
    return optax.GradientTransformation(
        lambda params: {"best": jnp.float32(math.inf)},
        lambda updates, state, params: (updates, state),
    )


def test_a_skipped_update_changes_nothing_and_is_counted():
    options = {"epochs": 2, "on_nan": "skip", "beta": mv.schedules.constant(0.1)}
    skipped = run(spoiled_at(7, gradient_is_nan), **options)
    whole = run(**options)
    assert [entry["skipped"] for entry in skipped.log] == [1, 0]
    assert [entry["skipped"] for entry in whole.log] == [0, 0]
    assert [entry["step"] for entry in skipped.log] == [12, 24]
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(skipped.state.params))
    # Up to the skipped update both are one training.
    before = run(epochs=1, on_nan="skip", beta=options["beta"], callback=lambda state: True)
    assert int(before.state.step) == 6


def test_skipping_nothing_gives_the_run_that_stops_at_nothing():
    skipping, stopping = run(on_nan="skip"), run()
    # Two programs, which XLA rounds in its own way each.
    for one, other in zip(*map(jax.tree.leaves, (skipping.params, stopping.params)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_terms_are_means_over_the_users_of_the_updates_that_were_made():
    order = jnp.array([[0, 1, 2], [3, 4, 5], [6, -1, -1]])
    terms = {"loss": jnp.array([1.0, 0.0, 5.0]), "norms": jnp.array([[1.0, 2.0], [0, 0], [5, 6]])}
    found = means({**terms, "skipped": jnp.array([0, 1, 0])}, order)
    assert_close(found, {"loss": 2.0, "norms": np.array([2.0, 3.0]), "skipped": 1})


def test_an_epoch_of_skipped_updates_ends_the_run():
    model = spoiled_at(0, loss_is_nan)

    def loss(params, hyper, batch, key, step):
        return model.loss(params, hyper, batch, key, jnp.int32(0))

    with pytest.raises(DivergenceError, match="every update of epoch 1 was skipped"):
        run(model._replace(loss=loss), on_nan="skip")
