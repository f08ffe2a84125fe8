"""Named data sets: the one that is shipped, and the others as their publishers have them."""

import csv
import gzip
import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from multvae_jax.cli.main import main
from multvae_jax.config.load_data import load_split
from multvae_jax.config.options import DataOptions, TrainConfig, TrainingOptions, with_preset
from multvae_jax.data.interactions import read_interactions
from multvae_jax.datasets import registry
from multvae_jax.datasets.registry import DATASETS, cache, fetch_files, find_dataset
from multvae_jax.errors import InputError
from tests.publishing import Page, publisher, write_netflix, write_zip

SHARED = Path(__file__).parents[3] / "shared" / "data"
FETCHED = [name for name, dataset in DATASETS.items() if dataset.downloads]
PUBLISHED = {
    "ratings.csv.gz": "ac839bc1b8463325ddd33d5ad405895cf85c455769604b916dc581dd676f05a9",
    "movies.csv": "cddfafac1788a3ac13ce32f6e4ca53b8fa1444a2ad9ae2fd8a7cce8625253679",
}


def silent(words: str) -> None:
    """Say nothing."""


def small() -> Path:
    return fetch_files("ml-latest-small")["data"]


def rows_of(path):
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_shipped_files_are_the_publishers():
    folder = DATASETS["ml-latest-small"].folder
    for name, expected in PUBLISHED.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == expected
    unpacked = gzip.decompress((folder / "ratings.csv.gz").read_bytes())
    assert unpacked.startswith(b"userId,movieId,rating,timestamp\n1,1,4.0,964982703\n")
    assert "redistribute the data set" in (folder / "README.txt").read_text("utf-8")
    assert (folder / "ratings.csv.gz").read_bytes()[4:8] == bytes(4), "no time in the gzip header"


def test_the_counts_of_the_table_are_those_of_the_shipped_file():
    rows, dataset = rows_of(small()), find_dataset("ml-latest-small")
    assert len(rows) == dataset.interactions
    assert len({row["userId"] for row in rows}) == dataset.users
    assert len({row["movieId"] for row in rows}) == dataset.items


def test_latest_small_without_a_filter():
    data = read_interactions(small(), min_user_count=0)
    assert (data.n_users, data.n_items, len(data.users)) == (610, 9_724, 100_836)
    assert data.notes == ()
    assert data.item_ids[:4].tolist() == ["1", "3", "6", "47"]
    assert data.titles["47"] == "Seven (a.k.a. Se7en) (1995)"
    assert len(data.titles) == 9_724
    assert data.times[0] == 964982703


def test_latest_small_with_its_preset():
    preset = find_dataset("ml-latest-small").preset
    data = read_interactions(
        small(), min_rating=preset.min_rating, min_user_count=preset.min_user_count
    )
    rows = [row for row in rows_of(small()) if float(row["rating"]) > 3.5]
    counts = {}
    for row in rows:
        counts[row["userId"]] = counts.get(row["userId"], 0) + 1
    kept = [row for row in rows if counts[row["userId"]] >= 5]
    assert len(data.users) == len(kept) == 48_562
    assert data.n_users == 603
    assert data.n_items == len({row["movieId"] for row in kept})
    assert data.user_ids[data.users].tolist() == [row["userId"] for row in kept]
    assert data.item_ids[data.items].tolist() == [row["movieId"] for row in kept]


def test_an_unknown_name_is_refused_with_those_there_are():
    with pytest.raises(InputError) as caught:
        fetch_files("ml-latest-tiny")
    assert str(caught.value) == (
        "no data set is called 'ml-latest-tiny'; there are ml-latest-small, ml-100k, ml-1m, "
        "ml-20m, netflix, msd, gowalla, yelp2018"
    )


def test_the_table_imports_no_library():
    code = "import sys, multvae_jax.datasets.registry; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()
    packages = {module.partition(".")[0] for module in modules} - set(sys.stdlib_module_names)
    start_up = {name for name in packages if name.startswith("_") or name == "sitecustomize"}
    assert packages - start_up <= {"multvae_jax", "lazy_loader", "packaging"}


@pytest.mark.parametrize(
    ("name", "downloads"),
    {
        "ml-20m": [("https://files.grouplens.org/datasets/movielens/ml-20m.zip", True)],
        "ml-1m": [("https://files.grouplens.org/datasets/movielens/ml-1m.zip", True)],
        "ml-100k": [("https://files.grouplens.org/datasets/movielens/ml-100k.zip", True)],
        "msd": [("http://labrosa.ee.columbia.edu/~dpwe/tmp/train_triplets.txt.zip", False)],
        "netflix": [
            ("https://archive.org/download/nf_prize_dataset.tar/nf_prize_dataset.tar.gz", False)
        ],
        **{
            name: [
                (
                    f"https://raw.githubusercontent.com/gusye1234/LightGCN-PyTorch/master/data/{name}/{part}.txt",
                    False,
                )
                for part in ("train", "test")
            ]
            for name in ("gowalla", "yelp2018")
        },
    }.items(),
)
def test_the_addresses_are_the_publishers(name, downloads):
    found = find_dataset(name).downloads
    assert [(download.address, download.checksum is not None) for download in found] == downloads
    assert all(download.checksum in (None, f"{download.address}.md5") for download in found)


# What each publisher's files look like: user 1 has one item, user 2 the same and another, and so on
# to user 9; in the form of each.
PAIRS = [(user, 100 + item) for user in range(1, 10) for item in range(user)]
TITLES = [(item, f"Café {item}") for item in range(100, 109)]


def lines(form: str, rows=PAIRS) -> bytes:
    return "".join(form.format(*row) + "\n" for row in rows).encode("latin-1")


def adjacency(count: int) -> bytes:
    """Lines of a user and its items: of each the first ones but `count`, or the last."""
    rows = {user: [str(i) for u, i in PAIRS if u == user] for user in range(1, 10)}
    kept = {user: items[:-2] if count else items[-2:] for user, items in rows.items()}
    return "".join(f"{user} {' '.join(items)}\n" for user, items in kept.items()).encode()


def published(name: str, folder: Path) -> dict[str, bytes]:
    """The files at the publisher's address, by their last name."""
    table = {
        "ml-20m": {
            "ml-20m/ratings.csv": b"userId,movieId,rating,timestamp\n" + lines("{},{},3.5,1"),
            "ml-20m/movies.csv": b"movieId,title,genres\n"
            + lines("{},{},x", TITLES).decode("latin-1").encode(),
        },
        "ml-1m": {
            "ml-1m/ratings.dat": lines("{}::{}::4::978300760"),
            "ml-1m/movies.dat": lines("{}::{}::Drama", TITLES),
        },
        "ml-100k": {
            "ml-100k/u.data": lines("{}\t{}\t4\t881250949"),
            "ml-100k/u.item": lines("{}|{}|01-Jan-1995||http://us.imdb.com|0|1", TITLES),
        },
        "msd": {"train_triplets.txt": lines("b80344d063b5{}\tSOAKIMP12A8C{}\t1")},
    }
    if name == "netflix":
        movies = {
            f"training_set/mv_{movie:07}.txt": f"{movie}:\n".encode()
            + lines("{},4,2005-09-06", [(user,) for user, item in PAIRS if item == movie])
            for movie in range(100, 109)
        }
        archive = write_netflix(folder / "nf", movies, lines("{0},NULL,{1}", TITLES))
        return {"nf_prize_dataset.tar.gz": archive.read_bytes()}
    if name in ("gowalla", "yelp2018"):
        return {"train.txt": adjacency(1), "test.txt": adjacency(0)}
    content = write_zip(folder / "zip", {**table[name], f"{name}/README": b"x"}).read_bytes()
    base = "train_triplets.txt.zip" if name == "msd" else f"{name}.zip"
    return {
        base: content,
        f"{base}.md5": f"MD5 ({base}) = {hashlib.md5(content).hexdigest()}\n".encode(),
    }


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("MULTVAE_DATA", str(tmp_path / "home"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "home"


@pytest.fixture
def site(home, tmp_path, monkeypatch):
    """Every publisher on this machine: the table's own addresses, but for the host."""
    with publisher() as site:

        def moved(address):
            return None if address is None else site.address + urlsplit(address).path

        def local(dataset):
            downloads = [
                replace(
                    download, address=moved(download.address), checksum=moved(download.checksum)
                )
                for download in dataset.downloads
            ]
            return replace(dataset, downloads=tuple(downloads))

        table = {name: local(dataset) for name, dataset in DATASETS.items()}
        monkeypatch.setattr(registry, "DATASETS", table)
        for name in FETCHED:
            files = published(name, tmp_path)
            for download in table[name].downloads:
                for address in (download.address, download.checksum):
                    if address is not None:
                        path = urlsplit(address).path
                        site.pages[path] = Page(files[path.rpartition("/")[2]])
        yield site


FILES = {
    "ml-20m": ["movies.csv", "ratings.csv"],
    "ml-1m": ["movies.dat", "ratings.dat"],
    "ml-100k": ["u.data", "u.item"],
    "netflix": ["movies.csv", "ratings.csv"],
    "msd": ["train_triplets.txt"],
    "gowalla": ["test.txt", "train.txt"],
    "yelp2018": ["test.txt", "train.txt"],
}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


@pytest.mark.parametrize("name", FETCHED)
def test_a_data_set_is_fetched_once_and_read(name, site, home):
    open_filter = {"min_rating": 1, "min_user_count": 0, "min_item_count": 0, "held_out": 2}
    if name in ("gowalla", "yelp2018"):
        open_filter = {}
    split = load_split(DataOptions(dataset=name, **open_filter))
    assert names(home / name) == FILES[name]
    users = set(split.user_ids)
    for held_out in (split.validation, split.test):
        users |= set() if held_out is None else set(held_out.user_ids)
    assert {int(str(user)[-1]) for user in users} == set(range(1, 10))
    assert len(split.catalogue.ids) <= 9
    if name not in ("msd", "gowalla", "yelp2018"):
        item = split.catalogue.ids[0]
        assert split.catalogue.titles[item] == f"Café {item}"
    asked = len(site.asked)
    assert asked == (2 if name.startswith("ml") or "2018" in name or name == "gowalla" else 1)
    load_split(DataOptions(dataset=name, **open_filter))
    assert len(site.asked) == asked


def test_a_given_split_keeps_its_parts(site):
    split = load_split(DataOptions(dataset="gowalla"))
    assert split.train.sum() == sum(max(0, user - 2) for user in range(1, 10))
    assert split.validation is None
    assert split.test.user_ids.tolist() == [str(user) for user in range(1, 10)]


@pytest.mark.parametrize(
    "laid",
    [{"ratings.csv": False}, {"ratings.csv.gz": True}],
    ids=["as-it-is", "with-gzip"],
)
def test_a_file_of_the_users_own_is_used_in_place(laid, site, home):
    (home / "ml-20m").mkdir(parents=True)
    text = b"userId,movieId,rating\n1,1,5\n"
    for name, zipped in laid.items():
        (home / "ml-20m" / name).write_bytes(gzip.compress(text) if zipped else text)
    assert fetch_files("ml-20m", pytest.fail) == {"data": home / "ml-20m" / next(iter(laid))}
    assert site.asked == []
    assert [path.name for path in (home / "ml-20m").iterdir()] == list(laid)


def test_the_archive_put_there_by_hand_is_unpacked_and_left(site, home, tmp_path):
    (home / "ml-1m").mkdir(parents=True)
    content = published("ml-1m", tmp_path)["ml-1m.zip"]
    (home / "ml-1m" / "ml-1m.zip").write_bytes(content)
    said = []
    fetch_files("ml-1m", said.append)
    assert site.asked == []
    assert said == [f"unpacking {home / 'ml-1m' / 'ml-1m.zip'}"]
    assert names(home / "ml-1m") == ["ml-1m.zip", "movies.dat", "ratings.dat"]


def test_half_of_a_split_by_hand_fetches_the_other(site, home):
    (home / "gowalla").mkdir(parents=True)
    (home / "gowalla" / "train.txt").write_text("1 2\n")
    fetch_files("gowalla", silent)
    assert [path.rpartition("/")[2] for path, _ in site.asked] == ["test.txt"]
    assert (home / "gowalla" / "train.txt").read_text() == "1 2\n"


def test_a_wrong_checksum_leaves_nothing_and_says_so(site, home, capsys):
    site.pages["/datasets/movielens/ml-100k.zip"].body += b"."
    assert main(["train", "--dataset", "ml-100k", "--out", str(home / "run")]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(f"multvae: {site.address}/datasets/movielens/ml-100k.zip: what came has")
    assert names(home / "ml-100k") == []
    assert not (home / "run").exists()


TWO = """
import sys
from dataclasses import replace
from multvae_jax.datasets import registry
dataset = registry.find_dataset("ml-1m")
(download,) = dataset.downloads
local = replace(download, address=sys.argv[1], checksum=sys.argv[1] + ".md5")
registry.DATASETS = {"ml-1m": replace(dataset, downloads=(local,))}
print(registry.fetch_files("ml-1m", lambda words: None)["data"])
"""


def test_two_processes_at_once_leave_one_good_file(site, home, tmp_path):
    path = "/datasets/movielens/ml-1m.zip"
    site.pages[path].stall = 1.0
    command = [sys.executable, "-c", TWO, site.address + path]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    shown = [process.communicate(timeout=60)[0].strip() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert shown == [str(home / "ml-1m" / "ratings.dat")] * 2
    assert [asked for asked, _ in site.asked].count(path) == 1
    assert names(home / "ml-1m") == ["movies.dat", "ratings.dat"]
    assert (home / "ml-1m" / "ratings.dat").read_bytes() == lines("{}::{}::4::978300760")


def test_the_cache_is_the_users_choice_or_the_platforms(monkeypatch):
    monkeypatch.setenv("MULTVAE_DATA", "~/sets")
    assert cache() == Path.home() / "sets"
    monkeypatch.setenv("MULTVAE_DATA", "")
    assert cache().name == "multvae_jax"
    monkeypatch.delenv("MULTVAE_DATA")
    assert cache().is_absolute()


def test_the_list_says_what_is_here_and_under_which_terms(home, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "250")
    (home / "msd").mkdir(parents=True)
    (home / "msd" / "train_triplets.txt").touch()
    assert main(["datasets"]) == 0
    shown = capsys.readouterr().out
    assert all(f" {name} " in shown for name in DATASETS)
    assert shown.count("licence: ") == len(DATASETS)
    assert f"is here: {home / 'msd'}" in shown
    assert f"fetched on first use, to {home / 'ml-20m'}" in shown
    assert shown.count("comes with the package") == 1
    assert shown.count("not to be passed on") == len(DATASETS) - 3


# Of the paper (section 4.1 and the authors' notebook), not of the code.
PRESETS = {
    "ml-20m": (4.0, 5, 0, 10_000, 200, 200_000),
    "netflix": (4.0, 5, 0, 40_000, 100, 200_000),
    "msd": (None, 20, 200, 50_000, 100, 200_000),
    "ml-1m": (4.0, 5, 0, 600, 100, None),
    "ml-100k": (4.0, 5, 0, 0.1, 100, None),
    "ml-latest-small": (4.0, 5, 0, 60, 100, None),
    "gowalla": (None, None, None, None, 100, None),
    "yelp2018": (None, None, None, None, 100, None),
}


def options_of(config: TrainConfig) -> tuple:
    data, training = config.data, config.training
    kept = (data.min_rating, data.min_user_count, data.min_item_count, data.held_out)
    return (*kept, training.epochs, training.anneal_steps)


@pytest.mark.parametrize("name", DATASETS)
def test_the_presets_are_the_papers(name):
    config = with_preset(TrainConfig(data=DataOptions(dataset=name)))
    assert options_of(config) == PRESETS[name]
    assert with_preset(config) == config
    assert config.training.beta_cap == 0.2


def test_an_option_that_is_set_wins_over_the_preset():
    data = DataOptions("ml-20m", min_rating=0.5, min_user_count=1, min_item_count=2, held_out=0.3)
    training = TrainingOptions(epochs=3, anneal_steps=7)
    config = with_preset(TrainConfig(data=data, training=training))
    assert options_of(config) == (0.5, 1, 2, 0.3, 3, 7)
    share = with_preset(
        TrainConfig(data=DataOptions("ml-20m"), training=TrainingOptions(anneal_share=0.1))
    )
    assert (share.training.anneal_share, share.training.anneal_steps) == (0.1, None)
    assert share.training.epochs == 200


def test_a_file_of_ones_own_has_no_data_sets_preset():
    assert options_of(with_preset(TrainConfig(data=DataOptions("ml-20m", data="x.csv")))) == (
        *(None, 5, 0, 0.1),
        *(100, None),
    )
    given = DataOptions("ml-20m", train="a", test="b")
    assert options_of(with_preset(TrainConfig(data=given))) == (None, None, None, None, 100, None)


@pytest.mark.updates
def test_a_run_keeps_the_preset_it_was_made_with(site, home, tmp_path):
    # The preset asks for 200 epochs and 10,000 held-out users: these are the user's.
    set_here = ["--epochs", "1", "--held-out", "1", "--min-rating", "3.5", "--latent", "2"]
    run = tmp_path / "run"
    options = ["--dataset", "ml-20m", "--hidden", "4", *set_here, "--out", str(run)]
    assert main(["train", *options]) == 0
    kept = json.loads((run / "config.json").read_text())
    assert kept["data"]["min_user_count"] == 5
    assert (kept["data"]["min_rating"], kept["data"]["held_out"]) == (3.5, 1)
    assert (kept["training"]["epochs"], kept["training"]["anneal_steps"]) == (1, 200_000)
    assert kept["data"]["data"] is None, "where the cache is does not belong to the run"
    assert main(["evaluate", str(run), "--out", str(tmp_path / "again.json")]) == 0
    assert (tmp_path / "again.json").read_bytes() == (run / "test.json").read_bytes()


@pytest.mark.skipif(not (SHARED / "gowalla").is_dir(), reason="Gowalla is not on this machine")
def test_the_counts_of_the_table_are_those_of_gowalla(monkeypatch):
    monkeypatch.setenv("MULTVAE_DATA", str(SHARED))
    dataset, split = find_dataset("gowalla"), load_split(DataOptions(dataset="gowalla"))
    assert len(split.user_ids) == dataset.users
    assert len(split.catalogue.ids) == dataset.items
    assert split.train.nnz + split.test.targets.nnz == dataset.interactions
