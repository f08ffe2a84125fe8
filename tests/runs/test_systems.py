"""Runs as systems: which differ only in their seed, what they are called, and their users."""

import re
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

import multvae_jax as mv
from multvae_jax.config.options import DataOptions, ModelOptions, TrainingOptions
from multvae_jax.errors import InputError
from multvae_jax.evaluation.lists import Lists
from multvae_jax.runs.run_config import RunConfig
from multvae_jax.runs.systems import Users, in_order_of, over, systems_of


def config(seed=0, model=None, **training):
    options = TrainingOptions(seed=seed, **training)
    return RunConfig(DataOptions(), model or ModelOptions(), options, best_epoch=3 + seed)


def blend(seed, weight):
    model = ModelOptions(blend="edlae", blend_constants={"weight": weight, "dropout": 0.5})
    return config(seed, model)


def wmf(seed, factors=64.0):
    return config(model=ModelOptions("wmf", model_constants={"factors": factors, "seed": seed}))


def test_runs_that_differ_only_in_their_seed_are_one_system():
    runs = {
        "a": config(0),
        "b": config(1),
        "c": config(2, cutoffs=(5,)),
        "d": config(0, decay="cosine"),
    }
    assert systems_of(runs) == {"a": ["a", "b", "c"], "d": ["d"]}
    assert systems_of(runs, each_run=True) == {name: [name] for name in "abcd"}
    assert systems_of({"a": wmf(0.0), "b": wmf(1.0), "c": wmf(0.0, 32.0)}) == {
        "a": ["a", "b"],
        "c": ["c"],
    }


def test_what_the_training_has_chosen_is_no_difference_between_seeds():
    auto = {name: config(n, beta="auto", beta_cap=0.1 * n) for n, name in enumerate("ab")}
    assert systems_of(auto) == {"mult-vae": ["a", "b"]}
    assert systems_of({"a": blend(0, 0.31), "b": blend(1, 0.33)}) == {"mult-vae-blend": ["a", "b"]}
    set_by_hand = {name: config(n, beta_cap=0.1 * n) for n, name in enumerate("ab")}
    assert len(systems_of(set_by_hand)) == 2


def test_weights_that_were_set_for_each_seed_are_systems():
    """A seed occurs twice, so that the weights were not chosen by the training alone."""
    runs = {f"{w}-{seed}": blend(seed, w) for w in (0.3, 0.5) for seed in (0, 1)}
    assert systems_of(runs) == {"0.3": ["0.3-0", "0.3-1"], "0.5": ["0.5-0", "0.5-1"]}


def test_a_run_with_the_same_seed_or_without_one_is_a_system():
    saved_from_python = RunConfig(None, ModelOptions("ease"), None, 0)
    runs = {"x/a": config(4), "x/b": config(4), "y/b": saved_from_python, "y/c": RunConfig()}
    assert systems_of(runs) == {"a": ["x/a"], "b": ["x/b"], "ease": ["y/b"], "c": ["y/c"]}


def test_the_shortest_name_that_no_other_system_has():
    ease = RunConfig(model=ModelOptions("ease"))
    assert systems_of({"x/run": config(0), "y/run": ease}) == {
        "mult-vae": ["x/run"],
        "ease": ["y/run"],
    }
    assert list(systems_of({"x/run": ease, "y/run": ease, "y/other": ease})) == [
        "x/run",
        "y/run",
        "other",
    ]
    named = {f"runs/flat_net-{seed}": config(seed) for seed in (10, 11)}
    named["runs/deep"] = config(0, decay="cosine")
    assert list(systems_of(named)) == ["flat_net", "deep"]
    files = ["x/lists.csv.gz", "x/ease.csv"]
    assert list(systems_of({"run": ease}, files)) == ["run", "lists", "ease.csv"]


def users_of(history, targets, users="uvw", items="abcd", run="first"):
    matrices = (sp.csr_array(np.array(matrix, np.float32)) for matrix in (history, targets))
    held_out = mv.HeldOut(*matrices, np.array(list(users), object))
    return Users(
        run, held_out, mv.Catalogue(np.array(list(items), object), np.ones(len(items)), {})
    )


HISTORY = [[1, 0, 0, 0], [0, 1, 0, 1], [0, 0, 1, 0]]
TARGETS = [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]]


def test_users_and_items_in_another_order_are_the_same():
    first = users_of(HISTORY, TARGETS)
    rows, columns = [2, 0, 1], [3, 1, 0, 2]
    moved = (np.array(matrix)[rows][:, columns] for matrix in (HISTORY, TARGETS))
    found = in_order_of(first, users_of(*moved, users="wuv", items="dbac", run="other"))
    assert found.held_out.user_ids.tolist() == ["u", "v", "w"]
    np.testing.assert_array_equal(found.held_out.targets.toarray(), np.array(TARGETS)[:, columns])
    np.testing.assert_array_equal(found.held_out.history.toarray(), np.array(HISTORY)[:, columns])


def changed(matrix, row, column):
    array = np.array(matrix)
    array[row, column] ^= 1
    return array


MORE = [*HISTORY, [1, 0, 0, 0]], [*TARGETS, [0, 1, 0, 0]]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (users_of(HISTORY, TARGETS, "uvx"), "lacks 1 user (w) of first and has 1 more than first;"),
        (users_of(*MORE, "uvwx"), "has 1 more than first;"),
        (users_of(HISTORY[:1], TARGETS[:1], "u"), "lacks 2 users (v, w) of first;"),
        (users_of(changed(HISTORY, 1, 2), TARGETS), "1 user (v) with another history than in"),
        (users_of(HISTORY, changed(TARGETS, 0, 2)), "1 user (u) with other targets than in first;"),
        # An item that the first run does not have.
        (users_of(HISTORY, TARGETS, items="aecd"), "1 user (v) with another history than in first"),
    ],
)
def test_other_users_and_other_interactions_are_one_line(other, message):
    with pytest.raises(InputError, match=f"^other: {re.escape(message)}"):
        in_order_of(users_of(HISTORY, TARGETS), other._replace(run="other"))


def test_lists_get_the_columns_of_another_catalogue():
    items = np.array([[0, 2, -2], [1, -1, -1]], np.int32)
    own = mv.Catalogue(np.array(["b", "x", "a"], object), np.ones(3), {})
    lists = Lists(np.array(["u", "v"], object), items, np.zeros((2, 3), np.float32), own)
    wanted = replace(own, ids=np.array(["a", "b"], object), counts=np.ones(2))
    assert over(wanted, lists).items.tolist() == [[1, 0, -2], [-2, -1, -1]]
