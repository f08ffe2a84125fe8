"""`multvae recommend` for the users of the data, and with items excluded or chosen."""

import csv

import numpy as np
import pytest

import multvae_jax as mv
from multvae_jax.cli.main import main
from multvae_jax.data.id_files import read_ids

pytestmark = pytest.mark.updates


def rows_of(capsys, *words):
    assert main(["recommend", *map(str, words)]) == 0
    out, err = capsys.readouterr()
    return list(csv.DictReader(out.splitlines())), err


def lists_in(rows):
    found = {}
    for row in rows:
        found.setdefault(row["user"], []).append(row["item"])
    return found


def test_all_users_of_the_data_get_what_they_do_not_have(run, ratings, capsys):
    found = lists_in(rows_of(capsys, run, "--all", "-k", "4")[0])
    data = mv.read_interactions(ratings)
    assert sorted(found, key=int) == data.user_ids.tolist()
    own = {user: set() for user in found}
    for user, item in zip(data.users, data.items, strict=True):
        own[data.user_ids[user]].add(data.item_ids[item])
    for user, items in found.items():
        assert len(items) == 4
        assert not own[user] & {*items}


def test_some_users_are_recommended_to_in_the_order_of_their_file(run, tmp_path, capsys):
    everyone = lists_in(rows_of(capsys, run, "--all", "-k", "4")[0])
    (tmp_path / "users.txt").write_text("7\n3\nnobody\n12\n")
    rows, said = rows_of(capsys, run, "--users", tmp_path / "users.txt", "-k", "4")
    assert lists_in(rows) == {user: everyone[user] for user in ("7", "3", "12")}
    assert list(lists_in(rows)) == ["7", "3", "12"]
    assert "users.txt: 1 of 4 users are not in the data of the run (nobody)" in said


def test_items_are_excluded_and_chosen(run, tmp_path, capsys):
    (tmp_path / "history.txt").write_text("ann 100 101\n")
    (tmp_path / "out.csv").write_text("item\n105\n106\nunknown\n")
    (tmp_path / "only.txt").write_text("104\n105\n101\n109\n")
    words = [run, "--history", tmp_path / "history.txt", "-k", "99"]
    plain = lists_in(rows_of(capsys, *words)[0])["ann"]
    rows, said = rows_of(capsys, *words, "--exclude", tmp_path / "out.csv")
    assert lists_in(rows)["ann"] == [item for item in plain if item not in ("105", "106")]
    assert "out.csv: 1 of 3 items are unknown to the model" in said
    words += ["--candidates", tmp_path / "only.txt"]
    rows, _ = rows_of(capsys, *words)
    assert lists_in(rows)["ann"] == [item for item in plain if item in ("104", "105", "109")]
    rows, _ = rows_of(capsys, *words, "--include-seen")
    assert sorted(lists_in(rows)["ann"]) == ["101", "104", "105", "109"]


def test_similar_items_are_those_of_the_recommender(run, capsys):
    assert main(["similar", str(run), "104", "-k", "3"]) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    expected = mv.Recommender(mv.load_run(run)).similar_items("104", 3)
    assert [row["item"] for row in rows] == expected.items
    assert [row["rank"] for row in rows] == ["1", "2", "3"]
    assert [row["title"] for row in rows] == [f"Film, the {item}" for item in expected.items]
    np.testing.assert_allclose([float(row["score"]) for row in rows], expected.scores, atol=1e-6)
    assert main(["similar", str(run), "1040"]) == 2
    assert "item: there is no item '1040'; did you mean 104" in capsys.readouterr().err


def test_reasons_are_those_of_the_recommender(run, tmp_path, capsys):
    (tmp_path / "history.txt").write_text("ann 100 101 102 103 zzz\nbob 105\ncal x\n")
    words = ["why", str(run), "--history", str(tmp_path / "history.txt"), "--reasons", "2"]
    assert main([*words, "-k", "3"]) == 0
    shown = capsys.readouterr()
    assert shown.err.endswith(
        "user cal: no item of the history is known; there are no reasons to show\n"
    )
    rows = list(csv.DictReader(shown.out.splitlines()))
    assert {row["user"] for row in rows} == {"ann", "bob"}
    recommender = mv.Recommender(mv.load_run(run))
    for user, history in (("ann", ["100", "101", "102", "103"]), ("bob", ["105"])):
        (best,) = recommender.recommend([history], 3)
        mine = [row for row in rows if row["user"] == user]
        shown = min(2, len(history))
        for number, reasons in enumerate(recommender.why(history, best.items)):
            of_item = mine[number * shown : (number + 1) * shown]
            assert {row["item"] for row in of_item} == {reasons.item}
            effects = [float(row["effect"]) for row in of_item]
            np.testing.assert_allclose(effects, reasons.effects[:shown], atol=1e-5)
            titles = [f"Film, the {row['because']}" for row in of_item]
            assert [row["because_title"] for row in of_item] == titles
    assert main([*words, "--items", "104", "nothing"]) == 2
    assert "--items: there is no item 'nothing'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give one of --history, --stream, --all, --users: whom to recommend to"),
        (["--all", "--history", "x.csv"], "--users, and not --history and --all: whom to"),
        (["--all", "--users-file", "x"], "reads no features of users from a file"),
        (["--all", "--exclude", "no.txt"], "no.txt: no such file"),
    ],
)
def test_what_does_not_say_whom_to_recommend_to_is_refused(run, words, message, capsys):
    assert main(["recommend", str(run), *words]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("item,title\n5,A\n7,B\n5,A\n", ["5", "7"]),
        ("5\n007\n\n7\n5\n", ["5", "007", "7"]),
        ("a film\nanother\n", ["a film", "another"]),
        ("\ufeffab\r\ncd\r\n", ["ab", "cd"]),
    ],
)
def test_a_file_of_ids_is_a_column_or_lines(text, ids, tmp_path):
    (tmp_path / "ids").write_text(text, encoding="utf-8")
    assert read_ids(tmp_path / "ids", "item") == ids


def test_a_table_without_ids_is_refused(tmp_path):
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    with pytest.raises(mv.InputError, match=r"the columns are a, b; .* or write one id per line"):
        read_ids(tmp_path / "table.csv", "item")
