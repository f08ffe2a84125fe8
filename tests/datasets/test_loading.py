"""Interactions and splits by name: the preset's filter, and its number of held-out users."""

import numpy as np
import pytest

import multvae_jax as mv
from multvae_jax.config.load_data import load_split as split_of_options
from multvae_jax.config.options import DataOptions
from multvae_jax.data.interactions import read_interactions
from multvae_jax.data.split_reader import read_given_split
from multvae_jax.data.splits import given_split, hold_out_users
from multvae_jax.errors import InputError
from tests.builders import assert_same
from tests.datasets.builders import LIGHTGCN, PAIRS, small


def assert_same_split(one, two):
    """Check that matrices, ids and catalogue are equal in every part."""
    for part, other in ((one, two), (one.validation, two.validation), (one.test, two.test)):
        assert (part is None) == (other is None)
        if part is not None:
            assert part.user_ids.tolist() == other.user_ids.tolist()
    matrices = (
        [split.train, *(m for h in held if h is not None for m in (h.history, h.targets))]
        for split, held in ((s, (s.validation, s.test)) for s in (one, two))
    )
    for matrix, other in zip(*matrices, strict=True):
        assert matrix.shape == other.shape
        assert_same(
            [matrix.indptr, matrix.indices, matrix.data], [other.indptr, other.indices, other.data]
        )
    assert one.catalogue.ids.tolist() == two.catalogue.ids.tolist()
    assert one.catalogue.titles == two.catalogue.titles
    np.testing.assert_array_equal(one.catalogue.counts, two.catalogue.counts)


def test_the_shipped_data_set_has_the_presets_filter():
    # The reader itself is held against the rows of the file in test_shipped.py.
    data = mv.load_dataset("ml-latest-small")
    expected = read_interactions(small(), min_rating=4, min_user_count=5)
    for name in ("users", "items", "values", "times", "user_ids", "item_ids"):
        assert_same(getattr(data, name), getattr(expected, name))
    assert data.titles["47"] == "Seven (a.k.a. Se7en) (1995)"


def test_the_shipped_data_set_is_split_as_its_preset_has_it():
    data = mv.load_dataset("ml-latest-small")
    split = mv.load_split("ml-latest-small")
    assert_same_split(split, hold_out_users(data, 60, 60))
    other = mv.load_split("ml-latest-small", fold_in=0.5, seed=3)
    assert_same_split(other, hold_out_users(data, 60, 60, 0.5, 3))
    assert other.test.user_ids.tolist() != split.test.user_ids.tolist()


def test_options_without_a_value_load_the_same_split():
    assert_same_split(mv.load_split("ml-latest-small"), split_of_options(DataOptions()))


def test_a_data_set_is_fetched_on_first_use(site, capfd):
    data = mv.datasets.load_dataset("ml-1m")
    pairs = [(str(user), str(item)) for user, item in PAIRS if user >= 5]
    found = zip(data.user_ids[data.users], data.item_ids[data.items], strict=True)
    assert list(found) == pairs
    assert data.titles["100"] == "Café 100"
    assert len(site.asked) == 2
    assert mv.load_dataset("ml-1m").n_users == 5
    assert len(site.asked) == 2
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "ml-1m.zip" in shown.err


@pytest.mark.parametrize("name", LIGHTGCN)
def test_a_published_split_is_loaded_as_it_is(name, site, home):
    split = mv.load_split(name, fold_in=0.5, seed=1)
    files = [home / name / f"{part}.txt" for part in ("train", "test")]
    train, _, test = read_given_split(files[0], None, files[1])
    assert_same_split(split, given_split(train, None, test))
    assert split.validation is None


@pytest.mark.parametrize("name", LIGHTGCN)
def test_a_published_split_has_no_interactions_in_one(name, site):
    with pytest.raises(InputError) as caught:
        mv.load_dataset(name)
    assert str(caught.value) == (
        f'{name} is published as a split; load it with load_split("{name}")'
    )
    assert site.asked == []


@pytest.mark.parametrize("load", [mv.load_dataset, mv.load_split])
def test_an_unknown_name_is_refused(load):
    with pytest.raises(InputError, match=r"'ml-0m'.* ml-latest-small, "):
        load("ml-0m")
