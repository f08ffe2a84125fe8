"""Files of interactions in every format, and references written from the recipe of the paper."""

import csv
import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from multvae_jax.data.interactions import read_interactions
from multvae_jax.data.types import Interactions
from multvae_jax.errors import InputError

DATA = Path(__file__).parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason="the development data is not beside the repository"
)
HEADER = ("userId", "movieId", "rating", "timestamp")


# The reference: dictionaries and loops, written from the text of the paper (section 4.1).


def is_integer(text):
    return str(int(text)) == text if text.lstrip("-").isdecimal() and text.isascii() else False


def ascending(ids):
    return sorted(ids, key=int) if all(map(is_integer, ids)) else sorted(ids)


def expected_of(rows, min_rating=None, min_user_count=5, min_item_count=0):
    """Return the kept rows in file order, user and item ids in order, the number of duplicates."""
    if min_rating is not None:
        rows = [row for row in rows if row[2] >= min_rating]
    seen, first = set(), []
    for row in rows:
        if row[:2] not in seen:
            first.append(row)
        seen.add(row[:2])
    duplicates = len(rows) - len(first)
    for column, minimum in ((1, min_item_count), (0, min_user_count)):
        counts = {}
        for row in first:
            counts[row[column]] = counts.get(row[column], 0) + 1
        first = [row for row in first if counts[row[column]] >= minimum]
    users = ascending({row[0] for row in first})
    items = list(dict.fromkeys(row[1] for row in first))
    return first, users, items, duplicates


def check_interactions(data, rows, path, **filters):
    kept, users, items, duplicates = expected_of(rows, **filters)
    assert data.user_ids.tolist() == users
    assert data.item_ids.tolist() == items
    assert data.users.tolist() == [users.index(row[0]) for row in kept]
    assert data.items.tolist() == [items.index(row[1]) for row in kept]
    assert data.values.tolist() == [1.0] * len(kept)
    dtypes = (data.users.dtype, data.items.dtype, data.values.dtype, data.user_ids.dtype)
    assert dtypes == (np.int32, np.int32, np.float32, object)
    if data.times is not None:
        assert data.times.tolist() == [float(row[3]) for row in kept]
    noun = "interaction" if duplicates == 1 else "interactions"
    note = f"{path}: {duplicates} duplicate {noun} counted once"
    assert (note in data.notes) == (duplicates > 0)
    dense = np.zeros((len(users), len(items)), np.float32)
    for row in kept:
        dense[users.index(row[0]), items.index(row[1])] = 1
    np.testing.assert_array_equal(data.csr().toarray(), dense)
    assert data.csr().dtype == np.float32
    assert (data.n_users, data.n_items) == dense.shape


# The same table in every format.


def table(rows, header, delimiter=",", **options):
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, **options)
    writer.writerows([header, *rows])
    return text.getvalue().encode()


def parquet(rows):
    columns = list(zip(*rows, strict=True))
    integers = [all(map(is_integer, column)) for column in columns[:2]]
    for index, whole in enumerate(integers):
        columns[index] = [int(value) if whole else value for value in columns[index]]
    file = io.BytesIO()
    pl.DataFrame(dict(zip(HEADER, columns, strict=True))).write_parquet(file)
    return file.getvalue()


def plain(rows, separator):
    return "".join(separator.join(map(str, row)) + "\n" for row in rows).encode()


WRITERS = {
    "ratings.csv": lambda rows: table(rows, HEADER),
    "quoted.csv": lambda rows: table(rows, HEADER, quoting=csv.QUOTE_ALL, lineterminator="\n"),
    "bom.csv": lambda rows: b"\xef\xbb\xbf" + table(rows, HEADER),
    "semicolon.csv": lambda rows: table(rows, HEADER, ";"),
    "spaced.csv": lambda rows: table(rows, ("User ID", " item-id", "Rating ", "time")),
    "ratings.tsv": lambda rows: table(rows, ("uid", "iid", "stars", "unix_time"), "\t"),
    "table.txt": lambda rows: table(rows, ("user", "item", "score", "date"), "\t"),
    "small.inter": lambda rows: table(
        rows, ("user_id:token", "item_id:token", "rating:float", "timestamp:float"), "\t"
    ),
    "ratings.dat": lambda rows: plain(rows, "::"),
    "ratings.parquet": parquet,
    "no-suffix": lambda rows: table(rows, HEADER),
    "backwards.csv": lambda rows: table([row[::-1] for row in rows], HEADER[::-1]),
}


def write(folder, name, text):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def pairs(data):
    users, items = data.user_ids[data.users], data.item_ids[data.items]
    return list(zip(users.tolist(), items.tolist(), strict=True))


def refusal(path, **options):
    with pytest.raises(InputError) as caught:
        read_interactions(path, **{"min_user_count": 0, **options})
    assert "\n" not in str(caught.value)
    return str(caught.value)


def interactions(rows, user_ids=None, item_ids=None, titles=None, notes=(), times=None):
    """Make interactions of (user, item) or (user, item, value) rows in file order."""
    rows = [(*row, 1.0)[:3] for row in rows]
    user_ids = user_ids or sorted({user for user, _, _ in rows})
    item_ids = item_ids or list(dict.fromkeys(item for _, item, _ in rows))
    user_number = {user: number for number, user in enumerate(user_ids)}
    item_number = {item: number for number, item in enumerate(item_ids)}
    return Interactions(
        users=np.array([user_number[user] for user, _, _ in rows], np.int32),
        items=np.array([item_number[item] for _, item, _ in rows], np.int32),
        values=np.array([value for _, _, value in rows], np.float32),
        times=None if times is None else np.array(times, np.float64),
        user_ids=np.array([str(user) for user in user_ids], object),
        item_ids=np.array([str(item) for item in item_ids], object),
        titles=titles or {},
        notes=tuple(notes),
    )


def ratings_table(n_users, n_items, seed, user_id=int, item_id=int):
    """Return shuffled (user, item) rows, each once: few users with many, many users with few.

    Every ninth user also has two items that no one else has.
    """
    random = np.random.default_rng(seed)
    popularity = 1 / np.arange(1, n_items + 1)
    popularity /= popularity.sum()
    pairs = []
    for user in range(n_users):
        n = int(min(n_items, random.integers(1, 5) if user % 6 == 0 else random.geometric(0.05)))
        items = random.choice(n_items, size=n, replace=False, p=popularity).tolist()
        own = [n_items + 2 * user, n_items + 2 * user + 1] if user % 9 == 0 else []
        pairs += [(user_id(user), item_id(item)) for item in items + own]
    return [pairs[place] for place in random.permutation(len(pairs))]


def rows_of(matrix, item_ids):
    """Return each row of a matrix as {item id: value}."""
    matrix = matrix.tocoo()
    rows = [{} for _ in range(matrix.shape[0])]
    for row, column, value in zip(*matrix.coords, matrix.data, strict=True):
        assert item_ids[column] not in rows[row]
        rows[row][item_ids[column]] = float(value)
    return rows


def letters(number):
    """Return an id that sorts differently from its number."""
    return f"{'zyxwvutsrq'[number % 10]}{number}"
