"""Every format gives the same interactions, as dictionaries and loops compute them."""

import gzip

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from multvae_jax.data.interactions import read_histories, read_interactions
from multvae_jax.errors import InputError
from tests.data.builders import WRITERS, check_interactions, expected_of

IDS = st.one_of(
    st.integers(-20, 20).map(str),
    st.text("ab0é漢,;\"' #|.", min_size=1, max_size=3).filter(lambda text: text == text.strip()),
)
NUMBERS = st.one_of(st.integers(0, 12), st.integers(2**62, 2**62 + 9)).map(str)


@st.composite
def tables(draw):
    ids = draw(st.sampled_from([IDS, NUMBERS]))
    row = st.tuples(ids, ids, st.sampled_from([0.5, 1.0, 3.5, 4.0, 5.0]), st.integers(0, 2**31))
    return draw(st.lists(row, min_size=1, max_size=40))


FILTERS = st.fixed_dictionaries(
    {
        "min_rating": st.sampled_from([None, 1, 4, 4.5]),
        "min_user_count": st.integers(0, 4),
        "min_item_count": st.integers(0, 3),
    }
)


@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("name", WRITERS)
@settings(max_examples=25, deadline=None)
@given(rows=tables(), filters=FILTERS)
@example(  # what is text in the file but not kept has no say in the order
    rows=[("10", "a", 5.0, 1), ("x", "b", 1.0, 2), ("9", "a", 5.0, 3)],
    filters={"min_rating": 4, "min_user_count": 0, "min_item_count": 0},
)
@example(  # a user falls below the count only when the item is gone
    rows=[(user, item, 5.0, 1) for user, item in ("1a", "2a", "3a", "1b", "2b", "3c")],
    filters={"min_rating": None, "min_user_count": 2, "min_item_count": 2},
)
def test_every_format_gives_the_same_interactions(tmp_path_factory, name, zipped, rows, filters):
    path = tmp_path_factory.getbasetemp() / (f"{name}.gz" if zipped else name)
    data = WRITERS[name](rows)
    path.write_bytes(gzip.compress(data, mtime=0) if zipped else data)
    kept, users, _, _ = expected_of(rows, **filters)
    if len(users) >= 2:
        check_interactions(read_interactions(path, **filters), rows, path, **filters)
        return
    with pytest.raises(InputError) as caught:
        read_interactions(path, **filters)
    threshold = filters["min_rating"]
    rated = [row for row in rows if threshold is None or row[2] >= threshold]
    if not rated:
        problem = f"none of the {len(rows)} interactions has a rating >= {threshold:g}"
    elif not kept:
        problem = (
            f"none of the {len({row[0] for row in rated})} users is left; the minimum counts are "
            f"{filters['min_user_count']} for a user and {filters['min_item_count']} for an item"
        )
    else:
        problem = f"only one user is left ('{users[0]}'); at least two are needed"
    assert str(caught.value) == f"{path}: {problem}"


LINE = st.tuples(
    st.one_of(st.integers(0, 9).map(str), st.text("aé漢.-", min_size=1, max_size=2)),
    st.lists(st.integers(0, 12).map(str), max_size=6),
)


@settings(max_examples=60, deadline=None)
@given(lines=st.lists(LINE, min_size=1, max_size=10), space=st.sampled_from([" ", "  ", " \t"]))
def test_lines_of_a_user_and_its_items(tmp_path_factory, lines, space):
    # A tab in the first line makes it a table of tab-separated columns, so none there.
    text = "\n".join((space if n else " ").join([u, *i]) for n, (u, i) in enumerate(lines))
    path = tmp_path_factory.getbasetemp() / "train.txt"
    path.write_text(text, "utf-8")
    rows = [(user, item, None, None) for user, items in lines for item in items]
    users = list(dict.fromkeys(user for user, _ in lines))
    histories = {user: {} for user in users}
    for user, item, _, _ in rows:
        histories[user][item] = None
    assert read_histories(path)[:2] == (users, [list(histories[user]) for user in users])
    if len({row[0] for row in rows}) >= 2:
        data = read_interactions(path, min_user_count=0)
        check_interactions(data, rows, path, min_user_count=0)
        assert data.times is None
        assert f"{path}: each line was read as a user and its items" in data.notes
