"""The plain names of each option, and the values that they stand for.

The tables name values, not places: moving a definition changes nothing on the command line.
"""

from __future__ import annotations

import inspect
from typing import Any

import jax
import optax

from multvae_jax import likelihoods, mlp, models, objectives, priors, schedules
from multvae_jax.config.user_functions import Vocabulary


def _constant(cap: float, updates: float) -> optax.Schedule:
    del updates
    return schedules.constant(cap)


def _functions_of_optax() -> dict[str, Any]:
    names = (name for name in dir(optax) if not name.startswith("_"))
    found = {name: getattr(optax, name) for name in names}
    return {name: v for name, v in found.items() if callable(v) and not inspect.isclass(v)}


MODEL = Vocabulary("--model", "model", {"mult-vae": models.mult_vae, "mult-dae": models.mult_dae})
NETWORK = Vocabulary(
    "--network",
    "network",
    {"variational_mlp": mlp.variational_mlp, "denoising_mlp": mlp.denoising_mlp},
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
OPTIMIZER = Vocabulary("--optimizer", "optimizer", _functions_of_optax())
