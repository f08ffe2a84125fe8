"""Options of a training on all users, `--held-out 0`."""

import dataclasses

import numpy as np
import pytest
import scipy.sparse as sp

from multvae_jax.config.all_users import refuse_baselines_beside, selects_epoch
from multvae_jax.config.complete import complete
from multvae_jax.config.convert import from_json, to_json
from multvae_jax.config.given_split import (
    is_on_all_users,
    refuse_without_effect,
    split_to_select_on,
)
from multvae_jax.config.options import (
    DataOptions,
    ModelOptions,
    RunOptions,
    TrainConfig,
    TrainingOptions,
)
from multvae_jax.config.resolve import ANY_DATA, with_recipe
from multvae_jax.config.unions import GivenSplit, InteractionFile, NamedDataset, UserFolds
from multvae_jax.errors import InputError
from tests.builders import checkerboard

ALL = DataOptions(InteractionFile("a"), held_out=0.0)
WITHOUT = dataclasses.replace(checkerboard(), validation=None)


@pytest.mark.parametrize(
    ("data", "model", "training", "message"),
    [
        ({"fold_in": 0.5}, {}, {}, "--fold-in: has no effect with --held-out 0, which leaves no"),
        ({"split": UserFolds(5)}, {}, {}, "--held-out 0 and --folds: the folds test on all users"),
        ({"split_seed": 1}, {}, {"epochs": 3}, "--split-seed: has no effect with --held-out 0 and"),
        ({}, {}, {"epochs": 3, "validate_every": 2}, "--validate-every: has no effect with"),
        ({}, {}, {"epochs": 3, "select_by": "mrr@5"}, "--select-by: has no effect with --held-out"),
        ({}, {"blend": "ease"}, {"epochs": 3}, "--blend: with --held-out 0 and --epochs nothing"),
    ],
)
def test_an_option_without_effect_is_refused(data, model, training, message):
    config = TrainConfig(
        dataclasses.replace(ALL, **data), ModelOptions(**model), TrainingOptions(**training)
    )
    with pytest.raises(InputError) as caught:
        refuse_without_effect(config)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("data", "model", "training"),
    [
        ({"split_seed": 1}, {"blend": "auto"}, {"select_by": "mrr@5", "validate_every": 2}),
        ({"split_seed": 1}, {}, {"epochs": 30, "patience": 3, "select_by": "mrr@5"}),
        ({}, {"blend": "ease", "blend_constants": {"weight": 0.3}}, {"epochs": 3}),
        ({"min_user_count": 3}, {}, {"epochs": 3, "select_by": "ndcg@100"}),
    ],
)
def test_options_with_an_effect_are_taken(data, model, training):
    """Also as a run keeps them, with all that presets and the recipe fill in."""
    config = TrainConfig(
        dataclasses.replace(ALL, **data), ModelOptions(**model), TrainingOptions(**training)
    )
    refuse_without_effect(config)
    refuse_without_effect(with_recipe(complete(config), ANY_DATA))


def test_baselines_are_tested_beside_no_final_model():
    refuse_baselines_beside(RunOptions(baselines=("none",)))
    with pytest.raises(InputError, match="--baselines: has no effect with --held-out 0"):
        refuse_baselines_beside(RunOptions(baselines=("ease",)))


@pytest.mark.parametrize("source", [InteractionFile("a"), NamedDataset("ml-20m")])
@pytest.mark.parametrize("recipe", ["adaptive", "paper"])
@pytest.mark.parametrize(
    ("training", "selects"),
    [({}, True), ({"epochs": 9}, False), ({"epochs": 9, "patience": 3}, True)],
)
def test_the_options_that_a_run_keeps_select_as_those_it_was_given(
    source, recipe, training, selects
):
    """The run is resumed and repeated with them, when the number of epochs is filled in."""
    data = dataclasses.replace(ALL, source=source)
    config = TrainConfig(data, training=TrainingOptions(recipe=recipe, **training))
    assert selects_epoch(config.training) == selects
    kept = with_recipe(complete(config), ANY_DATA)
    assert kept.training.epochs is not None
    assert selects_epoch(kept.training) == selects
    assert with_recipe(complete(from_json(to_json(kept), TrainConfig)), ANY_DATA) == kept
    # A patience that is only there to say so changes nothing.
    if recipe == "paper" and not training:
        assert kept.training.patience == kept.training.epochs


def test_a_tenth_of_each_users_interactions_selects_the_epoch():
    part = split_to_select_on(WITHOUT, ALL)
    # Each of the 60 users has 20 items.
    assert part.validation.targets.nnz == 60 * 2
    assert part.train.nnz + part.validation.targets.nnz == WITHOUT.train.nnz
    (note,) = part.notes
    assert note.startswith("no validation users: 0.1 of each user's training interactions are held")
    assert split_to_select_on(WITHOUT, ALL, selects=False) is WITHOUT


def test_users_with_too_few_interactions_are_named():
    first = sp.csr_array(WITHOUT.train.multiply(np.arange(WITHOUT.train.shape[1]) < 6))
    first.eliminate_zeros()
    few = dataclasses.replace(WITHOUT, train=first)
    with pytest.raises(
        InputError, match=r"^--held-out 0: none of the 60 .*; --epochs alone trains"
    ):
        split_to_select_on(few, ALL)


def test_a_given_split_is_not_one_of_all_users():
    """Its test users are in a file, and nothing else is held out with `--held-out none`."""
    assert not is_on_all_users(DataOptions(GivenSplit("a", "b"), held_out=0.0))
    assert not is_on_all_users(DataOptions(NamedDataset("gowalla"), held_out=0.0))
    assert is_on_all_users(DataOptions(held_out=0.0))
