"""Constants of every part from the command line, in one form."""

from dataclasses import fields
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from multvae_jax.config.build_model import build_model
from multvae_jax.config.build_training import build_beta, build_optimizer, optimizer_numbers
from multvae_jax.config.constants import CONSTANTS, IN_FULL, constants_of
from multvae_jax.config.convert import from_json, to_json
from multvae_jax.config.describe import _factory
from multvae_jax.config.options import ModelOptions, TrainConfig, TrainingOptions
from multvae_jax.config.vocabulary import NETWORK, OBJECTIVE
from multvae_jax.errors import InputError
from multvae_jax.mlp import variational_mlp
from multvae_jax.models import mult_vae
from multvae_jax.objectives import Objective

pytestmark = pytest.mark.updates

OWN = """
import jax.numpy as jnp
from multvae_jax import Objective
from multvae_jax.mlp import variational_mlp
from multvae_jax.objectives import negative_elbo

def narrow(hidden, latent, activation, divisor=1, bias=True):
    assert isinstance(divisor, int) and isinstance(bias, bool)
    return variational_mlp((hidden[0] // divisor,), latent, activation)

def scaled(network, likelihood, prior, factor=1.0):
    loss = negative_elbo(network, likelihood, prior)
    def own(params, hyper, *others):
        value, terms = loss(params, hyper, *others)
        return hyper["objective"]["factor"] * value, terms
    return Objective(own, {"factor": factor})

def built_in(network, likelihood, prior, factor=1.0):
    loss = negative_elbo(network, likelihood, prior)
    return lambda *given: (factor * loss(*given)[0], loss(*given)[1])

def sawtooth(cap, updates, period):
    return lambda step: cap * (step % period) / period
"""


@pytest.fixture
def own(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    return lambda name: f"{tmp_path / 'own.py'}:{name}"


def test_every_part_with_constants_is_an_option_beside_them():
    options = [field.name for kind in (ModelOptions, TrainingOptions) for field in fields(kind)]
    for part, constants in CONSTANTS.items():
        assert {part, constants} <= set(options)
    assert {name for name in options if name.endswith("constants")} == set(CONSTANTS.values())
    assert IN_FULL["likelihood_constants"] == "constants"


def test_a_network_receives_its_constants_in_the_type_of_their_defaults(own):
    options = ModelOptions(
        hidden=(12,), latent=2, network=own("narrow"), network_constants={"divisor": 3.0, "bias": 0}
    )
    params = build_model(options).init(jax.random.key(0), 7)
    assert params["network"]["encoder"]["layers_0"]["kernel"].shape == (7, 4)


def test_constants_of_an_objective_are_numbers_of_the_model(own):
    for name, hyper in {"scaled": {"factor": 3.0}, "built_in": None}.items():
        options = ModelOptions(objective=own(name), objective_constants={"factor": 3.0})
        assert build_model(options).hyper.get("objective") == hyper


def test_constants_of_an_optimizer_reach_it():
    training = TrainingOptions(optimizer="adam", optimizer_constants={"b1": 0.5}, clip=2.0, ema=0.9)
    assert optimizer_numbers(training) == {"b1": 0.5, "clip": 2.0, "ema": 0.9}
    params, gradient = jnp.zeros(3), jnp.array([3.0, 0.0, 4.0])
    optimizer = build_optimizer(training, 10)
    by_hand = optax.chain(optax.clip_by_global_norm(2.0), optax.adam(1e-3, b1=0.5))
    moments = [o.update(gradient, o.init(params), params)[1] for o in (optimizer, by_hand)]
    one, other = (jax.tree.leaves(state, is_leaf=lambda s: hasattr(s, "mu")) for state in moments)
    (mu,) = [leaf.mu for leaf in one if hasattr(leaf, "mu")]
    np.testing.assert_allclose(mu, next(leaf.mu for leaf in other if hasattr(leaf, "mu")))


def test_constants_of_beta_reach_its_schedule(own):
    training = TrainingOptions(beta=own("sawtooth"), beta_cap=0.4, beta_constants={"period": 4})
    assert [round(float(build_beta(training, 100)(step)), 3) for step in range(5)] == [
        *(0.0, 0.1, 0.2, 0.3),
        0.0,
    ]


@pytest.mark.parametrize(
    ("build", "options", "says"),
    [
        (
            build_model,
            ModelOptions(network_constants={"heads": 4}),
            "--network-constants heads: the model's own network has no such constant",
        ),
        (
            build_model,
            ModelOptions(objective="denoising_loss", objective_constants={"k": 4}),
            "--objective-constants k: --objective denoising_loss has no such constant",
        ),
        (
            partial(build_optimizer, updates=10),
            TrainingOptions(optimizer_constants={"b3": 4}),
            "--optimizer-constants b3: --optimizer adam has no such constant. There are: b1, b2",
        ),
        (
            partial(build_optimizer, updates=10),
            TrainingOptions(optimizer_constants={"learning_rate": 4}),
            "--optimizer-constants learning_rate: has an option of its own, --learning-rate",
        ),
        (
            partial(build_optimizer, updates=10),
            TrainingOptions(ema=0.9, swa=0.5),
            "--ema and --swa: give one or the other",
        ),
        (
            partial(build_beta, n_users=10),
            TrainingOptions(beta="constant", beta_constants={"period": 4}),
            "--beta-constants period: --beta constant has no such constant",
        ),
    ],
)
def test_a_constant_that_a_part_does_not_have_is_one_line(build, options, says):
    with pytest.raises(InputError) as raised:
        build(options)
    assert str(raised.value).startswith(says)


def test_a_model_with_constants_is_described_and_made_again(own):
    options = ModelOptions(
        hidden=(12,),
        latent=2,
        network=own("narrow"),
        network_constants={"divisor": 3.0},
        objective=own("scaled"),
        objective_constants={"factor": 2.0},
    )
    made_by = build_model(options).made_by
    network = _factory("network", NETWORK, made_by["network"])
    assert network == (options.network, options.network_constants)
    objective = _factory("objective", OBJECTIVE, made_by["objective"])
    assert objective == (options.objective, options.objective_constants)
    bound = partial(variational_mlp, depth=2)
    assert _factory("network", NETWORK, bound) == ("variational_mlp", {"depth": 2.0})
    config = TrainConfig(model=options, training=TrainingOptions(optimizer_constants={"b1": 0.8}))
    assert from_json(to_json(config), TrainConfig) == config


def test_whole_numbers_stay_floats_where_the_default_is_one():
    options = ModelOptions(constants={"a": 2.0, "b": 2.0, "c": 2.5})
    found = constants_of(options, "likelihood", lambda a=1.0, b=1, c=1: None)
    assert [type(found[name]) for name in "abc"] == [float, int, float]


def test_an_objective_with_constants_works_in_python():
    def objective(network, likelihood, prior):
        def loss(params, hyper, batch, key, step):
            return hyper["objective"]["k"], {"loss": hyper["objective"]["k"]}

        return Objective(loss, {"k": 5.0})

    assert mult_vae((), 2, objective=objective).hyper["objective"] == {"k": 5.0}
