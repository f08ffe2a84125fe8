"""The named data sets, and the addresses at their publishers.

Other than the standard library, packages are imported only when something is downloaded.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from multvae_jax.datasets import download
from multvae_jax.datasets.archives import extract_netflix
from multvae_jax.datasets.presets import ANY_FILE, GIVEN_SPLIT, Preset
from multvae_jax.datasets.providing import Download, provide
from multvae_jax.errors import InputError, first_line
from multvae_jax.host import console


@dataclass(frozen=True)
class Dataset:
    """A data set as its publisher offers it.

    Attributes:
        name: name on the command line and in `load_dataset`.
        title: description in one line.
        publisher: web page of the publisher.
        license: terms of use in one line.
        users: number of users.
        items: number of items with an interaction.
        interactions: number of interactions before any filter.
        files: its files of interactions by option: `data`, or `train` and `test` if it is published
            as a split.
        preset: its default filter, split and length of training.
        downloads: the files to download; none if its files are shipped with the package.
    """

    name: str
    title: str
    publisher: str
    license: str
    users: int
    items: int
    interactions: int
    files: Mapping[str, str]
    preset: Preset
    downloads: tuple[Download, ...] = ()

    @property
    def is_split(self) -> bool:
        """Whether the data set is published as training and test files of the same users."""
        return "data" not in self.files

    @property
    def folder(self) -> Path:
        """Folder of its files, which may not be downloaded yet."""
        home = cache() if self.downloads else Path(__file__).parent
        return home / self.name


def cache() -> Path:
    """Return the folder for downloads: `MULTVAE_DATA`, or the platform's cache folder."""
    chosen = os.environ.get("MULTVAE_DATA")
    from platformdirs import user_cache_path

    try:
        if chosen:
            return Path(chosen).expanduser()
        folder = user_cache_path("multvae_jax", appauthor=False)
    except RuntimeError as error:
        raise InputError(f"MULTVAE_DATA={chosen or ''}: {first_line(error)}") from None
    if not folder.is_absolute():
        raise InputError(
            "this user has no home directory; name a folder for downloads with MULTVAE_DATA"
        )
    return folder


def _movielens(
    name: str, files: tuple[str, ...], interactions: int, size: int, unpacked: int
) -> Download:
    address = f"https://files.grouplens.org/datasets/movielens/{name}.zip"
    paths = tuple(f"{name}/{file}" for file in files)
    return Download(
        address,
        paths,
        checksum=f"{address}.md5",
        interactions={files[0]: interactions},
        size=size,
        unpacked=unpacked,
    )


def _lightgcn(name: str, train: int, test: int) -> tuple[Download, ...]:
    home = "https://raw.githubusercontent.com/gusye1234/LightGCN-PyTorch/master/data"
    return tuple(
        Download(f"{home}/{name}/{part}.txt", interactions={f"{part}.txt": interactions})
        for part, interactions in (("train", train), ("test", test))
    )


_LIKED = replace(ANY_FILE, min_rating=4.0)
_PAPERS_PACE = 200_000
_RESEARCH = "research; no redistribution; no commercial use without permission of {}"
_SPLIT = MappingProxyType({"train": "train.txt", "test": "test.txt"})

_ALL = (
    Dataset(
        name="ml-latest-small",
        title="MovieLens latest-small (September 2018): ratings of movies, 0.5 to 5 stars",
        publisher="https://grouplens.org/datasets/movielens/latest/",
        license="research; redistribution under the same terms; no commercial use",
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
        license=_RESEARCH.format("GroupLens"),
        users=943,
        items=1_682,
        interactions=100_000,
        files={"data": "u.data"},
        preset=_LIKED,
        downloads=(_movielens("ml-100k", ("u.data", "u.item", "u.user"), 100_000, 5, 3),),
    ),
    Dataset(
        name="ml-1m",
        title="MovieLens 1M (2003): ratings of movies, 1 to 5 stars",
        publisher="https://grouplens.org/datasets/movielens/1m/",
        license=_RESEARCH.format("GroupLens"),
        users=6_040,
        items=3_706,
        interactions=1_000_209,
        files={"data": "ratings.dat"},
        preset=replace(_LIKED, held_out=600),
        downloads=(
            _movielens("ml-1m", ("ratings.dat", "movies.dat", "users.dat"), 1_000_209, 6, 25),
        ),
    ),
    Dataset(
        name="ml-20m",
        title="MovieLens 20M (2015), of the paper: ratings of movies, 0.5 to 5 stars",
        publisher="https://grouplens.org/datasets/movielens/20m/",
        license=_RESEARCH.format("GroupLens"),
        users=138_493,
        items=26_744,
        interactions=20_000_263,
        files={"data": "ratings.csv"},
        preset=replace(_LIKED, held_out=10_000, epochs=200, anneal_steps=_PAPERS_PACE),
        downloads=(_movielens("ml-20m", ("ratings.csv", "movies.csv"), 20_000_263, 199, 535),),
    ),
    Dataset(
        name="netflix",
        title="Netflix Prize (2006), of the paper: ratings of movies, 1 to 5 stars",
        # Netflix itself has withdrawn the data set; there is no other address.
        publisher="https://archive.org/details/nf_prize_dataset.tar",
        license=_RESEARCH.format("Netflix"),
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
                interactions={"ratings.csv": 100_480_507},
                size=698,
                unpacked=2_100,
            ),
        ),
    ),
    Dataset(
        name="msd",
        title="Million Song Dataset, Taste Profile (2011), of the paper: play counts of songs",
        publisher="http://millionsongdataset.com/tasteprofile/",
        license="research; The Echo Nest's terms, see the page",
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
                interactions={"train_triplets.txt": 48_373_586},
                size=488,
                unpacked=3_000,
            ),
        ),
    ),
    Dataset(
        name="gowalla",
        title="Gowalla check-ins, as LightGCN splits them (2020)",
        publisher="https://github.com/gusye1234/LightGCN-PyTorch",
        license="none stated; no redistribution",
        users=29_858,
        items=40_981,
        interactions=1_027_370,
        files=_SPLIT,
        preset=GIVEN_SPLIT,
        downloads=_lightgcn("gowalla", train=810_128, test=217_242),
    ),
    Dataset(
        name="yelp2018",
        title="Yelp challenge of 2018: reviews of businesses, as LightGCN splits them (2020)",
        publisher="https://github.com/gusye1234/LightGCN-PyTorch",
        license="none stated with the split; Yelp's own terms forbid redistribution",
        users=31_668,
        items=38_048,
        interactions=1_561_406,
        files=_SPLIT,
        preset=GIVEN_SPLIT,
        downloads=_lightgcn("yelp2018", train=1_237_259, test=324_147),
    ),
    Dataset(
        name="amazon-book",
        title="Amazon reviews of books (2014), as LightGCN splits them (2020)",
        publisher="https://github.com/gusye1234/LightGCN-PyTorch",
        license="none stated; no redistribution",
        users=52_643,
        items=91_599,
        interactions=2_984_108,
        files=_SPLIT,
        preset=GIVEN_SPLIT,
        downloads=_lightgcn("amazon-book", train=2_380_730, test=603_378),
    ),
)

DATASETS: Mapping[str, Dataset] = MappingProxyType({dataset.name: dataset for dataset in _ALL})


def find_dataset(name: Any) -> Dataset:
    """Return the data set of a name.

    Raises:
        InputError: there is no such data set; the message lists the names.
    """
    if not isinstance(name, str):
        # With msgspec, which the table of data sets does without.
        from multvae_jax.checks.bounds import described

        raise InputError(f"name: {described(name)}; the names are {', '.join(DATASETS)}")
    if name not in DATASETS:
        raise InputError(f"no data set is named '{name}'; the names are {', '.join(DATASETS)}")
    return DATASETS[name]


def present(dataset: Dataset) -> dict[str, Path] | None:
    """Return the files of a data set by option, gzip or not, or None if one is missing."""
    found = {option: _existing(dataset.folder / name) for option, name in dataset.files.items()}
    paths = {option: path for option, path in found.items() if path is not None}
    return paths if len(paths) == len(found) else None


def describe_dataset(dataset: Dataset) -> tuple[str, ...]:
    """Return the lines that `multvae datasets` prints for a data set."""
    if not dataset.downloads:
        place = "shipped with the package"
    else:
        try:
            folder, is_here = dataset.folder, present(dataset) is not None
            place = f"downloaded: {folder}" if is_here else f"downloaded on first use, to {folder}"
        except InputError as error:
            place = f"downloaded on first use; {error}"
    return (
        dataset.title,
        f"{dataset.users:,} users, {dataset.items:,} items, {dataset.interactions:,} interactions",
        dataset.publisher,
        f"license: {dataset.license}",
        place,
    )


def fetch_files(name: str, say: Callable[[str], None] = console.say) -> dict[str, Path]:
    """Return the files of a data set by option, with its titles and users in the same folder.

    Missing files are downloaded from the publisher. Files that exist are used unchanged, and so is
    the publisher's archive.

    Args:
        name: name of the data set.
        say: called with a message before something that takes long.

    Raises:
        InputError: there is no such data set, or it cannot be downloaded or extracted.
    """
    dataset = find_dataset(name)
    paths = present(dataset)
    if paths is None and dataset.downloads:
        with download.alone(dataset.folder, say):
            # Another process may have downloaded some or all of it before.
            for source in dataset.downloads:
                if not all(_existing(dataset.folder / file) for file in source.files):
                    provide(source, dataset.folder, say)
        paths = present(dataset)
    if paths is None:
        raise InputError(f"{dataset.folder}: no {' or '.join(dataset.files.values())}")
    return paths


def _existing(path: Path) -> Path | None:
    """Return a file or its gzip version, whichever exists."""
    candidates = (path, path.with_name(f"{path.name}.gz"))
    return next((candidate for candidate in candidates if candidate.is_file()), None)
