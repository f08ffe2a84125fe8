"""Arguments of the wrong kind are refused in one sentence by every public function.

Nothing is compiled here: each refusal comes before.
"""

from io import StringIO
from pathlib import Path

import jax
import numpy as np
import optax
import polars as pl
import pytest
import scipy.sparse as sp

import multvae_jax as mv
from multvae_jax.batching import to_device
from multvae_jax.evaluation import prepare_users, sampled_items
from multvae_jax.evaluation.significance import mean_over_runs
from multvae_jax.likelihoods import gaussian, multinomial
from multvae_jax.mlp import variational_mlp
from multvae_jax.priors import standard_normal
from multvae_jax.runs.run import Run
from tests.builders import checkerboard, plain, refusal, two_interactions

KEY = jax.random.key(0)
MODEL = mv.mult_vae((4,), 2)
FRAME = pl.DataFrame({"user": [1], "item": [2]})
DATA = two_interactions()
IDS = DATA.item_ids
ITEMS = mv.Catalogue(IDS, np.array([1, 1]), {})
ONE = mv.Evaluation({"ndcg@100": np.array([0.5])}, 0)
SPLIT = checkerboard()
RUN = Run(MODEL, None, SPLIT.catalogue, 1, None, [], SPLIT)


@pytest.mark.parametrize(
    "split",
    [mv.hold_out_users, mv.user_folds, mv.hold_out_last, mv.leave_one_out, mv.hold_out_time],
)
@pytest.mark.parametrize("data", ["ratings.csv", Path("ratings.csv"), SPLIT, None, FRAME])
def test_what_cannot_be_split(split, data):
    message = refusal(split, data)
    assert message.startswith("data: ")
    assert message.endswith("use an Interactions, such as read_interactions(path)")


@pytest.mark.parametrize("seed", [-1, 2**32, 2.5, "a", True, None, KEY])
@pytest.mark.parametrize(
    ("split", "data"),
    [
        (mv.hold_out_users, DATA),
        (mv.user_folds, DATA),
        (mv.leave_one_out, DATA),
        (mv.hold_out_interactions, SPLIT),
    ],
)
def test_odd_seeds(split, data, seed):
    assert refusal(split, data, seed=seed).startswith("seed: expected `int`")


@pytest.mark.parametrize(
    "path",
    [FRAME, SPLIT.train, 3, None, [3], object(), {"a": 1}, b"a.csv", StringIO("user,item\n1,2\n")],
)
def test_what_is_not_a_path(path):
    for read in (mv.read_interactions, mv.read_histories, mv.load_run, mv.load_held_out_users):
        assert refusal(read, path).startswith("path: of type ")
    assert refusal(mv.read_lists, path, ITEMS).startswith("files: of type ")
    test = "test.csv"
    assert refusal(mv.read_given_split, "train.csv", path, test).startswith(
        "validation: of type " if path is not None else "train.csv: no such file"
    )


@pytest.mark.parametrize(
    ("function", "arguments", "named", "message"),
    [
        # Splits.
        (mv.hold_out_users, (DATA,), {"validation": "a"}, "validation users: expected `float`"),
        (mv.hold_out_users, (DATA, 1, 0.5), {"fold_in": "a"}, "fold_in: expected `float`, got `s"),
        (mv.user_folds, (DATA, 2.5), {}, "n_folds: expected `int`, got `float`"),
        (mv.hold_out_time, (DATA, "a"), {}, "test: expected `float`, got `str`"),
        (mv.hold_out_last, (DATA,), {"validation": 3}, "validation: expected `bool`, got `int`"),
        (mv.hold_out_interactions, (DATA,), {}, "split: of type Interactions; use a Split"),
        (mv.hold_out_interactions, (SPLIT, "a"), {}, "share: expected `float`, got `str`"),
        (mv.given_split, (SPLIT, None, DATA), {}, "train: of type Split; use an Interactions"),
        (mv.HeldOut, (SPLIT.train, SPLIT.train, IDS), {}, "history: 60 rows for 2 users"),
        # Files.
        (mv.read_interactions, ("a.csv",), {"user": 3}, "user: of type int; give the name of a c"),
        (mv.read_interactions, ("a.csv",), {"dialect": ","}, "dialect: ',' is a name; use a Dial"),
        (mv.read_interactions, ("a.csv",), {"min_rating": "4"}, "min_rating: expected `float | N"),
        (mv.read_interactions, ("a.csv",), {"min_user_count": 2.5}, "min_user_count: expected `in"),
        (mv.read_interactions, ("a.csv",), {"repeats": "last"}, "repeats: 'last' is not a choice"),
        (mv.read_interactions, ("a.csv",), {"titles": 3}, "titles: of type int; give a path"),
        (
            mv.read_lists,
            ("a.csv", SPLIT),
            {},
            "catalogue: of type Split; use a Catalogue, such as ",
        ),
        (mv.read_lists, ("a.csv", ITEMS), {"user_ids": [1]}, "user_ids: one is of type int; give"),
        (mv.from_frame, (FRAME,), {"min_item_count": "3"}, "min_item_count: expected `int`, got "),
        (mv.from_frame, (FRAME,), {"user": 1}, "user: of type int; give the name of a column"),
        (mv.from_csr, (SPLIT.train,), {"min_user_count": None}, "min_user_count: expected `int`"),
        (mv.load_dataset, ([1],), {}, "name: of type list; the names are "),
        (mv.load_split, ("ml-1m",), {"seed": -1}, "seed: expected `int` >= 0"),
        (mv.load_run, ("runs/a",), {"model": 3}, "model: of type int; use a Model, such as mult"),
        (mv.load_held_out_users, ("runs/a", "train"), {}, "part: 'train' is not a choice. There "),
        # Evaluations.
        (mv.evaluate, (MODEL.score, SPLIT.test), {}, "scorer: score must take one argument, a ba"),
        (mv.evaluate, (lambda p, b: 0, SPLIT.test), {}, "scorer: <lambda> must take one argument"),
        (mv.evaluate, (abs, SPLIT.test), {"candidates": [1]}, "candidates: of type list; use a fu"),
        (mv.evaluate_lists, ([[1]], SPLIT.test), {}, "lists: of type list; use a Lists, such as r"),
        (prepare_users, (SPLIT,), {}, "held_out: of type Split; use a HeldOut, such as split.test"),
        (sampled_items, (KEY, 2.5), {}, "n: expected `int`, got `float`"),
        (mv.metrics.at_cutoffs, (10,), {}, "cutoffs: of type int; give a list of whole numbers"),
        (mv.metrics.at_cutoffs, ([10], ["ndgc"]), {}, "ndgc: no such metric; did you mean ndcg?"),
        (mv.Evaluation.mean, (ONE, "ndcg"), {}, "ndcg: was not evaluated; did you mean ndcg@100?"),
        (mv.compare, (ONE,), {}, "systems: of type Evaluation; give evaluations by name, "),
        (mv.compare, (RUN, RUN), {}, "systems: of type Run; give evaluations by name, "),
        (mv.compare, ([ONE, ONE],), {}, "systems: of type list; give evaluations by name, "),
        (mv.compare, ({"a": RUN, "b": RUN},), {}, "systems['a']: of type Run; give evaluations "),
        (mv.compare, ({"a": [RUN], "b": [ONE]},), {}, "systems['a']: of type Run; use an Evalua"),
        (mv.compare, ({"a": [], "b": [ONE]},), {}, "systems['a']: no evaluation is given"),
        (mv.compare, ({"a": ONE, "b": ONE},), {"metrics": 3}, "metrics: of type int; give a list"),
        (mv.compare, ({"a": ONE, "b": ONE},), {"reference": 3}, "reference: of type int; give th"),
        (
            mean_over_runs,
            ([ONE, mv.Evaluation({}, 0, user_ids=IDS)],),
            {},
            "evaluations: the ev",
        ),
        (mv.evaluation.by_group, (RUN, ["a"]), {}, "evaluation: of type Run; use an Evaluation"),
        (mv.baselines.popularity, (3,), {}, "counts: of type int; give an array of one number"),
        # Recommendations.
        (
            mv.recommend_lists,
            (abs, ITEMS, SPLIT.test, IDS),
            {},
            "histories: of type HeldOut; give a sparse matrix, users x items: that of held-out us",
        ),
        (
            mv.recommend_lists,
            (abs, ITEMS, [["a"]], IDS),
            {},
            "histories: of type list; give a sp",
        ),
        (mv.recommend_lists, (abs, ITEMS, sp.csr_array((2, 2)), 3), {}, "user_ids: of type int; "),
        (mv.recommend, (abs, ITEMS, [["a"]]), {"k": MODEL}, "k: of type Model is not a positive"),
        # Training.
        (mv.fit, (KEY, MODEL, SPLIT), {"recipe": lambda: 3}, "recipe: it must take one argument"),
        (mv.fit, (KEY, lambda x: x, SPLIT), {}, "model: <lambda> needs arguments; call it, and gi"),
        (mv.fit, (KEY, MODEL, SPLIT), {"beta": KEY}, "beta: of type PRNGKeyArray; use a number"),
        (mv.fit, (KEY, MODEL, SPLIT), {"measure": abs}, "measure: it must be a function of (para"),
        (mv.fit, (KEY, MODEL, SPLIT), {"select_by": [1]}, "select_by: of type list; give the nam"),
        (mv.search_beta, (KEY, MODEL, SPLIT), {"updates_to_one": 0}, "updates_to_one: expected `f"),
        (
            mv.search_beta,
            (KEY, MODEL, SPLIT),
            {"updates_to_one": 5, "beta": 0.2},
            "beta: search_beta makes its schedule",
        ),
        (mv.choose, (KEY, SPLIT), {"models": [mv.mult_vae]}, "models: of type list; give models "),
        (mv.choose, (KEY, SPLIT), {"models": {"a": 3}}, "models['a']: of type int; give a model"),
        (mv.choose, (KEY, SPLIT), {"should_stop": 3}, "should_stop: of type int; use a function "),
        (mv.choose, (KEY, SPLIT), {"whole": 3}, "whole: of type int; use a Split, such as the on"),
        (mv.blend, (RUN,), {"constants": [1]}, "constants: of type list; give constants by name"),
        (mv.fit_baseline, ("ease", SPLIT), {"constants": 5.0}, "constants: of type float; give c"),
        (
            mv.fit_baseline,
            ("ease", SPLIT),
            {"constants": {"regularization": "5"}},
            "ease: regularization '5' is not a number",
        ),
        (mv.fit_baseline, ("ease", SPLIT), {"grid": [1]}, "grid: of type list; give values to tr"),
        (
            mv.fit_baseline,
            ("ease", SPLIT),
            {"grid": {"regularization": 5.0}},
            "grid['regularization']: of type float; give a list of values, such as [10.0, 100.0]",
        ),
        (
            mv.fit_baseline,
            ("ease", SPLIT),
            {"grid": {"regularization": []}},
            "grid['regularization']: of type list; give a list of values",
        ),
        (
            mv.fit_baseline,
            ("ease", SPLIT),
            {"grid": {"regularization": iter([5.0])}},
            "grid['regularization']: of type list_iterator; give a list of values",
        ),
        (mv.fit_baseline, ("ease", SPLIT), {"share": 2.0}, "share: expected `float` <= 1.0"),
        # Sweeps.
        (mv.sweep, (KEY, MODEL, SPLIT), {}, "members: of type PRNGKeyArray; give a list, [Member"),
        (mv.sweep, ([mv.Member(KEY)], MODEL, SPLIT), {"layout": "vmapped"}, "layout: 'vmapped' is"),
        (mv.sweep, ([mv.Member(KEY)], MODEL, SPLIT), {"max_parallel": 0}, "max_parallel: expected"),
        (mv.sweep, ([mv.Member(KEY)], MODEL, SPLIT), {"memory": -1}, "memory: expected `float` > "),
        (mv.sweep, ([mv.Member(KEY)], MODEL, SPLIT), {"on_part": 3}, "on_part: of type int; use a"),
        (
            mv.sweep,
            ([mv.Member(KEY)], MODEL, SPLIT),
            {"optimizer": lambda rate: 3},
            "optimizer: its result: of type int; use a GradientTransformation",
        ),
        (mv.sweep, ([mv.Member(KEY, hyper=[1])], MODEL, SPLIT), {}, "hyper: of type list; give nu"),
        (
            mv.sweep,
            ([mv.Member(KEY, optimizer=[1])], MODEL, SPLIT),
            {"optimizer": optax.adam},
            "members[0].optimizer: of type list; give numbers by name",
        ),
        # Parts of models.
        (mv.objectives.blockwise_logits, (0,), {}, "size: expected `int` >= 1"),
        (mv.objectives.blockwise_logits, ("a",), {}, "size: expected `int`, got `str`"),
        (mv.vae, (variational_mlp(), multinomial, standard_normal), {"objective": 3}, "objective"),
        (mv.mult_vae, (), {"network": gaussian}, "network: gaussian must take (hidden, latent, a"),
        (mv.recvae, (), {"likelihood": ()}, "likelihood: of type tuple; use a Likelihood"),
        (mv.mult_vae, (KEY,), {}, "hidden: expected `int`, got `PRNGKeyArray`"),
        (variational_mlp, ((4,), "a"), {}, "latent: expected `int`, got `str`"),
        (mv.testing.check_network, (3,), {}, "network: of type int; use a Network, such as var"),
        (to_device, (SPLIT,), {}, "matrix: of type Split; give a sparse matrix"),
        (to_device, (SPLIT.train,), {"n_chunks": 3}, "n_chunks: 3, and the histories take "),
    ],
)
def test_arguments_of_another_kind(function, arguments, named, message):
    assert refusal(function, *arguments, **named).startswith(message)


def test_a_single_evaluation_is_that_of_one_seed():
    systems = {"a": mv.Evaluation({"ndcg@100": np.array([0.5, 0.7])}, 0)}
    systems["b"] = mv.Evaluation({"ndcg@100": np.array([0.25, 0.5])}, 0)
    found = mv.compare({name: [one] for name, one in systems.items()}, metrics=["ndcg@100"])
    assert plain(mv.compare)(systems, metrics="ndcg@100") == found


def test_parts_of_a_given_split_share_their_ids():
    other = mv.Interactions(**{**vars(DATA), "item_ids": IDS[::-1]})
    assert refusal(mv.given_split, DATA, None, other).startswith("test: its ids are not those of t")


@pytest.mark.parametrize("pair", [(1, 2), mv.Posterior(np.zeros((1, 2)), np.zeros((1, 2)))])
def test_a_denoising_autoencoder_with_an_encoder_of_another_kind(pair):
    assert "a denoising autoencoder needs an array" in refusal(mv.posteriors.as_code, pair)
