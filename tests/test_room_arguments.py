"""Arguments of constructors, and of functions of the rooms, are refused in one sentence.

Nothing is trained or compiled here: each refusal comes before.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import polars as pl
import pytest

import multvae_jax as mv
from multvae_jax import batching
from multvae_jax.evaluation import significance
from multvae_jax.evaluation.ranking import sampled_items
from multvae_jax.mlp import denoising_mlp, variational_mlp
from multvae_jax.ops.embedding_bag import embedding_bag
from multvae_jax.runs.run import Run
from multvae_jax.selection import best_of
from multvae_jax.training import updates as training
from tests.builders import checkerboard, plain, refusal, two_interactions

KEY, MODEL, SPLIT = jax.random.key(0), mv.mult_vae((4,), 2), checkerboard()
DATA, ONE = two_interactions(), mv.Evaluation({"ndcg@100": np.array([0.5])}, 0)
IDS = DATA.item_ids
ITEMS = mv.Catalogue(IDS, np.array([1, 1]), {})
NETWORK = variational_mlp((4,), 2)
PARTS = (mv.likelihoods.multinomial(), mv.priors.standard_normal())
LONG, WIDE = np.zeros(3, np.int32), np.zeros((2, 2))
RUN = Run(MODEL, None, SPLIT.catalogue, 1, None, [], SPLIT)
FRAME = pl.DataFrame({"user": ["a"], "item": ["i0"], "rating": [4.0]})


def given(value, **changed):
    return checked_fields, (type(value), {**vars(value), **changed}), {}


def checked_fields(kind, fields):
    """Check fields as the constructor does; the suite itself checks the arguments of that."""
    made = object.__new__(kind)
    for name, value in fields.items():
        object.__setattr__(made, name, value)
    plain(kind.__post_init__)(made)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (given(DATA, users=LONG), "items: an array of shape (2,); give one of shape (3,)"),
        (given(DATA, users=[0, 1]), "users: of type list; give an array"),
        (given(DATA, items=np.ones(2)), "items: an array of float64; give one of whole numbers"),
        (given(DATA, items=np.array([0, 2])), "items: from 0 to 2, and item_ids has the numbers 0"),
        (given(DATA, users=np.array([-1, 0])), "users: from -1 to 0, and user_ids has the numbers"),
        (given(DATA, values=None), "values: of type NoneType; give an array"),
        (given(DATA, times=IDS), "times: an array of object; give one of numbers"),
        (given(DATA, user_ids=np.arange(2)), "user_ids: one is of type int64; give text"),
        (given(DATA, item_ids=IDS[[0, 0]]), "item_ids: 'a' is there twice"),
        (given(DATA, titles=["A"]), "titles: of type list; give titles by item id, such as"),
        (given(ITEMS, counts=np.ones(3)), "counts: an array of shape (3,); give one of shape (2,)"),
        (given(ITEMS, ids=["a", "b"]), "ids: of type list; give an array"),
        (given(ITEMS, ids=np.arange(2)), "ids: one is of type int64; give text"),
        (given(ITEMS, titles=None), "titles: of type NoneType; give titles by item id, such as"),
        (given(SPLIT, user_ids=IDS), "train: 60 rows for 2 users"),
        (given(SPLIT, catalogue=ITEMS), "catalogue: 2 items for 40 of train"),
        (given(SPLIT, validation=SPLIT), "validation: of type Split; use a HeldOut"),
        (given(SPLIT, test=None), "test: is missing; use a HeldOut"),
        (given(SPLIT, test=checkerboard(60, 20).test), "test: 20 items for 40 of train"),
        (given(ONE, values={"a": WIDE}), "values['a']: of shape (2, 2), for 2 users"),
        (given(ONE, users_without_target=-1), "users_without_target: expected `int` >= 0"),
        (given(mv.Dialect(), separator=3), "separator: of type int; give text, or None to"),
        (given(mv.Dialect(), header=WIDE), "header: of type ndarray; give one of auto, yes"),
        (
            (mv.HeldOut.rows, (SPLIT.test, None), {}),
            "rows: an array of shape (); give one with",
        ),
        ((mv.HeldOut.rows, (SPLIT.test, [60]), {}), "rows: 60, and there are 60 users"),
        (
            (mv.HeldOut.rows, (SPLIT.test, [True]), {}),
            "rows: an array of shape (1,); give one",
        ),
        ((mv.from_csr, (SPLIT.train, 3), {}), "user_ids: of type int; give a list or an array of"),
    ],
)
def test_values(call, message):
    function, arguments, named = call
    assert refusal(function, *arguments, **named).startswith(message)


def histories():
    return batching.to_device(SPLIT.train)


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (batching.plan_epoch, (3, histories, 5), "key: 3 is an integer; use jax.random.key(3)"),
        (batching.plan_epoch, (KEY, SPLIT, 5), "histories: of type Split; use a Histories, such"),
        (batching.plan_epoch, (KEY, histories, 0), "batch_size: expected `int` >= 1"),
        (batching.plan_epoch, (KEY, histories, 5, None), "capacity: expected `int`, got `None`"),
        (batching.take, (histories, 3, 8), "users: of type int; give an array"),
        (batching.take, (histories, jnp.arange(2), "a"), "capacity: expected `int`, got `str`"),
        (batching.to_device, (SPLIT.train, 0), "width: expected `int` >= 1"),
        (batching.to_device, (SPLIT.train, 16, None, "a"), "user_features: str is neither an arr"),
        (mv.recipe.n_updates, (10, 0, 2), "batch_size: expected `int` >= 1"),
        (mv.recipe.paper, (SPLIT,), "data: of type Split; use a DataShape, such as DataShape("),
        (mv.keys.order_key, (0, 1), "key: 0 is an integer; use jax.random.key(0)"),
        (sampled_items, (0, 5), "key: 0 is an integer; use jax.random.key(0)"),
        (mv.ops.matmul_in, ("float16",), "dtype: float16; give float32 or bfloat16"),
        (mv.ops.matmul_in, (jnp.int32,), "dtype: int32; give float32 or bfloat16"),
        (mv.ops.matmul_in, ("half",), "dtype: half; give float32 or bfloat16"),
        (mv.selection.scalars, (3,), "entry: of type int; give an entry of a log, run.log[-1]"),
        (mv.averages.evaluated, (3,), "state: of type int; use a TrainState, as run.state"),
        (mv.averages.ema, ("adam", 0.9), "optimizer: 'adam' is a name; use a GradientTransform"),
        (mv.likelihoods.draws, (3, "a"), "weights: must be one number per item, not negative"),
        (mv.likelihoods.dense, (abs, [1]), "constants: of type list; give constants by name"),
        (mv.objectives.negative_elbo, (NETWORK, 3, 4), "likelihood: of type int; use a Likelihoo"),
        (training.make_train_step, (RUN, optax.sgd(1.0)), "model: of type Run; use a Model, such"),
        (training.init_state, (KEY, MODEL, "adam", 3, abs), "optimizer: 'adam' is a name; use a"),
        (training.make_epoch, (MODEL,), "train_step: of type Model; use an update, such as that"),
        (mv.models.scorer, (KEY, {}), "model: of type PRNGKeyArray; use a Model, such as mult_v"),
        (mv.baselines.ease, (SPLIT,), "train: of type Split; give a sparse matrix, users x items"),
        (mv.baselines.ease, (SPLIT.train, "a"), "regularization: expected `float`, got `str`"),
        (mv.baselines.rp3beta, (SPLIT.train, 1.0, 1.0, 2.5), "neighbors: expected `int`, got `fl"),
        (significance.holm, (None,), "p_values: of type NoneType; give a list or an array of num"),
        (significance.sign_flip_test, (np.ones(3),), "differences: of shape (3,) and float64; gi"),
        (mv.evaluation.by_group, (ONE, ["a"], None, "b"), "fewest: expected `int`, got `str`"),
        (mv.metrics.at_cutoffs, ([10], None), "names: of type NoneType; give a list or an array"),
        (mv.scoring.score_items, (abs, [[1]], WIDE), "histories: of type list; give a sparse"),
        (mv.sweeps.sharded, ([3],), "devices: of type int; use a Device, such as one of jax.dev"),
        (mv.sweeps.sharded, (None, "vmapped"), "within: 'vmapped' is a name; use a Layout, such"),
        (mv.runs.save_tree, (3, {}), "path: of type int; give a path"),
    ],
)
def test_functions_of_the_rooms(function, arguments, message):
    arguments = [one() if one is histories else one for one in arguments]
    assert refusal(function, *arguments).startswith(message)


@pytest.mark.parametrize(
    ("method", "arguments", "named", "message"),
    [
        ("recommend", ([["i0"]],), {"include_seen": None}, "include_seen: expected `bool`, got `"),
        ("recommend", ([["i0"]],), {"min_rating": 4.0}, "min_rating: applies to data frames only"),
        ("recommend", (FRAME,), {"min_rating": "4"}, "min_rating: expected `float | None`, got"),
        ("recommend", (SPLIT.train,), {"users": 3}, "users: 3 is not a list of user ids"),
        ("recommend", ([["i0"]],), {"exclude": 3}, "exclude: 3 is of type int where a list o"),
        ("score", (KEY,), {}, "histories: Array((), dtype=key<fry>) overlaying:"),
        ("why", (["i0"], None), {}, "item: None is of type NoneType where a list of item"),
        ("similar_items", ("i0", 0), {}, "k: expected `int` >= 1"),
        ("user_vectors", ([["i0"]],), {"user_features": 3}, "user_features: int is neither an ar"),
        ("warm_up", (5, "a"), {}, "most_users: expected `int`, got `str`"),
        ("warm_up", (0,), {}, "k: expected `int` >= 1"),
    ],
)
def test_methods_of_a_recommender(method, arguments, named, message):
    key = jax.random.key(1)
    run = Run(MODEL, MODEL.init(key, 40), SPLIT.catalogue, 1, None, [], SPLIT)
    recommender = mv.Recommender(run)
    call = getattr(mv.Recommender, method)
    assert refusal(call, recommender, *arguments, **named).startswith(message)


def changed(part, **fields):
    return part._replace(**fields)


@pytest.mark.parametrize(
    ("network", "likelihood", "prior", "message"),
    [
        (changed(NETWORK, decode=None), *PARTS, "network.decode: of type NoneType; use a functio"),
        (NETWORK, changed(PARTS[0], click="a"), PARTS[1], "likelihood.click: 'a' is a name; use"),
        (NETWORK, changed(PARTS[0], constants=3), PARTS[1], "likelihood.constants: of type int;"),
        (
            NETWORK,
            changed(PARTS[0], constants={"a": "b"}),
            PARTS[1],
            "likelihood.constants['a']: 'b' is a name; give a number",
        ),
        (NETWORK, changed(PARTS[0], draw_per="item"), PARTS[1], "likelihood.draw_per: 'item' is "),
        (NETWORK, PARTS[0], changed(PARTS[1], init=3), "prior.init: of type int; use a function "),
    ],
)
def test_fields_of_the_parts_of_a_model(network, likelihood, prior, message):
    assert refusal(mv.vae, network, likelihood, prior).startswith(message)


def encoder(code):
    return mv.vae(changed(NETWORK, encode=lambda params, batch: code(batch)), *PARTS)


def rows(batch):
    return jnp.zeros((len(batch.users), 2))


NAMED = "network: its encoder returns"


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (encoder(rows), f"{NAMED} an array of shape (7, 2), but a variational autoencoder needs"),
        (encoder(lambda batch: None), f"{NAMED} NoneType, but a variational autoencoder needs a "),
        (encoder(lambda batch: {"mu": rows(batch)}), f"{NAMED} dict, but a variational autoenco"),
        (
            mv.dae(NETWORK, PARTS[0]),
            f"{NAMED} a posterior (Posterior), but a denoising autoencoder needs an array",
        ),
        (
            mv.vae(denoising_mlp((), 2), *PARTS),
            f"{NAMED} an array of shape (7, 2), but a variational autoencoder needs a posterior",
        ),
        (
            mv.vae(changed(NETWORK, decode=lambda params, z: z), *PARTS),
            "model: its scores, or the logits of its decoder, are of shape (7, 2) for 7 users and "
            "40 items, and must be users x items",
        ),
        (MODEL._replace(score=None), "model.score: of type NoneType; use a function of (params,"),
        (MODEL._replace(hyper=None), "model.hyper: of type NoneType; give numbers by name, such"),
    ],
)
def test_a_model_whose_functions_return_something_else(model, message):
    assert refusal(mv.fit, KEY, model, SPLIT).startswith(message)
    assert refusal(mv.sweep, [mv.Member(KEY)], model, SPLIT).startswith(message)


def test_a_failure_in_a_function_of_ones_own_names_its_line():
    def decode(params, z):
        return z @ params["no such"]

    message = refusal(mv.fit, KEY, mv.vae(changed(NETWORK, decode=decode), *PARTS), SPLIT)
    assert message == f"{__file__}:{decode.__code__.co_firstlineno + 1}: KeyError: 'no such'"


@pytest.mark.parametrize(
    ("function", "arguments", "named", "message"),
    [
        (mv.fit, (KEY, MODEL, SPLIT), {"callback": int}, "callback: int is a type; use a function"),
        (mv.fit, (KEY, MODEL, SPLIT), {"measure": int}, "measure: int is a type; use a function"),
        (mv.fit, (KEY, MODEL, SPLIT), {"beta": str}, "beta: str is a type; use a number, or a "),
        (mv.mult_vae, ((4,), 2), {"network": dict}, "network: dict is a type; use a function"),
        (mv.likelihoods.dense, (int,), {}, "log_prob: int is a type; use a function of (logits"),
        (mv.evaluate, (int, SPLIT.test), {}, "scorer: int is not a scorer, that is a function"),
        (mv.recommend, (int, SPLIT.catalogue, [["i1"]]), {}, "scorer: int is not a scorer, that"),
        (embedding_bag, (np.ones((4, 2)), None), {}, "batch: of type NoneType; use a Batch, such"),
        (best_of, (None, "ndcg@100"), {}, "log: give a list of the entries of epochs, run.log"),
        (best_of, ([{"validation": {"a": 1.0}}], "a"), {}, "log: give a list of the entries of"),
        (
            best_of,
            ([{"epoch": 1, "validation": {"ndcg@100": 0.5}}], "ndcg@10"),
            {},
            "select_by: 'ndcg@10' is not a metric of this log; did you mean ndcg@100?",
        ),
    ],
)
def test_types_and_other_values_in_the_place_of_functions(function, arguments, named, message):
    assert refusal(function, *arguments, **named).startswith(message)
