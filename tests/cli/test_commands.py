"""The commands as a user meets them: what they write, and what they say of wrong input."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from multvae_jax.cli.main import main
from tests.data.builders import write_ratings

pytestmark = pytest.mark.updates

SMALL = ["--epochs", "2", "--hidden", "16", "--latent", "4"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cli")


@pytest.fixture(scope="module")
def ratings(folder) -> Path:
    return write_ratings(folder / "ratings.csv")


def train(ratings: Path, out: Path, *options: str) -> int:
    given = ["train", "--data", str(ratings), "--held-out", "8", "--out", str(out)]
    return main([*given, *SMALL, *options])


@pytest.fixture(scope="module")
def run(folder, ratings) -> Path:
    (folder / "movies.csv").write_text(
        "movieId,title,genres\n" + "".join(f'{i},"Film, the {i}",x\n' for i in range(100, 130))
    )
    assert train(ratings, folder / "run") == 0
    return folder / "run"


def test_train_writes_all_of_a_run(run):
    assert sorted(path.name for path in run.iterdir()) == [
        "checkpoint",
        "config.json",
        "curves.png",
        "items.csv",
        "metrics.jsonl",
        "test.json",
        "users.csv",
    ]
    assert sorted(path.name for path in (run / "checkpoint").iterdir()) == ["params", "state"]
    assert (run / "curves.png").read_bytes().startswith(b"\x89PNG")
    log = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [entry["epoch"] for entry in log] == [1, 2]
    assert set(log[0]["validation"]) == {"recall@20", "recall@50", "ndcg@100"}


def test_test_json_has_the_promised_form(run):
    tested = json.loads((run / "test.json").read_text())
    assert set(tested) == {"model", "popularity", "users", "users_without_target"}
    assert set(tested["model"]["ndcg@100"]) == {"mean", "standard_error"}
    assert set(tested["model"]) == set(tested["popularity"])
    assert tested["users"] + tested["users_without_target"] == 8
    names = {"recall", "uncapped_recall", "ndcg", "precision", "hit_rate", "mrr"}
    assert set(tested["model"]) == {f"{name}@{k}" for name in names for k in (20, 50, 100)}


def test_the_id_maps_name_every_user_and_item_once(run, ratings):
    with (run / "users.csv").open() as file:
        users = list(csv.DictReader(file))
    assert sorted(int(row["user"]) for row in users) == list(range(1, 41))
    parts = [row["part"] for row in users]
    assert [parts.count(part) for part in ("train", "validation", "test")] == [24, 8, 8]
    trained = {row["user"] for row in users if row["part"] == "train"}
    with ratings.open() as file:
        rows = [row for row in csv.DictReader(file) if row["userId"] in trained]
    first_seen = list(dict.fromkeys(row["movieId"] for row in rows))
    with (run / "items.csv").open() as file:
        items = list(csv.DictReader(file))
    assert [row["item"] for row in items] == first_seen
    assert items[0]["title"] == f"Film, the {items[0]['item']}"
    times_rated = [row["movieId"] for row in rows].count(items[0]["item"])
    assert int(items[0]["users"]) == times_rated


def test_train_prints_the_papers_metrics_and_the_run(folder, ratings, capsys):
    assert train(ratings, folder / "printed") == 0
    shown = capsys.readouterr().out
    for word in ("Recall@20", "Recall@50", "NDCG@100", "mult-vae", "popularity", "±"):
        assert word in shown
    assert shown.rstrip().endswith(f"run: {folder / 'printed'}")


def test_the_same_command_gives_the_same_numbers_digit_for_digit(folder, ratings, run):
    assert train(ratings, folder / "again") == 0
    assert (folder / "again" / "test.json").read_bytes() == (run / "test.json").read_bytes()

    def log(directory: Path):
        entries = map(json.loads, (directory / "metrics.jsonl").read_text().splitlines())
        return [{name: v for name, v in entry.items() if name != "seconds"} for entry in entries]

    assert log(folder / "again") == log(run)
    assert train(ratings, folder / "other", "--seed", "1") == 0
    assert (folder / "other" / "test.json").read_bytes() != (run / "test.json").read_bytes()


def test_evaluate_gives_the_figures_of_the_run_again(folder, run, capsys):
    out = folder / "figures.json"
    assert main(["evaluate", str(run), "--cutoffs", "5", "1000", "--out", str(out)]) == 0
    found = json.loads(out.read_text())
    tested = json.loads((run / "test.json").read_text())
    for recommender in ("model", "popularity"):
        for metric in ("recall@20", "recall@50", "ndcg@100"):
            assert found[recommender][metric] == tested[recommender][metric]
        assert found[recommender]["recall@1000"]["mean"] == 1.0
    assert "Hit rate@5" in capsys.readouterr().out
    assert main(["evaluate", str(run), "--part", "validation"]) == 0


def test_recommend_serves_known_and_unknown_users(folder, run, capsys):
    history = folder / "history.csv"
    history.write_text("user,item\nann,100\nann,101\nbob,nothing\n")
    assert main(["recommend", str(run), "--history", str(history), "-k", "3"]) == 0
    shown = capsys.readouterr()
    rows = list(csv.DictReader(shown.out.splitlines()))
    assert [(row["user"], row["rank"]) for row in rows] == [
        (user, str(rank)) for user in ("ann", "bob") for rank in (1, 2, 3)
    ]
    assert not {row["item"] for row in rows if row["user"] == "ann"} & {"100", "101"}
    assert all(row["title"] == f"Film, the {row['item']}" for row in rows)
    assert "1 item unknown to the model is ignored" in shown.err
    assert "user bob: no item of the history is known; the most popular are shown" in shown.err


def test_of_many_users_without_a_known_item_a_few_are_named(folder, run, capsys):
    history = folder / "README.md"
    history.write_text("# A title\n\nSome words of a text\nand more\n100 101\n- which are\n")
    assert main(["recommend", str(run), "--history", str(history), "-k", "1"]) == 0
    assert capsys.readouterr().err.splitlines() == [
        f"{history}: each line was read as a user and its items",
        f"{history}: 9 items unknown to the model are ignored",
        "4 of 5 users (#, Some, and, ...): no item of the history is known; "
        "the most popular are shown",
    ]


def test_recommend_writes_json_lines_and_more_than_there_is(folder, run):
    history, out = folder / "one.txt", folder / "one.jsonl"
    history.write_text("ann 100 101\n")
    options = ["--history", str(history), "-k", "99", "--format", "jsonl", "--out", str(out)]
    assert main(["recommend", str(run), *options]) == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    with (run / "items.csv").open() as file:
        known = {row["item"] for row in csv.DictReader(file)}
    assert {row["item"] for row in rows} == known - {"100", "101"}
    assert [row["rank"] for row in rows] == list(range(1, len(rows) + 1))
    assert [row["score"] for row in rows] == sorted((row["score"] for row in rows), reverse=True)


def test_a_given_split_ranks_all_but_the_training_row(folder):
    parts = {
        "train": "0 0 1 2\n1 1 2 3\n2 0 3\n3 2 3\n",
        "validation": "0 3\n1 0\n",
        "test": "2 1\n3 0 1\n",
    }
    for part, text in parts.items():
        (folder / f"{part}.txt").write_text(text)
    files = [word for part in parts for word in (f"--{part}", str(folder / f"{part}.txt"))]
    out = folder / "given"
    assert main(["train", *files, *SMALL, "--batch-size", "2", "--out", str(out)]) == 0
    tested = json.loads((out / "test.json").read_text())
    assert (tested["users"], tested["users_without_target"]) == (2, 2)
    assert tested["model"]["uncapped_recall@20"]["mean"] == 1.0


@pytest.mark.parametrize(
    "options",
    [
        ["--model", "mult-dae", "--hidden", "12", "8", "--activation", "relu"],
        ["--likelihood", "gaussian", "--constants", "c1", "2", "c0", "0.5"],
        ["--likelihood", "logistic", "--optimizer", "adamw", "--patience", "1"],
        ["--likelihood", "poisson", "--anneal-steps", "50", "--beta-cap", "0"],
    ],
    ids=lambda options: options[1],
)
def test_a_run_with_other_options_can_be_read_back(folder, ratings, options):
    out = folder / options[1]
    assert train(ratings, out, *options) == 0
    assert main(["evaluate", str(out), "--out", str(folder / "again.json")]) == 0
    assert (folder / "again.json").read_bytes() == (out / "test.json").read_bytes()


def test_a_likelihood_of_ones_own_file(folder, ratings):
    own = folder / "own.py"
    own.write_text(
        "from jax.nn import logsumexp\n"
        "from multvae_jax import Likelihood\n"
        "def tempered(power=1.0):\n"
        "    def normalizer(f, total, theta):\n"
        "        return theta['power'] * total * logsumexp(f)\n"
        "    def click(f, x, theta):\n"
        "        return theta['power'] * x * f\n"
        "    return Likelihood(click, normalizer, constants={'power': power})\n"
    )
    out = folder / "tempered"
    assert (
        train(ratings, out, "--likelihood", f"{own}:tempered", "--constants", "power", "0.5") == 0
    )
    assert main(["evaluate", str(out)]) == 0


def test_parts_of_ones_own_are_found_again_from_anywhere(folder, ratings, monkeypatch, capsys):
    """A trained prior, a network and an objective, named from where they lie."""
    (folder / "parts").mkdir()
    own = folder / "parts" / "mine.py"
    own.write_text(
        "import jax.numpy as jnp\n"
        "from multvae_jax import Prior\n"
        "from multvae_jax.mlp import variational_mlp\n"
        "from multvae_jax.objectives import negative_elbo\n"
        "def centred(latent, weight=1.0):\n"
        "    def divergence(mu, logvar, z, theta):\n"
        "        return theta['weight'] * jnp.sum((z - theta['m']) ** 2)\n"
        "    return Prior(divergence, {'weight': weight}, lambda key, n: {'m': jnp.ones(latent)})\n"
        "def narrow(hidden, latent, activation):\n"
        "    return variational_mlp((3,), latent, activation)\n"
        "def doubled(network, likelihood, prior):\n"
        "    loss = negative_elbo(network, likelihood, prior)\n"
        "    def twice(*arguments):\n"
        "        value, terms = loss(*arguments)\n"
        "        return 2.0 * value, {**terms, 'loss': 2.0 * value}\n"
        "    return twice\n"
    )
    monkeypatch.chdir(own.parent)
    relative = Path("..") / ratings.name
    options = ["--prior", "mine.py:centred", "--prior-constants", "weight", "0.5"]
    options += ["--network", "mine.py:narrow", "--objective", "mine.py:doubled"]
    assert train(relative, folder / "mine", *options) == 0
    monkeypatch.chdir(folder)
    assert main(["evaluate", "mine", "--out", "again.json"]) == 0
    assert Path("again.json").read_bytes() == Path("mine/test.json").read_bytes()
    Path("who.txt").write_text("ann 100 101\n")
    assert main(["recommend", "mine", "--history", "who.txt", "-k", "3"]) == 0
    capsys.readouterr()
    own.rename(folder / "elsewhere.py")
    for command in (["evaluate", "mine"], ["recommend", "mine", "--history", "who.txt"]):
        assert main(command) == 2
        said = capsys.readouterr().err
        assert said == f"multvae: mine/config.json: --prior {own}: no such file\n"


def test_beta_can_be_searched_for(folder, ratings):
    out = folder / "auto"
    assert train(ratings, out, "--beta", "auto", "--epochs", "4", "--batch-size", "8") == 0
    searched, trained = (
        [json.loads(line) for line in (out / name).read_text().splitlines()]
        for name in ("search.jsonl", "metrics.jsonl")
    )
    # 24 training users: three updates an epoch, and beta at 1 after all twelve.
    best = np.argmax([entry["validation"]["ndcg@100"] for entry in searched]) + 1
    cap = json.loads((out / "config.json").read_text())["training"]["beta_cap"]
    assert cap == pytest.approx(best / 4)
    assert trained[-1]["beta"] == pytest.approx(min(cap, np.mean([9, 10, 11]) / 12))
    assert main(["evaluate", str(out)]) == 0


def test_a_schedule_of_ones_own_file(folder, ratings):
    own = folder / "schedules.py"
    own.write_text("def late(cap, updates):\n    return lambda step: cap * (step >= updates)\n")
    out = folder / "late"
    options = ["--beta", f"{own}:late", "--beta-cap", "0.3", "--epochs", "4"]
    assert train(ratings, out, *options) == 0
    log = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    # It jumps after half of the updates, as the usual rise would end there.
    assert [entry["beta"] for entry in log] == pytest.approx([0, 0, 0.3, 0.3])


WRONG = {
    "no-such-file": (
        ["--data", "nowhere.csv"],
        "multvae: nowhere.csv: no such file",
    ),
    "no-such-data-set": (
        ["--dataset", "ml-0m"],
        "no data set is named 'ml-0m'; the names are ml-latest-small, ml-100k, ml-1m, ml-20m, "
        "netflix, msd, gowalla, yelp2018",
    ),
    "epochs": (["--epochs", "0"], "multvae: --epochs: expected `int` >= 1"),
    "dropout": (["--dropout", "1"], "multvae: --dropout: expected `float` < 1.0"),
    "hidden": (["--hidden", "8", "0"], "multvae: --hidden: expected `int` >= 1"),
    "held-out": (
        ["--held-out", "20"],
        "multvae: 20 validation and 20 test users leave no one to train on: the data has 40 users",
    ),
    "no-one-held-out": (
        ["--held-out", "0.001"],
        "multvae: no validation users: 0 of 40 users held out",
    ),
    "activation": (
        ["--activation", "tan"],
        "multvae: --activation tan: there is no function 'tan' in jax.nn",
    ),
    "likelihood-file": (
        ["--likelihood", "nowhere.py:mine"],
        "multvae: --likelihood nowhere.py: no such file",
    ),
    "beta": (
        ["--beta", "cosine"],
        "multvae: --beta cosine: there is no function 'cosine' in multvae_jax.schedules",
    ),
    "beta-of-the-dae": (
        ["--beta", "auto", "--model", "mult-dae"],
        "multvae: --beta auto: mult-dae has no KL term, and so no beta to search for",
    ),
    "constants": (
        ["--likelihood", "gaussian", "--constants", "c2", "1"],
        "got an unexpected keyword argument 'c2'",
    ),
    "given-split": (
        ["--train", "a.txt"],
        "multvae: --test is missing: a given split has a training and a test file",
    ),
    "diverged": (
        ["--optimizer", "sgd", "--learning-rate", "1e30"],
        "multvae: training diverged: the loss of epoch 1 is nan; a lower learning rate may help",
    ),
    "all-filtered": (
        ["--min-user-count", "21"],
        "none of the 40 users is left; the minimum counts are 21 for a user and 0 for an item",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_is_one_line_and_nothing_is_left(name, ratings, tmp_path, capsys):
    options, message = WRONG[name]
    named = {"--data", "--dataset", "--train"} & set(options)
    data = [] if named else ["--data", str(ratings)]
    held_out = [] if "--held-out" in options else ["--held-out", "8"]
    out = str(tmp_path / "runs" / "one")
    assert main(["train", *data, *held_out, *SMALL, *options, "--out", out]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[-1].endswith(message)
    assert said[-1].startswith("multvae: ")
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_never_written_over(run, ratings, capsys):
    before = (run / "test.json").read_bytes()
    assert train(ratings, run) == 2
    assert capsys.readouterr().err == f"multvae: {run}: already exists; choose another directory\n"
    assert (run / "test.json").read_bytes() == before


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda run: (run / "config.json").unlink(), "not a run, it has no config.json"),
        (
            lambda run: (run / "config.json").write_text("{"),
            "config.json: Input data was truncated",
        ),
        (
            lambda run: (run / "config.json").write_text('{"training": {"epochs": "many"}}'),
            "config.json: Expected `int | null`, got `str` - at `$.training.epochs`",
        ),
        (lambda run: (run / "items.csv").unlink(), "items.csv: No such file or directory"),
        (lambda run: (run / "items.csv").write_text("a,b\n1,2\n"), "not the item list of a run"),
        (lambda run: (run / "checkpoint" / "params").rename(run / "x"), "params: cannot be read"),
    ],
)
def test_a_damaged_run_is_one_line(damage, message, folder, ratings, tmp_path, capsys):
    run = tmp_path / "run"
    assert train(ratings, run, "--epochs", "1") == 0
    damage(run)
    capsys.readouterr()
    assert main(["evaluate", str(run)]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert len(said.splitlines()) == 1


def test_data_that_changed_since_the_run_is_noticed(tmp_path, capsys):
    ratings = write_ratings(tmp_path / "ratings.csv")
    assert train(ratings, tmp_path / "run", "--epochs", "1") == 0
    ratings.write_text(ratings.read_text().replace(",100,", ",999,"))
    assert main(["evaluate", str(tmp_path / "run")]) == 2
    assert "its data has changed since: the items are not the same" in capsys.readouterr().err


def test_an_unwritable_output_is_one_line(folder, run, capsys):
    history = folder / "h.csv"
    history.write_text("user,item\nann,100\n")
    options = ["--history", str(history), "--out", str(folder / "no" / "such" / "file")]
    assert main(["recommend", str(run), *options]) == 2
    assert capsys.readouterr().err.endswith("No such file or directory\n")


def test_datasets_lists_what_is_shipped(capsys):
    assert main(["datasets"]) == 0
    assert "ml-latest-small" in capsys.readouterr().out


@pytest.mark.parametrize("command", [[], ["train"], ["evaluate"], ["recommend"], ["datasets"]])
def test_help_does_not_import_jax(command):
    program = (
        "import sys; from multvae_jax.cli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as exit: code = exit.code\n"
        "assert code == 0 and not {'jax', 'polars', 'flax', 'numpy'} & set(sys.modules)"
    )
    asked = [sys.executable, "-c", program, *command, "--help"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "usage: multvae" in done.stdout


def test_what_a_loss_of_ones_own_raises_is_one_line_and_names_the_place(ratings, tmp_path, capsys):
    own = tmp_path / "own.py"
    own.write_text(
        "import multvae_jax as mv\n"
        "def broken():\n"
        "    def log_prob(f, x, theta):\n"
        "        return (x * f[:3]).sum()\n"
        "    return mv.likelihoods.dense(log_prob)\n"
    )
    assert train(ratings, tmp_path / "run", "--likelihood", f"{own}:broken") == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(f"multvae: {own}:4: TypeError: ")
    assert {path.name for path in tmp_path.iterdir()} <= {"own.py", "__pycache__"}
