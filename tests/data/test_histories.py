"""Histories in arrays, compared with the lists of `read_histories`."""

import numpy as np
import pytest

from multvae_jax.data.histories import read_known_histories
from multvae_jax.data.interactions import read_histories
from multvae_jax.data.readers.schema import Columns, NoColumnError
from multvae_jax.data.types import Catalogue

CATALOGUE = Catalogue(np.array(["7", "x", "3", "10"], object), np.ones(4, int), {})


def sets_of(found):
    """The items of each user, and the number of unknown ones."""
    rows = np.split(found.matrix.indices, found.matrix.indptr[1:-1])
    items = [{CATALOGUE.ids[item] for item in row} for row in rows]
    return dict(zip(found.user_ids(), zip(items, found.unknown.tolist(), strict=True), strict=True))


def expected_of(path, **options):
    users, histories, _ = read_histories(path, **options)
    known = {*CATALOGUE.ids}
    return {
        user: (known & set(items), len(set(items) - known))
        for user, items in zip(users, histories, strict=True)
    }


@pytest.mark.parametrize("items", [("7", "3", "10", "99", "5"), ("7", "x", "3", "10", "y", "07")])
def test_the_matrix_holds_what_the_lists_do(items, tmp_path):
    rng = np.random.default_rng(len(items))
    rows = [f"u{u},{rng.choice(items)},{rng.integers(1, 6)}" for u in rng.integers(0, 9, 80)]
    path = tmp_path / "h.csv"
    path.write_text("\n".join(["user,item,rating", *rows]))
    found = read_known_histories(path, CATALOGUE)
    assert found.user_ids() == list(dict.fromkeys(row.split(",")[0] for row in rows))
    assert found.user_ids(slice(2, 4)) == found.user_ids()[2:4]
    assert sets_of(found) == expected_of(path)
    assert (found.below, found.has_ratings) == (0, False)
    above = read_known_histories(path, CATALOGUE, min_rating=4)
    assert sets_of(above) == expected_of(path, min_rating=4)
    assert above.below == sum(int(row[-1]) < 4 for row in rows)
    assert above.has_ratings
    assert set(found.matrix.data) == {1.0}
    assert found.matrix.has_canonical_format


def test_a_threshold_needs_no_ratings_and_a_user_no_items(tmp_path):
    path = tmp_path / "h.txt"
    path.write_text("ann 7 7 x\nbob\ncat 9\n")
    found = read_known_histories(path, CATALOGUE, min_rating=4)
    assert sets_of(found) == {"ann": ({"7", "x"}, 0), "bob": (set(), 0), "cat": (set(), 1)}
    assert not found.has_ratings


def test_a_missing_column_has_an_error_of_its_own(tmp_path):
    path = tmp_path / "h.csv"
    path.write_text("user,item\na,7\n")
    for columns in (Columns(user="kunde"), Columns(item="kunde")):
        with pytest.raises(NoColumnError, match="no column 'kunde'"):
            read_known_histories(path, CATALOGUE, columns=columns)
    path.write_text("a 7\n")
    with pytest.raises(NoColumnError, match="no column 'kunde'"):
        read_known_histories(path, CATALOGUE, columns=Columns(item="kunde"))
