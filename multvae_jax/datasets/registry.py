"""Data sets by name, and where their publishers have them.

Nothing here imports more than the standard library before something is fetched.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from multvae_jax.datasets import download
from multvae_jax.datasets.archives import extract, extract_netflix, last_name
from multvae_jax.datasets.presets import ANY_FILE, GIVEN_SPLIT, Preset
from multvae_jax.errors import InputError
from multvae_jax.host import console


@dataclass(frozen=True)
class Download:
    """What is fetched of a data set, and how its files are made of it.

    Attributes:
        address: the publisher's.
        members: what is taken out of the archive; with none, what is fetched is itself the file.
        checksum: the address of the publisher's MD5 or SHA-256; None where there is none.
        unpack: makes the files in a folder from the archive, each called by the last name of its
            member.
    """

    address: str
    members: tuple[str, ...] = ()
    checksum: str | None = None
    unpack: Callable[[Path, Sequence[str], Path], None] = extract

    @property
    def name(self) -> str:
        """Name of the downloaded file."""
        return last_name(self.address)

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the extracted files."""
        return tuple(last_name(member) for member in self.members) or (self.name,)


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
        files: its files of interactions by the option that each stands for: `data`, or `train`
            and `test` where it comes as a split.
        preset: how it is filtered, split and trained on unless told otherwise.
        downloads: what its files are fetched from; none where they come with the package.
    """

    name: str
    title: str
    publisher: str
    licence: str
    users: int
    items: int
    interactions: int
    files: Mapping[str, str]
    preset: Preset
    downloads: tuple[Download, ...] = ()

    @property
    def is_split(self) -> bool:
        """Whether it is published as training and test files of the same users."""
        return "data" not in self.files

    @property
    def folder(self) -> Path:
        """Where its files are, or will be once they are fetched."""
        home = cache() if self.downloads else Path(__file__).parent
        return home / self.name


def cache() -> Path:
    """The folder for what is fetched: `MULTVAE_DATA`, or the platform's for caches."""
    chosen = os.environ.get("MULTVAE_DATA")
    if chosen:
        return Path(chosen).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("multvae_jax", appauthor=False)


def _movielens(name: str, *members: str) -> Download:
    address = f"https://files.grouplens.org/datasets/movielens/{name}.zip"
    paths = tuple(f"{name}/{member}" for member in members)
    return Download(address, paths, checksum=f"{address}.md5")


def _lightgcn(name: str) -> tuple[Download, ...]:
    home = "https://raw.githubusercontent.com/gusye1234/LightGCN-PyTorch/master/data"
    return tuple(Download(f"{home}/{name}/{part}.txt") for part in ("train", "test"))


_LIKED = replace(ANY_FILE, min_rating=4.0)
_PAPERS_PACE = 200_000
_ALLOWED = "research; not to be passed on; not for commercial use without permission of {}"
_SPLIT = MappingProxyType({"train": "train.txt", "test": "test.txt"})

_ALL = (
    Dataset(
        name="ml-latest-small",
        title="MovieLens latest-small (September 2018): ratings of movies, 0.5 to 5 stars",
        publisher="https://grouplens.org/datasets/movielens/latest/",
        licence="research; may be passed on under the same terms; not for commercial use",
        users=610,
        items=9_724,
        interactions=100_836,
        files={"data": "ratings.csv.gz"},
        preset=replace(_LIKED, held_out=60),
    ),
    Dataset(
        name="ml-100k",
        title="MovieLens 100K (1998): ratings of movies, 1 to 5 stars",
        publisher="https://grouplens.org/datasets/movielens/100k/",
        licence=_ALLOWED.format("GroupLens"),
        users=943,
        items=1_682,
        interactions=100_000,
        files={"data": "u.data"},
        preset=_LIKED,
        downloads=(_movielens("ml-100k", "u.data", "u.item"),),
    ),
    Dataset(
        name="ml-1m",
        title="MovieLens 1M (2003): ratings of movies, 1 to 5 stars",
        publisher="https://grouplens.org/datasets/movielens/1m/",
        licence=_ALLOWED.format("GroupLens"),
        users=6_040,
        items=3_706,
        interactions=1_000_209,
        files={"data": "ratings.dat"},
        preset=replace(_LIKED, held_out=600),
        downloads=(_movielens("ml-1m", "ratings.dat", "movies.dat"),),
    ),
    Dataset(
        name="ml-20m",
        title="MovieLens 20M (2015), of the paper: ratings of movies, 0.5 to 5 stars",
        publisher="https://grouplens.org/datasets/movielens/20m/",
        licence=_ALLOWED.format("GroupLens"),
        users=138_493,
        items=26_744,
        interactions=20_000_263,
        files={"data": "ratings.csv"},
        preset=replace(_LIKED, held_out=10_000, epochs=200, anneal_steps=_PAPERS_PACE),
        downloads=(_movielens("ml-20m", "ratings.csv", "movies.csv"),),
    ),
    Dataset(
        name="netflix",
        title="Netflix Prize (2006), of the paper: ratings of movies, 1 to 5 stars",
        # Netflix itself took the data set off its servers; there is no other address.
        publisher="https://archive.org/details/nf_prize_dataset.tar",
        licence=_ALLOWED.format("Netflix"),
        users=480_189,
        items=17_770,
        interactions=100_480_507,
        files={"data": "ratings.csv"},
        preset=replace(_LIKED, held_out=40_000, anneal_steps=_PAPERS_PACE),
        downloads=(
            Download(
                "https://archive.org/download/nf_prize_dataset.tar/nf_prize_dataset.tar.gz",
                members=("ratings.csv", "movies.csv"),
                unpack=extract_netflix,
            ),
        ),
    ),
    Dataset(
        name="msd",
        title="Million Song Dataset, Taste Profile (2011), of the paper: play counts of songs",
        publisher="http://millionsongdataset.com/tasteprofile/",
        licence="research; the terms are The Echo Nest's, see the page",
        users=1_019_318,
        items=384_546,
        interactions=48_373_586,
        files={"data": "train_triplets.txt"},
        preset=Preset(
            min_user_count=20, min_item_count=200, held_out=50_000, anneal_steps=_PAPERS_PACE
        ),
        downloads=(
            Download(
                "http://labrosa.ee.columbia.edu/~dpwe/tmp/train_triplets.txt.zip",
                members=("train_triplets.txt",),
            ),
        ),
    ),
    Dataset(
        name="gowalla",
        title="Gowalla check-ins, as LightGCN splits them (2020)",
        publisher="https://github.com/gusye1234/LightGCN-PyTorch",
        licence="none is stated: not to be passed on",
        users=29_858,
        items=40_981,
        interactions=1_027_370,
        files=_SPLIT,
        preset=GIVEN_SPLIT,
        downloads=_lightgcn("gowalla"),
    ),
    Dataset(
        name="yelp2018",
        title="Yelp challenge of 2018: reviews of businesses, as LightGCN splits them (2020)",
        publisher="https://github.com/gusye1234/LightGCN-PyTorch",
        licence="none is stated with the split, and Yelp's own forbids to pass it on",
        users=31_668,
        items=38_048,
        interactions=1_561_406,
        files=_SPLIT,
        preset=GIVEN_SPLIT,
        downloads=_lightgcn("yelp2018"),
    ),
)

DATASETS: Mapping[str, Dataset] = MappingProxyType({dataset.name: dataset for dataset in _ALL})


def find_dataset(name: str) -> Dataset:
    """The data set of a name.

    Raises:
        InputError: there is none of that name; the message lists those there are.
    """
    if name not in DATASETS:
        raise InputError(f"no data set is called '{name}'; there are {', '.join(DATASETS)}")
    return DATASETS[name]


def present(dataset: Dataset) -> dict[str, Path] | None:
    """The files of a data set by option, gzip or not, if all of them are there."""
    found = {option: _existing(dataset.folder / name) for option, name in dataset.files.items()}
    paths = {option: path for option, path in found.items() if path is not None}
    return paths if len(paths) == len(found) else None


def describe_dataset(dataset: Dataset) -> tuple[str, ...]:
    """What `multvae datasets` says of a data set, line by line."""
    if not dataset.downloads:
        place = "comes with the package"
    elif present(dataset) is None:
        place = f"fetched on first use, to {dataset.folder}"
    else:
        place = f"is here: {dataset.folder}"
    return (
        dataset.title,
        f"{dataset.users:,} users, {dataset.items:,} items, {dataset.interactions:,} interactions",
        dataset.publisher,
        f"licence: {dataset.licence}",
        place,
    )


def fetch_files(name: str, say: Callable[[str], None] = console.say) -> dict[str, Path]:
    """The files of a data set by the option that each stands for; its titles lie beside them.

    What is not there is fetched from the publisher. A file that is there is used as it is, and so
    is the publisher's archive.

    Args:
        name: of the data set.
        say: told of what takes its time.

    Raises:
        InputError: there is no data set of that name, or it cannot be fetched or unpacked.
    """
    dataset = find_dataset(name)
    paths = present(dataset)
    if paths is None and dataset.downloads:
        with download.alone(dataset.folder, say):
            # Whoever held the lock before may have fetched some of it, or all.
            for source in dataset.downloads:
                if not all(_existing(dataset.folder / file) for file in source.files):
                    _provide(source, dataset.folder, say)
        paths = present(dataset)
    if paths is None:
        raise InputError(f"{dataset.folder}: there is no {' or '.join(dataset.files.values())}")
    return paths


def _provide(source: Download, folder: Path, say: Callable[[str], None]) -> None:
    archive = folder / source.name
    users_own = archive.is_file()
    if not users_own:
        download.fetch(source.address, archive, source.checksum)
    if source.members:
        say(f"unpacking {archive}")
        source.unpack(archive, source.members, folder)
        if not users_own:
            archive.unlink()


def _existing(path: Path) -> Path | None:
    """A file, or the same with gzip."""
    candidates = (path, path.with_name(f"{path.name}.gz"))
    return next((candidate for candidate in candidates if candidate.is_file()), None)
