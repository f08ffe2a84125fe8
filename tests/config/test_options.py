"""Options as values: unions and their flags, JSON, and paths."""

import json
import math
from dataclasses import replace

import pytest

from multvae_jax.config.convert import from_json, to_json, validated
from multvae_jax.config.flags import (
    RiseFlags,
    SearchFlags,
    SourceFlags,
    SweepFlags,
    TrainFlags,
    defaults_of,
)
from multvae_jax.config.load_data import data_name
from multvae_jax.config.options import (
    DataOptions,
    ModelOptions,
    SearchOptions,
    SweepConfig,
    TrainConfig,
    TrainingOptions,
)
from multvae_jax.config.resolve import with_absolute_paths
from multvae_jax.config.unions import (
    AnnealShare,
    AnnealSteps,
    GivenSplit,
    Grid,
    InteractionFile,
    NamedDataset,
    Optuna,
    Random,
)
from multvae_jax.errors import InputError

SPLIT = GivenSplit(train="a", test="b", validation="c")


@pytest.mark.parametrize(
    ("flags", "before", "source"),
    [
        (SourceFlags(), NamedDataset(), NamedDataset("ml-latest-small")),
        (SourceFlags(), SPLIT, SPLIT),
        (SourceFlags(dataset="ml-1m"), InteractionFile("x"), NamedDataset("ml-1m")),
        (SourceFlags(data=("y",)), SPLIT, InteractionFile("y")),
        (SourceFlags(train=("a",), test=("b",)), NamedDataset(), GivenSplit("a", "b")),
        (SourceFlags(train=("a",), test=("b",), validation=("c",)), InteractionFile("x"), SPLIT),
        # In a split from a file, a flag replaces its own file.
        (SourceFlags(test=("z",)), SPLIT, GivenSplit("a", "z", "c")),
    ],
)
def test_a_flag_displaces_the_other_sources(flags, before, source):
    assert flags.over(before) == source


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (SourceFlags("a", ("b",)), "--dataset and --data: give one or the other"),
        (SourceFlags(data=("a",), train=("b",)), "--data and --train: give one or the other"),
        (SourceFlags(dataset="a", test=("b",)), "--dataset and --test: give one or the other"),
        (
            SourceFlags(train=("a",)),
            "--test is missing: a given split has a training and a test file",
        ),
        (
            SourceFlags(validation=("a",)),
            "--train is missing: a given split has a training and a test file",
        ),
    ],
)
def test_flags_of_two_sources_are_refused(flags, message):
    with pytest.raises(InputError) as caught:
        flags.over(NamedDataset())
    assert str(caught.value) == message


def test_the_flags_of_the_rise_and_of_the_search_exclude_each_other():
    assert RiseFlags().over(AnnealSteps(3)) == AnnealSteps(3)
    assert RiseFlags(anneal_share=0.3).over(AnnealSteps(3)) == AnnealShare(0.3)
    assert RiseFlags(anneal_steps=4).over(None) == AnnealSteps(4)
    assert SearchFlags().over(Grid()) == Grid()
    assert SearchFlags(random=4).over(Grid()) == Random(4)
    assert SearchFlags(optuna=4).over(Grid()) == Optuna(4, trials_at_once=8)
    assert SearchFlags(optuna=4, trials_at_once=2).over(Grid()) == Optuna(4, 2)
    for flags, before, message in (
        (RiseFlags(0.3, 4), None, "--anneal-share and --anneal-steps: give one or the other"),
        (SearchFlags(3, 4), Grid(), "--random and --optuna: give one or the other"),
        (
            SearchFlags(trials_at_once=2),
            Grid(),
            "--trials-at-once: is the size of a batch of --optuna; give both",
        ),
    ):
        with pytest.raises(InputError) as caught:
            flags.over(before)
        assert str(caught.value) == message


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (TrainFlags(rise=RiseFlags(anneal_share=2.0)), "--anneal-share: expected `float` <= 1.0"),
        (TrainFlags(rise=RiseFlags(anneal_steps=0)), "--anneal-steps: expected `int` >= 1"),
        (TrainFlags(data=DataOptions(fold_in=1.0)), "--fold-in: expected `float` < 1.0"),
    ],
)
def test_a_flag_out_of_its_bounds_is_named(flags, message):
    with pytest.raises(InputError) as caught:
        flags.over(TrainConfig())
    assert str(caught.value) == message
    with pytest.raises(InputError, match=r"^--trials-at-once: expected `int` >= 1"):
        SweepFlags(search=SearchFlags(optuna=3, trials_at_once=0)).over()


def test_flags_override_the_options_of_a_file():
    file = TrainConfig(
        DataOptions(InteractionFile("x.csv"), held_out=7),
        ModelOptions(likelihood="gaussian", constants={"c1": 2.0}, prior_constants={"a": 1.0}),
        TrainingOptions(rise=AnnealSteps(100), learning_rate=1e-2),
    )
    flags = defaults_of(file)
    assert flags.over(file) == file
    share = replace(flags, rise=RiseFlags(anneal_share=0.3)).over(file)
    assert share.training == replace(file.training, rise=AnnealShare(0.3))
    named = replace(flags, source=SourceFlags(dataset="ml-1m")).over(file)
    assert named == replace(file, data=DataOptions(NamedDataset("ml-1m"), held_out=7))


def test_the_constants_of_a_file_are_those_of_its_own_parts():
    file = TrainConfig(
        model=ModelOptions(
            "own.py:model",
            {"cap": 1.0},
            likelihood="gaussian",
            constants={"c1": 2.0},
            prior="own.py:prior",
            prior_constants={"weight": 3.0},
        )
    )
    flags = defaults_of(file)
    # The parser would show each constant of its defaults as an option.
    shown = flags.model
    assert (shown.model_constants, shown.constants, shown.prior_constants) == ({}, {}, {})

    def with_model(**options):
        return replace(flags, model=replace(flags.model, **options)).over(file).model

    assert with_model(latent=3) == replace(file.model, latent=3)
    assert with_model(constants={"c0": 1.0}) == replace(file.model, constants={"c0": 1.0})
    for part, constants in (
        ("model", "model_constants"),
        ("likelihood", "constants"),
        ("prior", "prior_constants"),
    ):
        other = with_model(**{part: "other"})
        assert other == replace(file.model, **{part: "other", constants: {}})


# --- JSON -----------------------------------------------------------------------------------

EVERY = TrainConfig(
    DataOptions(SPLIT, titles="t", min_rating=4.0, user_column="u"),
    ModelOptions(hidden=(3, 2), network="n", constants={"c1": 2.0}, weight_penalty=0.0),
    TrainingOptions(rise=AnnealShare(0.5), patience=3, select_by="mrr@10", cutoffs=(5,)),
)


@pytest.mark.parametrize(
    "config",
    [
        TrainConfig(),
        EVERY,
        TrainConfig(DataOptions(InteractionFile("x"))),
        SweepConfig(search=SearchOptions((("latent", "3"),), search=Random(3))),
        SweepConfig(search=SearchOptions(search=Optuna(3, 2))),
    ],
)
def test_json_gives_the_same_configuration(config):
    text = to_json(config)
    assert from_json(text, type(config)) == config
    assert to_json(from_json(text, type(config))) == text


def old(**parts):
    return json.dumps(parts).encode()


@pytest.mark.parametrize(
    ("text", "config"),
    [
        (old(), TrainConfig()),
        (
            old(data={"dataset": "ml-1m", "data": None}),
            TrainConfig(DataOptions(NamedDataset("ml-1m"))),
        ),
        (
            old(data={"dataset": "ml-latest-small", "data": "x", "train": None, "held_out": 3}),
            TrainConfig(DataOptions(InteractionFile("x"), held_out=3.0)),
        ),
        (
            old(data={"dataset": "ml-latest-small", "train": "a", "validation": "c", "test": "b"}),
            TrainConfig(DataOptions(SPLIT)),
        ),
        (
            old(training={"anneal_share": 0.3, "anneal_steps": None}),
            TrainConfig(training=TrainingOptions(rise=AnnealShare(0.3))),
        ),
        # Steps won over a share.
        (
            old(training={"anneal_share": 0.3, "anneal_steps": 5}),
            TrainConfig(training=TrainingOptions(rise=AnnealSteps(5))),
        ),
        (old(training={"anneal_share": None}), TrainConfig()),
        (
            old(model={"objective": "denoising", "likelihood": "gaussian"}),
            TrainConfig(model=ModelOptions(objective="denoising_loss", likelihood="gaussian")),
        ),
        # The multinomial stood in every configuration, whether the model has a likelihood or not.
        (
            old(model={"model": "ease", "likelihood": "multinomial", "constants": {}}),
            TrainConfig(model=ModelOptions(model="ease")),
        ),
        (
            old(model={"model": "mult-vae", "likelihood": "multinomial", "constants": {}}),
            TrainConfig(model=ModelOptions(likelihood="multinomial")),
        ),
        (
            old(search={"vary": [], "seeds": 2, "random": None, "optuna": None}),
            SweepConfig(search=SearchOptions(seeds=2)),
        ),
        (
            old(search={"random": 4, "optuna": None, "trials_at_once": 8}),
            SweepConfig(search=SearchOptions(search=Random(4))),
        ),
        (
            old(search={"random": None, "optuna": 4, "trials_at_once": 3}),
            SweepConfig(search=SearchOptions(search=Optuna(4, 3))),
        ),
    ],
)
def test_the_json_of_older_versions_is_upgraded(text, config):
    found = from_json(text, type(config))
    assert found == config
    # The metric was not an option then.
    assert found.training.selecting_metric == "ndcg@100"
    assert json.loads(to_json(found)).keys() == json.loads(to_json(config)).keys()
    assert to_json(found) == to_json(config)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            b'{"model":\n 3,}',
            "not JSON: expecting property name enclosed in double quotes in line 2, column 4",
        ),
        (b"\xff{}", "not JSON: byte 0 is not UTF-8 text"),
        (b"[" * 100_000, "not a configuration: too many brackets inside each other"),
        (b"[]", "expected `object`, got `array`"),
        (old(data=3), "data: expected `object`, got `int`"),
        (old(data={"train": "a"}), "data.source: object missing required field `test`"),
        (old(data={"data": 3}), "data.source.path: expected `str | array`, got `int`"),
        (old(data={"data": "a\0b"}), "data.source.path: contains a NUL character"),
        (old(training={"epochs": 0}), "training.epochs: expected `int` >= 1"),
        (old(training={"anneal_share": 2}), "training.rise.share: expected `float` <= 1.0"),
        (
            old(training={"rise": {"type": "slope"}}),
            "training.rise.type: invalid value 'slope'",
        ),
        (b'{"training": {"beta_cap": 1e999}}', "training.beta_cap: inf is not a finite number"),
        (b'{"data": {"min_rating": -Infinity}}', "-Infinity is not a finite number"),
        (b'{"model": {"latent": 3, "latent": 4}}', "'latent' is given twice"),
        (
            old(modle={"latent": 3}),
            "no section 'modle'; did you mean model? There are: model, data, training",
        ),
        (old(model={"latnet": 3}), "no option 'latnet' in model; did you mean latent? There are: "),
        (
            old(training={"rise": {"type": "share", "share": 0.5, "steps": 3}}),
            "no option 'steps' in rise. There are: share",
        ),
    ],
)
def test_wrong_json_is_one_line(text, message):
    with pytest.raises(InputError) as caught:
        from_json(text, TrainConfig)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_json_with_and_without_a_byte_order_mark(mark):
    assert from_json(mark + b'{"model": {"latent": 3}}', TrainConfig).model.latent == 3


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (DataOptions(min_rating=-math.inf), "--min-rating: -inf is not a finite number"),
        (DataOptions(min_rating=math.nan), "--min-rating: nan is not a finite number"),
        (DataOptions(held_out=149.5), "--held-out: 149.5 is neither a whole number nor a share"),
        (ModelOptions(hidden=(10**10,)), "--hidden: expected `int` <= 2147483647"),
        (ModelOptions(hidden=(2,) * 2_000), "--hidden: expected `array` of length <= 500"),
        (ModelOptions(latent=10**30), "--latent: "),
        (ModelOptions(constants={"c1": math.inf}), "--constants c1: inf is not a finite number"),
        (TrainingOptions(learning_rate=1e-320), "--learning-rate: 9.99989e-321 is beyond the"),
        (TrainingOptions(learning_rate=1e39), "--learning-rate: 1e+39 is beyond the range of"),
        (TrainingOptions(cutoffs=(10**12,)), "--cutoffs: expected `int` <= 1000000"),
    ],
)
def test_an_option_out_of_its_bounds_is_named(config, message):
    with pytest.raises(InputError) as caught:
        validated(config)
    assert str(caught.value).startswith(message)


def test_a_run_keeps_its_files_by_absolute_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = TrainConfig(
        DataOptions(InteractionFile("ratings.csv"), titles="/else/where.csv", user_column="x.py:y"),
        ModelOptions(prior="own.py:prior", network="package.module:network"),
        TrainingOptions(optimizer="sub/own.py:sgd"),
    )
    kept = with_absolute_paths(given)
    assert kept.data.source == InteractionFile(f"{tmp_path}/ratings.csv")
    assert (kept.data.titles, kept.data.user_column) == ("/else/where.csv", "x.py:y")
    assert kept.model == ModelOptions(
        prior=f"{tmp_path}/own.py:prior", network="package.module:network"
    )
    assert kept.training == TrainingOptions(optimizer=f"{tmp_path}/sub/own.py:sgd")
    assert from_json(to_json(kept), TrainConfig) == kept
    split = TrainConfig(DataOptions(GivenSplit("a", "/b")))
    assert with_absolute_paths(split).data.source == GivenSplit(f"{tmp_path}/a", "/b")
    named = TrainConfig(DataOptions(NamedDataset("ml-1m")))
    assert with_absolute_paths(named) == named


def test_several_files_of_one_table_are_kept_as_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = SourceFlags(data=("a.csv", "b.csv")).over(NamedDataset())
    config = TrainConfig(DataOptions(source))
    assert from_json(to_json(config), TrainConfig) == config
    kept = with_absolute_paths(config).data.source
    assert kept == InteractionFile((f"{tmp_path}/a.csv", f"{tmp_path}/b.csv"))


def test_standard_input_is_not_a_path():
    config = TrainConfig(DataOptions(InteractionFile("-")))
    assert with_absolute_paths(config).data.source == InteractionFile("-")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a/ratings.csv.gz", "ratings"),
        ("part-*.csv", "part"),
        ("-", "data"),
        ("a/parts/", "parts"),
        (("x.csv", "y.csv"), "x"),
        ("ml-1m.zip/ratings.dat", "ratings"),
    ],
)
def test_a_run_is_named_after_its_first_file(path, name):
    assert data_name(DataOptions(InteractionFile(path))) == name


def test_a_flag_without_a_file_is_refused():
    with pytest.raises(InputError) as caught:
        SourceFlags(data=()).over(NamedDataset())
    assert str(caught.value) == "--data: give a file"
