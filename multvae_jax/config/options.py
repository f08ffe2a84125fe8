"""What can be set from the command line: each option, its bounds and its help, once.

Nothing in this module imports jax: `multvae --help` reads it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
import tyro
from msgspec import Meta

from multvae_jax.datasets.presets import ANY_FILE, GIVEN_SPLIT, Preset
from multvae_jax.datasets.registry import find_dataset
from multvae_jax.errors import InputError

Count = Annotated[int, Meta(ge=1)]
NotNegative = Annotated[float, Meta(ge=0)]
Seed = Annotated[int, Meta(ge=0, lt=2**32)]


@dataclass(frozen=True)
class DataOptions:
    """Where the interactions come from, which are kept and who is held out."""

    dataset: str = "ml-latest-small"
    """a data set by name; `multvae datasets` lists them"""
    data: str | None = None
    """a file instead: CSV, TSV, Parquet, "::" separated .dat, RecBole .inter, or lines of
    "user item item ...", gzip or not"""
    train: str | None = None
    """training file of a given split of the same users"""
    validation: str | None = None
    """its validation file, to select the epoch on"""
    test: str | None = None
    """its test file"""
    titles: str | None = None
    """file with the titles; movies.csv, movies.dat or .item beside the data needs no naming"""
    min_rating: float | None = None
    """keep interactions rated at least this; unless set, the data set's own, else all"""
    min_user_count: Annotated[int, Meta(ge=0)] | None = None
    """keep users with at least this many interactions; unless set, the data set's own, else 5"""
    min_item_count: Annotated[int, Meta(ge=0)] | None = None
    """keep items with at least this many interactions; unless set, the data set's own, else 0"""
    held_out: Annotated[float, Meta(gt=0)] | None = None
    """validation users, and as many test users, a number or a share; else the data set's, or 0.1"""
    fold_in: Annotated[float, Meta(gt=0, lt=1)] = 0.8
    """share of a held-out user's items that the model is shown"""
    split_seed: Seed = 98765
    """seed of the split (the paper's)"""
    user_column: str | None = None
    """column with the user, where its name is not a usual one"""
    item_column: str | None = None
    """column with the item, likewise"""
    rating_column: str | None = None
    """column with the rating, likewise"""
    time_column: str | None = None
    """column with the time, likewise"""


@dataclass(frozen=True)
class ModelOptions:
    """What is trained."""

    model: str = "mult-vae"
    """mult-vae, mult-dae, or one of yours as my_file.py:name; of the options below it is given
    those that it has an argument for"""
    model_constants: dict[str, float] = field(default_factory=dict)
    """further arguments of a model of yours, such as cap 0.5"""
    hidden: tuple[Count, ...] | None = None
    """widths between the items and the code; unless set, 600 for mult-vae and none for mult-dae"""
    latent: Count = 200
    """dimensions of the code"""
    activation: str = "tanh"
    """between the layers: a function of jax.nn, or one of yours as my_file.py:name"""
    network: str | None = None
    """one of yours as my_file.py:name, called with hidden, latent and activation; unless set, the
    model's"""
    likelihood: str = "multinomial"
    """multinomial, logistic, gaussian, poisson, or one of yours as my_file.py:name"""
    constants: dict[str, float] = field(default_factory=dict)
    """constants of the likelihood, such as c1 1 c0 0.1 of the gaussian"""
    prior: str = "standard_normal"
    """standard_normal, or one of yours as my_file.py:name"""
    prior_constants: dict[str, float] = field(default_factory=dict)
    """constants of the prior, likewise"""
    objective: str | None = None
    """one of yours as my_file.py:name, called with the network, the likelihood and, but for
    mult-dae, the prior; unless set, the model's"""
    dropout: Annotated[float, Meta(ge=0, lt=1)] = 0.5
    """rate on the input"""
    weight_penalty: NotNegative | None = None
    """lambda of the squared weights; unless set, the paper's: 2e-5 for mult-dae, else 0"""
    precision: Literal["float32", "bfloat16"] = "float32"
    """of what is multiplied in the layers; sums, parameters and moments are float32 in either"""
    item_block: Count | None = None
    """items whose logits are computed at a time in training; unless set, all of them at once"""

    @property
    def name(self) -> str:
        """What the model is called in tables and file names."""
        return self.model.rpartition(":")[2]


@dataclass(frozen=True)
class TrainingOptions:
    """How it is trained."""

    epochs: Count | None = None
    """passes over the training users; unless set, the data set's own, else 100"""
    batch_size: Count | None = None
    """users in an update; unless set, at most 500, in ten or more even batches an epoch"""
    learning_rate: Annotated[float, Meta(gt=0)] = 1e-3
    """of the optimizer"""
    optimizer: str = "adam"
    """a function of optax, or one of yours as my_file.py:name"""
    beta: str = "linear_annealing"
    """weight of the KL term by update: linear_annealing to --beta-cap; "auto" to the cap at which a
    first training with beta on the rise to 1 ranks the validation users best; or a schedule of
    yours as my_file.py:name, which is called with the cap and the updates of the rise"""
    beta_cap: NotNegative = 0.2
    """largest weight of the KL term"""
    anneal_share: Annotated[float, Meta(gt=0, le=1)] | None = None
    """share of all updates over which beta rises from 0 to its cap; unless set, 0.5. With --beta
    auto: from 0 to 1; unless set, 1"""
    anneal_steps: Count | None = None
    """instead: updates from beta 0 to 1; unless set, 200000 where the data set is the paper's"""
    validate_every: Count = 1
    """epochs from one validation to the next"""
    patience: Count | None = None
    """validations without a new best NDCG@100 after which training stops; unless set, never"""
    cutoffs: tuple[Count, ...] = (20, 50, 100)
    """ranks that the test metrics are cut at"""
    seed: Seed = 0
    """seed of the training"""


@dataclass(frozen=True)
class TrainConfig:
    """All that decides a run's numbers; what `config.json` holds."""

    data: DataOptions = DataOptions()
    model: ModelOptions = ModelOptions()
    training: TrainingOptions = TrainingOptions()


@dataclass(frozen=True)
class SearchOptions:
    """What a sweep tries."""

    vary: tyro.conf.UseAppendAction[tuple[tuple[str, ...], ...]] = ()
    """an option and its values, any number of times: beta-cap 0.1 0.2, or a range for --random and
    --optuna: learning-rate 1e-4:1e-2:log. A constant is constants.NAME, widths are 600,200"""
    seeds: Count = 1
    """seeds that each setting is trained with, from --seed upwards"""
    random: Count | None = None
    """so many settings drawn at random; unless set, all combinations"""
    optuna: Count | None = None
    """instead: so many settings, each batch chosen by what came of those before it"""
    trials_at_once: Count = 8
    """settings of a batch of --optuna, which train together"""


@dataclass(frozen=True)
class ResourceOptions:
    """How a sweep uses the machine; none of it changes a result."""

    layout: Literal["auto", "vmapped", "sequential", "sharded"] = "auto"
    """how settings that train together lie on the machine; auto goes by the backend"""
    devices: Count | None = None
    """devices that a CPU is divided into; unless set, one for each core"""
    memory: Annotated[float, Meta(gt=0)] | None = None
    """GB that a program may take; unless set, half of what there is"""
    max_parallel: Count | None = None
    """most settings and seeds that train together; unless set, all that fit the memory"""


@dataclass(frozen=True)
class SweepConfig:
    """Options of `multvae sweep`: those of `train`, what varies, and how it is computed."""

    data: DataOptions = DataOptions()
    model: ModelOptions = ModelOptions()
    training: TrainingOptions = TrainingOptions()
    search: SearchOptions = SearchOptions()
    resources: ResourceOptions = ResourceOptions()


@dataclass(frozen=True)
class EvaluateConfig:
    """Options of `multvae evaluate`."""

    run: tyro.conf.Positional[str]
    """directory of a run"""
    part: Literal["test", "validation"] = "test"
    """users to evaluate on"""
    cutoffs: tuple[Count, ...] = (20, 50, 100)
    """ranks that the metrics are cut at"""
    out: str | None = None
    """JSON file for the figures, beside the table"""


@dataclass(frozen=True)
class RecommendConfig:
    """Options of `multvae recommend`."""

    run: tyro.conf.Positional[str]
    """directory of a run"""
    history: str
    """file of what each user has, in any format that --data of train takes"""
    k: Annotated[Count, tyro.conf.arg(aliases=("-k",))] = 20
    """items a user"""
    format: Literal["csv", "jsonl"] = "csv"
    """of what is written: CSV or JSON Lines"""
    out: str | None = None
    """file to write to, instead of the standard output"""
    user_column: str | None = None
    """column with the user, where its name is not a usual one"""
    item_column: str | None = None
    """column with the item, likewise"""


Config = TypeVar("Config")


def from_json(text: bytes, kind: type[Config]) -> Config:
    """Read a configuration, every value within its bounds.

    Raises:
        InputError: naming the field and what it must be.
    """
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.MsgspecError as error:
        raise InputError(str(error)) from None


def to_json(config: Any) -> bytes:
    """A configuration as indented JSON, the same text for the same values."""
    return msgspec.json.format(msgspec.json.encode(config), indent=2) + b"\n"


def preset_of(data: DataOptions) -> Preset:
    """The preset of what a configuration reads.

    Raises:
        InputError: there is no data set of that name.
    """
    if data.train or data.validation or data.test:
        return GIVEN_SPLIT
    return find_dataset(data.dataset).preset if data.data is None else ANY_FILE


def with_defaults_of(options: Config, preset: Preset) -> Config:
    """The same options, those that are not set as the preset has them."""
    here = [option.name for option in fields(preset) if hasattr(options, option.name)]
    unset = {name: getattr(preset, name) for name in here if getattr(options, name) is None}
    # Any: mypy does not know that what a type variable stands for is a dataclass.
    written: Any = options
    return replace(written, **unset)


def with_preset(config: TrainConfig) -> TrainConfig:
    """The configuration of a run as it is done, and kept: the preset in all that is not set.

    Raises:
        InputError: there is no data set of that name.
    """
    preset = preset_of(config.data)
    if config.training.anneal_share is not None:
        # Steps would win over a share; the user's share has to win over the preset's steps.
        preset = replace(preset, anneal_steps=None)
    return replace(
        config,
        data=with_defaults_of(config.data, preset),
        training=with_defaults_of(config.training, preset),
    )


def _from_anywhere(options: Config) -> Config:
    """The same options, with each file named as every working directory finds it."""
    files = ("data", "train", "validation", "test", "titles")
    # Any: as in `filled`.
    written: Any = options
    named = {option.name: str(getattr(options, option.name)) for option in fields(written)}
    paths = {
        name: str(Path(value).absolute())
        for name, value in named.items()
        if (name in files and getattr(options, name) is not None)
        or (".py:" in value and not name.endswith("column"))
    }
    return replace(written, **paths)


def with_absolute_paths(config: TrainConfig) -> TrainConfig:
    """The configuration as a run keeps it, to be evaluated from any working directory."""
    return replace(
        config,
        data=_from_anywhere(config.data),
        model=_from_anywhere(config.model),
        training=_from_anywhere(config.training),
    )


def validated(config: Config) -> Config:
    """The same configuration, if every option is within its bounds.

    Raises:
        InputError: naming the option and what it must be.
    """
    try:
        return msgspec.convert(msgspec.to_builtins(config), type=type(config))
    except msgspec.ValidationError as error:
        words, _, path = str(error).partition(" - at `$.")
        name = path.rstrip("`").split(".")[-1].partition("[")[0]
        option = name.replace("_", "-")
        raise InputError(f"--{option}: {words[:1].lower()}{words[1:]}") from None
