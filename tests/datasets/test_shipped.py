"""The data set that is shipped with the package."""

import gzip
import hashlib

from multvae_jax.data.interactions import read_interactions
from multvae_jax.datasets.registry import DATASETS, find_dataset
from tests.datasets.builders import rows_of, small

PUBLISHED = {
    "ratings.csv.gz": "ac839bc1b8463325ddd33d5ad405895cf85c455769604b916dc581dd676f05a9",
    "movies.csv": "cddfafac1788a3ac13ce32f6e4ca53b8fa1444a2ad9ae2fd8a7cce8625253679",
}


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
    low, titles = data.notes
    assert low.endswith("ratings from 0.5 to 5 count alike (--min-rating)")
    assert titles.endswith("the titles of 9,724 of 9,724 items (--titles)")
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
