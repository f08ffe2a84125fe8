"""The command of the extensions, which trains each a little."""

from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import optax
import pytest
import scipy.stats

import multvae_jax as mv
from experiments.extensions.__main__ import (
    against_reference,
    extensions,
    variants_of,
    with_users_file,
)
from experiments.extensions.variants import EXTENSIONS, ExtensionOptions
from experiments.shared.options import DataOptions, InteractionFile, load_split
from experiments.shared.tables import TableRow
from tests.builders import initial_state
from tests.experiments.builders import results_in, run_quick

pytestmark = pytest.mark.updates


def run(ratings: Path, out: Path, *arguments: str) -> int:
    return run_quick(extensions, ratings, out, *arguments, options=ExtensionOptions)


ROWS = {
    "recvae": ["RecVAE"],
    "vamp": ["VampPrior, gated"],
    "focal": ["focal multinomial"],
    "ranking": ["LambdaNDCG"],
    "smoothing": ["label smoothing"],
    "dispersion": ["negative binomial"],
    "sampled": ["sampled softmax"],
    "bpr": ["BPR"],
    "beta": ["beta to 0.05", "cyclical annealing", "free bits", "beta by activity"],
    "genres": ["Mult-VAE with genres"],
    "power-spherical": ["power spherical"],
    "ladder": ["ladder of two layers"],
    "conditional": ["conditional VAE"],
    "iwae": ["IWAE"],
    "contrastive": ["contrastive term"],
    "sam": ["SAM"],
    "averages": ["EMA", "SWA", "schedule-free Adam"],
}


@pytest.mark.parametrize("name", ROWS)
def test_every_extension_trains(name, ratings):
    """Users can be told apart: the log-likelihood of the eighth epoch is above the first's."""
    from multvae_jax.batching import capacity_of, sequential_order, to_device

    options = ExtensionOptions(
        DataOptions(InteractionFile(str(ratings)), held_out=16),
        epochs=2,
        hidden=(16,),
        latent=4,
        names=(name,),
        learning_rate=1e-2,
    )
    split = with_users_file(load_split(options), options)
    variants = EXTENSIONS[name](split, options)
    assert list(variants) == ROWS[name]
    histories = to_device(split.train, user_features=split.user_features)
    order = sequential_order(split.train.shape[0], 4)
    for variant in variants.values():
        own = variant.fit_options.get("optimizer") or optax.adam(1e-2)
        optimizer = mv.training.optimizer_of(variant.model, own, len(order))
        beta = variant.fit_options.get("beta") or mv.schedules.constant(0.2)
        state = initial_state(variant.model, optimizer, 60, beta)
        epoch = jax.jit(
            mv.training.make_epoch(mv.training.make_train_step(variant.model, optimizer)),
            static_argnames="capacity",
        )
        fits = []
        for _ in range(8):
            state, terms = epoch(state, histories, order, capacity=capacity_of(histories, order))
            fits.append(float(terms["log_likelihood"]))
            assert np.isfinite([*map(float, terms.values())]).all()
        assert fits[-1] > fits[0]


def test_the_command_trains_an_extension_beside_mult_vae(ratings, tmp_path):
    """At gamma 0 the focal multinomial is the multinomial, and the rows are the same."""
    assert run(ratings, tmp_path, "focal", "--constants", "gamma", "0") == 0
    written = tmp_path / "extensions" / "focal" / "tastes-quick"
    rows = results_in(written)["rows"]
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


def test_the_file_about_the_users_of_movielens_100k(ratings, tmp_path, capsys):
    """In the publisher's layouts, with ids of the users in another order than the ratings'."""
    _, *rows = (line.split(",") for line in ratings.read_text().splitlines())
    (tmp_path / "u.data").write_text("".join("\t".join([*row, "8812"]) + "\n" for row in rows))
    users = {user: (20 + user, "MF"[user % 2], "artist") for user in reversed(range(80))}
    lines = [f"{user}|{age}|{sex}|{job}|0" for user, (age, sex, job) in users.items()]
    named = tmp_path / "elsewhere.txt"
    for path, beside in ((tmp_path / "u.user", None), (named, str(named))):
        path.write_text("\n".join(lines) + "\n")
        source = InteractionFile(str(tmp_path / "u.data"))
        data = DataOptions(source, held_out=16, users_file=beside)
        options = ExtensionOptions(data, names=("conditional",), hidden=(16,), latent=4)
        split = with_users_file(load_split(options), options)
        assert split.user_encoder.names == ("age", "gender=F", "gender=M", "occupation=artist")
        for part in (split, split.validation, split.test):
            expected = [["FM".index(users[int(user)][1])] for user in part.user_ids]
            is_male = part.user_features[:, 2:3]
            np.testing.assert_array_equal(is_male, expected)
        assert list(variants_of(split, options)) == ["Mult-VAE", "conditional VAE"]
        path.unlink()
    options = replace(options, data=replace(data, users_file=None))
    with pytest.raises(
        mv.InputError, match=r"conditional: no users\.dat, u\.user, .* --users-file"
    ):
        with_users_file(load_split(options), options)
    every = replace(options, names=("all",))
    split = with_users_file(load_split(every), every)
    assert "name one with --users-file; the row is left out" in capsys.readouterr().err
    assert EXTENSIONS["conditional"](split, every) == {}


def test_named_extensions_share_one_reference(ratings):
    data = DataOptions(InteractionFile(str(ratings)), held_out=16)
    options = ExtensionOptions(data, names=("smoothing", "iwae"))
    variants = variants_of(load_split(options), options)
    assert list(variants) == ["Mult-VAE", "label smoothing", "IWAE"]


def test_a_row_is_tested_against_mult_vae_and_not_against_the_best():
    """The users of four rows by hand; scipy tests the same hypothesis by all sign flips."""
    rng = np.random.default_rng(0)
    values = {name: rng.random(12) for name in ("Mult-VAE", "worse")}
    values |= {"best": values["Mult-VAE"] + rng.random(12)}
    rows = {
        name: TableRow([mv.Evaluation({"ndcg@100": of_users}, 0)])
        for name, of_users in values.items()
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


@pytest.mark.parametrize("name", ["focal", "mult-vae"])
def test_a_constant_that_an_extension_does_not_have_is_one_line(name, ratings, tmp_path, capsys):
    assert run(ratings, tmp_path, name, "--constants", "delta", "0") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{name} --constants" in line
    assert "delta" in line
    assert list(tmp_path.iterdir()) == []
