"""Networks from plain functions and from nnx modules, against the linen network they repeat."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from multvae_jax.batching import dense_rows
from multvae_jax.evaluation.evaluator import evaluate
from multvae_jax.evaluation.metrics import Metric, recall
from multvae_jax.fitting import fit
from multvae_jax.likelihoods import multinomial
from multvae_jax.mlp import denoising_mlp, variational_mlp
from multvae_jax.models import dae, mult_vae
from multvae_jax.networks import Posterior, from_functions, from_nnx
from multvae_jax.ops.embedding_bag import embedding_bag
from multvae_jax.runs import pytrees
from tests.builders import (
    assert_close,
    batch_of,
    checkerboard,
    counted,
    counts,
    randomized,
)

pytestmark = pytest.mark.updates

HIDDEN, LATENT, N_ITEMS = 5, 3, 9
X = counts(4, 6, N_ITEMS)
LINEN = variational_mlp((HIDDEN,), LATENT)


class Module(nnx.Module):
    """The network of Mult-VAE, with its layers in lists."""

    def __init__(self, n_items, rngs, *, code=2 * LATENT, hidden=HIDDEN):
        up, down = (n_items, hidden, code), (LATENT, hidden, n_items)
        layers = [
            [nnx.Linear(*pair, rngs=rngs) for pair in itertools.pairwise(w)] for w in (up, down)
        ]
        self.encoder, self.decoder = map(nnx.List, layers)

    def encode(self, batch):
        first, second = self.encoder
        h = jnp.tanh(embedding_bag(first.kernel[...], batch) + first.bias[...][None])
        return tuple(jnp.split(second(h), 2, axis=-1))

    def decode(self, z):
        first, second = self.decoder
        return second(jnp.tanh(first(z)))


class Denoising(Module):
    def __init__(self, n_items, rngs):
        super().__init__(n_items, rngs, code=LATENT)

    def encode(self, batch):
        first, second = self.encoder
        return jnp.tanh(second(jnp.tanh(first(dense_rows(batch)))))


def layer(params, part, n, h):
    return h @ params[f"{part}{n}"]["w"] + params[f"{part}{n}"]["b"][None]


def plain_init(key, n_items):
    widths = {"up0": (n_items, HIDDEN), "up1": (HIDDEN, 2 * LATENT)}
    widths |= {"down0": (LATENT, HIDDEN), "down1": (HIDDEN, n_items)}
    keys = jax.random.split(key, len(widths))
    glorot = jax.nn.initializers.glorot_uniform()
    return {
        name: {"w": glorot(key, shape), "b": jnp.zeros(shape[1])}
        for key, (name, shape) in zip(keys, widths.items(), strict=True)
    }


def plain_encode(params, x):
    h = layer(params, "up", 1, jnp.tanh(layer(params, "up", 0, x)))
    return h[:, :LATENT], h[:, LATENT:]


def plain_decode(params, z):
    return layer(params, "down", 1, jnp.tanh(layer(params, "down", 0, z)))


PLAIN = from_functions(plain_init, plain_encode, plain_decode)


def as_nnx(linen):
    """The parameters of the linen network, as those of `Module`."""
    return {
        part: {str(n): linen[part][name] for n, name in enumerate(sorted(linen[part]))}
        for part in ("encoder", "decoder")
    }


def as_plain(linen):
    return {
        f"{mine}{n}": {"w": linen[part][name]["kernel"], "b": linen[part][name]["bias"]}
        for part, mine in (("encoder", "up"), ("decoder", "down"))
        for n, name in enumerate(sorted(linen[part]))
    }


ADAPTED = {"nnx": (from_nnx(Module), as_nnx), "functions": (PLAIN, as_plain)}
each = pytest.mark.parametrize("name", ADAPTED)


@each
def test_an_adapted_network_is_the_linen_network_of_the_same_parameters(name):
    network, translated = ADAPTED[name]
    linen = randomized(LINEN.init, N_ITEMS)
    made = jax.eval_shape(lambda key: network.init(key, N_ITEMS), jax.random.key(0))
    assert jax.tree.map(jnp.shape, made) == jax.tree.map(jnp.shape, translated(linen))
    batch = batch_of(X, [4, 0, 2, -1, 5], extra=1)

    def loss(network, params):
        code = network.encode(params, batch)
        logits = network.decode(params, code.mu)
        return jnp.sum(jnp.sin(logits)) + jnp.sum(code.logvar**2), (code, logits)

    gradient = jax.jit(jax.grad(loss, argnums=1, has_aux=True), static_argnums=0)
    slopes, results = gradient(network, translated(linen))
    expected, others = gradient(LINEN, linen)
    assert isinstance(results[0], Posterior)
    assert_close(results, others)
    assert_close(slopes, translated(expected))


@each
def test_an_adapted_network_trains_to_find_the_withheld_square(name):
    split = checkerboard()
    make = {"nnx": lambda: from_nnx(Module), "functions": lambda: PLAIN}[name]
    model = mult_vae(network=lambda hidden, latent, activation: make())
    run = fit(jax.random.key(0), model, split, epochs=30, batch_size=20, optimizer=optax.adam(1e-2))
    assert evaluate(run.scorer, split.test, {"recall@4": Metric(recall, 4)}).mean("recall@4") == 1.0


def test_an_nnx_module_may_be_a_denoising_network():
    network = from_nnx(Denoising)
    linen = randomized(denoising_mlp((HIDDEN,), LATENT).init, N_ITEMS)
    model, other = dae(network, multinomial()), dae(denoising_mlp((HIDDEN,), LATENT), multinomial())
    scores = jax.jit(model.score)({"network": as_nnx(linen)}, batch_of(X))
    np.testing.assert_allclose(
        scores, jax.jit(other.score)({"network": linen}, batch_of(X)), rtol=1e-5, atol=1e-6
    )


@each
def test_seeds_are_a_vmap_with_keys_of_their_own(name):
    network, _ = ADAPTED[name]
    keys = jax.vmap(jax.random.key)(jnp.arange(3))

    def init(key):
        return network.init(key, N_ITEMS)

    params = jax.jit(jax.vmap(init))(keys)
    batch = batch_of(X)
    together = jax.jit(jax.vmap(network.encode, (0, None)))(params, batch)
    for n in range(3):
        alone = jax.jit(init)(jax.random.key(n))
        assert_close(jax.tree.map(lambda leaf, n=n: leaf[n], params), alone)
        member = jax.jit(network.encode)(alone, batch)
        assert_close(jax.tree.map(lambda leaf, n=n: leaf[n], together), member, 1e-4)
    assert not np.array_equal(*jax.tree.leaves(params)[1][:2])


def test_ten_layers_and_more_are_saved_and_read_back_in_their_order(tmp_path):
    class Deep(nnx.Module):
        def __init__(self, n_items, rngs):
            self.layers = nnx.List([nnx.Linear(n_items, n_items, rngs=rngs) for _ in range(12)])

        def encode(self, batch):
            h = dense_rows(batch)
            for layer in self.layers:
                h = jnp.tanh(layer(h))
            return h

        def decode(self, z):
            return z

    network = from_nnx(Deep)
    params = randomized(network.init, N_ITEMS)
    assert params["layers"].keys() == {str(n) for n in range(12)}
    h = X
    for n in range(12):
        layer = jax.tree.map(np.asarray, params["layers"][str(n)])
        h = np.tanh(h @ layer["kernel"] + layer["bias"])
    np.testing.assert_allclose(jax.jit(network.encode)(params, batch_of(X)), h, atol=1e-4)
    pytrees.save_tree(tmp_path / "params", params)
    assert_close(pytrees.load_tree(tmp_path / "params", params), params, 0)


def test_a_module_that_keeps_more_than_parameters_is_refused_by_name():
    class Noisy(Module):
        def __init__(self, n_items, rngs):
            super().__init__(n_items, rngs)
            self.dropout = nnx.Dropout(0.5, rngs=rngs)
            self.norm = nnx.BatchNorm(HIDDEN, rngs=rngs)

    with pytest.raises(TypeError, match=r"keeps more than parameters: .*dropout.*norm\.mean"):
        from_nnx(Noisy).init(jax.random.key(0), N_ITEMS)


@pytest.mark.parametrize("hidden", [N_ITEMS, N_ITEMS + 1, 2 * N_ITEMS])
def test_a_layer_is_not_mistaken_for_the_catalogue(hidden):
    network = from_nnx(lambda n_items, rngs: Module(n_items, rngs, hidden=hidden))
    params = randomized(network.init, N_ITEMS)
    assert jax.jit(network.encode)(params, batch_of(X)).mu.shape == (len(X), LATENT)
    assert jax.jit(network.decode)(params, jnp.zeros((2, LATENT))).shape == (2, N_ITEMS)


def test_a_module_that_does_not_grow_with_the_catalogue_is_refused():
    network = from_nnx(lambda n_items, rngs: Module(5, rngs))
    with pytest.raises(ValueError, match="no parameter has a dimension that grows"):
        network.decode(network.init(jax.random.key(0), 5), jnp.zeros((2, LATENT)))


def test_a_step_does_not_trace_the_module_twice():
    network, calls = from_nnx(Module), []
    encode, calls = counted(network.encode)
    compiled = jax.jit(encode)
    for seed in range(3):
        compiled(randomized(network.init, N_ITEMS, seed), batch_of(X))
    assert len(calls) == 1
