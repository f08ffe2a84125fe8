"""The flags of the command line that stand for the members of a union of options.

Each class holds the flags of one union, all unset by default. `over` returns the member that the
flags name, or the given one if no flag is set, and refuses flags that contradict each other.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, Any, Literal

import msgspec
import tyro
from msgspec import Meta

from multvae_jax.checks.bounds import Count, Share
from multvae_jax.config.constants import CONSTANTS
from multvae_jax.config.convert import validated
from multvae_jax.config.options import (
    DataOptions,
    ModelOptions,
    SearchOptions,
    TrainConfig,
    TrainingOptions,
    shown,
)
from multvae_jax.config.refusals import refuse_missing_files
from multvae_jax.config.unions import (
    AnnealShare,
    AnnealSteps,
    Files,
    GivenSplit,
    InteractionFile,
    LastSplit,
    NamedDataset,
    Optuna,
    Part,
    Random,
    Rise,
    Search,
    Source,
    SplitKind,
    StoredSplit,
    TimeSplit,
    UserFolds,
    UserSplit,
    split_name,
)
from multvae_jax.errors import InputError

FILES = shown("FILES")


@dataclass(frozen=True)
class SourceFlags:
    """The source of the data.

    Attributes:
        dataset: Name of a data set; `multvae datasets` lists them.
        data: File of interactions: CSV, TSV, Parquet, .dat separated by "::", RecBole .inter, or
            lines of a user and its items, compressed or not. Several files, a folder or a quoted
            pattern such as "part-*.csv" are read as one table, and - is standard input.
        train: Training file of a split that is given as files.
        validation: Validation file of the split.
        test: Test file of the split.
        validation_history: File of the items that the model sees of the users of --validation,
            who are then held out of the training. Without it, they are users of --train.
        test_history: File of the items that the model sees of the users of --test, who are then
            held out of the training.
        store: Folder of a store, which multvae store writes. Its training histories are read while
            the model is trained, and need not fit in memory.
    """

    dataset: Annotated[str | None, shown("NAME", f"{NamedDataset().name}, if no file is given")] = (
        None
    )
    data: Annotated[tuple[str, ...] | None, FILES] = None
    train: Annotated[tuple[str, ...] | None, FILES] = None
    validation: Annotated[tuple[str, ...] | None, FILES] = None
    test: Annotated[tuple[str, ...] | None, FILES] = None
    validation_history: Annotated[tuple[str, ...] | None, FILES] = None
    test_history: Annotated[tuple[str, ...] | None, FILES] = None
    store: Annotated[str | None, shown("FOLDER")] = None

    def over(self, source: Source) -> Source:
        """The source that the flags name, or the given one.

        A flag of a split replaces only its own file in a given split.
        """
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        del given["dataset"], given["store"]
        split = {name: _files(name, paths) for name, paths in given.items() if paths is not None}
        data = split.pop("data", None)
        one_of = {"dataset": self.dataset, "data": data, "store": self.store}
        _refuse_two(**one_of, **dict(list(split.items())[:1]))
        if self.store is not None:
            return StoredSplit(self.store)
        if self.dataset is not None:
            return NamedDataset(self.dataset)
        if data is not None:
            return InteractionFile(data)
        if not split:
            return source
        if isinstance(source, GivenSplit):
            before = msgspec.structs.asdict(source)
            split = {**{name: files for name, files in before.items() if files}, **split}
        for name in ("train", "test"):
            if name not in split:
                raise InputError(
                    f"--{name} is missing: a given split has a training and a test file"
                )
        _refuse_half_a_part(split)
        return GivenSplit(**split)


def _refuse_half_a_part(split: Collection[str]) -> None:
    """Refuse a history without its held-out file, and one part with a history beside one without.

    Raises:
        InputError: naming the file that is missing.
    """
    if "validation" not in split and "validation_history" in split:
        raise InputError("--validation-history: belongs to the users in --validation; give both")
    histories = {"validation_history", "test_history"}.intersection(split)
    if "validation" in split and len(histories) == 1:
        (missing,) = {"validation_history", "test_history"} - histories
        raise InputError(
            f"--{missing.replace('_', '-')} is missing: give the histories of the users of "
            "--validation and of --test, or of neither"
        )


def _files(name: str, paths: tuple[str, ...]) -> Files:
    if not paths:
        raise InputError(f"--{name}: give a file")
    return paths[0] if len(paths) == 1 else paths


OF_KIND = {
    "test_share": "time",
    "validation_share": "time",
    "test_items": "last",
    "folds": "users",
    "all_items": "users",
}
"""The kind of split that each flag belongs to."""


@dataclass(frozen=True)
class SplitFlags:
    """The split of interactions that are in one file or data set.

    Attributes:
        split: Kind of the split: users holds out users with all of their items; time, the latest
            interactions of all users; last, the last items of each user by time.
        test_share: Share of the interactions, the latest, that --split time tests on.
        validation_share: Share of the interactions, those before the test, that --split time
            selects the epoch on.
        test_items: Number of items per user that --split last tests on; as many before them
            select the epoch.
        folds: Number of folds of a cross-validation, each of which tests on other users.
        all_items: Give every fold all items of the data, also those that none of its training
            users has, so that all folds share their compiled programs.
    """

    split: Annotated[Literal["users", "time", "last"] | None, shown(unset="users")] = None
    test_share: Annotated[Part | None, shown(unset=f"{TimeSplit().test_share}")] = None
    validation_share: Annotated[Part | None, shown(unset=f"{TimeSplit().validation_share}")] = None
    test_items: Annotated[Count | None, shown(unset=f"{LastSplit().test_items}")] = None
    folds: Annotated[Annotated[int, Meta(ge=2)] | None, shown(unset="one split of users")] = None
    all_items: Annotated[bool | None, tyro.conf.arg(help_behavior_hint="")] = None

    def over(self, split: SplitKind) -> SplitKind:
        """The split that the flags name, or the given one.

        Raises:
            InputError: a flag has no effect on that kind of split.
        """
        before = split_name(split)
        kind = self.split or before
        given = {name: getattr(self, name) for name in OF_KIND}
        given = {name: value for name, value in given.items() if value is not None}
        for name in given:
            if OF_KIND[name] != kind:
                flag = name.replace("_", "-")
                raise InputError(
                    f"--{flag}: belongs to --split {OF_KIND[name]}, and has no effect "
                    f"with --split {kind}"
                )
        if "folds" in given:
            return UserFolds(**given)
        if "all_items" in given and not isinstance(split, UserFolds):
            raise InputError("--all-items: has an effect in a cross-validation only; give --folds")
        if kind != before or (self.split is not None and isinstance(split, UserFolds)):
            split = {"users": UserSplit, "time": TimeSplit, "last": LastSplit}[kind]()
        return msgspec.structs.replace(split, **given)


@dataclass(frozen=True)
class RiseFlags:
    """The rise of beta.

    Attributes:
        anneal_share: Share of all updates over which beta rises from 0 to its largest value.
        anneal_steps: Number of updates in which beta would rise from 0 to 1. It cannot be
            combined with --anneal-share.
    """

    anneal_share: Annotated[Share | None, shown(unset="the recipe's, or 1 with --beta auto")] = None
    anneal_steps: Annotated[
        Count | None, shown(unset="by --anneal-share, or with --recipe paper the data set's own")
    ] = None

    def over(self, rise: Rise | None) -> Rise | None:
        """The rise that the flags name, or the given one."""
        _refuse_two(anneal_share=self.anneal_share, anneal_steps=self.anneal_steps)
        if self.anneal_share is not None:
            return AnnealShare(self.anneal_share)
        return rise if self.anneal_steps is None else AnnealSteps(self.anneal_steps)


@dataclass(frozen=True)
class SearchFlags:
    """The search of a sweep.

    Attributes:
        random: Number of settings to draw at random.
        optuna: Number of settings to choose with Optuna. It cannot be combined with --random.
        trials_at_once: Number of settings per batch of --optuna, which train together.
    """

    random: Annotated[Count | None, shown(unset="every combination of the values")] = None
    optuna: Annotated[Count | None, shown(unset="every combination of the values")] = None
    trials_at_once: Annotated[Count | None, shown(unset=f"{Optuna(1).trials_at_once}")] = None

    def over(self, search: Search) -> Search:
        """The search that the flags name, or the given one."""
        _refuse_two(random=self.random, optuna=self.optuna)
        if self.optuna is None and self.trials_at_once is not None:
            raise InputError("--trials-at-once: is the size of a batch of --optuna; give both")
        if self.optuna is not None:
            at_once = () if self.trials_at_once is None else (self.trials_at_once,)
            return Optuna(self.optuna, *at_once)
        return search if self.random is None else Random(self.random)


DATA = tyro.conf.arg(name="Data", help="The interactions, the filters and the held-out users.")
MODEL = tyro.conf.arg(
    name="Model",
    help="The model and its parts. One of yours is my_file.py:name, a value or a function that "
    "makes one.",
)
TRAINING = tyro.conf.arg(name="Training", help="The updates, the validation, and beta.")
SEARCH = tyro.conf.arg(
    name="Search",
    help="The settings that are trained. A sweep that was killed resumes with the same options "
    "and the same --out.",
)


@dataclass(frozen=True)
class TrainFlags:
    """The flags of `train`, grouped for `--help`.

    Two classes of one name share a group: the flags of a union, and the other options.
    """

    source: Annotated[SourceFlags, DATA] = SourceFlags()
    split: Annotated[SplitFlags, DATA] = SplitFlags()
    data: Annotated[DataOptions, DATA] = field(default_factory=DataOptions)
    model: Annotated[ModelOptions, MODEL] = field(default_factory=ModelOptions)
    training: Annotated[TrainingOptions, TRAINING] = field(default_factory=TrainingOptions)
    rise: Annotated[RiseFlags, TRAINING] = RiseFlags()

    def over(self, file: TrainConfig) -> TrainConfig:
        """The options that result, given those of a file that were the parser's defaults.

        Raises:
            InputError: if flags contradict each other or a value is out of its bounds.
        """
        # The training itself may not need them, but the run keeps their names for later commands.
        refuse_missing_files(self.data, file.data, ("items_file", "item_vectors", "users_file"))
        rise = validated(self.rise).over(self.training.rise)
        source = self.source.over(self.data.source)
        split = validated(self.split).over(self.data.split)
        return validated(
            TrainConfig(
                data=replace(self.data, source=source, split=split),
                model=_with_constants_of(file.model, self.model),
                training=_with_constants_of(file.training, replace(self.training, rise=rise)),
            )
        )


@dataclass(frozen=True)
class StoreFlags:
    """The flags of `store`, grouped for `--help`.

    Attributes:
        out: Folder to write, which must be new or empty.
    """

    source: Annotated[SourceFlags, DATA] = SourceFlags()
    split: Annotated[SplitFlags, DATA] = SplitFlags()
    data: Annotated[DataOptions, DATA] = field(default_factory=DataOptions)
    out: Annotated[str | None, shown("FOLDER", "the name of the data and .store")] = None

    def over(self) -> DataOptions:
        """The options of the data that result.

        Raises:
            InputError: if flags contradict each other or a value is out of its bounds.
        """
        if self.out == "":
            raise InputError("--out: is empty")
        source = self.source.over(self.data.source)
        split = validated(self.split).over(self.data.split)
        return validated(replace(self.data, source=source, split=split))


def defaults_of(file: TrainConfig) -> TrainFlags:
    """The flags whose defaults are the options of a file.

    Constants are left out, because the parser would show one flag for each.
    """

    def bare(options: Any) -> Any:
        names = [name for name in CONSTANTS.values() if hasattr(options, name)]
        return replace(options, **{name: {} for name in names})

    return TrainFlags(data=file.data, model=bare(file.model), training=bare(file.training))


def _with_constants_of(file: Any, given: Any) -> Any:
    """The constants of the file hold for its own parts, unless others are given."""
    kept = {
        constants: getattr(file, constants)
        for part, constants in CONSTANTS.items()
        if hasattr(given, constants)
        and getattr(given, part) == getattr(file, part)
        and not getattr(given, constants)
    }
    return replace(given, **kept)


@dataclass(frozen=True)
class SweepFlags:
    """The flags of the search of `sweep`, grouped for `--help`."""

    options: Annotated[SearchOptions, SEARCH] = field(default_factory=SearchOptions)
    search: Annotated[SearchFlags, SEARCH] = SearchFlags()

    def over(self) -> SearchOptions:
        """The search options that result.

        Raises:
            InputError: if flags contradict each other or a value is out of its bounds.
        """
        search = validated(self.search).over(self.options.search)
        return validated(replace(self.options, search=search))


def _refuse_two(**flags: object) -> None:
    """Refuse two flags of which one would be ignored."""
    given = [f"--{name.replace('_', '-')}" for name, value in flags.items() if value is not None]
    if len(given) > 1:
        raise InputError(f"{given[0]} and {given[1]}: give one or the other")
