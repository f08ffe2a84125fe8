"""`fit(start=run)`: what a training takes from a run, also for a catalogue that has changed."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.sparse as sp

import multvae_jax as mv
from multvae_jax.batching import capacity_of, take, to_device
from multvae_jax.data.types import Catalogue
from multvae_jax.runs.warm_start import carried_over, item_axes, match_items, start_of
from multvae_jax.training.fit_state import FitState
from multvae_jax.training.updates import init_state
from tests.builders import assert_same, checkerboard, randomized

KEY, ADAM = jax.random.key(0), optax.adam(0.01)
BEFORE = ["a", "b", "c", "d", "e", "f", "g", "h", "i"]
# Two items are gone, three are new, and the others are in another order.
NOW = ["x", "h", "c", "y", "a", "e", "z", "f", "d", "g"]
KEPT = [item for item in NOW if item in BEFORE]


def tied_mlp(hidden, latent, activation):
    """One kernel for both sides, the items along its second axis."""

    def init(key, n_items):
        return {"kernel": jax.random.normal(key, (latent, n_items)), "scale": jnp.ones(latent)}

    def encode(params, batch):
        h = mv.ops.embedding_bag(params["kernel"].T, batch)
        return mv.Posterior(params["scale"][None] * h, h)

    def decode(params, z):
        return z @ params["kernel"]

    return mv.Network(init, encode, decode)


def item_to_item(hidden, latent, activation):
    """A kernel with two axes of items."""

    def init(key, n_items):
        return {"kernel": jax.random.normal(key, (n_items, n_items))}

    def encode(params, batch):
        h = mv.ops.embedding_bag(params["kernel"], batch)
        return mv.Posterior(h, h)

    return mv.Network(init, encode, lambda params, z: z)


MODELS = {
    "one hidden layer": mv.mult_vae((6,), 3),
    # As wide as there are items: sizes alone do not tell which axis is which.
    "as wide as the catalogue": mv.mult_vae((len(BEFORE),), len(BEFORE)),
    "dae, no hidden layer": mv.mult_dae((), 3),
    "tied": mv.mult_vae((), 3, network=tied_mlp),
    "items by items": mv.mult_vae((), 3, network=item_to_item),
    "recvae": mv.recvae(6, 3),
    "vamp": mv.vamp_vae((6,), 3, pseudo_inputs=4),
}


def catalogue(ids):
    return Catalogue(np.array(ids, object), np.ones(len(ids), np.int64), {})


ITEMS = match_items(catalogue(BEFORE), catalogue(NOW))


def scores(model, params, histories, ids):
    column = {item: number for number, item in enumerate(ids)}
    dense = np.zeros((len(histories), len(ids)), np.float32)
    for row, history in zip(dense, histories, strict=True):
        row[[column[item] for item in history]] = 1
    on_device = to_device(sp.csr_array(dense))
    users = np.arange(len(histories))
    batch = take(on_device, jnp.asarray(users, jnp.int32), capacity_of(on_device, users[None]))
    found = np.asarray(jax.jit(model.score)(params, batch))
    return found[:, [column[item] for item in KEPT]]


@pytest.mark.parametrize("name", MODELS)
def test_the_items_that_are_kept_have_the_scores_that_they_had(name):
    """Whatever their columns are, and whatever the fresh parameters of the new items are."""
    model = MODELS[name]
    trained, fresh = (
        randomized(model.init, len(ids), seed) for seed, ids in enumerate((BEFORE, NOW))
    )
    params = carried_over(model, trained, fresh, ITEMS)
    assert jax.tree.map(jnp.shape, params) == jax.tree.map(jnp.shape, fresh)
    histories = [["a"], ["c", "h", "g"], KEPT, ["f", "d"]]
    before, now = scores(model, trained, histories, BEFORE), scores(model, params, histories, NOW)
    np.testing.assert_allclose(now, before, rtol=1e-5, atol=1e-6)
    assert np.ptp(before) > 0.1, "the test shows nothing otherwise"


@pytest.mark.parametrize("name", MODELS)
def test_the_items_that_are_new_have_fresh_parameters(name):
    model = MODELS[name]
    trained = randomized(model.init, len(BEFORE))
    nothing = jax.tree.map(jnp.zeros_like, randomized(model.init, len(NOW)))
    params = carried_over(model, trained, nothing, ITEMS)
    axes = item_axes(model, len(BEFORE))
    new = [number for number, item in enumerate(NOW) if item not in BEFORE]
    n_of_items = 0
    for place, leaf in jax.tree.leaves_with_path(params):
        own = axes[jax.tree_util.keystr(place, simple=True, separator="/")]
        for axis in own:
            n_of_items += 1
            assert not np.take(leaf, new, axis).any()
            assert np.take(leaf, [1, 2], axis).any()
        if not own:
            assert np.all(np.asarray(leaf) != 0)
    # At least the rows of the encoder and the columns of the decoder, where they are not one.
    assert n_of_items >= (1 if name == "tied" else 2)


def test_items_are_found_by_their_ids():
    assert ITEMS.counts() == {"kept": 7, "new": 3, "dropped": 2}
    assert [BEFORE[c] if c >= 0 else None for c in ITEMS.column] == [
        item if item in BEFORE else None for item in NOW
    ]
    assert not ITEMS.same
    assert not match_items(catalogue([*"ab"]), catalogue([*"ba"])).same
    assert not match_items(catalogue([*"abc"]), catalogue([*"ab"])).same
    assert match_items(catalogue([*"ab"]), catalogue([*"ab"])).same
    with pytest.raises(mv.InputError, match="start: the run has none of the items of the split"):
        match_items(catalogue([*"ab"]), catalogue([*"cd"]))


def for_nine_items(hidden, latent, activation):
    """A network whose parameters are made of vectors of nine items."""
    vectors = np.ones((9, 2), np.float32)

    def init(key, n_items):
        if n_items != 9:
            raise ValueError
        return {"kernel": jnp.asarray(vectors) @ jax.random.normal(key, (2, latent))}

    return mv.Network(init, lambda params, batch: None, lambda params, z: z)


def padded(hidden, latent, activation):
    """A network with a row more than items."""

    def init(key, n_items):
        return {"kernel": jax.random.normal(key, (n_items + 1, latent))}

    return mv.Network(init, lambda params, batch: None, lambda params, z: z)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (
            for_nine_items,
            r"start: the model cannot be made for 16 items \(ValueError\); only a run",
        ),
        (padded, "start: the parameter network/kernel depends on the number of items, and not by"),
    ],
)
def test_a_model_that_cannot_change_its_catalogue_starts_from_the_same_one(network, message):
    model = mv.mult_vae((), 3, network=network)
    trained, fresh = model.init(jax.random.key(0), 9), model.init(jax.random.key(1), 9)
    same = match_items(catalogue(BEFORE), catalogue(BEFORE))
    assert_same(carried_over(model, trained, fresh, same), trained)
    other = match_items(catalogue(BEFORE), catalogue(BEFORE[::-1]))
    with pytest.raises(mv.InputError, match=message):
        carried_over(model, trained, fresh, other)


# --- trainings --------------------------------------------------------------------------------

SPLIT = checkerboard()
MODEL = mv.mult_vae((8,), 4)
train = partial(mv.fit, model=MODEL, split=SPLIT, batch_size=20, optimizer=ADAM)


@pytest.fixture(scope="module")
def run():
    with jax.numpy_dtype_promotion("standard"):
        return train(KEY, epochs=2, beta=0.125)


@pytest.mark.updates
def test_with_the_same_items_it_goes_on_from_the_parameters(run):
    """As one that continues by hand, with a new optimizer, at the beta of the epoch."""
    key = jax.random.key(1)
    started = train(key, epochs=2, start=run)
    fresh = init_state(key, MODEL, ADAM, 40, mv.schedules.constant(0.125))
    copied = jax.tree.map(jnp.copy, run.params)
    own = dataclasses.replace(fresh, params=copied, opt_state=ADAM.init(copied))
    by_hand = train(key, epochs=2, beta=0.125, state=FitState(own))
    assert_same(started.params, by_hand.params)
    assert started.log[0]["start"] == {"kept": 40, "new": 0, "dropped": 0}
    assert "start" not in started.log[1]
    assert started.log[0]["beta"] == run.log[run.best_epoch - 1]["beta"] == 0.125
    assert started.log[0]["loss"] < run.log[0]["loss"] - 1


@pytest.mark.updates
def test_new_data_may_have_other_items(run):
    """From a run that was saved, and whose log has no beta."""
    ids = [*SPLIT.catalogue.ids[::-1][:38], "new"]
    columns = [*range(39, 1, -1), 0]
    part = SPLIT.test
    other = dataclasses.replace(
        SPLIT,
        train=SPLIT.train[:, columns],
        validation=None,
        test=mv.HeldOut(part.history[:, columns], part.targets[:, columns], part.user_ids),
        catalogue=Catalogue(np.array(ids, object), SPLIT.catalogue.counts[columns], {}),
    )
    log = [{name: value for name, value in e.items() if name != "beta"} for e in run.log]
    loaded = dataclasses.replace(run, state=None, split=None, log=log)
    started = start_of(loaded, other)
    assert started.items.counts() == {"kept": 38, "new": 1, "dropped": 2}
    assert started.beta is None
    assert start_of(run, other).beta == 0.125
    params = started.carried(MODEL, jax.random.key(3), 39)
    kernel, before = (
        np.asarray(each["network"]["encoder"]["layers_0"]["kernel"])
        for each in (params, run.params)
    )
    np.testing.assert_array_equal(kernel[:38], before[:1:-1])
    assert not np.isin(kernel[38], before).any()


def test_an_optimizer_that_keeps_parameters_has_those_of_the_run():
    keeping = optax.GradientTransformation(lambda params: params, None)
    trained = randomized(MODEL.init, 9)
    carry_over = partial(
        carried_over, MODEL, trained, items=match_items(catalogue(BEFORE), catalogue(BEFORE))
    )
    state = init_state(KEY, MODEL, keeping, 9, optax.constant_schedule(0.0), carry_over)
    assert_same(state.params, trained)
    assert_same(state.opt_state, trained)


@pytest.mark.parametrize(
    ("start", "arguments", "message"),
    [
        (None, {"model": mv.mult_vae((16,), 4)}, "start: the parameter network/decoder/layers_0"),
        (None, {"model": mv.mult_vae((), 4)}, "start: the parameter network/decoder/layers_2/bias"),
        ("baseline", {}, "start: it is a baseline, which has no training to go on with"),
    ],
)
def test_what_a_training_cannot_start_from_is_refused(run, start, arguments, message):
    given = {
        None: run,
        "baseline": dataclasses.replace(run, model=mv.baselines.EASE),
    }.get(start, start)
    with pytest.raises(mv.InputError) as caught:
        train(KEY, **{"epochs": 1, "start": given, **arguments})
    assert str(caught.value).startswith(message)
    assert str(caught.value).count("\n") == 0


def test_a_path_is_not_a_run():
    with pytest.raises(mv.InputError, match=r"^start: .*load_run"):
        start_of("runs/first", SPLIT)


def test_the_epoch_is_not_selected_on_what_the_run_may_have_seen(run):
    split = dataclasses.replace(SPLIT, validation=None)
    with pytest.raises(mv.InputError, match="start: the run may have been trained on what would"):
        mv.fit_on_all(KEY, MODEL, split, start=run)
