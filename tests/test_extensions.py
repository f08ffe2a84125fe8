"""The extensions: each against float64, each trained a little, and what freezes stays frozen."""

import itertools
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.stats
from builders import (
    as_numpy64,
    assert_close,
    assert_same,
    batch_of,
    counts,
    encoder_input,
    mlp,
    multinomial64,
    quick_jit,
    randomized,
    vae_noise,
)

import multvae_jax as mv
from multvae_jax.likelihoods import dense_log_likelihood
from multvae_jax.loading import load_split
from multvae_jax.metrics import ndcg as ndcg_of

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.updates


@pytest.fixture(scope="module", autouse=True)
def _from_the_root():
    """The experiments are no part of the package: they are found from the repository's root."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT))
        yield


def normal64(z, mu, logvar):
    return scipy.stats.norm.logpdf(z, mu, np.exp(logvar / 2))


def gradient_by_differences(function, f, h=1e-6):
    """Central differences in float64 of a function of a vector."""
    steps = h * np.eye(f.size)
    return np.array([(function(f + e) - function(f - e)) / (2 * h) for e in steps])


def initial_state(model, optimizer, n_items, beta):
    """The state before training, its parameters made by one program and not op by op."""
    at_once = model._replace(init=quick_jit(model.init, static_argnums=1))
    return mv.init_state(jax.random.key(0), at_once, optimizer, n_items, beta)


# --- RecVAE ---------------------------------------------------------------------------------


def test_the_composite_prior_is_a_mixture_in_each_dimension():
    from experiments.extensions.recvae import log_composite

    rng = np.random.default_rng(0)
    z, mu, logvar = rng.normal(0, 2, (3, 4, 5))
    density = (
        0.15 * np.exp(normal64(z, 0, 0))
        + 0.75 * np.exp(normal64(z, mu, logvar))
        + 0.10 * np.exp(normal64(z, 0, 10.0))
    )
    previous = mv.Posterior(jnp.float32(mu), jnp.float32(logvar))
    np.testing.assert_allclose(log_composite(jnp.float32(z), previous), np.log(density), rtol=1e-5)


def encoder64(params, x):
    """RecVAE's encoder, from its formulas."""

    def swish_and_norm(h, layer):
        h = h / (1 + np.exp(-h))
        h = (h - h.mean(axis=1, keepdims=True)) / np.sqrt(h.var(axis=1, keepdims=True) + 0.1)
        return h * params[layer]["scale"] + params[layer]["bias"]

    def dense(h, layer):
        return h @ params[layer]["kernel"] + params[layer]["bias"]

    h1 = swish_and_norm(x @ params["kernel"] + params["bias"], "LayerNorm_0")
    h2 = swish_and_norm(dense(h1, "Dense_0") + h1, "LayerNorm_1")
    h3 = swish_and_norm(dense(h2, "Dense_1") + h1 + h2, "LayerNorm_2")
    h4 = swish_and_norm(dense(h3, "Dense_2") + h1 + h2 + h3, "LayerNorm_3")
    h5 = swish_and_norm(dense(h4, "Dense_3") + h1 + h2 + h3 + h4, "LayerNorm_4")
    return dense(h5, "Dense_4"), dense(h5, "Dense_5")


def test_recvae_encodes_and_scores_as_its_formulas_say():
    from experiments.extensions.recvae import Turns, recvae

    x = counts(0, 5, 7)
    model = recvae(Turns(2, 1), hidden=6, latent=3)
    params = randomized(model.init, 7)
    rows = x / np.maximum(np.sqrt((x**2).sum(axis=1, keepdims=True)), 1e-6)
    wide = as_numpy64(params)
    mu, _ = encoder64(wide["encoder"], rows)
    expected = mu @ wide["decoder"]["kernel"] + wide["decoder"]["bias"]
    np.testing.assert_allclose(quick_jit(model.score)(params, batch_of(x)), expected, rtol=1e-4)


@pytest.mark.parametrize(("step", "rate"), [(1, 0.5), (2, 0.0)], ids=["encoder", "decoder"])
def test_the_loss_of_recvae_in_either_turn(step, rate):
    """Dropout in the encoder's turn alone, never for the previous encoder; beta by the user."""
    from experiments.extensions.recvae import Turns, recvae

    x = counts(1, 6, 7)
    model = recvae(Turns(2, 1), hidden=6, latent=3, gamma=0.3)
    params = randomized(model.init, 7, scale=0.3)
    key, batch = jax.random.key(0), batch_of(x)
    hyper = {**model.hyper, "beta": mv.constant(1.0)}
    loss, terms = quick_jit(model.loss)(params, hyper, batch, key, jnp.int32(step))

    wide = as_numpy64(params)
    kept, eps = as_numpy64(vae_noise(key, batch, jnp.float32(rate), 7, 3))
    rows = encoder_input(x, np.ones(x.shape, bool), 0.0)
    mu, logvar = encoder64(wide["encoder"], encoder_input(x, kept > 0, rate))
    z = mu + eps * np.exp(logvar / 2)
    mixture = (
        0.15 * np.exp(normal64(z, 0, 0))
        + 0.75 * np.exp(normal64(z, *encoder64(wide["previous"], rows)))
        + 0.10 * np.exp(normal64(z, 0, 10.0))
    )
    kl = (normal64(z, mu, logvar) - np.log(mixture)).sum(axis=1)
    log_p = multinomial64(z @ wide["decoder"]["kernel"] + wide["decoder"]["bias"], x)
    beta = 0.3 * x.sum(axis=1)
    np.testing.assert_allclose(loss, (beta * kl - log_p).mean(), rtol=1e-4)
    np.testing.assert_allclose(terms["kl"], kl.mean(), rtol=1e-4)
    np.testing.assert_allclose(terms["beta"], beta.mean(), rtol=1e-5)


def test_encoder_and_decoder_take_turns_and_the_previous_encoder_is_copied_at_the_turns_end():
    from experiments.extensions.recvae import Turns, in_turns, recvae

    turns = Turns(encoder=2, decoder=1)
    model = recvae(turns, hidden=6, latent=3)
    optimizer = in_turns(turns, 0.01)
    state = initial_state(model, optimizer, 7, mv.constant(1.0))
    update = quick_jit(mv.make_train_step(model, optimizer))
    batch = batch_of(counts(2, 6, 7))
    states = [state]
    for _ in range(6):
        states.append(update(states[-1], batch)[0])

    def moved(part):
        return [
            all(
                bool(jnp.any(one != two))
                for one, two in zip(
                    jax.tree.leaves(before.params[part]),
                    jax.tree.leaves(after.params[part]),
                    strict=True,
                )
            )
            for before, after in itertools.pairwise(states)
        ]

    assert moved("encoder") == [True, True, False] * 2
    assert moved("decoder") == [False, False, True] * 2
    assert moved("previous") == [False, True, False] * 2
    for after in (2, 5):
        assert_close(states[after].params["previous"], states[after].params["encoder"], 1e-6)
    for held in (0, 2, 3, 5):
        if held in (2, 5):
            assert_same(states[held].params["encoder"], states[held + 1].params["encoder"])
        else:
            assert_same(states[held].params["decoder"], states[held + 1].params["decoder"])


def test_no_gradient_reaches_the_previous_encoder():
    from experiments.extensions.recvae import Turns, recvae

    model = recvae(Turns(2, 1), hidden=6, latent=3)
    params = randomized(model.init, 7)
    arguments = (model.hyper, batch_of(counts(3, 4, 7)), jax.random.key(0), jnp.int32(0))
    gradients, _ = quick_jit(jax.grad(model.loss, has_aux=True))(params, *arguments)
    assert all(not leaf.any() for leaf in jax.tree.leaves(gradients["previous"]))
    assert all(leaf.any() for leaf in jax.tree.leaves(gradients["encoder"]))


# --- VampPrior and gates --------------------------------------------------------------------


def gated64(h):
    value, opening = np.split(h, 2, axis=1)
    return value / (1 + np.exp(-opening))


def test_the_loss_with_a_vamp_prior():
    from experiments.extensions.vamp import vamp

    x = counts(4, 6, 7)
    model = vamp(hidden=5, latent=3, pseudo_inputs=4)
    params = randomized(model.init, 7)
    key, batch = jax.random.key(1), batch_of(x)
    hyper = {**model.hyper, "beta": mv.constant(0.7)}
    loss, terms = quick_jit(model.loss)(params, hyper, batch, key, jnp.int32(0))

    wide = as_numpy64(params)

    def dense(h, layer):
        return h @ layer["kernel"] + layer["bias"]

    def encode(rows):
        code = dense(gated64(dense(rows, wide["encoder"]["gated"])), wide["encoder"]["code"])
        mu, logvar = np.split(code, 2, axis=1)
        return mu, np.clip(logvar, -12, 4)

    kept, eps = as_numpy64(vae_noise(key, batch, jnp.float32(0.5), 7, 3))
    mu, logvar = encode(encoder_input(x, kept > 0, 0.5))
    z = mu + eps * np.exp(logvar / 2)
    pseudo = np.clip(wide["pseudo"], 0, 1)
    means, logvars = encode(pseudo / np.sqrt((pseudo**2).sum(axis=1, keepdims=True)))
    of_each = np.exp(normal64(z[:, None], means[None], logvars[None]).sum(axis=2))
    kl = normal64(z, mu, logvar).sum(axis=1) - np.log(of_each.mean(axis=1))
    h = gated64(dense(z, wide["decoder"]["gated"]))
    log_p = multinomial64(dense(h, wide["decoder"]["logits"]), x)
    np.testing.assert_allclose(terms["kl"], kl.mean(), rtol=1e-4)
    np.testing.assert_allclose(loss, (0.7 * kl - log_p).mean(), rtol=1e-4)


def test_the_pseudo_inputs_are_trained():
    from experiments.extensions.vamp import vamp

    model = vamp(hidden=5, latent=3, pseudo_inputs=4)
    params = randomized(model.init, 7)
    params["pseudo"] = jnp.clip(params["pseudo"], 0.1, 0.9)
    hyper = {**model.hyper, "beta": mv.constant(1.0)}
    arguments = (hyper, batch_of(counts(5, 4, 7)), jax.random.key(0), jnp.int32(0))
    gradients, _ = quick_jit(jax.grad(model.loss, has_aux=True))(params, *arguments)
    assert bool(jnp.all(jnp.any(gradients["pseudo"] != 0, axis=1)))


# --- likelihoods ----------------------------------------------------------------------------


def focal64(f, x, gamma):
    log_p = f - np.log(np.exp(f).sum())
    return (x * (1 - np.exp(log_p)) ** gamma * log_p).sum()


@pytest.mark.parametrize("gamma", [0.0, 2.0, 7.5])
def test_the_focal_multinomial_and_its_gradient(gamma):
    from experiments.extensions.focal import focal

    rng = np.random.default_rng(6)
    f, x = rng.normal(0, 2, 9), rng.integers(0, 3, 9).astype(float)
    likelihood = focal(gamma)

    def log_p(f):
        return dense_log_likelihood(likelihood, likelihood.constants, f, jnp.float32(x))

    value, gradient = quick_jit(jax.value_and_grad(log_p))(jnp.float32(f))
    np.testing.assert_allclose(value, focal64(f, x, gamma), rtol=1e-5)
    expected = gradient_by_differences(lambda f: focal64(f, x, gamma), f)
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-5)


def lambda64(f, x, cutoff):
    """Pair by pair: how much NDCG the two would change by trading places."""
    order = np.argsort(-f)
    place = np.empty(f.size, int)
    place[order] = np.arange(f.size)

    def discount(rank):
        return 1 / np.log2(rank + 2) if rank < cutoff else 0.0

    ideal = sum(discount(rank) for rank in range(int((x > 0).sum())))
    return sum(
        abs(discount(place[i]) - discount(place[j])) / ideal * -np.log1p(np.exp(f[j] - f[i]))
        for i in np.flatnonzero(x > 0)
        for j in np.flatnonzero(x == 0)
        if place[j] < cutoff
    )


@pytest.mark.parametrize("cutoff", [3, 6, 100])
def test_lambda_ndcg_pair_by_pair(cutoff):
    from experiments.extensions.ranking import lambda_ndcg

    rng = np.random.default_rng(7)
    f, x = rng.normal(0, 2, 12), (rng.random(12) < 0.4).astype(float)
    likelihood = lambda_ndcg(weight=0.5, multinomial=0.25, cutoff=cutoff)

    def log_p(f):
        return dense_log_likelihood(likelihood, likelihood.constants, f, jnp.float32(x))

    def expected(f):
        return 0.5 * lambda64(f, x, cutoff) + 0.25 * focal64(f, x, 0.0)

    value, gradient = quick_jit(jax.value_and_grad(log_p))(jnp.float32(f))
    np.testing.assert_allclose(value, expected(f), rtol=1e-5)
    np.testing.assert_allclose(gradient, gradient_by_differences(expected, f), rtol=1e-4, atol=1e-5)


def test_the_weights_of_lambda_ndcg_are_what_the_metric_would_change_by():
    """Against the package's NDCG, which knows nothing of pairs: trade two items, measure again."""
    rng = np.random.default_rng(8)
    f, x = rng.normal(0, 2, 12), rng.random(12) < 0.4
    order = np.argsort(-f)

    def ndcg(order):
        return float(ndcg_of(jnp.asarray(x[order]), jnp.int32(x.sum()), 5))

    total = 0.0
    for i, j in itertools.product(np.flatnonzero(x), np.flatnonzero(~x)):
        if list(order).index(j) < 5:
            traded = np.where(order == i, j, np.where(order == j, i, order))
            total += abs(ndcg(traded) - ndcg(order)) * -np.log1p(np.exp(f[j] - f[i]))
    np.testing.assert_allclose(lambda64(f, x.astype(float), 5), total, rtol=1e-5)


@pytest.mark.parametrize("name", ["focal", "lambda_ndcg"])
def test_a_user_without_interactions_and_extreme_logits_give_numbers(name):
    from experiments.extensions.focal import focal
    from experiments.extensions.ranking import lambda_ndcg

    likelihood = {"focal": focal, "lambda_ndcg": lambda_ndcg}[name]()

    def log_p(f, x):
        return dense_log_likelihood(likelihood, likelihood.constants, f, x)

    for f in (jnp.zeros(6), jnp.array([1e4, -1e4, 0.0, 0.0, 1e4, 3.0])):
        for x in (jnp.zeros(6), jnp.array([0.0, 1.0, 0.0, 2.0, 1.0, 0.0])):
            value, gradient = quick_jit(jax.value_and_grad(log_p))(f, x)
            assert bool(jnp.isfinite(value) & jnp.isfinite(gradient).all())
            if not x.any():
                assert value == 0
                assert not gradient.any()


# --- beta -----------------------------------------------------------------------------------


def test_cyclical_annealing_rises_stays_and_starts_again():
    from experiments.extensions.beta import cyclical_annealing

    schedule = cyclical_annealing(0.4, period=8, rise=0.5)
    cycle = [0.0, 0.1, 0.2, 0.3, 0.4, 0.4, 0.4, 0.4]
    values = jax.vmap(schedule)(jnp.arange(24))
    np.testing.assert_allclose(values, cycle * 3, rtol=1e-6)
    assert len(jax.tree.leaves(schedule)) == 3


def test_free_bits_charge_each_dimension_at_least_so_much():
    from experiments.extensions.beta import free_bits

    prior = free_bits(0.5)
    mu, logvar = jnp.array([0.1, 2.0, 0.0]), jnp.array([0.2, -1.0, 0.0])

    def divergence(mu, logvar):
        return prior.divergence(mu, logvar, jnp.zeros(3), prior.constants)

    each = [(m**2 + np.exp(v) - 1 - v) / 2 for m, v in ((0.1, 0.2), (2.0, -1.0), (0.0, 0.0))]
    np.testing.assert_allclose(divergence(mu, logvar), 0.5 + each[1] + 0.5, rtol=1e-6)
    of_mu, of_logvar = jax.grad(divergence, (0, 1))(mu, logvar)
    np.testing.assert_allclose(of_mu, [0.0, 2.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(of_logvar, [0.0, (np.exp(-1) - 1) / 2, 0.0], atol=1e-6)


# --- genres ---------------------------------------------------------------------------------

MOVIES = "1::Amélie (2001)::Comedy|Romance\n7::Heat (1995)::Action\n9::Sabrina (1995)::Romance\n"


def test_genres_are_read_as_movielens_writes_them(tmp_path):
    from experiments.extensions.genres import read_genres

    (tmp_path / "movies.dat").write_bytes(MOVIES.encode("latin-1"))
    lines = [line.replace("::", ",") for line in MOVIES.splitlines()]
    (tmp_path / "movies.csv").write_text("\n".join(["movieId,title,genres", *lines]), "utf-8")
    for name in ("movies.dat", "movies.csv"):
        table, names = read_genres(tmp_path / name, ["9", "8", "1"])
        assert names == ["Action", "Comedy", "Romance"]
        np.testing.assert_array_equal(table, [[0, 0, 1], [0, 0, 0], [0, 1, 1]])
    with pytest.raises(mv.InputError, match=r"none\.dat: no such file"):
        read_genres(tmp_path / "none.dat", ["1"])


@pytest.mark.parametrize("hidden", [(), (5,)])
def test_what_a_genre_shares_is_added_to_each_of_its_items(hidden):
    from experiments.extensions.genres import with_genres

    genres = np.array([[1, 0], [0, 1], [1, 1], [0, 0]], np.float32)
    plain = mv.variational_mlp(hidden, 3)
    network = with_genres(plain, genres)
    x = counts(9, 5, 4)
    start = network.init(jax.random.key(0), 4)
    same = plain.init(jax.random.key(0), 4)
    assert_same(network.encode(start, batch_of(x)), plain.encode(same, batch_of(x)))

    params = randomized(network.init, 4)
    wide = as_numpy64(params)
    first, last = "layers_0", f"layers_{2 * len(hidden)}"
    encoder = {**wide["encoder"]}
    encoder[first] = {
        "kernel": encoder[first]["kernel"] + genres @ wide["shared"]["encoder"],
        "bias": encoder[first]["bias"],
    }
    decoder = {**wide["decoder"]}
    decoder[last] = {
        "kernel": decoder[last]["kernel"] + wide["shared"]["decoder"] @ genres.T,
        "bias": decoder[last]["bias"] + genres @ wide["shared"]["bias"],
    }
    code = quick_jit(network.encode)(params, batch_of(x))
    expected = mlp(encoder, x, np.tanh)
    np.testing.assert_allclose(jnp.concatenate(code, axis=1), expected, rtol=1e-4, atol=1e-5)
    logits = quick_jit(network.decode)(params, code.mu)
    np.testing.assert_allclose(logits, mlp(decoder, expected[:, :3], np.tanh), rtol=1e-3, atol=1e-4)


# --- the command ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Two tastes, each with 15 items of one genre, and 60 users of both."""
    random = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("extensions")
    lines = ["userId,movieId,rating"]
    for user in range(60):
        items = 15 * (user % 2) + random.permutation(15)[:8]
        lines += [f"{user},{item},5" for item in sorted(items)]
    (path / "tastes.csv").write_text("\n".join(lines) + "\n")
    movies = [f"{item}::Film {item}::{'Drama' if item < 15 else 'Comedy'}" for item in range(30)]
    (path / "movies.dat").write_text("\n".join(movies) + "\n", "latin-1")
    return path


def run(folder: Path, out: Path, *options: str) -> int:
    from experiments.common import command
    from experiments.extensions.__main__ import extensions
    from experiments.extensions.trials import ExtensionOptions

    small = ["--quick", "--hidden", "8", "--latent", "4", "--held-out", "10"]
    data = ["--data", str(folder / "tastes.csv"), "--out", str(out)]
    return command(extensions, "", [*options, *data, *small], ExtensionOptions)


ROWS = {
    "recvae": ["RecVAE"],
    "vamp": ["VampPrior, gated"],
    "focal": ["focal multinomial"],
    "ranking": ["LambdaNDCG"],
    "beta": ["beta to 0.05", "cyclical annealing", "free bits"],
    "genres": ["Mult-VAE with genres"],
}


@pytest.mark.parametrize("name", ROWS)
def test_every_extension_trains(name, folder):
    """The users are told apart: the log-likelihood of the eighth epoch is above the first's."""
    from experiments.extensions.trials import EXTENSIONS, ExtensionOptions
    from multvae_jax.batching import capacity_of, in_order, to_device
    from multvae_jax.config import Data

    options = ExtensionOptions(
        Data(data=str(folder / "tastes.csv"), held_out=10), epochs=2, hidden=(8,), latent=4
    )
    split = load_split(options.data)
    trials = EXTENSIONS[name](split, options)
    assert list(trials) == ROWS[name]
    histories, order = to_device(split.train), in_order(split.train.shape[0], 4)
    for trial in trials.values():
        optimizer = trial.chosen.get("optimizer") or optax.adam(1e-2)
        beta = trial.chosen.get("beta") or mv.constant(0.2)
        state = initial_state(trial.model, optimizer, 30, beta)
        epoch = quick_jit(
            mv.make_epoch(mv.make_train_step(trial.model, optimizer)), static_argnames="capacity"
        )
        fits = []
        for _ in range(8):
            state, terms = epoch(state, histories, order, capacity=capacity_of(histories, order))
            fits.append(float(terms["log_likelihood"]))
            assert np.isfinite([*map(float, terms.values())]).all()
        assert fits[-1] > fits[0]


def test_the_command_trains_an_extension_beside_mult_vae(folder, tmp_path):
    """At gamma 0 the focal multinomial is the multinomial, and the rows are the same."""
    assert run(folder, tmp_path, "focal", "--constants", "gamma", "0") == 0
    written = tmp_path / "extensions" / "focal" / "tastes-quick"
    rows = json.loads((written / "results.json").read_text())["rows"]
    assert [row["name"] for row in rows] == ["Mult-VAE", "focal multinomial"]
    by_seed = [row["metrics"]["ndcg@100"]["by_seed"] for row in rows]
    np.testing.assert_allclose(*by_seed, atol=1e-6)
    assert [row["corrected_p_value"] for row in rows] == [None, 1.0]
    assert rows[1]["setting"]["constants"] == {"gamma": 0.0}
    lines = (written / "table.md").read_text().splitlines()
    assert lines[3].startswith(
        f"| focal multinomial | {rows[1]['metrics']['recall@20']['mean']:.4f}"
    )
    assert (written / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_a_row_is_tested_against_mult_vae_and_not_against_the_best():
    """The users of four rows by hand; scipy tests the same hypothesis by all sign flips."""
    from experiments.common import Row
    from experiments.extensions.__main__ import against_reference

    rng = np.random.default_rng(0)
    values = {name: rng.random(12) for name in ("Mult-VAE", "worse")}
    values |= {"best": values["Mult-VAE"] + rng.random(12)}
    rows = {
        name: Row([mv.Evaluation({"ndcg@100": of_users}, 0)]) for name, of_users in values.items()
    }
    tests = against_reference(rows)
    assert tests["Mult-VAE"] == (0.0, None)
    p_values = {}
    for name in ("worse", "best"):
        difference = values[name] - values["Mult-VAE"]
        assert tests[name][0] == pytest.approx(difference.mean())
        exact = scipy.stats.permutation_test(
            (difference,), np.mean, permutation_type="samples", n_resamples=np.inf
        )
        p_values[name] = exact.pvalue
    # Holm: the smaller of two counts twice. 10,000 draws: a standard error of .005 at most.
    assert p_values["best"] < p_values["worse"]
    assert tests["best"][1] == pytest.approx(2 * p_values["best"], abs=0.01)
    assert tests["worse"][1] == pytest.approx(p_values["worse"], abs=0.025)


def test_a_constant_that_an_extension_does_not_have_is_one_line(folder, tmp_path, capsys):
    assert run(folder, tmp_path, "focal", "--constants", "delta", "0") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "focal --constants" in line
    assert "delta" in line
    assert list(tmp_path.iterdir()) == []
