import csv
import gzip
import hashlib
import subprocess
import sys

import pytest

from multvae_jax.datasets import DATASETS, find, load
from multvae_jax.errors import InputError
from multvae_jax.interactions import read_interactions


def rows_of(path):
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_shipped_files_are_the_publishers():
    dataset = DATASETS["ml-latest-small"]
    folder = dataset.folder()
    for name, expected in dataset.sha256.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == expected
    unpacked = gzip.decompress((folder / "ratings.csv.gz").read_bytes())
    assert unpacked.startswith(b"userId,movieId,rating,timestamp\n1,1,4.0,964982703\n")
    assert "redistribute the data set" in (folder / "README.txt").read_text("utf-8")
    assert (folder / "ratings.csv.gz").read_bytes()[4:8] == bytes(4), "no time in the gzip header"


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=DATASETS)
def test_the_counts_of_the_table_are_those_of_the_file(dataset):
    rows = rows_of(load(dataset.name))
    assert len(rows) == dataset.interactions
    assert len({row["userId"] for row in rows}) == dataset.users
    assert len({row["movieId"] for row in rows}) == dataset.items


def test_latest_small_without_a_filter():
    data = read_interactions(load("ml-latest-small"), min_user_count=0)
    assert (data.n_users, data.n_items, len(data.users)) == (610, 9_724, 100_836)
    assert data.notes == ()
    assert data.item_ids[:4].tolist() == ["1", "3", "6", "47"]
    assert data.titles["47"] == "Seven (a.k.a. Se7en) (1995)"
    assert len(data.titles) == 9_724
    assert data.times[0] == 964982703


def test_latest_small_with_its_preset():
    preset = find("ml-latest-small").preset
    data = read_interactions(
        load("ml-latest-small"), min_rating=preset.min_rating, min_user_count=preset.min_user_count
    )
    rows = [row for row in rows_of(load("ml-latest-small")) if float(row["rating"]) > 3.5]
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
        load("ml-latest-tiny")
    assert str(caught.value) == "no data set is called 'ml-latest-tiny'; there are ml-latest-small"


def test_the_table_imports_no_library():
    code = "import sys, multvae_jax.datasets; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()
    assert not {"jax", "polars", "numpy", "scipy"} & set(modules)
