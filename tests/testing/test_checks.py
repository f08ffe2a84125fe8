"""Sound parts pass the checks, and every broken part gets the message that names its fault."""

import inspect

import jax
import jax.numpy as jnp
import pytest
from jax.custom_batching import custom_vmap

from multvae_jax import likelihoods, mlp, priors
from multvae_jax.batching import sum_per_user, totals
from multvae_jax.likelihoods import Likelihood, dense
from multvae_jax.networks import Network, Posterior
from multvae_jax.ops.embedding_bag import embedding_bag
from multvae_jax.ops.logsumexp import logsumexp
from multvae_jax.priors import Prior
from multvae_jax.testing import check_likelihood, check_network, check_prior

SHIPPED = {
    "Likelihood": {
        "multinomial": lambda: [
            check_likelihood(likelihoods.multinomial(gravity)) for gravity in (None, 0.02)
        ],
        "logistic": lambda: check_likelihood(likelihoods.logistic()),
        "gaussian": lambda: check_likelihood(likelihoods.gaussian()),
        # Its rates are exp(f), and float32 ends at exp(88).
        "poisson": lambda: check_likelihood(likelihoods.poisson(), largest_logit=80.0),
        "dense": lambda: check_likelihood(
            dense(lambda f, x, theta: theta["a"] * jnp.sum(x * jax.nn.log_sigmoid(f)), {"a": 0.5})
        ),
    },
    "Prior": {"standard_normal": lambda: check_prior(priors.standard_normal())},
    "Network": {
        "variational_mlp": lambda: check_network(mlp.variational_mlp((5,), 3)),
        "bounded_mlp": lambda: check_network(mlp.bounded_mlp((5,), 3)),
        "denoising_mlp": lambda: check_network(mlp.denoising_mlp((), 3)),
        "gated_mlp": lambda: check_network(mlp.gated_mlp((5,), 3)),
    },
}


@pytest.mark.parametrize("kind", SHIPPED)
def test_every_factory_of_the_package_is_checked(kind):
    module = {"Likelihood": likelihoods, "Prior": priors, "Network": mlp}[kind]
    made = [
        name
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if inspect.signature(function).return_annotation == kind and not name.startswith("_")
    ]
    assert sorted(made) == sorted(SHIPPED[kind])


@pytest.mark.parametrize("name", [name for kind in SHIPPED.values() for name in kind])
def test_the_parts_of_the_package_pass(name):
    {name: check for kind in SHIPPED.values() for name, check in kind.items()}[name]()


# --- broken parts ---------------------------------------------------------------------------


def click(f, x, theta):
    return x * f


def normalizer(f, total, theta):
    return total * logsumexp(f)


def likelihood(**parts):
    return Likelihood(**{"click": click, "normalizer": normalizer} | parts)


def at_every_call(function):
    """The function times a number that grows with every call."""
    calls = []

    def changing(*arguments):
        calls.append(None)
        return (1 + len(calls)) * function(*arguments)

    return changing


def badly_mapped(rule_factor=2.0):
    """The identity, except under `vmap`, where it doubles."""

    @custom_vmap
    def same(x):
        return 1.0 * x

    @same.def_vmap
    def double(axis_size, in_batched, x):
        return rule_factor * x, True

    return same


def traced_twice(x):
    """1, or 2 under jit."""
    return 2.0 if isinstance(x, jax.core.Tracer) else 1.0


same, growing = badly_mapped(), at_every_call(lambda: 1.0)
A = {"a": 1.5}


def with_init(init):
    return likelihood(init=lambda key, n_items: init(key))


def twice(key):
    return {"a": jax.random.normal(key) + jax.random.normal(key)}


def on_the_host(key):
    return {"a": jnp.float32(float(jax.random.key_data(key)[1]))}


BROKEN_LIKELIHOODS = {
    "log p rises with the logits of items without an interaction": likelihood(
        normalizer=lambda f, total, theta: -total * logsumexp(f)
    ),
    "log p falls as the logit of an interaction rises": likelihood(
        click=lambda f, x, theta: -x * f,
        normalizer=lambda f, total, theta: -total * logsumexp(f),
    ),
    "click returns an array of shape (1,) instead of a scalar": likelihood(
        click=lambda f, x, theta: x * f[None]
    ),
    "normalizer returns an array of shape (7,) instead of a scalar": likelihood(
        normalizer=lambda f, total, theta: total * f
    ),
    "normalizer of bfloat16 returns float32": likelihood(
        normalizer=lambda f, total, theta: jnp.sum(f.astype(jnp.float32))
    ),
    "click raises InputError: theta has no 'a'; it is empty": likelihood(
        click=lambda f, x, theta: theta["a"] * f
    ),
    "summary returns an array of shape (15, 3) for 5 users": likelihood(
        summary=lambda batch: batch.values
    ),
    "log p changes from one call to the next": likelihood(normalizer=at_every_call(normalizer)),
    "log p changes when mapped over users": likelihood(
        normalizer=lambda f, total, theta: same(normalizer(f, total, theta))
    ),
    "log p changes under jit": likelihood(
        summary=lambda batch: traced_twice(batch.values) * totals(batch)
    ),
    "log p under jit raises ConcretizationTypeError": likelihood(
        summary=lambda batch: totals(batch) * float(batch.values.max())
    ),
    "log p changes when mapped over settings": likelihood(
        normalizer=lambda f, total, theta: same(theta["a"]) * normalizer(f, total, theta),
        constants=A,
    ),
    "log p depends on how a history is split into chunks": likelihood(
        summary=lambda batch: sum_per_user(batch, jnp.ones_like(batch.values))
    ),
    "log p depends on the order of the users": likelihood(
        summary=lambda batch: jnp.cumsum(totals(batch))
    ),
    "log p of a user depends on the other users of the batch": likelihood(
        summary=lambda batch: totals(batch) - batch.values.sum()
    ),
    "log p depends on the padding of the batch": likelihood(
        summary=lambda batch: totals(batch) + jnp.sum(1.0 - batch.real)
    ),
    "log p of a full history is not finite at logits of ±10000": likelihood(
        click=lambda f, x, theta: x * jnp.log(jax.nn.sigmoid(f))
    ),
    "the gradient of log p with respect to logits is not finite for an empty history": likelihood(
        normalizer=lambda f, total, theta: jnp.sqrt(total * jnp.sum(f**2))
    ),
    "the gradient of log p with respect to theta.a is not finite": likelihood(
        normalizer=lambda f, total, theta: jnp.sqrt(total * theta["a"]), constants=A
    ),
    "the gradient of log p with respect to logits is ": likelihood(
        normalizer=lambda f, total, theta: jax.lax.stop_gradient(total * logsumexp(f))
    ),
    "the gradient of log p with respect to theta.a is ": likelihood(
        click=lambda f, x, theta: jax.lax.stop_gradient(theta["a"]) * x * f, constants=A
    ),
    "init raises KeyReuseError": with_init(twice),
    "init under jit raises": with_init(on_the_host),
    "init returns different parameters under jit": with_init(
        lambda key: {"a": jax.random.normal(key) * traced_twice(key)}
    ),
    "init returns different parameters when mapped over keys": with_init(
        lambda key: {"a": same(jax.random.normal(key))}
    ),
    "init returns different parameters for the same key": with_init(
        lambda key: {"a": growing() * jax.random.normal(key)}
    ),
    "init(...) is list, but must be a dict or an array of floats": with_init(
        lambda key: [jnp.zeros(3)]
    ),
    "init(...)['a'] is an array of int32, but must be a dict or an array of floats": (
        with_init(lambda key: {"a": jnp.arange(3)})
    ),
    "init(...) has the key 0, which is not a string": with_init(lambda key: {0: jnp.zeros(3)}),
    "'a' is both a constant and a trained parameter": likelihood(
        constants=A, init=lambda key, n_items: {"a": jnp.zeros(())}
    ),
    "the constant 'a' raises": likelihood(constants={"a": "much"}),
}


def message_of(check, broken, **options):
    with pytest.raises(AssertionError) as caught:
        check(broken, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.nans
@pytest.mark.parametrize("message", BROKEN_LIKELIHOODS)
def test_the_message_names_the_fault_of_a_likelihood(message):
    assert message_of(check_likelihood, BROKEN_LIKELIHOODS[message]).startswith(message)


def test_a_gradient_may_be_stopped_on_purpose():
    broken = BROKEN_LIKELIHOODS["the gradient of log p with respect to logits is "]
    check_likelihood(broken, finite_differences=False)


def half(mu, logvar, z, theta):
    return 0.5 * jnp.sum(mu**2 + logvar**2)


BROKEN_PRIORS = {
    "divergence returns an array of shape (4,) instead of a scalar": Prior(
        lambda mu, lv, z, theta: mu**2
    ),
    "divergence of bfloat16 returns float32": Prior(
        lambda mu, lv, z, theta: jnp.sum(mu.astype(jnp.float32))
    ),
    "the divergence changes from one call to the next": Prior(at_every_call(half)),
    "divergence raises TracerBoolConversionError": Prior(
        lambda mu, lv, z, theta: jnp.sum(mu) if bool((mu == 0).all()) else half(mu, lv, z, theta)
    ),
    "the divergence changes when mapped over settings": Prior(
        lambda mu, lv, z, theta: same(theta["a"]) * half(mu, lv, z, theta), A
    ),
    "the gradient of the divergence with respect to mu is not finite for an empty history": Prior(
        lambda mu, lv, z, theta: jnp.sqrt(jnp.sum(mu**2))
    ),
    "the divergence of a full history is not finite at mu = ±100 and logvar = 20": Prior(
        lambda mu, lv, z, theta: jnp.sum(jnp.exp(jnp.exp(lv) - 1))
    ),
    "the gradient of the divergence with respect to z is ": Prior(
        lambda mu, lv, z, theta: jnp.sum(jax.lax.stop_gradient(z) ** 2)
    ),
    "init raises KeyReuseError": Prior(half, init=lambda key, n_items: twice(key)),
}


@pytest.mark.nans
@pytest.mark.parametrize("message", BROKEN_PRIORS)
def test_the_message_names_the_fault_of_a_prior(message):
    assert message_of(check_prior, BROKEN_PRIORS[message]).startswith(message)


def init(key, n_items):
    keys = jax.random.split(key)
    return {
        "up": jax.random.normal(keys[0], (n_items, 3)),
        "down": jax.random.normal(keys[1], (3, n_items)),
    }


def encode(params, batch):
    return embedding_bag(params["up"], batch)


def decode(params, z):
    return z @ params["down"]


def network(**parts):
    return Network(**{"init": init, "encode": encode, "decode": decode} | parts)


def coded(change):
    """A network whose code is changed by a function of it and of the batch."""
    return network(encode=lambda params, batch: change(encode(params, batch), batch))


def decoded(change):
    return network(decode=lambda params, z: change(decode(params, z)))


BROKEN_NETWORKS = {
    "init ignores its key: two keys give the same parameters": network(
        init=lambda key, n_items: init(jax.random.key(0), n_items)
    ),
    "init(...)['layers'] is list": network(
        init=lambda key, n_items: {"layers": list(init(key, n_items).values())}
    ),
    "encode returns arrays of shape (3, 5) for 5 users": coded(lambda h, batch: h.T),
    "encode returns arrays of shape (5, 3), (5, 2) for 5 users": coded(
        lambda h, batch: Posterior(h, h[:, :2])
    ),
    "decode returns an array of shape (5, 8) for 5 users and 9 items": decoded(lambda f: f[:, 1:]),
    "encode raises ValueError: no": coded(lambda h, batch: _raise()),
    "decode of bfloat16 returns float32": decoded(lambda f: f.astype(jnp.float32)),
    "the code changes from one call to the next": coded(at_every_call(lambda h, batch: h)),
    "the code changes under jit": coded(lambda h, batch: traced_twice(batch.values) * h),
    "the output of decode changes when mapped over settings": network(
        decode=lambda params, z: z @ same(params["down"])
    ),
    "the code depends on how a history is split into chunks": coded(
        lambda h, batch: h / (1 + sum_per_user(batch, jnp.ones_like(batch.values)))[:, None]
    ),
    "the code depends on the order of the users": coded(lambda h, batch: jnp.cumsum(h, axis=0)),
    "the output of decode of a user depends on the other users of the batch": decoded(
        lambda f: f - f.mean(axis=0, keepdims=True)
    ),
    "the code depends on the padding of the batch": coded(
        lambda h, batch: h + jnp.sum(1.0 - batch.real)
    ),
    "the code of an empty history is not finite": coded(
        lambda h, batch: h / jnp.sqrt(jnp.sum(h**2, axis=1, keepdims=True))
    ),
    "the gradient of the code with respect to params.up is not finite": network(
        encode=lambda params, batch: encode(params, batch) + jnp.sqrt(jnp.sum(0.0 * params["up"]))
    ),
    "the output of decode of a history is not finite at a code of ±1000": decoded(jnp.exp),
    "the gradient of the output of decode with respect to params.down is ": network(
        decode=lambda params, z: z @ jax.lax.stop_gradient(params["down"])
    ),
}


def _raise():
    raise ValueError("no\nand more")


@pytest.mark.nans
@pytest.mark.parametrize("message", BROKEN_NETWORKS)
def test_the_message_names_the_fault_of_a_network(message):
    assert message_of(check_network, BROKEN_NETWORKS[message]).startswith(message)


def test_a_network_of_plain_functions_passes():
    check_network(network())
    check_network(coded(lambda h, batch: (h, 0.1 * h)))
