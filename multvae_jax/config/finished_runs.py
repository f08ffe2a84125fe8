"""The options of the commands that use finished runs: evaluate, compare and recommend.

Nothing in this module imports jax, because `multvae --help` reads it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Annotated, Literal

import tyro

from multvae_jax.checks.bounds import Count, Cutoff
from multvae_jax.config.options import COLUMN, DataOptions, shown

RUN = tyro.conf.arg(metavar="RUN")
AS_IN_TRAINING = "as in the training"


@dataclass(frozen=True)
class ReadingOptions:
    """How files are read where not as in the training of a run.

    Attributes:
        min_rating: Lowest rating of the interactions to keep, or none to keep all.
        user_column: Column with the user.
        item_column: Column with the item.
        rating_column: Column with the rating.
        time_column: Column with the time.
        encoding: Encoding of a text file, such as latin-1 or utf-16.
        separator: Separator of the fields, as in train.
        quote: Character around quoted fields, or none if quotes are part of the text.
        header: Whether the first line holds the names of the columns.
        lines: Content of the lines: rows of a table, or users, each followed by its items.
    """

    min_rating: Annotated[float | Literal["none"] | None, shown("FLOAT", AS_IN_TRAINING)] = None
    user_column: Annotated[str | None, shown("COLUMN", AS_IN_TRAINING)] = None
    item_column: Annotated[str | None, shown("COLUMN", AS_IN_TRAINING)] = None
    rating_column: Annotated[str | None, shown("COLUMN", AS_IN_TRAINING)] = None
    time_column: Annotated[str | None, shown("COLUMN", AS_IN_TRAINING)] = None
    encoding: Annotated[str | None, shown("NAME", AS_IN_TRAINING)] = None
    separator: Annotated[str | None, shown("TEXT", AS_IN_TRAINING)] = None
    quote: Annotated[str | None, shown("CHARACTER", AS_IN_TRAINING)] = None
    header: Annotated[Literal["auto", "yes", "no"] | None, shown(unset=AS_IN_TRAINING)] = None
    lines: Annotated[Literal["auto", "rows", "users"] | None, shown(unset=AS_IN_TRAINING)] = None

    def over(self, data: DataOptions) -> DataOptions:
        """The options of the training, with those that are set here in their place."""
        given = {f.name: getattr(self, f.name) for f in fields(self)}
        given = {name: value for name, value in given.items() if value is not None}
        if self.min_rating == "none":
            given["min_rating"] = None
        return replace(data, **given)


READING = tyro.conf.arg(name="Reading", help="How the files are read, if not as in the training.")


@dataclass(frozen=True)
class EvaluateConfig:
    """Options of `multvae evaluate`.

    Attributes:
        run: Directory of a run.
        part: Users of the run to evaluate on.
        data: File of interactions to evaluate on instead of the users of the run. Users that
            the run was trained on are left out.
        train: File of the histories of the users in --test.
        test: File of interactions to find, instead of those of the run.
        lists: Files of recommendation lists to evaluate beside the run, one file per system.
        cutoffs: Ranks at which the metrics are cut off.
        metrics: Metrics to compute, at all --cutoffs or at one: recall, coverage, novelty@10, or
            one of yours, my_file.py:name.
        by: Columns of --users-file, by name or number, whose groups of users are compared; or
            activity, quarters of the users by the length of their history, without a file.
        users_file: File about users, such as users.dat or u.user of MovieLens, or a CSV file with
            a header; with --data also of their features, if the model reads any.
        items_file: File with features of the items, as in the training.
        features_column: Column of that file with the features.
        item_vectors: File with a vector of each item, as in the training.
        out: JSON file to write the metrics to.
        trust_code: Run the code of files and modules that the run names.
        reading: How other files are read.
    """

    run: Annotated[tyro.conf.Positional[str], RUN]
    part: Literal["test", "validation"] = "test"
    data: Annotated[tuple[str, ...] | None, shown("FILES")] = None
    train: Annotated[tuple[str, ...] | None, shown("FILES")] = None
    test: Annotated[tuple[str, ...] | None, shown("FILES")] = None
    lists: Annotated[tuple[str, ...] | None, shown("FILES")] = None
    cutoffs: Annotated[
        tuple[Cutoff, ...] | None, shown("[INT ...]", "those of the training, or 20 50 100")
    ] = None
    metrics: Annotated[
        tuple[str, ...] | None, shown("[METRIC ...]", "those of hits, and those of the training")
    ] = None
    by: Annotated[tuple[str, ...] | None, shown("[COLUMN ...]", "all users together")] = None
    users_file: Annotated[
        str | None, shown("FILE", "that of the training, or found beside the data")
    ] = None
    items_file: Annotated[str | None, shown("FILE", AS_IN_TRAINING)] = None
    features_column: Annotated[str | None, shown("COLUMN", AS_IN_TRAINING)] = None
    item_vectors: Annotated[str | None, shown("FILE", AS_IN_TRAINING)] = None
    out: Annotated[str | None, shown("FILE", "only print them")] = None
    trust_code: Annotated[bool, tyro.conf.arg(help_behavior_hint="")] = False
    reading: Annotated[ReadingOptions, READING] = ReadingOptions()


@dataclass(frozen=True)
class ListReadingOptions:
    """How files of recommendation lists are read.

    Attributes:
        user_column: Column with the user.
        item_column: Column with the item.
        rating_column: Column with the score.
        encoding: Encoding of a text file, such as latin-1 or utf-16.
        separator: Separator of the fields, as in train.
        quote: Character around quoted fields, or none if quotes are part of the text.
        header: Whether the first line holds the names of the columns.
    """

    user_column: Annotated[str | None, COLUMN] = None
    item_column: Annotated[str | None, COLUMN] = None
    rating_column: Annotated[str | None, COLUMN] = None
    encoding: Annotated[str | None, shown("NAME", "UTF-8, else latin-1")] = None
    separator: Annotated[str | None, shown("TEXT", "found in the file")] = None
    quote: Annotated[str | None, shown("CHARACTER", "the double quote, where it fits")] = None
    header: Literal["auto", "yes", "no"] = "auto"

    def as_data(self) -> DataOptions:
        """The options of data that is read in the same way."""
        return DataOptions(**{f.name: getattr(self, f.name) for f in fields(self)})


LIST_READING = tyro.conf.arg(name="Reading", help="How the files of --lists are read.")


@dataclass(frozen=True)
class CompareConfig:
    """Options of `multvae compare`.

    Attributes:
        runs: Directories of the runs. Those that differ only in their seed are one system.
        lists: Files of recommendation lists to compare as well, each of another system.
        part: Users of the runs to compare them on.
        cutoffs: Ranks at which the metrics are cut off.
        metrics: Metrics to compare, at all --cutoffs or at one, as in evaluate; the first one
            decides which system is the best.
        reference: System to compare the others with: its name in the table, or one of its runs.
            Choose it before seeing any metrics: fewer tests are then corrected for.
        items_file: File with features of the items, as in the training.
        features_column: Column of that file with the features.
        item_vectors: File with a vector of each item, as in the training.
        each_run: Compare each run with the others, also where only their seed differs.
        out: Directory to write table.md, comparison.json and plot.png to.
        trust_code: Run the code of files and modules that the runs name.
        reading: How the files of lists are read.
    """

    runs: Annotated[
        tyro.conf.Positional[tuple[str, ...]],
        tyro.conf.arg(metavar="RUN RUN ...", help_behavior_hint=""),
    ]
    lists: Annotated[tuple[str, ...] | None, shown("FILES")] = None
    part: Literal["test", "validation"] = "test"
    cutoffs: Annotated[
        tuple[Cutoff, ...] | None, shown("[INT ...]", "20 50 100; the paper's without --metrics")
    ] = None
    metrics: Annotated[
        tuple[str, ...] | None, shown("[METRIC ...]", "those of hits, NDCG first")
    ] = None
    reference: Annotated[str | None, shown("SYSTEM", "the best one by the first metric")] = None
    items_file: Annotated[str | None, shown("FILE", AS_IN_TRAINING)] = None
    features_column: Annotated[str | None, shown("COLUMN", AS_IN_TRAINING)] = None
    item_vectors: Annotated[str | None, shown("FILE", AS_IN_TRAINING)] = None
    each_run: Annotated[bool, tyro.conf.arg(help_behavior_hint="")] = False
    out: Annotated[str | None, shown("DIRECTORY", "only print them")] = None
    trust_code: Annotated[bool, tyro.conf.arg(help_behavior_hint="")] = False
    reading: Annotated[ListReadingOptions, LIST_READING] = ListReadingOptions()


@dataclass(frozen=True)
class RecommendConfig:
    """Options of `multvae recommend`.

    Attributes:
        run: Directory of a run.
        history: File with the items of each user, as --data of train reads it.
        stream: File with a history per line, any number of them, or - for standard input: JSON with
            a user and a list of items, or text with the user and the items between blanks.
        all: Recommend to all users of the data of the run, with all of their interactions.
        users: File with ids of users of the data of the run: one per line, or a column.
        k: Number of items to recommend to each user.
        exclude: File with ids of items that are recommended to nobody: one per line, or a column.
        candidates: File with ids of the only items to recommend.
        include_seen: Rank the items that a user has with the others.
        users_file: File with the features of the users, if the model reads any.
        format: Format of the output; trec is a run as TREC's tools read it.
        out: File to write to.
        trust_code: Run the code of files and modules that the run names.
        reading: How the histories are read.
    """

    run: Annotated[tyro.conf.Positional[str], RUN]
    history: Annotated[tuple[str, ...] | None, shown("FILES")] = None
    stream: Annotated[str | None, shown("FILE")] = None
    all: Annotated[bool, tyro.conf.arg(help_behavior_hint="")] = False
    users: Annotated[str | None, shown("FILE")] = None
    k: Annotated[Count, shown(aliases=("-k",))] = 20
    exclude: Annotated[str | None, shown("FILE", "none")] = None
    candidates: Annotated[str | None, shown("FILE", "all items")] = None
    include_seen: Annotated[bool, tyro.conf.arg(help_behavior_hint="")] = False
    users_file: Annotated[
        str | None, shown("FILE", "found beside the histories, or that of the training")
    ] = None
    format: Annotated[
        Literal["csv", "jsonl", "parquet", "trec"] | None, shown(unset="by the ending, or csv")
    ] = None
    out: Annotated[str | None, shown("FILE", "standard output")] = None
    trust_code: Annotated[bool, tyro.conf.arg(help_behavior_hint="")] = False
    reading: Annotated[ReadingOptions, READING] = ReadingOptions()


@dataclass(frozen=True)
class SimilarConfig:
    """Options of `multvae similar`.

    Attributes:
        run: Directory of a run.
        item: Id of an item.
        k: Number of similar items.
        trust_code: Run the code of files and modules that the run names.
    """

    run: Annotated[tyro.conf.Positional[str], RUN]
    item: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="ITEM")]
    k: Annotated[Count, shown(aliases=("-k",))] = 20
    trust_code: Annotated[bool, tyro.conf.arg(help_behavior_hint="")] = False


@dataclass(frozen=True)
class WhyConfig:
    """Options of `multvae why`.

    Attributes:
        run: Directory of a run.
        history: File with the items of each user, as --data of train reads it.
        items: Ids of the items to explain.
        k: Number of recommended items to explain for each user, unless --items names them.
        reasons: Number of items of the history to show for each of them.
        users_file: File with the features of the users, if the model reads any.
        trust_code: Run the code of files and modules that the run names.
        reading: How the histories are read.
    """

    run: Annotated[tyro.conf.Positional[str], RUN]
    history: Annotated[tuple[str, ...], shown("FILES")]
    items: Annotated[tuple[str, ...] | None, shown("[ITEM ...]", "the recommended ones")] = None
    k: Annotated[Count, shown(aliases=("-k",))] = 5
    reasons: Count = 3
    users_file: Annotated[
        str | None, shown("FILE", "found beside the histories, or that of the training")
    ] = None
    trust_code: Annotated[bool, tyro.conf.arg(help_behavior_hint="")] = False
    reading: Annotated[ReadingOptions, READING] = ReadingOptions()
