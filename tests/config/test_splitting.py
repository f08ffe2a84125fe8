"""Kinds of splits as options: which flags go together, and what they make of a file."""

import dataclasses

import numpy as np
import pytest

import multvae_jax as mv
from multvae_jax.config.convert import from_json, to_json
from multvae_jax.config.flags import SourceFlags, SplitFlags
from multvae_jax.config.given_split import refuse_without_effect
from multvae_jax.config.load_data import load_split
from multvae_jax.config.load_held_out import load_held_out
from multvae_jax.config.options import DataOptions, TrainConfig
from multvae_jax.config.resolve import with_preset
from multvae_jax.config.unions import (
    GivenSplit,
    InteractionFile,
    LastSplit,
    NamedDataset,
    TimeSplit,
    UserFolds,
    UserSplit,
)
from multvae_jax.data.interactions import read_interactions
from multvae_jax.data.splits import user_fold
from tests.data.builders import ratings_table

KINDS = [UserSplit(), TimeSplit(0.3, 0.2), LastSplit(2), UserFolds(4), UserFolds(4, 2)]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A file with times, and some rows twice."""
    rows = ratings_table(70, 30, seed=1)
    times = np.random.default_rng(2).integers(0, 50, len(rows) + 40)
    lines = [f"{u},{i},{t}" for (u, i), t in zip(rows + rows[:40], times, strict=True)]
    file = tmp_path_factory.mktemp("split") / "dated.csv"
    file.write_text("user,item,time\n" + "\n".join(lines) + "\n")
    return str(file)


@pytest.mark.parametrize(
    ("flags", "before", "expected"),
    [
        ({}, UserSplit(), UserSplit()),
        ({}, TimeSplit(0.3), TimeSplit(0.3)),
        ({"split": "time"}, UserSplit(), TimeSplit()),
        ({"split": "time", "test_share": 0.2}, UserSplit(), TimeSplit(0.2, 0.1)),
        ({"validation_share": 0.2}, TimeSplit(0.3), TimeSplit(0.3, 0.2)),
        ({"split": "time"}, TimeSplit(0.3), TimeSplit(0.3)),
        ({"split": "last", "test_items": 3}, UserSplit(), LastSplit(3)),
        ({"folds": 5}, UserSplit(), UserFolds(5)),
        ({"folds": 5}, UserFolds(4, 2), UserFolds(5)),
        ({"folds": 5, "all_items": True}, UserSplit(), UserFolds(5, all_items=True)),
        ({"all_items": True}, UserFolds(4), UserFolds(4, all_items=True)),
        ({}, UserFolds(4, 2), UserFolds(4, 2)),
        ({"split": "users"}, UserFolds(4), UserSplit()),
        ({"split": "users"}, TimeSplit(), UserSplit()),
    ],
)
def test_flags_change_the_split_of_a_file_of_options(flags, before, expected):
    assert SplitFlags(**flags).over(before) == expected


@pytest.mark.parametrize(
    ("flags", "before", "message"),
    [
        (
            {"test_share": 0.2},
            UserSplit(),
            "--test-share: belongs to --split time, and has no effect",
        ),
        ({"all_items": True}, UserSplit(), "--all-items: has an effect in a cross-validation only"),
        ({"split": "last", "validation_share": 0.2}, UserSplit(), "--validation-share: belongs to"),
        (
            {"test_items": 2},
            TimeSplit(),
            "--test-items: belongs to --split last, and has no",
        ),
        (
            {"split": "time", "folds": 5},
            UserSplit(),
            "--folds: belongs to --split users, and has no",
        ),
        (
            {"folds": 5},
            LastSplit(),
            "--folds: belongs to --split users, and has no effect with --split",
        ),
    ],
)
def test_a_flag_of_another_kind_is_refused(flags, before, message):
    with pytest.raises(mv.InputError) as caught:
        SplitFlags(**flags).over(before)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"split": TimeSplit(), "held_out": 0.2}, "--held-out: has no effect with --split time"),
        ({"split": TimeSplit(), "held_out": 0.0}, "--held-out: has no effect with --split time"),
        ({"split": LastSplit(), "fold_in": 0.5}, "--fold-in: has no effect with --split last"),
        ({"split": TimeSplit(), "split_seed": 1}, "--split-seed: has no effect with --split time"),
        (
            {"split": UserFolds(5), "held_out": 0.0},
            "--held-out 0 and --folds: the folds test on all",
        ),
        (
            {"source": GivenSplit("a", "b"), "split": LastSplit()},
            "--split last: the data is a given split",
        ),
        (
            {"source": NamedDataset("gowalla"), "split": UserFolds(5)},
            "--folds: the data is a",
        ),
    ],
)
def test_an_option_without_effect_on_the_split_is_refused(data, message):
    config = TrainConfig(DataOptions(**{"source": InteractionFile("a"), **data}))
    with pytest.raises(mv.InputError) as caught:
        refuse_without_effect(config)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("kind", KINDS)
def test_a_configuration_keeps_the_split(kind):
    config = with_preset(TrainConfig(DataOptions(InteractionFile("a"), split=kind)))
    assert from_json(to_json(config), TrainConfig) == config
    refuse_without_effect(config)


def test_a_configuration_without_a_split_is_of_users():
    config = from_json(b'{"data": {"source": {"type": "file", "path": "a"}}}', TrainConfig)
    assert config.data.split == UserSplit()


def same(one, other):
    return (
        all(
            a.user_ids.tolist() == b.user_ids.tolist()
            and (a.history != b.history).nnz == (a.targets != b.targets).nnz == 0
            for a, b in ((one.validation, other.validation), (one.test, other.test))
        )
        and (one.train != other.train).nnz == 0
    )


def test_the_split_of_the_options_is_that_of_the_function(path):
    earliest = read_interactions(path, min_user_count=0, repeats="earliest")
    first, dated = read_interactions(path), read_interactions(path, repeats="earliest")
    expected = {
        UserSplit(): mv.hold_out_users(first),
        TimeSplit(0.3, 0.2): mv.hold_out_time(earliest, 0.3, 0.2, min_user_count=5),
        LastSplit(2): mv.hold_out_last(dated, 2),
        UserFolds(4): user_fold(first, 1, 4),
        UserFolds(4, 2): user_fold(first, 2, 4),
        UserFolds(4, 3, all_items=True): user_fold(first, 3, 4, all_items=True),
    }
    for kind, split in expected.items():
        options = DataOptions(InteractionFile(path), split=kind)
        found = load_split(options)
        assert same(found, split), kind
        # The notes are those of the split, then perhaps one more.
        assert found.notes[: len(split.notes)] == split.notes
        assert any(note.startswith(("split by", "fold")) for note in found.notes)
        # And it is found again over the catalogue of a run.
        for part in ("validation", "test"):
            users = getattr(split, part).user_ids.tolist()
            loaded = load_held_out(options, split.catalogue, part, lambda _, own=users: own)
            assert loaded.held_out.user_ids.tolist() == users
            for name in ("history", "targets"):
                one, other = getattr(loaded.held_out, name), getattr(getattr(split, part), name)
                assert (one != other).nnz == 0, (kind, part, name)
            assert set(loaded.user_ids) >= set(users)


def test_counts_that_include_what_is_held_out_are_noted(path):
    options = DataOptions(InteractionFile(path), split=LastSplit(), min_item_count=2)
    assert load_split(options).notes[-1] == (
        "--min-user-count 5 and --min-item-count 2 count the held-out interactions, too"
    )
    open_filter = dataclasses.replace(options, min_user_count=0, min_item_count=0)
    assert "held-out interactions, too" not in load_split(open_filter).notes[-1]


@pytest.mark.parametrize(("kind", "name"), [(TimeSplit(), "time"), (LastSplit(), "last")])
def test_data_without_times_is_refused(tmp_path, kind, name):
    file = tmp_path / "a.csv"
    file.write_text("user,item\n" + "".join(f"{u},{i}\n" for u in range(9) for i in range(9)))
    with pytest.raises(mv.InputError) as caught:
        load_split(DataOptions(InteractionFile(str(file)), split=kind))
    assert str(caught.value) == (
        f"--split {name}: {file} has no times; name their column with --time-column, or "
        "hold out users with --split users"
    )


def test_files_of_histories_go_with_their_part():
    both = {"train": ("a",), "test": ("b",), "test_history": ("c",)}
    assert SourceFlags(**both).over(NamedDataset()) == GivenSplit("a", "b", test_history="c")
    for flags, message in (
        ({"validation_history": ("v",)}, "--validation-history: belongs to the users in --valid"),
        ({"validation": ("v",)}, "--validation-history is missing: give the histories of"),
    ):
        with pytest.raises(mv.InputError) as caught:
            SourceFlags(**both, **flags).over(NamedDataset())
        assert str(caught.value).startswith(message)
    whole = GivenSplit("a", "b", "v", "c", "w")
    assert SourceFlags(test=("x",)).over(whole) == GivenSplit("a", "x", "v", "c", "w")
