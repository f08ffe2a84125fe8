"""Runs of all kinds of models, untrained, and their recommendations by this package."""

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp

import multvae_jax as mv
from multvae_jax.baselines import BASELINES
from multvae_jax.batching import dense_rows
from multvae_jax.data.types import Catalogue
from multvae_jax.export.directory import export_run
from multvae_jax.mlp import bounded_mlp, variational_mlp
from multvae_jax.models import blend_of
from multvae_jax.networks import Network, from_functions
from multvae_jax.posteriors import Posterior
from multvae_jax.recommending.top_k import rank_items
from multvae_jax.runs import Run
from multvae_jax.runs.loading import SavedRun
from multvae_jax.runs.run_config import RunConfig
from tests.builders import randomized

N_ITEMS = 30
K = 6

_RNG = np.random.default_rng(0)
CATALOGUE = Catalogue(
    np.array([f"i{item}" for item in range(N_ITEMS)], object),
    _RNG.permutation(N_ITEMS),
    {f"i{item}": f"<b>Film & {item}</b> </script>" for item in range(N_ITEMS)},
)
TRAIN = sp.csr_array((_RNG.random((40, N_ITEMS)) < 0.3).astype(np.float32))
# The first user has all items but four, the last one none.
HISTORIES = (_RNG.random((7, N_ITEMS)) < 0.3).astype(np.float32)
HISTORIES[0] = np.arange(N_ITEMS) >= 4
HISTORIES[-1] = 0
FEATURES = _RNG.normal(size=(7, 3)).astype(np.float32)


def conditional(hidden, latent, activation):
    """A network that also reads three features of each user, beside the code and in the logits."""
    plain = variational_mlp(hidden, latent, activation)

    def init(key, n_items):
        return {
            **plain.init(key, n_items),
            "of_user": jnp.zeros((3, n_items)),
            "start": jnp.zeros(2),
            "more": jnp.zeros((latent + 5, latent)),
        }

    def encode(params, batch):
        code = plain.encode(params, batch)
        start = jnp.broadcast_to(params["start"][None], (batch.users.shape[0], 2))
        mu = jnp.concatenate([start, code.mu, batch.user_features], axis=1) @ params["more"]
        return Posterior(mu, code.logvar)

    return Network(init, encode, plain.decode, plain.head)


def reads_features(params, batch):
    return dense_rows(batch) @ params["items"] + batch.user_features @ params["of_user"]


def functions():
    """A network of plain functions, with a gate, a softmax and a transposed matrix."""

    def init(key, n_items):
        return {"in": jnp.zeros((n_items, 8)), "out": jnp.zeros((n_items, 4))}

    def encode(params, x):
        h = jax.nn.softplus(x @ params["in"])
        return jax.nn.softmax(h[:, :4]) * jnp.clip(h[:, 4:], 0.1, 2.0), jnp.zeros_like(h[:, :4])

    def decode(params, z):
        return jax.nn.gelu(z) @ params["out"].T - jnp.square(z).sum(axis=1, keepdims=True)

    return from_functions(init, encode, decode)


MODELS = {
    "mult-vae": lambda: mv.mult_vae((8,), 4),
    "elu": lambda: mv.mult_vae((), 4, activation=jax.nn.elu, network=bounded_mlp),
    "mult-dae": lambda: mv.mult_dae((), 4),
    "recvae": lambda: mv.recvae((8,), 4),
    "vamp-vae": lambda: mv.vamp_vae((8,), 4, pseudo_inputs=3),
    "functions": lambda: mv.vae(
        functions(), mv.likelihoods.multinomial(), mv.priors.standard_normal()
    ),
}
FITTED = {
    "ease": {"regularization": 5.0},
    "popularity": {},
    "linear-autoencoder": {"rank": 3, "regularization": 1.0},
    "rp3beta": {"alpha": 1.0, "beta": 0.25, "neighbors": 5},
}


def run_of(model, params):
    return Run(model, params, CATALOGUE, best_epoch=1, state=None, log=[])


def fitted(name):
    baseline = BASELINES[name]
    return baseline, baseline.fit(TRAIN, **FITTED[name])


def make_run(name):
    """A run of the kind with this name; its parameters are random, or fitted to `TRAIN`."""
    if name in MODELS:
        model = MODELS[name]()
        return run_of(model, randomized(model.init, N_ITEMS))
    if name == "blend":
        model = MODELS["mult-vae"]()
        baseline, params = fitted("rp3beta")
        both = {"model": randomized(model.init, N_ITEMS), "baseline": params}
        return run_of(blend_of(model, baseline), {**both, "weight": jnp.float32(0.3)})
    if name == "wmf":
        # Of its own package only the fit is.
        factors = _RNG.normal(size=(N_ITEMS, 4)).astype(np.float32)
        params = {"item_factors": factors, "regularization": np.float32(1), "alpha": np.float32(5)}
        return run_of(BASELINES["wmf"], jax.tree.map(jnp.asarray, params))
    return run_of(*fitted(name))


KINDS = [*MODELS, *FITTED, "blend"]


def expected(run, features=None):
    """The best items of `HISTORIES` and their scores, by this package; -1 and -inf for none."""
    histories = sp.csr_array(HISTORIES)
    (ranked,) = rank_items(run.scorer, CATALOGUE, histories, K, user_features=features)
    return ranked.items, np.where(ranked.items < 0, -np.inf, ranked.scores)


def padded():
    """`HISTORIES` as columns, padded with -1 on both sides."""
    history = np.full((len(HISTORIES), N_ITEMS + 4), -1, np.int32)
    for row, columns in zip(history, map(np.flatnonzero, HISTORIES), strict=True):
        row[2 : 2 + len(columns)] = columns
    return history


def exported(run, folder, *formats, **options):
    """Export a run; returns what was said."""
    return export_run(SavedRun(RunConfig(), run), folder, formats or None, K, **options)
