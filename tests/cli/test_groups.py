"""`multvae evaluate --by`: groups of users by a column of a file, or by activity."""

import json
import shutil

import numpy as np
import pytest
import scipy.sparse as sp

from multvae_jax.cli.groups import evaluate_groups, groups_of
from multvae_jax.cli.main import main
from multvae_jax.config.load_data import users_file_of
from multvae_jax.config.options import DataOptions
from multvae_jax.config.unions import InteractionFile
from multvae_jax.data.types import HeldOut
from multvae_jax.errors import InputError
from multvae_jax.evaluation.groups import by_group
from multvae_jax.evaluation.result import Evaluation

N = 30
IDS = np.array([str(user) for user in range(1, N + 1)], object)
USERS = HeldOut(sp.csr_array(np.tri(N, 40)), sp.csr_array(np.eye(N, 40)), IDS)
RANDOM = np.random.default_rng(11)
TESTED = {
    name: Evaluation(
        {"recall@20": RANDOM.random(N), "mrr@5": RANDOM.random(N)}, 0, {"coverage@20": 0.5}, IDS
    )
    for name in ("model", "popularity")
}
# In the layout of MovieLens 1M's users.dat, made up; the last user has no row.
USERS_DAT = "".join(f"{user}::{'FM'[user % 2]}::{20 + user}::4::10115\n" for user in range(1, N))


@pytest.fixture
def place(tmp_path):
    """A file about users."""
    (tmp_path / "users.dat").write_text(USERS_DAT)
    return tmp_path / "users.dat"


def test_groups_of_a_file_beside_the_data_are_shown_and_returned(place, capsys):
    labels = groups_of(["gender"], None, USERS, str(place))
    record = evaluate_groups(labels, TESTED, None, "mult-vae")
    printed = capsys.readouterr()
    assert printed.err.splitlines() == [
        f"{place.parent}/users.dat: the groups of users are read from it (--users-file)",
        f"{place.parent}/users.dat: 1 of 30 users have no row",
        "gender: 1 of 30 users are in no group",
    ]
    genders = {str(user): "FM"[user % 2] for user in range(1, N)}
    groups = record["by"]["gender"]
    assert {label: group["users"] for label, group in groups.items()} == {"F": 14, "M": 15}
    for name, evaluation in TESTED.items():
        expected = by_group(evaluation, genders, ["recall@20"]).groups
        for label, group in groups.items():
            assert group[name] == {"recall@20": expected[label].values["recall@20"]._asdict()}
    json.dumps(record)
    mine = groups["F"]["model"]["recall@20"]
    rows = [line.split("│")[1:-1] for line in printed.out.splitlines() if line.startswith("│")]
    first = [cell.strip() for cell in rows[0]]
    assert first[:3] == ["F", "14", "Recall@20"]
    assert first[3] == f"{mine['mean']:.4f} ± {mine['interval']:.4f}"
    assert first[4] == f"{mine['difference']:+.4f} ± {mine['difference_interval']:.4f}"
    assert first[5] == f"{mine['corrected']:.4f}".lstrip("0")
    assert "corrected for 1 test (Holm)" in printed.out


def test_the_metrics_that_were_asked_for_are_compared(place, capsys):
    labels = groups_of(["age", "activity"], None, USERS, str(place))
    record = evaluate_groups(labels, TESTED, ["recall", "mrr", "coverage"], "mult-vae")
    assert list(record["by"]["activity"]) == ["1 to 8", "9 to 15", "16 to 22", "23 to 30"]
    assert list(record["by"]["age"]) == ["21 to 28", "29 to 35", "36 to 42", "43 to 49"]
    assert list(record["by"]["age"]["21 to 28"]["model"]) == ["recall@20", "mrr@5"]
    assert "age: 29 different numbers are cut into 4 groups" in capsys.readouterr().err
    with pytest.raises(InputError, match="none of the --metrics has a value per user"):
        evaluate_groups(
            labels, {"model": Evaluation({}, 0, {"coverage@20": 0.5}, IDS)}, ["coverage"], "ease"
        )


def test_labels_of_a_file_are_shown_as_they_are(tmp_path, capsys):
    path = tmp_path / "users.csv"
    path.write_text("user,[bold]\n" + "".join(f"{u},[red]{u % 2}\x1b\n" for u in range(1, N + 1)))
    evaluate_groups(groups_of(["[bold]"], str(path), USERS, None), TESTED, None, "ease")
    printed = capsys.readouterr().out
    assert "[red]0\\x1b" in printed
    assert "[bold]" in printed


def test_where_the_file_about_users_is_looked_for(place):
    beside, elsewhere = InteractionFile(str(place.parent / "ratings.dat")), InteractionFile("a.csv")
    own = DataOptions(beside, users_file="own.csv")
    assert users_file_of(own) == "own.csv"
    assert users_file_of(own, elsewhere) == "own.csv"
    assert users_file_of(own, beside) == str(place)
    assert users_file_of(DataOptions(beside)) == str(place)
    assert users_file_of(DataOptions(beside), elsewhere) is None


@pytest.mark.parametrize(
    ("columns", "file", "problem"),
    [
        (["sex"], None, "no column 'sex'; the columns of MovieLens 1M's users.dat are"),
        (None, "users.csv", "--users-file users.csv: give the columns to compare with --by"),
        (["gender"], "none.csv", "none.csv: no such file"),
    ],
)
def test_groups_that_cannot_be_read_are_refused(place, columns, file, problem):
    with pytest.raises(InputError, match=problem):
        groups_of(columns, file, USERS, str(place))


def test_groups_without_a_file_or_without_users_are_refused():
    message = "--by gender: no users.dat, u.user, users.csv or .user file is beside the data"
    with pytest.raises(InputError, match=message):
        groups_of(["gender"], None, USERS, None)
    small = Evaluation({"recall@20": RANDOM.random(8)}, 0)
    few = HeldOut(USERS.history[:8], USERS.targets[:8], IDS[:8])
    with pytest.raises(InputError, match="--by activity: no group has 5 users or more: 4 labels"):
        evaluate_groups(groups_of(["activity"], None, few, None), {"model": small}, None, "ease")


@pytest.mark.updates
def test_the_command_writes_the_groups(run, tmp_path, capsys):
    held_out = [line.split(",")[0] for line in (run / "users.csv").read_text().splitlines()[1:]]
    path, out = tmp_path / "about.csv", tmp_path / "out.json"
    path.write_text("user;country\n" + "".join(f"{user};DE\n" for user in held_out))
    words = ["evaluate", str(run), "--by", "country", "--users-file", str(path), "--out", str(out)]
    assert main(words) == 0
    found = json.loads(out.read_text())
    only = found["by"]["country"]["DE"]
    assert only["users"] == found["users"]
    assert only["model"]["ndcg@100"]["mean"] == pytest.approx(found["model"]["ndcg@100"]["mean"])
    assert only["model"]["ndcg@100"]["difference"] is None
    assert "by country" in capsys.readouterr().out
    assert main(["evaluate", str(run), "--by", "activity", "--metrics", "coverage"]) == 2
    said = capsys.readouterr().err
    assert "--by: none of the --metrics has a value per user, such as recall" in said


@pytest.mark.updates
def test_what_the_run_was_trained_with_is_taken_where_the_command_names_nothing(run, tmp_path):
    own, out = tmp_path / "run", tmp_path / "out.json"
    shutil.copytree(run, own)
    (own / "manifest.json").unlink()
    users = [line.split(",")[0] for line in (run / "users.csv").read_text().splitlines()[1:]]
    (tmp_path / "about.csv").write_text("user;country\n" + "".join(f"{u};DE\n" for u in users))
    config = json.loads((own / "config.json").read_text())
    config["data"]["users_file"] = str(tmp_path / "about.csv")
    config["training"]["cutoffs"] = [5, 1000]
    (own / "config.json").write_text(json.dumps(config))
    assert main(["evaluate", str(own), "--by", "country", "--out", str(out)]) == 0
    found = json.loads(out.read_text())
    assert found["by"]["country"]["DE"]["users"] == found["users"]
    assert found["model"]["recall@1000"]["mean"] == 1.0
