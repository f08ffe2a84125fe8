"""Options on a given split: those without an effect, and what is held out to select the epoch."""

import dataclasses

import numpy as np
import pytest
import scipy.sparse as sp

from multvae_jax.config import given_split
from multvae_jax.config.convert import from_json
from multvae_jax.config.given_split import refuse_without_effect, split_to_select_on
from multvae_jax.config.options import DataOptions, TrainConfig, TrainingOptions
from multvae_jax.config.resolve import with_preset
from multvae_jax.config.unions import GivenSplit, InteractionFile, NamedDataset
from multvae_jax.errors import InputError
from tests.builders import checkerboard

FILES = GivenSplit(train="a", test="b")
VALIDATED = GivenSplit(train="a", test="b", validation="c")
WITHOUT = dataclasses.replace(checkerboard(), validation=None)


@pytest.mark.parametrize(
    ("source", "data", "training", "message"),
    [
        (FILES, {"min_user_count": 3}, {}, "--min-user-count: has no effect on a given split"),
        (FILES, {"min_item_count": 0}, {}, "--min-item-count: has no effect on a given split"),
        (FILES, {"fold_in": 0.5}, {}, "--fold-in: has no effect on a given split"),
        (NamedDataset("gowalla"), {"fold_in": 0.5}, {}, "--fold-in: has no effect on a given"),
        (FILES, {"held_out": 600.0}, {}, "--held-out 600: for a given split, a share of each"),
        (NamedDataset("yelp2018"), {"held_out": 1.0}, {}, "--held-out 1: for a given split"),
        (VALIDATED, {"held_out": 0.2}, {}, "--held-out: has no effect, because the validation"),
        (VALIDATED, {"split_seed": 1}, {}, "--split-seed: has no effect, because the validation"),
        (FILES, {"held_out": 0.0, "split_seed": 1}, {}, "--split-seed: has no effect with"),
        (FILES, {"held_out": 0.0}, {"patience": 3}, "--patience: has no effect with --held-out"),
        (FILES, {"held_out": 0.0}, {"validate_every": 2}, "--validate-every: has no effect with"),
        (FILES, {"held_out": 0.0}, {"select_by": "mrr@5"}, "--select-by: has no effect with"),
    ],
)
def test_an_option_without_effect_is_refused(source, data, training, message):
    config = TrainConfig(DataOptions(source, **data), training=TrainingOptions(**training))
    with pytest.raises(InputError) as caught:
        refuse_without_effect(config)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("source", "data", "training"),
    [
        (FILES, {"held_out": 0.2, "split_seed": 1, "min_rating": 3.0}, {"patience": 3}),
        (VALIDATED, {}, {"patience": 3, "select_by": "mrr@5", "validate_every": 2}),
        (FILES, {"held_out": 0.0}, {"cutoffs": (5,)}),
        (NamedDataset("gowalla"), {}, {}),
        (InteractionFile("a"), {"held_out": 600.0, "fold_in": 0.5, "min_user_count": 3}, {}),
    ],
)
def test_options_with_an_effect_are_taken(source, data, training):
    """Also as a run keeps them, with all that a preset fills in."""
    config = TrainConfig(DataOptions(source, **data), training=TrainingOptions(**training))
    refuse_without_effect(config)
    refuse_without_effect(with_preset(config))


def test_none_is_nothing_held_out_in_a_file_too():
    config = from_json(b'{"data": {"held_out": "none"}}', TrainConfig)
    assert config.data.held_out == 0


def test_a_share_of_the_training_interactions_selects_the_epoch():
    part = split_to_select_on(WITHOUT, DataOptions(FILES, held_out=0.25))
    # Each of the 60 users has 20 items.
    assert part.validation.targets.nnz == 60 * 5
    assert part.train.nnz + part.validation.targets.nnz == WITHOUT.train.nnz
    assert len(part.notes) == 1
    assert "0.25 of each user's training interactions are held out" in part.notes[0]
    other = split_to_select_on(WITHOUT, DataOptions(FILES, held_out=0.25, split_seed=1))
    assert (other.train != part.train).nnz


def test_a_split_with_validation_and_one_with_nothing_to_hold_out_stay():
    assert split_to_select_on(WITHOUT, DataOptions(FILES, held_out=0.0)) is WITHOUT
    whole = checkerboard()
    assert split_to_select_on(whole, DataOptions(VALIDATED)) is whole


def test_users_with_too_few_interactions_are_named():
    first = sp.csr_array(WITHOUT.train.multiply(np.arange(WITHOUT.train.shape[1]) < 6))
    first.eliminate_zeros()
    few = dataclasses.replace(WITHOUT, train=first)
    with pytest.raises(InputError, match=r"^--held-out 0\.1: none of the 60 users has the 5 inter"):
        split_to_select_on(few, DataOptions(FILES, held_out=0.1))


def test_of_many_users_a_sample_is_validated_on(monkeypatch):
    monkeypatch.setattr(given_split, "MOST_VALIDATED", 7)
    part = split_to_select_on(WITHOUT, DataOptions(FILES, held_out=0.25))
    validation = part.validation
    assert len(validation.user_ids) == 7
    assert "7 of 60 users are validated on" in part.notes[0]
    # Held out of all users, and the rows of those that are left are their own.
    assert part.train.nnz == 60 * 15
    rows = [list(part.user_ids).index(user) for user in validation.user_ids]
    np.testing.assert_array_equal(validation.history.toarray(), part.train.toarray()[rows])
    whole = (validation.history + validation.targets).toarray()
    np.testing.assert_array_equal(whole, WITHOUT.train.toarray()[rows])
