"""`multvae evaluate --lists`: the lists of other systems beside a run."""

import json

import numpy as np
import pytest

import multvae_jax as mv
from multvae_jax.cli.given_lists import names_of
from multvae_jax.cli.main import main

pytestmark = pytest.mark.updates


@pytest.fixture(scope="module")
def users(run):
    return mv.load_held_out_users(run)


@pytest.fixture(scope="module")
def lists(run, users):
    """The lists of the run itself."""
    loaded = mv.load_run(run)
    return mv.recommend_lists(loaded.scorer, loaded.catalogue, users.history, users.user_ids, k=100)


def judged(capsys, run, out, *words):
    """The metrics, the table, and what was said."""
    assert main(["evaluate", str(run), "--out", str(out), *map(str, words)]) == 0
    shown = capsys.readouterr()
    return json.loads(out.read_text()), shown.out, shown.err.splitlines()


def test_the_lists_of_the_run_itself_have_its_metrics(run, lists, tmp_path, capsys):
    for ending in ("csv", "jsonl", "parquet", "run"):
        lists.write(tmp_path / f"own.{ending}")
    metrics = ["--metrics", "recall", "ndcg@100", "mrr", "coverage", "auc", "--cutoffs", "5", "20"]
    files = ["--lists", tmp_path / "own.csv", tmp_path / "own.parquet", tmp_path / "own.run"]
    found, table, said = judged(capsys, run, tmp_path / "f.json", *metrics, *files)
    model = found["model"]
    assert set(found) == {
        *("model", "popularity", "own.csv", "own.parquet", "own.run"),
        *("users", "users_without_target"),
    }
    auc = {name for name in model if name.startswith("auc")}
    assert auc
    for name in ("own.csv", "own.parquet", "own.run"):
        assert found[name] == {key: value for key, value in model.items() if key not in auc}
    assert "own.csv" in table
    assert said == [
        f"{', '.join(sorted(auc))}: of a whole ranking, which lists do not tell; left blank",
        *(f"{file}: lists are in the order of the ranks" for file in files[1:]),
    ]


def test_what_the_lists_lack_counts_as_misses_and_is_said(run, users, lists, tmp_path, capsys):
    """Of six users one has no list, one an item it has already, and one an unknown item."""
    ids, six = lists.catalogue.ids, users.user_ids[:6]
    targets = [ids[users.targets[[row]].indices] for row in range(len(six))]
    rows = ["wer;was"]
    for row, user in enumerate(six[1:], start=1):
        mine = [targets[row][0]]
        if row == 1:
            mine = [ids[users.history[[row]].indices[0]], *mine]
        if row == 2:
            mine = ["who knows", "what", *mine]
        rows += [f"{user};{item}" for item in mine]
    rows += ["a stranger;100"]
    file = tmp_path / "odd.csv"
    file.write_text("\n".join(rows))
    found, _, said = judged(
        capsys,
        run,
        tmp_path / "f.json",
        *("--lists", file, "--metrics", "mrr@10", "recall@10"),
        *("--user-column", "wer", "--item-column", "was"),
    )
    n_users = found["users"]
    assert found["odd"]["mrr@10"]["mean"] == pytest.approx((1 / 2 + 1 / 3 + 3) / n_users, rel=1e-6)
    n_targets = np.diff(users.targets.indptr)[1:6]
    assert found["odd"]["recall@10"]["mean"] == pytest.approx(
        (1 / np.minimum(n_targets, 10)).sum() / n_users, rel=1e-6
    )
    assert said == [
        f"{file}: {note}"
        for note in (
            "users who are not evaluated are left out: 1",
            f"has no list for {n_users - 5} of {n_users} users; they count with an empty list",
            "lists are in the order of the file, as it has neither ranks nor scores",
            "2 items not in the catalogue, at 2 of 8 places; they count as misses",
            "places with an item of the user's own history: 1 of 6, in 1 list; they count as "
            "misses",
            "lists shorter than the largest cutoff, 10: 5 of 5, and the longest has 3; what is "
            "missing counts as misses",
        )
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "a.csv: no such file"),
        ("user,item,rank\n1,100,first\n", "a.csv:2: column 'rank': 'first' is not a number"),
        ("user,item\nx,100\n", "a.csv: none of its 1 user is among the"),
    ],
)
def test_lists_that_cannot_be_read_are_one_line(run, text, message, tmp_path, capsys):
    if text is not None:
        (tmp_path / "a.csv").write_text(text)
    assert main(["evaluate", str(run), "--lists", str(tmp_path / "a.csv")]) == 2
    assert f"multvae: {tmp_path}/{message}" in capsys.readouterr().err.splitlines()[-1]


def test_systems_have_the_names_of_their_files():
    assert names_of(["a/ease.csv", "b/knn.tar.gz"]) == {"a/ease.csv": "ease", "b/knn.tar.gz": "knn"}
    files = ["a/x.csv", "b/x.csv", "x.run", "model.csv", "users"]
    assert list(names_of(files, taken=["model", "users"]).values()) == [
        *("a/x.csv", "b/x.csv", "x.run", "model.csv", "users (lists)"),
    ]
    with pytest.raises(mv.InputError, match=r"--lists a.csv: is given twice"):
        names_of(["a.csv", "b.csv", "a.csv"])
