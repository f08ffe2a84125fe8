"""From options to a model."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from multvae_jax.config.build_model import build_model
from multvae_jax.config.options import ModelOptions
from multvae_jax.config.vocabulary import NETWORK
from multvae_jax.errors import InputError
from multvae_jax.host.processor import multiplies_bfloat16
from multvae_jax.schedules import constant
from tests.builders import batch_of

# --- functions of one's own -----------------------------------------------------------------

OWN = """
from __future__ import annotations
import dataclasses
import jax, jax.numpy as jnp
from beside import WIDTH
from multvae_jax import Prior, mult_dae
from multvae_jax.mlp import variational_mlp
from multvae_jax.objectives import denoising_loss, negative_elbo

@dataclasses.dataclass
class Seen:
    hidden: tuple
    latent: int
    activation: object

def network(hidden, latent, activation):
    seen.append(Seen(hidden, latent, activation))
    return variational_mlp((WIDTH,), latent, activation)

def prior(latent, weight=1.0):
    def divergence(mu, logvar, z, theta):
        return theta["weight"] * jnp.sum((z - theta["m"]) ** 2)
    return Prior(divergence, {"weight": weight}, lambda key, n: {"m": jnp.zeros(latent)})

def objective(*parts):
    seen.append(parts)
    return negative_elbo(*parts)

def small(latent=5, scale=1.0, **others):
    seen.append({"latent": latent, "scale": scale, **others})
    return mult_dae(latent=latent)

def narrow(latent):
    return mult_dae(latent=latent)

def broken(**options):
    raise KeyError("genres")

def nothing(*args, **options):
    pass

seen = []
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A file of one's own, by a relative path."""
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "beside.py").write_text("WIDTH = 6\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "own.py"


def test_a_network_a_prior_and_an_objective_of_ones_own(own):
    choice = ModelOptions(
        hidden=(9, 8),
        latent=3,
        activation="relu",
        network="own.py:network",
        prior="own.py:prior",
        prior_constants={"weight": 0.5},
        objective="own.py:objective",
    )
    model = build_model(choice)
    shapes = jax.eval_shape(lambda key: model.init(key, 4), jax.random.key(0))
    assert shapes["network"]["encoder"]["layers_0"]["kernel"].shape == (4, 6)
    assert shapes["network"]["encoder"]["layers_2"]["kernel"].shape == (6, 6)
    # The prior receives the length of z, because it has a parameter for it.
    assert shapes["prior"]["m"].shape == (3,)
    assert model.hyper["prior"] == {"weight": 0.5}
    # One file is one module, whichever option names it.
    told, parts = _seen()
    assert (told.hidden, told.latent, told.activation) == ((9, 8), 3, jax.nn.relu)
    assert [type(part).__name__ for part in parts] == ["Network", "Likelihood", "Prior"]


def _seen():
    """The calls that the functions of the file have noted."""
    return NETWORK.find("own.py:network").__globals__["seen"]


def test_the_objective_of_the_denoising_model_is_given_no_prior(own):
    own.write_text(OWN.replace("return negative_elbo(*parts)", "return denoising_loss(*parts)"))
    build_model(ModelOptions(model="mult-dae", objective="own.py:objective"))
    assert [type(part).__name__ for part in _seen()[-1]] == ["Network", "Likelihood"]


def test_a_whole_model_is_given_the_options_that_it_has_parameters_for(own):
    build_model(ModelOptions("own.py:small", {"scale": 2.0}, latent=7, dropout=0.1))
    assert _seen()[-1].keys() == {
        *("latent", "activation", "likelihood", "prior", "dropout", "scale"),
    }
    assert (_seen()[-1]["latent"], _seen()[-1]["scale"], _seen()[-1]["dropout"]) == (7, 2.0, 0.1)
    model = build_model(ModelOptions("own.py:narrow", latent=7))
    shapes = jax.eval_shape(lambda key: model.init(key, 4), jax.random.key(0))
    assert shapes["network"]["decoder"]["layers_0"]["kernel"].shape == (7, 4)
    assert ModelOptions("some/own.py:narrow").name == "narrow"


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (
            ModelOptions("own.py:narrow", dropout=0.2),
            "--dropout: --model own.py:narrow has no parameter for it",
        ),
        (
            ModelOptions("mult-dae", prior="own.py:prior"),
            "--prior: --model mult-dae has no parameter for it",
        ),
        (ModelOptions("own.py:broken"), "--model own.py:broken: KeyError: 'genres' (line 37)"),
        (
            ModelOptions("own.py:nothing"),
            "--model own.py:nothing: returns a NoneType, not a Model",
        ),
        (
            ModelOptions("mult-va"),
            "--model mult-va: no such model; did you mean mult-vae? "
            "There are: mult-vae, mult-dae, recvae, vamp-vae, popularity, ease, edlae, slim, "
            "linear-autoencoder, item-knn, rp3beta, wmf, or my_file.py:name",
        ),
        (
            ModelOptions(network="own.py:nothing"),
            "--network own.py:nothing: returns a NoneType, not a Network",
        ),
        (
            ModelOptions(objective="own.py:nothing"),
            "--objective own.py:nothing: returns a NoneType, not a function",
        ),
        (
            ModelOptions(prior="own.py:prior", prior_constants={"name": 1.0}),
            "--prior-constants name: --prior own.py:prior has no such constant. There are: weight",
        ),
    ],
    ids=lambda value: value.split()[0] if isinstance(value, str) else None,
)
def test_what_makes_no_model_is_one_line(own, choice, message):
    with pytest.raises(InputError) as caught:
        build_model(choice)
    assert str(caught.value) == message


# --- how it is computed ---------------------------------------------------------------------


def test_precision_and_blocks_of_items_reach_the_model(tmp_path):
    """Seen in the program: products of bfloat16, and no array of all users' logits.

    A CPU without instructions for the first has products of rounded float32.
    """
    narrow = "bf16" if multiplies_bfloat16() else "reduce_precision"
    n_items, batch = 50, batch_of(np.ones((4, 50)))

    def program(platform="cpu", **options):
        model = build_model(ModelOptions(hidden=(6,), latent=3, **options))
        params = jax.eval_shape(lambda key: model.init(key, n_items), jax.random.key(0))
        hyper = {**model.hyper, "beta": constant(0.1)}

        def loss(params):
            return model.loss(params, hyper, batch, jax.random.key(1), jnp.int32(0))[0]

        traced = jax.jit(jax.grad(loss)).trace(params)
        return traced.lower(lowering_platforms=(platform,)).as_text()

    for model in ("mult-vae", "mult-dae"):
        usual = program(model=model)
        assert narrow not in usual
        assert "bf16" not in program("cuda", model=model)
        assert "tensor<4x50xf32>" in usual
        assert narrow in program(model=model, precision="bfloat16")
        assert "bf16" in program("cuda", model=model, precision="bfloat16")
        assert "tensor<4x50xf32>" not in program(model=model, item_block=20)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "bfloat16", "model": "{}:narrow"}, "--precision: --model {}:narrow has no"),
        ({"item_block": 4, "model": "{}:narrow"}, "--item-block: --model {}:narrow has no"),
        ({"item_block": 4, "likelihood": "{}:ranking"}, "a likelihood without a merge cannot be"),
        (
            {"precision": "bfloat16", "network": "{}:plain"},
            "--network {}:plain: TypeError: plain() got an unexpected keyword argument 'matmul'",
        ),
    ],
)
def test_what_cannot_be_computed_so_is_refused(options, message, tmp_path):
    own = tmp_path / "own.py"
    own.write_text(
        "from multvae_jax import mult_vae\n"
        "from multvae_jax.likelihoods import dense\n"
        "from multvae_jax.mlp import variational_mlp\n"
        "def narrow(latent):\n    return mult_vae(latent=latent)\n"
        "def ranking():\n    return dense(lambda f, x, theta: (f * x).sum())\n"
        "def plain(hidden, latent, activation):\n    return variational_mlp(hidden, latent)\n"
    )
    named = {k: v.format(own) if isinstance(v, str) else v for k, v in options.items()}
    with pytest.raises(InputError) as caught:
        build_model(ModelOptions(**named))
    assert str(caught.value).startswith(message.format(own))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"activation": "jax.nn:one_hot"}, "--activation jax.nn:one_hot: TypeError: one_hot() mis"),
        ({"activation": "jax.numpy:sum"}, "--activation jax.numpy:sum: returns the shape () for "),
        ({"model_constants": {"latent": 5.0}}, "--model-constants latent: has an option of its "),
    ],
)
def test_a_model_that_cannot_be_built(options, message):
    with pytest.raises(InputError) as caught:
        build_model(ModelOptions(**options))
    assert str(caught.value).startswith(message)
