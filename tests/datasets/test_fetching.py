"""Each data set is downloaded once and complete."""

import gzip
import subprocess
import sys

import pytest

from multvae_jax.cli.main import main
from multvae_jax.config.load_data import load_split
from multvae_jax.config.options import DataOptions
from multvae_jax.config.unions import NamedDataset
from multvae_jax.datasets.registry import fetch_files
from tests.datasets.builders import (
    FETCHED,
    LIGHTGCN,
    lines,
    names,
    published,
    silent,
)

FILES = {
    "ml-20m": ["movies.csv", "ratings.csv"],
    "ml-1m": ["movies.dat", "ratings.dat", "users.dat"],
    "ml-100k": ["u.data", "u.item", "u.user"],
    "netflix": ["movies.csv", "ratings.csv"],
    "msd": ["train_triplets.txt"],
    "gowalla": ["test.txt", "train.txt"],
    "yelp2018": ["test.txt", "train.txt"],
    "amazon-book": ["test.txt", "train.txt"],
}


@pytest.mark.parametrize("name", FETCHED)
def test_a_data_set_is_fetched_once_and_read(name, site, home):
    open_filter = {"min_rating": 1, "min_user_count": 0, "min_item_count": 0, "held_out": 2}
    if name in LIGHTGCN:
        open_filter = {}
    split = load_split(DataOptions(NamedDataset(name), **open_filter))
    assert names(home / name) == FILES[name]
    users = set(split.user_ids)
    for held_out in (split.validation, split.test):
        users |= set() if held_out is None else set(held_out.user_ids)
    assert {int(str(user)[-1]) for user in users} == set(range(1, 10))
    assert len(split.catalogue.ids) <= 9
    if name not in ("msd", *LIGHTGCN):
        item = split.catalogue.ids[0]
        assert split.catalogue.titles[item] == f"Café {item}"
    asked = len(site.asked)
    assert asked == (2 if name.startswith("ml") or name in LIGHTGCN else 1)
    load_split(DataOptions(NamedDataset(name), **open_filter))
    assert len(site.asked) == asked


def test_a_given_split_keeps_its_parts(site):
    split = load_split(DataOptions(NamedDataset("gowalla")))
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
    assert said == [f"extracting {home / 'ml-1m' / 'ml-1m.zip'}"]
    assert names(home / "ml-1m") == ["ml-1m.zip", "movies.dat", "ratings.dat", "users.dat"]


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
    assert said.startswith(
        f"multvae: {site.address}/datasets/movielens/ml-100k.zip: the downloaded file has"
    )
    assert names(home / "ml-100k") == []
    assert not (home / "run").exists()


TWO = """
import sys
from dataclasses import replace
from multvae_jax.datasets import registry
dataset = registry.find_dataset("ml-1m")
(download,) = dataset.downloads
local = replace(
    download, address=sys.argv[1], checksum=sys.argv[1] + ".md5", interactions={"ratings.dat": 45}
)
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
    assert names(home / "ml-1m") == ["movies.dat", "ratings.dat", "users.dat"]
    assert (home / "ml-1m" / "ratings.dat").read_bytes() == lines("{}::{}::4::978300760")
