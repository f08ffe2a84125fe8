"""Recommendation lists in the forms in which other systems write them."""

import polars as pl
import pytest

import multvae_jax as mv
from multvae_jax.evaluation.list_files import MOST_PLACES, read_lists
from tests.evaluation.builders import catalogue

ITEMS = catalogue(["10", "20", "30", "40", "007"])
RANKS, SCORES = "in the order of the ranks", "in descending order of the scores, as it has no ranks"
FILE = "in the order of the file, as it has neither ranks nor scores"

# Each says that ann gets 30, 10 and 20, and bob 20 and 40.
FORMS = {
    "rows.csv": (
        "userId,movieId,score\nbob,40,1\nann,20,0.5\nann,30,2.5\nann,10,2.5\nbob,20,1.5\n",
        SCORES,
    ),
    "ranked.csv": (
        "user_id;rank;item_id\nbob;1;20\nann;3;20\nann;2;10\nann;1;30\nbob;2;40\n",
        RANKS,
    ),
    "from_zero.tsv": (
        "rank\tscore\tuser\titem\n0\t3\tann\t30\n1\t2\tann\t10\n2\t1\tann\t20\n"
        "0\t1e-3\tbob\t20\n1\t-2\tbob\t40\n",
        RANKS,
    ),
    "bare.csv": ("ann,30,3.5\nann,10,3\nann,20,1\nbob,40,1\nbob,20,2\n", SCORES),
    "order.csv": ("user,item\nann,30\nbob,20\nann,10\nann,20\nbob,40\n", FILE),
    "users.txt": ("ann 30 10 20\nbob 20 40\n", FILE),
    "surprise.csv": ("uid,iid,est\nann,20,1\nann,30,3\nbob,40,2\nann,10,2\nbob,20,4\n", SCORES),
    "trec.txt": (
        "ann Q0 30 1 9.5 tag\nbob Q0 40 2 1 tag\nann Q0 20 3 9 tag\nann Q0 10 2 9.1 tag\n"
        "bob Q0 20 1 2 tag\n",
        RANKS,
    ),
    "tabs.run": (
        "ann\tq0\t30\t0\t9.5\ttag\nann\tq0\t10\t1\t9\ttag\n\nann\tq0\t20\t2\t8\ttag\n"
        "bob\tq0\t20\t0\t2\ttag\nbob\tq0\t40\t1\t1\ttag\n",
        RANKS,
    ),
    "rows.jsonl": (
        '{"user": "ann", "item": 10, "score": 2}\n{"user": "bob", "item": 20, "score": 2}\n'
        '{"user": "ann", "item": 30, "score": 2.5}\n{"user": "ann", "item": 20, "score": 1}\n'
        '{"user": "bob", "item": 40, "score": 1}\n',
        SCORES,
    ),
    "lists.jsonl": (
        '{"user": "ann", "items": [30, 10, 20.0], "scores": [3, 2, 1.5]}\n\n'
        '{"user": "bob", "items": ["20", "40"], "scores": [2, 1]}\n',
        SCORES,
    ),
    "unscored.jsonl": ('{"user":"ann","items":[30,10,20]}\n{"user":"bob","items":[20,40]}', FILE),
    "spark.json": (
        '{"userId":"ann","recommendations":[{"movieId":10,"rating":2.5},{"movieId":30,"rating":3},'
        '{"movieId":20,"rating":1}]}\n'
        '{"userId":"bob","recommendations":[{"movieId":20,"rating":2},{"movieId":40,"rating":1}]}',
        SCORES,
    ),
    "untagged.txt": (
        "ann Q0 30 1 9\nann Q0 10 2 8.5\nann Q0 20 3 8\nbob Q0 20 1 2\nbob Q0 40 2 1\n",
        RANKS,
    ),
    "other_word.txt": (
        "ann 0 30 1 9 als\nann 0 10 2 8.5 als\nann 0 20 3 8 als\nbob 0 20 1 2 als\n"
        "bob 0 40 2 1 als\n",
        RANKS,
    ),
    "long_tag.trec": (
        "ann Q0 30 1 9 my tag\nann Q0 10 2 8.5 my tag\nann Q0 20 3 8 my tag\n"
        "bob Q0 20 1 2 my tag\nbob Q0 40 2 1 my tag\n",
        RANKS,
    ),
    "by_user.json": ('{\n  "ann": [30, 10, 20],\n  "bob": [\n20, "40"]\n}\n', FILE),
    "ranx.json": (
        '{"ann": {"10": 0.5, "30": 2, "20": 0.25}, "bob": {"40": 1e-3, "20": 0.5}}',
        SCORES,
    ),
    "index.csv": (
        ",user_id,item_id,score\n0,ann,30,3\n1,ann,10,2\n2,bob,20,9\n3,ann,20,1\n4,bob,40,8\n",
        SCORES,
    ),
    "array.json": (
        '[{"user": "ann", "items": [30, 10, 20]},\n {"user": "bob", "items": [20, 40]}]',
        FILE,
    ),
}


def read(path, text, **options):
    path.write_text(text)
    return read_lists(path, ITEMS, **options)


@pytest.mark.parametrize("name", FORMS)
def test_a_form_of_files_is_read(name, tmp_path):
    text, order = FORMS[name]
    found = read(tmp_path / name, text).of_users(["ann", "bob"])
    assert found.item_ids() == [["30", "10", "20"], ["20", "40"]]
    found = read(tmp_path / name, text)
    assert [note for note in found.notes if "lists are" in note] == [
        f"{tmp_path / name}: lists are {order}"
    ]


def test_typed_files_are_read(tmp_path):
    rows = pl.DataFrame({"user_id": [7, 8, 7], "item_id": [10, 20, 30], "score": [1.0, 2.0, 3.0]})
    lists = rows.group_by("user_id", maintain_order=True).all()
    records = rows.group_by("user_id", maintain_order=True).agg(
        items=pl.struct("item_id", pl.col("score"))
    )
    forms = {"rows.parquet": rows, "lists.parquet": lists, "lenskit.parquet": records}
    for name, frame in forms.items():
        frame.write_parquet(tmp_path / name)
        found = read_lists(tmp_path / name, ITEMS)
        assert found.user_ids.tolist() == ["7", "8"]
        assert found.item_ids() == [["30", "10"], ["20"]]
        assert found.scores[0].tolist() == [3.0, 1.0]


def test_lists_are_kept_for_the_users_that_are_asked_for(tmp_path):
    text, _ = FORMS["rows.csv"]
    found = read(tmp_path / "a.csv", text + "eve,10,1\n", user_ids=["dan", "ann", "Bob"], k=2)
    assert found.user_ids.tolist() == ["dan", "ann", "Bob"]
    assert found.item_ids() == [[], ["30", "10"], []]
    assert list(found.notes) == [
        f"{tmp_path / 'a.csv'}: {note}"
        for note in (
            "1 user is spelled differently; 'bob' may be 'Bob' in the run",
            "users who are not evaluated are left out: 2",
            "has no list for 2 of 3 users; they count with an empty list",
            "lists are in descending order of the scores, as it has no ranks",
        )
    ]


def test_what_is_odd_in_lists_is_said(tmp_path):
    path = tmp_path / "a.csv"
    text = "user,item,rank,score\n1,7,1,.1\n1,10,2,.9\n1,99,2,.8\n1,10,4,.7\n1,20,5,.6\n"
    found = read(path, text)
    assert found.items.tolist() == [[-2, 0, -2, 1]]
    assert found.item_ids() == [[None, "10", None, "20"]]
    assert list(found.notes) == [
        f"{path}: lists are in the order of the ranks",
        f"{path}: 1 list with the same rank twice; such items are in the order of the file",
        f"{path}: the scores are in another order than the ranks in 1 list",
        f"{path}: 1 place with an item that the list has already, left out",
        f"{path}: 1 item is spelled differently; '7' may be '007' in the catalogue",
        f"{path}: 2 items not in the catalogue, at 2 of 4 places; they count as misses",
    ]


def test_users_without_items_have_empty_lists(tmp_path):
    text = '{"user": 1, "items": [], "scores": []}\n{"user": 2, "items": [10], "scores": [1]}\n'
    found = read(tmp_path / "a.jsonl", text)
    assert found.item_ids() == [[], ["10"]]
    assert read(tmp_path / "a.txt", "1\n2 10\n3 20 30\n").item_ids() == [[], ["10"], ["20", "30"]]


def test_several_files_are_one_system(tmp_path):
    for name, user in (("part-1.csv", "ann"), ("part-2.csv", "bob")):
        (tmp_path / name).write_text(f"user,item,rank\n{user},20,2\n{user},10,1\n")
    found = read_lists(tmp_path / "part-*.csv", ITEMS)
    assert found.item_ids() == [["10", "20"], ["10", "20"]]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "user,item,score\n1,10,2\n1,20,high\n", ":3: column 'score': 'high' is not a nu"),
        ("a.csv", "user,item,rank\n1,10,1\n1,20,\n", ":3: column 'rank' is empty"),
        ("a.csv", "user,item,score\n1,10,2\n1,20,inf\n", ":3: column 'score': 'inf' is not a fin"),
        ("a.csv", "user,item,score\n1,10,2\n1,,1\n", ":3: column 'item' is empty"),
        ("a.csv", "user,item\n", ": a header and no rows"),
        ("a.csv", "", ": the file is empty"),
        ("a.csv", "user,thing\n1,10\n", ": no item column under a usual name; the columns are us"),
        ("a.csv", "1,10,3,4.5\n2,20,3,4\n", ": no header, and 4 columns: give --user-column"),
        ("a.run", "1 Q0 10 1 .5 t\n1 Q0 20 2 t\n", ":2: 5 fields where the first line has 6"),
        ("a.run", "1 Q0 10 one .5 t\n", ":1: column 'rank': 'one' is not a number"),
        ("a.jsonl", '{"user": 1, "items": [10]}\n{"user": 2}\n', ":2: no 'items', as the first ob"),
        ("a.jsonl", '{"user": 1, "items": [10]}\n{"user": 2, "items": 10}\n', ":2: 'items' is no"),
        ("a.jsonl", '{"user": 1, "items": [10, [20]]}', ":1: 'items': [20] is neither text nor"),
        ("a.jsonl", '{"user": 1, "items": [10, null]}', ":1: 'items': null is neither text nor"),
        ("a.jsonl", '{"user": 1, "items": [10], "scores": [1, 2]}', ":1: 'scores' is not a list"),
        ("a.jsonl", '{"user": 1, "items": [1], "scores": ["x"]}', ":1: column 'scores': 'x' is"),
        ("a.jsonl", '{"user": 1, "items": [10]}\n{"user": \n', ":2: not an object in one line"),
        ("a.jsonl", '{"user": 1, "items": [{"id": 1}]}', ":1: column 'items' is a list"),
        ("a.json", "[]", ": holds no lists"),
        ("a.json", "{}", ": holds no lists"),
        ("a.json", '{"ann": [10], "bob": [null]}', ": user bob: 'items': null is neither text"),
        ("a.csv", "user,item\n1,a\n", ": none of its 1 item is in the catalogue; the ids must be"),
        ("a.csv", "user,item\n1,7\n", ": none of its 1 item is in the catalogue; 1 item is spel"),
    ],
)
def test_bad_lists_are_one_line_that_names_the_place(name, text, message, tmp_path):
    with pytest.raises(mv.InputError) as caught:
        read(tmp_path / name, text)
    assert str(caught.value).startswith(f"{tmp_path / name}{message}")


def test_lists_of_no_user_that_is_asked_for_are_refused(tmp_path):
    with pytest.raises(mv.InputError, match="none of its 2 users is among the 1 user to evaluate"):
        read(tmp_path / "a.csv", FORMS["rows.csv"][0], user_ids=["eve"])


def test_lists_that_are_too_large_for_memory_are_refused(tmp_path, monkeypatch):
    assert MOST_PLACES > 10**8
    monkeypatch.setattr("multvae_jax.evaluation.list_files.MOST_PLACES", 5)
    text, _ = FORMS["rows.csv"]
    with pytest.raises(mv.InputError, match="2 users with up to 3 items each are too many; cut"):
        read(tmp_path / "a.csv", text)
    assert read(tmp_path / "a.csv", text, k=2).k == 2
    with pytest.raises(mv.InputError, match="k: 0 is not a positive integer"):
        read(tmp_path / "a.csv", text, k=0)
