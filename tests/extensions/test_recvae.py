"""RecVAE against float64, and what its turns freeze stays frozen."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import multvae_jax as mv
from multvae_jax.extensions.recvae import densely_connected_mlp, log_composite
from multvae_jax.runs.checkpoints import Checkpoints
from tests.builders import (
    as_numpy64,
    assert_close,
    assert_same,
    batch_of,
    checkerboard,
    counts,
    encoder_input,
    found_at,
    initial_state,
    multinomial64,
    normal64,
    randomized,
    vae_noise,
)

pytestmark = pytest.mark.updates

SMALL = partial(mv.recvae, hidden=6, latent=3)


def mixture64(z, mu, logvar):
    return (
        0.15 * np.exp(normal64(z, 0, 0))
        + 0.75 * np.exp(normal64(z, mu, logvar))
        + 0.10 * np.exp(normal64(z, 0, 10.0))
    )


def test_the_composite_prior_is_a_mixture_in_each_dimension():
    z, mu, logvar = np.random.default_rng(0).normal(0, 2, (3, 4, 5))
    previous = mv.Posterior(jnp.float32(mu), jnp.float32(logvar))
    expected = np.log(mixture64(z, mu, logvar))
    np.testing.assert_allclose(log_composite(jnp.float32(z), previous), expected, rtol=1e-5)


def encoder64(params, x):
    """RecVAE's encoder, from its formulas."""

    def dense(h, layer):
        return h @ params[layer]["kernel"] + params[layer]["bias"]

    def swish_and_norm(h, layer):
        h = h / (1 + np.exp(-h))
        h = (h - h.mean(axis=1, keepdims=True)) / np.sqrt(h.var(axis=1, keepdims=True) + 0.1)
        return h * params[layer]["scale"] + params[layer]["shift"]

    h1 = swish_and_norm(dense(x, "layers_0"), "layers_0")
    h2 = swish_and_norm(dense(h1, "layers_1") + h1, "layers_1")
    h3 = swish_and_norm(dense(h2, "layers_2") + h1 + h2, "layers_2")
    h4 = swish_and_norm(dense(h3, "layers_3") + h1 + h2 + h3, "layers_3")
    h5 = swish_and_norm(dense(h4, "layers_4") + h1 + h2 + h3 + h4, "layers_4")
    return np.split(dense(h5, "code"), 2, axis=1)


def test_recvae_encodes_and_scores_as_its_formulas_say():
    x = counts(0, 5, 7)
    model = SMALL()
    params = randomized(model.init, 7)
    wide = as_numpy64(params["network"])
    mu, _ = encoder64(wide["encoder"], encoder_input(x, x > 0, 0.0))
    expected = mu @ wide["decoder"]["kernel"] + wide["decoder"]["bias"]
    np.testing.assert_allclose(jax.jit(model.score)(params, batch_of(x)), expected, rtol=1e-4)


@pytest.mark.parametrize(("turn", "rate"), [(1.0, 0.5), (0.0, 0.0)], ids=["encoder", "decoder"])
@pytest.mark.parametrize("in_blocks", [False, True])
def test_the_loss_of_recvae_in_either_turn(turn, rate, in_blocks):
    """Dropout in the encoder's turn alone, never for the previous encoder; beta by the user."""
    x = counts(1, 6, 7)
    elbo = mv.extensions.composite_elbo
    if in_blocks:
        elbo = partial(elbo, reconstruction=mv.objectives.blockwise_logits(3))
    model = SMALL(gamma=0.3, objective=elbo, weight_penalty=0.01)
    params = randomized(model.init, 7, scale=0.3) | {"encoders_turn": jnp.float32(turn)}
    key, batch = jax.random.key(0), batch_of(x)
    loss, terms = jax.jit(model.loss)(params, model.hyper, batch, key, jnp.int32(5))

    wide = as_numpy64(params)
    network = wide["network"]
    kept, eps = as_numpy64(vae_noise(key, batch, jnp.float32(rate), 7, 3))
    mu, logvar = encoder64(network["encoder"], encoder_input(x, kept > 0, rate))
    z = mu + eps * np.exp(logvar / 2)
    previous = encoder64(wide["previous"], encoder_input(x, x > 0, 0.0))
    kl = (normal64(z, mu, logvar) - np.log(mixture64(z, *previous))).sum(axis=1)
    log_p = multinomial64(z @ network["decoder"]["kernel"] + network["decoder"]["bias"], x)
    beta = 0.3 * x.sum(axis=1)
    squares = sum((leaf**2).sum() for leaf in jax.tree.leaves(network) if leaf.ndim == 2)
    np.testing.assert_allclose(loss, (beta * kl - log_p).mean() + 0.01 * squares, rtol=1e-4)
    np.testing.assert_allclose(terms["kl"], kl.mean(), rtol=1e-4)
    np.testing.assert_allclose(terms["beta"], beta.mean(), rtol=1e-5)


def test_encoder_and_decoder_take_turns_and_the_previous_encoder_is_copied_at_the_turns_end():
    """Two updates per epoch: four of the encoder, two of the decoder, and so on."""
    model = SMALL(encoder_epochs=2)
    optimizer = mv.training.optimizer_of(model, optax.adam(0.01), 2)
    state = initial_state(model, optimizer, 7, mv.schedules.constant(1.0))
    update = jax.jit(mv.training.make_train_step(model, optimizer))
    batch = batch_of(counts(2, 6, 7))
    states = [state]
    for _ in range(12):
        states.append(update(states[-1], batch)[0])

    def moved(*place):
        def part(state):
            found = state.params
            for name in place:
                found = found[name]
            return jax.tree.leaves(found)

        pairs = [
            [bool(jnp.any(one != two)) for one, two in zip(part(a), part(b), strict=True)]
            for a, b in itertools.pairwise(states)
        ]
        # All of a part moves, or nothing of it.
        assert all(all(each) or not any(each) for each in pairs)
        return [any(each) for each in pairs]

    yes, no = True, False
    assert moved("network", "encoder") == [yes, yes, yes, yes, no, no] * 2
    assert moved("network", "decoder") == [no, no, no, no, yes, yes] * 2
    assert moved("previous") == [no, no, no, yes, no, no] * 2
    turns = [float(state.params["encoders_turn"]) for state in states]
    assert turns == [1, 1, 1, 1, 0, 0] * 2 + [1]
    for after in (4, 10):
        params = states[after].params
        assert_close(params["previous"], params["network"]["encoder"], 1e-6)


def test_no_gradient_reaches_what_the_optimizer_moves():
    model = SMALL()
    params = randomized(model.init, 7) | {"encoders_turn": jnp.float32(1)}
    arguments = (model.hyper, batch_of(counts(3, 4, 7)), jax.random.key(0), jnp.int32(0))
    gradients, _ = jax.jit(jax.grad(model.loss, has_aux=True))(params, *arguments)
    assert all(not leaf.any() for leaf in jax.tree.leaves(gradients["previous"]))
    assert gradients["encoders_turn"] == 0
    assert all(leaf.any() for leaf in jax.tree.leaves(gradients["network"]))


def test_recvae_finds_the_withheld_square():
    """As every other model in tests/test_fitting.py; chance would get a half."""
    split = checkerboard()
    run = mv.fit(
        jax.random.key(0),
        mv.recvae(32, 8),
        split,
        epochs=16,
        batch_size=20,
        validate_every=16,
        optimizer=optax.adam(1e-2),
    )
    assert mv.evaluate(run.scorer, split.test, found_at(4)).mean("recall@4") == 1.0
    assert run.params["network"]["decoder"]["kernel"].shape == (8, 40)


def test_a_training_goes_on_in_the_middle_of_a_turn_as_if_it_had_not_stopped(tmp_path):
    """From the disk and to the bit: the turns are in the parameters and the optimizer's state."""
    options = {"epochs": 5, "batch_size": 20, "optimizer": optax.adam(1e-2)}
    model, split, key = mv.recvae(8, 4, encoder_epochs=2), checkerboard(), jax.random.key(1)
    whole = mv.fit(key, model, split, **options)
    with Checkpoints(tmp_path / "checkpoints") as checkpoints:

        def stop(state):
            checkpoints.save(state)
            return len(state.log) == 3

        start = mv.fit(key, model, split, callback=stop, **options).state
        state = checkpoints.latest(start)
    assert len(state.log) == 3
    again = mv.fit(key, model, split, state=state, **options)
    assert_same(again.state.params, whole.state.params)
    assert_same(again.state.opt_state, whole.state.opt_state)
    losses = [entry["loss"] for entry in whole.log]
    assert [entry["loss"] for entry in again.log] == losses


def test_the_network_passes_the_checks():
    mv.testing.check_network(densely_connected_mlp((64,), 8))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"hidden": (6, 6)}, "hidden: 2 widths, but RecVAE takes one"),
        ({"hidden": ()}, "hidden: 0 widths, but RecVAE takes one"),
        ({"gamma": -0.1}, "gamma: expected `float` >= 0"),
        ({"encoder_epochs": 1.5}, "encoder_epochs: expected `int`"),
        ({"decoder_epochs": 0}, "decoder_epochs: expected `int` >= 1"),
    ],
)
def test_arguments_out_of_bounds_are_refused(arguments, message):
    with pytest.raises(mv.InputError) as caught:
        mv.recvae(**arguments)
    assert str(caught.value).startswith(message)


def test_beta_is_not_searched_for():
    with pytest.raises(mv.InputError, match=r"^beta cannot be searched for: the model has none$"):
        mv.search_beta(jax.random.key(0), SMALL(), checkerboard(), updates_to_one=9.0)
