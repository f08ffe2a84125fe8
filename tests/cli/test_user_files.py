"""Parts of a user's own file on the command line."""

from pathlib import Path

import pytest

from multvae_jax.cli.main import main
from tests.cli.builders import log_of, train

pytestmark = pytest.mark.updates


def test_a_likelihood_of_ones_own_file(folder, ratings):
    own = folder / "own.py"
    own.write_text(
        "from jax.nn import logsumexp\n"
        "from multvae_jax import Likelihood\n"
        "def tempered(power=1.0):\n"
        "    def normalizer(f, total, theta):\n"
        "        return theta['power'] * total * logsumexp(f)\n"
        "    def click(f, x, theta):\n"
        "        return theta['power'] * x * f\n"
        "    return Likelihood(click, normalizer, constants={'power': power})\n"
    )
    out = folder / "tempered"
    assert (
        train(ratings, out, "--likelihood", f"{own}:tempered", "--constants", "power", "0.5") == 0
    )
    assert main(["evaluate", str(out), "--trust-code"]) == 0


def test_parts_of_ones_own_are_found_again_from_anywhere(folder, ratings, monkeypatch, capsys):
    """A trained prior, a network and an objective, named from where they lie."""
    (folder / "parts").mkdir()
    own = folder / "parts" / "mine.py"
    own.write_text(
        "import jax.numpy as jnp\n"
        "from multvae_jax import Prior\n"
        "from multvae_jax.mlp import variational_mlp\n"
        "from multvae_jax.objectives import negative_elbo\n"
        "def centred(latent, weight=1.0):\n"
        "    def divergence(mu, logvar, z, theta):\n"
        "        return theta['weight'] * jnp.sum((z - theta['m']) ** 2)\n"
        "    return Prior(divergence, {'weight': weight}, lambda key, n: {'m': jnp.ones(latent)})\n"
        "def narrow(hidden, latent, activation):\n"
        "    return variational_mlp((3,), latent, activation)\n"
        "def doubled(network, likelihood, prior):\n"
        "    loss = negative_elbo(network, likelihood, prior)\n"
        "    def twice(*arguments):\n"
        "        value, terms = loss(*arguments)\n"
        "        return 2.0 * value, {**terms, 'loss': 2.0 * value}\n"
        "    return twice\n"
        "def step_of_prior(params, gradient, updates):\n"
        "    return {'step_of_prior': jnp.abs(updates['prior']['m'])}\n"
    )
    monkeypatch.chdir(own.parent)
    relative = Path("..") / ratings.name
    options = ["--prior", "mine.py:centred", "--prior-constants", "weight", "0.5"]
    options += ["--network", "mine.py:narrow", "--objective", "mine.py:doubled"]
    options += ["--measure", "mine.py:step_of_prior"]
    assert train(relative, folder / "mine", *options) == 0
    steps = [entry["step_of_prior"] for entry in log_of(folder / "mine")]
    assert all(len(step) > 1 and min(step) > 0 for step in steps)
    monkeypatch.chdir(folder)
    assert main(["evaluate", "mine", "--trust-code", "--out", "again.json"]) == 0
    assert Path("again.json").read_bytes() == Path("mine/test.json").read_bytes()
    Path("who.txt").write_text("ann 100 101\n")
    trusting = ["recommend", "mine", "--trust-code", "--history", "who.txt"]
    assert main([*trusting, "-k", "3"]) == 0
    capsys.readouterr()
    own.rename(folder / "elsewhere.py")
    for command in (["evaluate", "mine", "--trust-code"], trusting):
        assert main(command) == 2
        said = capsys.readouterr().err
        assert said == f"multvae: mine/config.json: --network {own}: no such file\n"


def test_a_schedule_of_ones_own_file(folder, ratings):
    own = folder / "schedules.py"
    own.write_text("def late(cap, updates):\n    return lambda step: cap * (step >= updates)\n")
    out = folder / "late"
    options = ["--beta", f"{own}:late", "--beta-cap", "0.3", "--epochs", "4"]
    assert train(ratings, out, *options) == 0
    log = log_of(out)
    # It jumps after half of the updates, as the usual rise would end there.
    assert [entry["beta"] for entry in log] == pytest.approx([0, 0, 0.3, 0.3])


VALUES = """
import jax.numpy as jnp
import optax
from multvae_jax import mult_vae
from multvae_jax.likelihoods import gaussian, multinomial
from multvae_jax.mlp import variational_mlp
from multvae_jax.objectives import negative_elbo
from multvae_jax.priors import standard_normal

likelihood = gaussian(c1=2.0)
prior = standard_normal()
network = variational_mlp((5,), 3)
objective = negative_elbo(network, likelihood, prior)
beta = optax.constant_schedule(0.25)
optimizer = optax.sgd(0.01)
model = mult_vae((5,), 3, likelihood=likelihood)
"""


def test_values_of_ones_own_file_train_and_are_found_again(folder, ratings, tmp_path):
    """The same run from parts that are values, and from a model that is one."""
    own = tmp_path / "values.py"
    own.write_text(VALUES)
    parts = ("likelihood", "prior", "network", "objective", "beta", "optimizer")
    named = {part: [f"--{part}", f"{own}:{part}"] for part in (*parts, "model")}
    unset = ["--epochs", "2", "--data", str(ratings), "--held-out", "8"]
    unset += ["--baselines", "popularity"]
    asked = [word for part in parts for word in named[part]]
    assert main(["train", *unset, *asked, "--out", str(tmp_path / "parts")]) == 0
    assert [entry["beta"] for entry in log_of(tmp_path / "parts")] == [0.25, 0.25]
    asked = [word for part in ("model", "beta", "optimizer") for word in named[part]]
    assert main(["train", *unset, *asked, "--out", str(tmp_path / "model")]) == 0
    for run in ("parts", "model"):
        again = tmp_path / "again.json"
        asked = ["evaluate", str(tmp_path / run), "--trust-code", "--out", str(again)]
        assert main(asked) == 0
        assert again.read_bytes() == (tmp_path / run / "test.json").read_bytes()
    tested = [(tmp_path / run / "test.json").read_bytes() for run in ("parts", "model")]
    assert tested[0] == tested[1]


def test_what_a_loss_of_ones_own_raises_is_one_line_and_names_the_place(ratings, tmp_path, capsys):
    own = tmp_path / "own.py"
    own.write_text(
        "import multvae_jax as mv\n"
        "def broken():\n"
        "    def log_prob(f, x, theta):\n"
        "        return (x * f[:3]).sum()\n"
        "    return mv.likelihoods.dense(log_prob)\n"
    )
    assert train(ratings, tmp_path / "run", "--likelihood", f"{own}:broken") == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(f"multvae: {own}:4: TypeError: ")
    assert {path.name for path in tmp_path.iterdir()} <= {"own.py", "__pycache__"}
