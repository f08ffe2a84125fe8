"""JSON Lines as the data sets of reviews are published, arrays of objects, Python literals."""

import gzip
import json

import pytest

from multvae_jax.data.interactions import read_histories, read_interactions
from tests.data.builders import pairs, refusal, write


def lines(*objects):
    return "\n".join(json.dumps(found) for found in objects) + "\n"


# One object of each data set, with the keys that it is published with.
AMAZON_2014 = {
    "reviewerID": "A2SUAM1J3GNN3B",
    "asin": "0000013714",
    "reviewerName": "J. McDonald",
    "helpful": [2, 3],
    "reviewText": 'I "bought" this, {for} my\nhusband',
    "overall": 5.0,
    "unixReviewTime": 1252800000,
    "reviewTime": "09 13, 2009",
}
AMAZON_2023 = {
    "rating": 3.0,
    "title": "ok",
    "text": "",
    "images": [],
    "asin": "B088SZDGXG",
    "parent_asin": "B08BBQ29N5",
    "user_id": "AEYORY2AVPMCPDV57CE337YU5LXA",
    "timestamp": 1634275259292,
    "helpful_vote": 0,
    "verified_purchase": True,
}
YELP = {
    "review_id": "KU_O5udG6zpxOg-VcAEodg",
    "user_id": "mh_-eMZ6K5RLWhZyISBhwA",
    "business_id": "XQfwVwDr-v0ZS3_CbbE5Xw",
    "stars": 3.0,
    "date": "2018-07-07 22:09:11",
}
GOODREADS = {"user_id": "8842281e", "book_id": 24375664, "rating": 5, "review_id": "x"}


@pytest.mark.parametrize(
    ("found", "user", "item", "rating"),
    [
        (AMAZON_2014, "A2SUAM1J3GNN3B", "0000013714", 5),
        (AMAZON_2023, "AEYORY2AVPMCPDV57CE337YU5LXA", "B08BBQ29N5", 3),
        (YELP, "mh_-eMZ6K5RLWhZyISBhwA", "XQfwVwDr-v0ZS3_CbbE5Xw", 3),
        (GOODREADS, "8842281e", "24375664", 5),
    ],
    ids=["Amazon 2014", "Amazon 2023", "Yelp", "Goodreads"],
)
@pytest.mark.parametrize("name", ["a.json.gz", "a.jsonl", "a"])
def test_reviews_as_they_are_published(tmp_path, found, user, item, rating, name):
    text = lines(found, found).encode()
    path = write(tmp_path, name, gzip.compress(text) if name.endswith("gz") else text)
    assert read_histories(path, min_rating=rating)[:2] == ([user], [[item]])
    assert read_histories(path, min_rating=rating + 0.5)[:2] == ([user], [[]])


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\n\n"])
def test_ids_keep_their_text_and_their_digits(tmp_path, ending):
    items = ['"007"', "7", "7.0", "123456789012345678901234567890", r'"\u00e9\"\\"', '"a b"']
    text = ending.join(f'{{"user": {n}, "item": {item}}}' for n, item in enumerate(items))
    data = read_interactions(write(tmp_path, "a.jsonl", "\ufeff" + text), min_user_count=0)
    written = ["007", "7", "7", "123456789012345678901234567890", 'é"\\', "a b"]
    assert pairs(data) == [(str(n), item) for n, item in enumerate(written)]


def test_an_object_may_lack_what_is_not_an_id(tmp_path):
    text = lines({"item": "a", "user": "1"}, {"user": "2", "item": "b", "text": "x"})
    assert pairs(read_interactions(write(tmp_path, "a.jsonl", text), min_user_count=0)) == [
        ("1", "a"),
        ("2", "b"),
    ]


GOOD = lines({"user": "u", "item": "a"}) * 3


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"user": "v"}', "column 'item' is empty"),
        ('{"user": null, "item": "b"}', "column 'user' is empty"),
        ('{"user": "v", "item": "b"', "not an object in one line, as in JSON Lines: Expecting"),
        ('{"user": "v", "item": "b"} x', "not an object in one line, as in JSON Lines: Extra"),
        ("{'user': 'v', 'item': 'b'}", "not an object in one line, as in JSON Lines: Expecting"),
        (
            '{"user": "v", "item": "b", "rating": NaN}',
            "not an object in one line, as in JSON Lines: NaN",
        ),
        ("[1, 2]", "a list, not an object"),
        ('{"user": "v", "item": ["b"]}', "column 'item' is a list; write one line for each"),
        ('{"user": {"$oid": "v"}, "item": 1}', "column 'user' is an object; write one line for"),
        (b'{"user": "\xff", "item": 1}', "not an object in one line, as in JSON Lines: 'utf-8'"),
    ],
    ids=str,
)
def test_a_line_that_is_no_interaction_is_named(tmp_path, line, problem):
    line = line if isinstance(line, bytes) else line.encode()
    path = write(tmp_path, "a.jsonl", GOOD.encode() + b"\n" + line + b"\n")
    assert refusal(path).startswith(f"{path}:5: {problem}")


def test_a_text_that_looks_like_a_list_is_an_id(tmp_path):
    path = write(tmp_path, "a.jsonl", lines({"user": "[1]", "item": "{a"}, {"user": 2, "item": 3}))
    assert pairs(read_interactions(path, min_user_count=0)) == [("[1]", "{a"), ("2", "3")]


def test_a_document_over_several_lines_is_refused(tmp_path):
    path = write(tmp_path, "a.json", json.dumps({"playlists": [{"pid": 1}]}, indent=1))
    assert refusal(path).startswith(f"{path}:1: not an object in one line, as in JSON Lines: ")


def test_other_keys_are_listed(tmp_path):
    path = write(tmp_path, "a.json", lines({"info": {}, "playlists": []}))
    assert refusal(path).startswith(f"{path}: no user column")
    assert "info, playlists" in refusal(path)


@pytest.mark.parametrize("indent", [None, 1])
def test_an_array_of_objects(tmp_path, indent):
    objects = [{"user": "007", "item": 7, "rating": 4.5}, {"user": "b", "item": 8, "rating": 5}]
    path = write(tmp_path, "a.json", json.dumps(objects, indent=indent))
    assert read_histories(path, min_rating=5)[:2] == (["007", "b"], [[], ["8"]])
    objects.append({"user": "c"})
    write(tmp_path, "a.json", json.dumps(objects, indent=indent))
    assert refusal(path) == f"{path}: object 3: column 'item' is empty"


@pytest.mark.parametrize("text", ["[1, 2]", "[[1, 2]]", '[{"user": 1, "item": [2]}]', "[", "[{]"])
def test_an_array_of_something_else_is_refused(tmp_path, text):
    path = write(tmp_path, "a.json", text)
    assert refusal(path).startswith(f"{path}: ")


def test_literals_of_python_are_read_with_a_note(tmp_path):
    """As the reviews of Steam and the items of Amazon 2014 were published."""
    text = (
        "{u'username': u'Chaos \"Syren\"', u'product_id': u'725280', u'early_access': False}\n"
        "\n{u'username': u\"Ha\\u0159o'\", u'product_id': 7.0}\n"
    )
    path = write(tmp_path, "steam.json", text)
    data = read_interactions(path, min_user_count=0)
    assert pairs(data) == [('Chaos "Syren"', "725280"), ("Haro'".replace("r", "ř"), "7")]
    assert data.notes == (f"{path}: each line was read as a literal of Python, not as JSON",)
    write(tmp_path, "steam.json", text + "{u'username': open('/etc/passwd')}\n")
    assert refusal(path).startswith(f"{path}:4: not an object in one line")
