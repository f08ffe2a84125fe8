"""log p(x | z) in blocks of items is log p(x | z), and never as large as the catalogue."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from multvae_jax.batching import totals
from multvae_jax.errors import InputError
from multvae_jax.likelihoods import Likelihood, dense, gaussian, logistic, multinomial, poisson
from multvae_jax.mlp import denoising_mlp, variational_mlp
from multvae_jax.models import mult_dae, mult_vae
from multvae_jax.objectives import blockwise_logits, denoising_loss, full_logits, negative_elbo
from multvae_jax.ops.logsumexp import logsumexp
from multvae_jax.ops.matmul import matmul, matmul_in
from multvae_jax.schedules import constant
from tests.builders import assert_close, batch_of, counts, randomized

N_ITEMS, LATENT = 11, 3
X = counts(4, 6, N_ITEMS)


def tempered():
    """A multinomial with a trained inverse temperature, and a summary of whole numbers."""

    def normalizer(f, total, theta):
        return total * logsumexp(theta["a"] * f)

    def merge(normalizers, total, theta):
        total = jnp.float32(total)
        return total * logsumexp(normalizers / jnp.maximum(total, 1.0))

    def summary(batch):
        return jnp.int32(totals(batch))

    return Likelihood(
        lambda f, x, theta: x * theta["a"] * f,
        lambda f, total, theta: normalizer(f, jnp.float32(total), theta),
        summary,
        init=lambda key, n_items: {"a": jax.random.uniform(key)},
        merge=merge,
    )


LIKELIHOODS = {
    "multinomial": multinomial(),
    "gravity": multinomial(gravity=0.02),
    "logistic": logistic(),
    "gaussian": gaussian(1.5, 0.25),
    "poisson": poisson(),
    "tempered": tempered(),
}


PARTS = {mult_vae: (variational_mlp, negative_elbo), mult_dae: (denoising_mlp, denoising_loss)}
CASES = [(mult_vae, name) for name in LIKELIHOODS] + [(mult_dae, "multinomial")]
cases = pytest.mark.parametrize(("make", "name"), CASES)
RAGGED, ROWS = batch_of(X, [4, 0, 2, -1, 5], extra=2), batch_of(X, [4, 0, 2, -1, 5], width=N_ITEMS)


@functools.cache
def gradients_of(make, name, matmul=matmul, reconstruction=full_logits):
    """The loss and its gradients in everything trained, compiled for each shape of batch."""
    network, objective = PARTS[make]
    model = make(
        (5,),
        LATENT,
        network=functools.partial(network, matmul=matmul),
        likelihood=LIKELIHOODS[name],
        objective=functools.partial(objective, reconstruction=reconstruction),
    )
    hyper = jax.tree.map(jnp.float32, {**model.hyper, "beta": constant(0.3)})
    params = randomized(model.init, N_ITEMS)

    def loss(params, constants, values, batch):
        given = dataclasses.replace(batch, values=values)
        numbers = {**hyper, "likelihood": constants}
        return model.loss(params, numbers, given, jax.random.key(1), jnp.int32(0))[0]

    function = jax.jit(jax.value_and_grad(loss, (0, 1, 2)))
    return lambda batch: function(params, hyper["likelihood"], batch.values, batch)


@cases
def test_loss_and_gradients_in_blocks(make, name):
    """Of blocks that leave a rest, that leave none, and of one that is larger than all items."""
    expected = gradients_of(make, name)(RAGGED)
    for size in (1, 4, 30) if name == "multinomial" else (4,):
        found = gradients_of(make, name, reconstruction=blockwise_logits(size))(RAGGED)
        assert_close(found, expected, 2e-5)


def test_large_logits():
    """Where exp overflows, and where a block is far below the largest logit."""
    network, batch = variational_mlp((), LATENT), batch_of(X)
    params = randomized(network.init, N_ITEMS, scale=3000.0)
    z = jnp.asarray(np.random.default_rng(0).normal(size=(len(X), LATENT)), jnp.float32)

    def gradients(how):
        log_p = how(network, multinomial())

        def total(params):
            per_user = log_p(params, {}, z, batch)
            return per_user.sum(), per_user

        return jax.jit(jax.grad(total, has_aux=True))(params)

    found, expected = gradients(blockwise_logits(3)), gradients(full_logits)
    assert np.abs(expected[1]).max() > 1e4
    assert_close(found, expected)


def test_members_are_a_vmap():
    network, batch = variational_mlp((5,), LATENT), batch_of(X)
    members = [randomized(network.init, N_ITEMS, seed) for seed in (0, 1)]
    z = jnp.ones((len(X), LATENT))

    def gradient(how):
        log_p = how(network, multinomial())
        return jax.grad(lambda params: log_p(params, {}, z, batch).sum())

    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *members)
    together = jax.jit(jax.vmap(gradient(blockwise_logits(4))))(stacked)
    for n, member in enumerate(members):
        alone = jax.jit(gradient(full_logits))(member)
        assert_close(jax.tree.map(lambda leaf, n=n: leaf[n], together), alone)


@cases
def test_bfloat16_is_float32_within_its_rounding(make, name):
    """On a ragged batch, and on the same rows in chunks that hold every item."""
    for batch in (RAGGED, ROWS) if name == "multinomial" else (RAGGED,):
        expected = gradients_of(make, name)(batch)
        found = gradients_of(make, name, matmul_in(jnp.bfloat16))(batch)
        # It keeps 8 bits: a rounding is off by 2^-9 at the most, and a few meet in a sum.
        assert_close(found, expected, 2**-4)
        assert found[0] != expected[0]


def test_blocks_in_bfloat16():
    """A block is multiplied as the whole is: the same rounding of the same numbers."""
    rounded = matmul_in(jnp.bfloat16)
    expected = gradients_of(mult_vae, "multinomial", rounded)(RAGGED)
    found = gradients_of(mult_vae, "multinomial", rounded, blockwise_logits(4))(RAGGED)
    # A gradient of the logits that lies between two numbers may be rounded to the other one.
    assert_close(found, expected, 2**-7)


def temporaries(model, n_items, n_users=32):
    """Bytes beside arguments and results that the gradients of a loss take, and those of them."""
    batch = dataclasses.replace(batch_of(counts(0, n_users, 8), width=8), n_items=n_items)
    hyper = jax.tree.map(jnp.float32, {**model.hyper, "beta": constant(0.3)})
    params = jax.eval_shape(lambda key: model.init(key, n_items), jax.random.key(0))

    def gradients(params):
        return jax.grad(model.loss, has_aux=True)(
            params, hyper, batch, jax.random.key(0), jnp.int32(0)
        )

    compiled = jax.jit(gradients).lower(params).compile()
    return compiled.memory_analysis().temp_size_in_bytes, compiled.as_text()


@pytest.mark.usefixtures("shipped_compile")
def test_temporaries_do_not_grow_with_the_catalogue():
    n_users, size, hidden = 32, 500, 16
    objective = functools.partial(negative_elbo, reconstruction=blockwise_logits(size))
    streamed = mult_vae((hidden,), 4, objective=objective)
    small, _ = temporaries(streamed, 20_001)
    large, program = temporaries(streamed, 80_001)
    block = 4 * size * (n_users + hidden)
    assert small < 8 * block
    # A row of sums for each block, and nothing else.
    assert large - small < 60_000 / size * 4 * 4 * n_users
    assert f"f32[{n_users},80001]" not in program
    plain, program = temporaries(mult_vae((hidden,), 4), 80_001)
    assert f"f32[{n_users},80001]" in program
    assert plain > 10 * large


def test_what_cannot_be_computed_in_blocks_is_refused():
    ranking = dense(lambda f, x, theta: jnp.sum(f * x))
    with pytest.raises(InputError, match="merge"):
        blockwise_logits(4)(variational_mlp(), ranking)
    network = variational_mlp()._replace(head=None)
    with pytest.raises(InputError, match="head"):
        blockwise_logits(4)(network, multinomial())
