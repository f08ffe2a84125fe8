"""Data sets by name. Nothing here imports more than the standard library."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from multvae_jax.errors import InputError


@dataclass(frozen=True)
class Preset:
    """How a data set is filtered and split unless told otherwise.

    Attributes:
        min_rating: keep interactions with at least this rating; None keeps all.
        min_user_count: keep users with at least this many interactions.
        min_item_count: keep items with at least this many interactions.
        held_out: validation users, and as many test users: a number, or a share below 1.
    """

    min_rating: float | None
    min_user_count: int
    min_item_count: int
    held_out: float


ANY_FILE = Preset(min_rating=None, min_user_count=5, min_item_count=0, held_out=0.1)
"""The preset of a file that is no data set of this table."""


@dataclass(frozen=True)
class Dataset:
    """A data set, as its publisher has it.

    Attributes:
        name: what it is called on the command line.
        title: what it is, in a line.
        publisher: the web page it comes from.
        licence: what its terms allow, in a line.
        users: the number of users.
        items: the number of items with an interaction.
        interactions: the number of interactions, before any filter.
        folder: makes the files available, and returns the folder that holds them.
        ratings: the file of interactions in that folder.
        sha256: file name to the checksum that the file must have.
        preset: how it is filtered and split unless told otherwise.
    """

    name: str
    title: str
    publisher: str
    licence: str
    users: int
    items: int
    interactions: int
    folder: Callable[[], Path]
    ratings: str
    sha256: Mapping[str, str]
    preset: Preset


def shipped(name: str) -> Callable[[], Path]:
    """The folder of a data set that comes with the package."""
    return lambda: Path(__file__).parent / "data" / name


_ALL = (
    Dataset(
        name="ml-latest-small",
        title="MovieLens latest-small (September 2018): ratings of movies, 0.5 to 5 stars",
        publisher="https://grouplens.org/datasets/movielens/latest/",
        licence="research; may be passed on under the same terms; not for commercial use",
        users=610,
        items=9_724,
        interactions=100_836,
        folder=shipped("ml-latest-small"),
        ratings="ratings.csv.gz",
        sha256={
            "ratings.csv.gz": "ac839bc1b8463325ddd33d5ad405895cf85c455769604b916dc581dd676f05a9",
            "movies.csv": "cddfafac1788a3ac13ce32f6e4ca53b8fa1444a2ad9ae2fd8a7cce8625253679",
        },
        preset=Preset(min_rating=4.0, min_user_count=5, min_item_count=0, held_out=60),
    ),
)

DATASETS: Mapping[str, Dataset] = MappingProxyType({dataset.name: dataset for dataset in _ALL})


def find(name: str) -> Dataset:
    """The data set of a name.

    Raises:
        InputError: there is none of that name; the message lists those there are.
    """
    if name not in DATASETS:
        raise InputError(f"no data set is called '{name}'; there are {', '.join(DATASETS)}")
    return DATASETS[name]


def load(name: str) -> Path:
    """The path of a data set's file of interactions; its titles lie beside it.

    Raises:
        InputError: there is no data set of that name.
    """
    dataset = find(name)
    return dataset.folder() / dataset.ratings
