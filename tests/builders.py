"""Batches, float64 references and probes that several test files share.

The references are written from the paper's formulas in numpy. They also run on complex numbers,
so that a derivative can be had from them by a complex step, exact to float64.
"""

import functools
import inspect
import math
from pathlib import Path
from types import FunctionType

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse as sp
import scipy.stats

import multvae_jax as mv
from multvae_jax.batching import capacity_of, dense_rows, take, to_device
from multvae_jax.data.types import Catalogue, HeldOut, Split
from multvae_jax.evaluation.metrics import Metric, recall
from multvae_jax.likelihoods import multinomial
from multvae_jax.networks import Network, Posterior
from multvae_jax.objectives import denoising_loss, negative_elbo
from multvae_jax.priors import standard_normal


def counts(seed, n_users, n_items, highest=4, share=0.4):
    """A users x items matrix of counts; user 0 has every item, the last user none."""
    rng = np.random.default_rng(seed)
    x = rng.integers(1, highest + 1, (n_users, n_items)) * (rng.random((n_users, n_items)) < share)
    x[0] = rng.integers(1, highest + 1, n_items)
    x[-1] = 0
    return x.astype(np.float64)


_take = jax.jit(take, static_argnames="capacity")


def batch_of(x, users=None, width=3, extra=0, capacity=None):
    """The ragged batch of some users (all unless given) of a dense matrix."""
    users = np.arange(len(x)) if users is None else np.asarray(users)
    histories = to_device(sp.csr_array(x), width)
    needed = capacity_of(histories, users[None])
    assert capacity is None or capacity >= needed
    return _take(histories, jnp.asarray(users, jnp.int32), capacity=capacity or needed + extra)


def randomized(init, n_items, seed=0, scale=0.5):
    """Parameters of the shapes that `init` makes, all large enough to matter (biases too)."""
    rng = np.random.default_rng(seed)
    shapes = jax.eval_shape(lambda key: init(key, n_items), jax.random.key(0))
    return jax.tree.map(lambda a: jnp.asarray(scale * rng.normal(size=a.shape), a.dtype), shapes)


def assert_same(one, two):
    """Equal leaf by leaf, to the bit."""
    leaves, others = jax.tree.leaves(one), jax.tree.leaves(two)
    for leaf, other in zip(leaves, others, strict=True):
        np.testing.assert_array_equal(leaf, other)


def counted(function):
    """The function, and a list that grows by one at each call (each trace, under jit)."""
    calls = []

    def wrapper(*args):
        calls.append(None)
        return function(*args)

    return wrapper, calls


def assert_close(tree, expected, tolerance=1e-5):
    """Within the tolerance, relative to an array's largest entry, array by array."""
    assert jax.tree.structure(tree) == jax.tree.structure(expected)
    for leaf, other in zip(jax.tree.leaves(tree), jax.tree.leaves(expected), strict=True):
        scale = np.abs(other).max() if np.size(other) else 0.0
        np.testing.assert_allclose(leaf, other, rtol=tolerance, atol=tolerance * scale)


def as_numpy64(tree):
    return jax.tree.map(lambda a: np.asarray(a, np.float64), tree)


# --- float64 references ---------------------------------------------------------------------


def mlp(layers, h, activation):
    """Dense layers in the order of their numbers, the last one linear."""
    names = sorted(layers, key=lambda name: int(name.removeprefix("layers_")))
    for name in names:
        h = h @ layers[name]["kernel"] + layers[name]["bias"]
        if name != names[-1]:
            h = activation(h)
    return h


def multinomial64(f, x):
    shift = f.real.max(axis=-1, keepdims=True)
    log_sum = shift + np.log(np.exp(f - shift).sum(axis=-1, keepdims=True))
    return (x * (f - log_sum)).sum(axis=-1)


def logistic64(f, x):
    return (x * f - np.log(1 + np.exp(f))).sum(axis=-1)


def gaussian64(c1, c0):
    return lambda f, x: -(np.where(x != 0, c1, c0) / 2 * (x - f) ** 2).sum(axis=-1)


def poisson64(f, x):
    return (x * f - np.exp(f)).sum(axis=-1)


def encoder_input(x, kept, rate):
    """Rows of unit norm, the dropped interactions out, the kept ones scaled up."""
    norm = np.sqrt((x**2).sum(axis=1, keepdims=True))
    return np.where(kept, x / np.where(norm > 0, norm, 1.0), 0.0) / (1 - rate)


def squared_kernels(params):
    return sum(
        (layer["kernel"] ** 2).sum()
        for part in ("encoder", "decoder")
        for layer in params[part].values()
    )


def vae64(params, x, kept, eps, *, rate, beta, penalty, log_p=multinomial64, activation=np.tanh):
    """The negative ELBO of the recipe, and its terms."""
    code = mlp(params["encoder"], encoder_input(x, kept, rate), activation)
    mu, logvar = code[:, : eps.shape[1]], code[:, eps.shape[1] :]
    logits = mlp(params["decoder"], mu + eps * np.exp(logvar / 2), activation)
    fit = log_p(logits, x).mean()
    kl = (0.5 * (np.exp(logvar) + mu**2 - 1 - logvar)).sum(axis=1).mean()
    return -fit + beta * kl + penalty * squared_kernels(params), fit, kl


def dae64(params, x, kept, *, rate, penalty, log_p=multinomial64, activation=np.tanh):
    """The denoising loss of the recipe, and its first term."""
    code = activation(mlp(params["encoder"], encoder_input(x, kept, rate), activation))
    fit = log_p(mlp(params["decoder"], code, activation), x).mean()
    return -fit + penalty * squared_kernels(params), fit


def gradient64(loss, params):
    """Derivatives of a real loss by the complex step Im(loss(p + ih)) / h."""
    leaves, tree = jax.tree.flatten(params)
    leaves = [np.array(leaf, np.complex128) for leaf in leaves]
    gradients = [np.zeros(leaf.shape) for leaf in leaves]
    for leaf, gradient in zip(leaves, gradients, strict=True):
        for place in np.ndindex(leaf.shape):
            leaf[place] += 1e-30j
            gradient[place] = loss(jax.tree.unflatten(tree, leaves)).imag / 1e-30
            leaf[place] = leaf[place].real
    return jax.tree.unflatten(tree, gradients)


# --- probes ---------------------------------------------------------------------------------
# What an objective draws depends on its key and on the users alone, so that a network without
# parameters sees the noise that any other network would get.


@functools.partial(jax.jit, static_argnames=("n_items", "latent"))
def vae_noise(key, batch, rate, n_items, latent):
    """Which interactions negative_elbo keeps (users x items), and its eps (users x latent)."""
    seen = {}
    n_users = batch.users.shape[0]

    def encode(params, corrupted):
        seen["kept"] = dense_rows(corrupted) > 0
        zeros = jnp.zeros((n_users, latent))
        return Posterior(zeros, zeros)

    def decode(params, z):
        seen["eps"] = z
        return jnp.zeros((n_users, n_items))

    loss = negative_elbo(Network(None, encode, decode), multinomial(), standard_normal())
    hyper = {
        "dropout": rate,
        "weight_penalty": jnp.float32(0),
        "beta": lambda step: jnp.float32(0),
        "likelihood": {},
        "prior": {},
    }
    loss({"network": {}, "likelihood": {}, "prior": {}}, hyper, batch, key, jnp.int32(0))
    return seen["kept"], seen["eps"]


@functools.partial(jax.jit, static_argnames="n_items")
def dae_noise(key, batch, rate, n_items):
    """Which interactions the denoising loss keeps (users x items)."""
    seen = {}

    def encode(params, corrupted):
        seen["kept"] = dense_rows(corrupted) > 0
        return seen["kept"]

    def decode(params, code):
        return jnp.zeros(code.shape)

    hyper = {"dropout": rate, "weight_penalty": jnp.float32(0), "likelihood": {}}
    loss = denoising_loss(Network(None, encode, decode), multinomial())
    loss({"network": {}, "likelihood": {}}, hyper, batch, key, jnp.int32(0))
    return seen["kept"]


def within_binomial(share, p, n, sigmas=5.0):
    """Whether a share of n draws is what p allows; at 5 sigma a right p fails once in 1e6."""
    return abs(share - p) <= sigmas * math.sqrt(p * (1 - p) / n)


def matrix(rows, n_items):
    """Sets of items, one a user, as a users x items matrix of ones."""
    indices = np.array([item for row in rows for item in sorted(row)], np.int32)
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    return sp.csr_array((np.ones(len(indices), np.float32), indices, indptr), (len(rows), n_items))


def ragged_users(n_users, n_items, seed):
    """Histories and targets, disjoint, of all lengths; every fifth has no history, or target.

    The first user has everything but one item, which is the target.
    """
    random = np.random.default_rng(seed)
    histories, targets = [set(range(1, n_items))], [{0}]
    for user in range(1, n_users):
        items = random.permutation(n_items).tolist()
        known, wanted = random.integers(0, n_items // 2, 2)
        histories.append(set(items[: known if user % 5 else 0]))
        targets.append(set(items[n_items - wanted if user % 5 != 1 else n_items :]))
    return histories, targets


def ranking_of(scores, history):
    """All items but the history, by falling score; the lower number first among equals."""
    return sorted(
        (item for item in range(len(scores)) if item not in history),
        key=lambda item: (-scores[item], item),
    )


def normal64(z, mu, logvar):
    return scipy.stats.norm.logpdf(z, mu, np.exp(logvar / 2))


def gradient_by_differences(function, f, h=1e-6):
    """Central differences in float64 of a function of a vector."""
    steps = h * np.eye(f.size)
    return np.array([(function(f + e) - function(f - e)) / (2 * h) for e in steps])


def initial_state(model, optimizer, n_items, beta):
    """The state before training, its parameters made by one program and not op by op."""
    at_once = model._replace(init=jax.jit(model.init, static_argnums=1))
    return mv.training.init_state(jax.random.key(0), at_once, optimizer, n_items, beta)


def checkerboard(n_users: int = 60, n_items: int = 40) -> Split:
    """Users like the items of their own parity; a held-out user's last four are withheld."""
    likes = (np.arange(n_users)[:, None] + np.arange(n_items)[None]) % 2 == 0
    targets = likes.copy()
    targets[:, : n_items - 8] = False
    held_out = HeldOut(
        history=sp.csr_array((likes & ~targets).astype(np.float32)),
        targets=sp.csr_array(targets.astype(np.float32)),
        user_ids=np.array([f"v{user}" for user in range(n_users)], object),
    )
    items = np.array([f"i{item}" for item in range(n_items)], object)
    return Split(
        train=sp.csr_array(likes.astype(np.float32)),
        validation=held_out,
        test=held_out,
        user_ids=np.array([f"u{user}" for user in range(n_users)], object),
        catalogue=Catalogue(items, likes.sum(axis=0), {}),
    )


def two_interactions() -> mv.Interactions:
    """Two users, and an item of each."""
    ids = np.array(["a", "b"], object)
    return mv.Interactions(
        users=np.array([0, 1], np.int32),
        items=np.array([0, 1], np.int32),
        values=np.ones(2, np.float32),
        times=None,
        user_ids=ids,
        item_ids=ids,
        titles={},
    )


def found_at(k: int) -> dict[str, Metric]:
    return {f"recall@{k}": Metric(recall, k)}


def see_through_shape_checks(monkeypatch):
    """Let models be described, although the suite wraps each function of the package anew."""
    from multvae_jax.config import describe

    same = describe.same

    def same_inside(*values):
        return same(*(inspect.unwrap(v) if isinstance(v, FunctionType) else v for v in values))

    monkeypatch.setattr(describe, "same", same_inside)


# --- files ----------------------------------------------------------------------------------


def write_ratings(path: Path, n_users: int = 40, n_items: int = 30) -> Path:
    """A table in which nobody rates everything, and nine in ten ratings are 4 or 5."""
    rng = np.random.default_rng(0)
    lines = ["userId,movieId,rating,timestamp"]
    for user in range(1, n_users + 1):
        items = rng.permutation(n_items)[: rng.integers(12, 20)] + 100
        ratings = rng.choice([3, 4, 5], size=items.size, p=[0.1, 0.4, 0.5])
        lines += [f"{user},{i},{r},0" for i, r in zip(items, ratings, strict=True)]
    path.write_text("\n".join(lines) + "\n")
    return path


def with_key_in_terms(model):
    """The model, with the key that its loss receives among the terms."""

    def loss(params, hyper, batch, key, step):
        value, terms = model.loss(params, hyper, batch, key, step)
        return value, {**terms, "key": jax.random.key_data(key)}

    return model._replace(loss=loss)


def plain(function):
    """A function without the suite's own check of annotations, which users do not have."""
    return inspect.unwrap(function, stop=lambda one: hasattr(one, "checks"))


def refusal(function, *arguments, **named) -> str:
    """The message of the one-line `InputError` that a function raises."""
    with pytest.raises(mv.InputError) as caught:
        plain(function)(*arguments, **named)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 250
    return message
