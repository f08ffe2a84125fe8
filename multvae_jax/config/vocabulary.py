"""The plain names of each option, and the values that they stand for.

The tables name values, not places: moving a definition changes nothing on the command line.
"""

from __future__ import annotations

import jax
import optax
from jaxtyping import Array

from multvae_jax import likelihoods, mlp, models, objectives, optimizers, priors, schedules
from multvae_jax.baselines import BASELINES
from multvae_jax.config.user_functions import Vocabulary
from multvae_jax.extensions import recvae, vamp
from multvae_jax.types import Params


def _constant(cap: float, updates: float) -> optax.Schedule:
    del updates
    return schedules.constant(cap)


def _norms(params: Params, gradient: Params, updates: Params) -> dict[str, Array]:
    """The norm of the whole gradient, and of what the optimizer adds to the parameters."""
    del params
    return {"gradient_norm": optax.tree.norm(gradient), "step_norm": optax.tree.norm(updates)}


MEASURE = Vocabulary("--measure", "measure", {"norms": _norms})
MODEL = Vocabulary(
    "--model",
    "model",
    {
        "mult-vae": models.mult_vae,
        "mult-dae": models.mult_dae,
        "recvae": recvae.recvae,
        "vamp-vae": vamp.vamp_vae,
        **BASELINES,
    },
)
NETWORK = Vocabulary(
    "--network",
    "network",
    {
        "variational_mlp": mlp.variational_mlp,
        "bounded_mlp": mlp.bounded_mlp,
        "denoising_mlp": mlp.denoising_mlp,
        "gated_mlp": mlp.gated_mlp,
        "densely_connected_mlp": recvae.densely_connected_mlp,
    },
)
LIKELIHOOD = Vocabulary(
    "--likelihood",
    "likelihood",
    {
        "multinomial": likelihoods.multinomial,
        "logistic": likelihoods.logistic,
        "gaussian": likelihoods.gaussian,
        "poisson": likelihoods.poisson,
    },
)
PRIOR = Vocabulary("--prior", "prior", {"standard_normal": priors.standard_normal})
OBJECTIVE = Vocabulary(
    "--objective",
    "objective",
    {
        "negative_elbo": objectives.negative_elbo,
        "denoising_loss": objectives.denoising_loss,
        "composite_elbo": recvae.composite_elbo,
        "vamp_elbo": vamp.vamp_elbo,
    },
)
BETA = Vocabulary(
    "--beta",
    "schedule",
    {"linear_annealing": schedules.linear_annealing, "constant": _constant},
)
ACTIVATION = Vocabulary(
    "--activation",
    "activation",
    {
        name: getattr(jax.nn, name)
        for name in (
            *("tanh", "relu", "gelu", "silu", "swish", "elu", "selu", "celu", "mish", "relu6"),
            *("leaky_relu", "sigmoid", "softplus", "soft_sign", "log_sigmoid", "squareplus"),
            *("hard_tanh", "hard_sigmoid", "hard_silu", "hard_swish", "sparse_plus"),
            *("identity", "softmax", "log_softmax", "standardize", "sparse_sigmoid"),
        )
    },
)
# Those that need no more than the gradient; of others in optax, `optax:name`.
OPTIMIZER = Vocabulary(
    "--optimizer",
    "optimizer",
    {
        name: getattr(optax, name)
        for name in (
            *("adam", "adamw", "sgd", "adabelief", "adadelta", "adafactor", "adagrad", "adamax"),
            *("adamaxw", "adan", "amsgrad", "fromage", "lamb", "lars", "lion", "nadam", "nadamw"),
            *("novograd", "optimistic_adam_v2", "radam", "rmsprop", "rprop"),
            *("sign_sgd", "sm3", "yogi"),
        )
    }
    | {"lazy_adam": optimizers.lazy_adam},
)
