"""`choose`: the best of several recommenders on validation, in the time that is given."""

import dataclasses
import itertools

import jax
import pytest

import multvae_jax as mv
from multvae_jax.baselines import EDLAE, POPULARITY
from multvae_jax.evaluation import evaluate
from multvae_jax.model_selection import choosing, trying
from multvae_jax.model_selection.trying import Candidate, Time, ranked
from tests.builders import assert_same, checkerboard, found_at

pytestmark = pytest.mark.updates

KEY = jax.random.key(0)
BY = {"select_by": "recall@4", "metrics": found_at(4)}
SPLIT = checkerboard()


def small():
    return mv.mult_vae((), 4)


SMALL = Candidate(small, epochs=3)


class Untouchable(mv.HeldOut):
    def __getattribute__(self, name):
        # A split checks that all of its users have features, or none.
        if name != "user_features":
            raise AssertionError(f"test users: {name} was read")


def untouchable():
    return object.__new__(Untouchable)


def seconds_that_tick(monkeypatch):
    """Every look at the clock takes a second."""
    clock = itertools.count()
    for module in (choosing, trying):
        monkeypatch.setattr(module, "monotonic", lambda: float(next(clock)))


def weak_baseline(monkeypatch):
    monkeypatch.setattr(choosing, "usual_baseline", lambda split: POPULARITY)


def test_the_best_on_validation_is_kept_and_the_test_users_are_not_looked_at():
    split = dataclasses.replace(SPLIT)
    object.__setattr__(split, "test", untouchable())
    seen = []
    models = {"small": SMALL, "untrained": Candidate(small, epochs=1, learning_rate=1e-9)}
    choice = mv.choose(KEY, split, models=models, callback=seen.append, **BY)
    names = ["edlae", "small", "small + edlae", "untrained", "untrained + edlae"]
    assert [one.name for one in choice.tried] == names
    assert seen == choice.tried
    best = max(one.validation["recall@4"] for one in choice.tried)
    assert evaluate(choice.run.scorer, SPLIT.validation, found_at(4)).mean("recall@4") == best
    # Of equals, the first.
    first = next(one for one in choice.tried if one.validation["recall@4"] == best)
    assert choice.name == first.name == ranked(choice.tried, "recall@4")[0].name
    assert not any(one.stopped or one.problem for one in choice.tried)


def test_a_blend_is_kept_where_it_validates_best(monkeypatch):
    # The first is looked at for its time alone.
    values = iter([0.0, 2.0])
    monkeypatch.setattr(trying.Work, "validate", lambda self, run: {"recall@4": next(values)})
    weak_baseline(monkeypatch)
    choice = mv.choose(KEY, SPLIT, models={"small": SMALL}, **BY)
    assert choice.name == "small + popularity"
    assert choice.tried[-1].validation == {"recall@4": 2.0}
    assert isinstance(choice.run.model, mv.models.Blend)
    assert choice.candidate is SMALL


def test_a_training_stops_when_the_time_is_up_and_no_other_begins(monkeypatch):
    seconds_that_tick(monkeypatch)
    models = {"long": Candidate(small, epochs=100_000), "next": SMALL}
    choice = mv.choose(KEY, SPLIT, minutes=1, models=models, **BY)
    long = next(one for one in choice.tried if one.name == "long")
    assert long.stopped
    assert 0.0 < long.seconds <= 60
    assert "next" not in [one.name for one in choice.tried]


def test_a_model_is_not_begun_that_would_not_end_its_first_epoch(monkeypatch):
    time = Time(100.0, lambda: False, trains_anew=False)
    monkeypatch.setattr(trying, "monotonic", lambda: 70.0)
    assert time.left() == 30
    time.blending = 10
    assert time.left(spent=50) == 20
    # What is chosen is trained again, in as much time as its training took.
    time.trains_anew, time.anew = True, 5
    assert time.left() == 15
    assert time.left(spent=12) == 8
    time.is_asked_to_stop = lambda: True
    assert time.left() == 0


def fails(error):
    def model():
        raise error

    return model


def test_what_diverges_or_needs_too_much_memory_is_left_out(monkeypatch):
    weak_baseline(monkeypatch)
    models = {
        "diverges": Candidate(small, epochs=3, learning_rate=1e37),
        "large": fails(MemoryError()),
        "larger": fails(jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")),
        "small": SMALL,
    }
    choice = mv.choose(KEY, SPLIT, models=models, **BY)
    problems = {one.name: one.problem for one in choice.tried if one.problem}
    assert problems.keys() == {"diverges", "large", "larger"}
    assert "training diverged" in problems["diverges"]
    assert problems["large"] == problems["larger"] == "out of memory"
    assert "small" in [one.name for one in choice.tried]
    assert {one.name for one in ranked(choice.tried, "recall@4")[-3:]} == problems.keys()
    with pytest.raises(ZeroDivisionError):
        mv.choose(KEY, SPLIT, models={"wrong": fails(ZeroDivisionError())}, **BY)


def test_models_are_tried_alone_where_the_baseline_does_not_fit(monkeypatch):
    def fit(train, **constants):
        raise mv.InputError("it needs 3 TB")

    large = EDLAE._replace(fit=fit, fit_each=None)
    monkeypatch.setattr(choosing, "usual_baseline", lambda split: large)
    choice = mv.choose(KEY, SPLIT, models={"small": SMALL}, **BY)
    assert [one.name for one in choice.tried] == ["edlae", "small"]
    assert choice.tried[0].problem == "it needs 3 TB"
    assert choice.name == "small"
    with pytest.raises(mv.InputError, match=r"nothing could be trained \(edlae: it needs 3 TB\)"):
        mv.choose(KEY, SPLIT, models={}, **BY)


def test_the_caller_ends_it_with_the_best_so_far(monkeypatch):
    weak_baseline(monkeypatch)
    asked = iter([False] * 12)
    models = {"long": Candidate(small, epochs=100_000), "next": SMALL}
    whole = dataclasses.replace(SPLIT, validation=None)
    choice = mv.choose(
        KEY, SPLIT, models=models, whole=whole, should_stop=lambda: next(asked, True), **BY
    )
    assert [one.name for one in choice.tried] == ["popularity", "long"]
    assert choice.tried[-1].stopped
    assert choice.run is choice.selected
    # A callback ends it between two recommenders.
    choice = mv.choose(KEY, SPLIT, models=models, callback=lambda one: True, **BY)
    assert [one.name for one in choice.tried] == ["popularity"]


def test_what_is_chosen_is_trained_anew_on_a_whole_split(monkeypatch):
    weak_baseline(monkeypatch)
    whole = dataclasses.replace(SPLIT, validation=None)
    part = mv.hold_out_interactions(whole, 0.2)
    choice = mv.choose(KEY, part, models={"small": Candidate(small, epochs=8)}, whole=whole, **BY)
    assert choice.name == "small"
    epoch = choice.selected.best_epoch
    expected = mv.fit(KEY, small(), whole, epochs=8, stop_after=epoch, **BY)
    assert len(choice.run.log) == epoch
    assert_same(choice.run.params, expected.params)
    # A baseline, too.
    choice = mv.choose(KEY, part, models={}, whole=whole, **BY)
    assert_same(choice.run.params, POPULARITY.fit(whole.train))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"key": 0}, "key: 0 is an integer"),
        ({"split": 3}, "split: "),
        ({"split": dataclasses.replace(SPLIT, validation=None)}, "nothing can be chosen"),
        ({"minutes": 0}, "minutes: "),
        ({"select_by": "recall@3"}, "select_by: 'recall@3' is not a metric"),
        ({"callback": 3}, "callback: "),
    ],
)
def test_what_nothing_can_be_chosen_with_is_refused(arguments, message):
    unchecked = mv.choose.__wrapped__
    with pytest.raises(mv.InputError, match=message):
        unchecked(**{"key": KEY, "split": SPLIT, **BY, **arguments})
