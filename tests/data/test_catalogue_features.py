"""Features of items reach a model in the order of its catalogue, whatever order they come in."""

import dataclasses
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import multvae_jax as mv
from multvae_jax import defaults, recipe
from multvae_jax.runs.run import Run
from tests.builders import checkerboard, refusal

SPLIT = checkerboard()
IDS = SPLIT.catalogue.ids.tolist()
# The number of an item, which its id names, from the last item to the first.
ABOUT = {item: [float(item[1:]), 1.0] for item in reversed(IDS)} | {"other": [0.0]}
EXPECTED = np.array([[float(item[1:]), 1.0] for item in IDS], np.float32)


def shuffled(split):
    """The same items in another order."""
    order = np.random.default_rng(0).permutation(len(IDS))
    ids, counts = split.catalogue.ids[order], split.catalogue.counts[order]
    parts = {
        name: dataclasses.replace(
            part, history=part.history[:, order], targets=part.targets[:, order]
        )
        for name, part in (("validation", split.validation), ("test", split.test))
    }
    return mv.Split(
        split.train[:, order],
        user_ids=split.user_ids,
        catalogue=mv.Catalogue(ids, counts, {}),
        **parts,
    )


def test_rows_follow_the_ids():
    np.testing.assert_array_equal(mv.with_item_features(SPLIT, ABOUT).catalogue.features, EXPECTED)
    other = shuffled(SPLIT)
    found = mv.with_item_features(other, ABOUT).catalogue
    assert found.ids.tolist() != IDS
    assert found.features[:, 0].tolist() == [float(item[1:]) for item in found.ids]


def test_features_of_a_file_follow_the_ids_of_the_catalogue_that_they_were_read_for(tmp_path):
    path = tmp_path / "items.csv"
    rows = [f"{item},{'Odd' if int(item[1:]) % 2 else 'Even'}" for item in sorted(IDS)]
    path.write_text("item,genres\n" + "\n".join(rows) + "\n")
    read = mv.data.read_item_features(path, SPLIT.catalogue)
    assert read.names == ("Even", "Odd")
    catalogue = mv.with_item_features(shuffled(SPLIT), read).catalogue
    odd = [float(int(item[1:]) % 2) for item in catalogue.ids]
    assert catalogue.features[:, 1].tolist() == odd
    (tmp_path / "vectors.csv").write_text("\n".join(["item,v", *(f"{i},{i[1:]}" for i in IDS)]))
    vectors = mv.data.read_item_vectors(tmp_path / "vectors.csv", SPLIT.catalogue)
    found = mv.with_item_features(shuffled(SPLIT).catalogue, vectors)
    assert found.features[:, 0].tolist() == [float(item[1:]) for item in found.ids]


def of_catalogue(catalogue):
    """A model whose scores are the first feature of each item."""
    features = jnp.asarray(mv.with_item_features(catalogue, ABOUT).features)
    model = mv.mult_vae((), 2)

    def score(params, batch):
        return jnp.zeros((batch.users.shape[0], 1)) + features[:, 0][None]

    return model._replace(score=score)


@pytest.mark.updates
def test_a_function_that_makes_the_model_receives_the_catalogue(tmp_path):
    split = shuffled(SPLIT)
    numbers = recipe.paper(defaults.shape_of(split))
    model = defaults.recipe_model(of_catalogue, numbers, split.catalogue)
    run = Run(model, model.init(jax.random.key(0), 40), split.catalogue, 1, None, [], split)
    run = dataclasses.replace(run, log=[{"epoch": 1, "step": 1, "loss": 1.0}])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        run.save(tmp_path / "run")
    loaded = mv.load_run(tmp_path / "run", model=of_catalogue)
    (user,) = mv.recommend(loaded.scorer, loaded.catalogue, [["i39"]], k=3)
    assert user.items == ["i38", "i37", "i36"]
    with pytest.raises(mv.InputError, match="model: <lambda> is a function; call it; use a Model"):
        mv.load_run(tmp_path / "run", model=lambda: run.model)


@pytest.mark.parametrize(
    ("items", "features", "message"),
    [
        (SPLIT, EXPECTED, "features: of type ndarray; give those of read_item_features, or item"),
        (SPLIT.train, ABOUT, "items: of type csr_array; give a split, or a catalogue"),
        (SPLIT, {"i0": [1.0]}, "features: 39 of 40 items have none, such as 'i1'; give every"),
        (SPLIT, {item: [1.0] * len(item) for item in IDS}, "features: not arrays of numbers of"),
        (SPLIT, dict.fromkeys(IDS, "a"), "features: not arrays of numbers of one shape"),
        (SPLIT, {**ABOUT, "i2": [1.0, np.nan]}, "features: those of 'i2' are not all finite numb"),
    ],
)
def test_what_has_no_row_for_every_item_is_refused(items, features, message):
    assert refusal(mv.with_item_features, items, features).startswith(message)
