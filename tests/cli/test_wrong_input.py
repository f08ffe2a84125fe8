"""Wrong input of `multvae train`: one line, and nothing is left on disk."""

import pytest

from multvae_jax.cli.main import main
from tests.cli.builders import SMALL, train

pytestmark = pytest.mark.updates


WRONG = {
    "no-such-file": (
        ["--data", "nowhere.csv"],
        "multvae: nowhere.csv: no such file",
    ),
    "no-such-data-set": (
        ["--dataset", "ml-0m"],
        "no data set is named 'ml-0m'; the names are ml-latest-small, ml-100k, ml-1m, ml-20m, "
        "netflix, msd, gowalla, yelp2018, amazon-book",
    ),
    "epochs": (["--epochs", "0"], "multvae: --epochs: expected `int` >= 1"),
    "dropout": (["--dropout", "1"], "multvae: --dropout: expected `float` < 1.0"),
    "hidden": (
        ["--hidden", "8", "0"],
        "multvae: --hidden: expected `int` >= 1; give the widths of the layers, such as 600 200, "
        "or --hidden none for no layer",
    ),
    "bare-hidden": (
        ["--hidden"],
        "multvae: --hidden: expected `int` >= 1; give the widths of the layers, such as 600 200, "
        "or --hidden none for no layer",
    ),
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
        "multvae: --activation tan: no such activation; did you mean tanh? There are: tanh, relu, "
        "gelu, silu, swish, elu, selu, celu, mish, relu6, leaky_relu, sigmoid, ..., or "
        "my_file.py:name",
    ),
    "likelihood-file": (
        ["--likelihood", "nowhere.py:mine"],
        "multvae: --likelihood nowhere.py: no such file",
    ),
    "beta": (
        ["--beta", "cosine"],
        "multvae: --beta cosine: no such schedule. There are: linear_annealing, constant, or "
        "my_file.py:name",
    ),
    "beta-of-the-dae": (
        ["--beta", "auto", "--model", "mult-dae"],
        "multvae: --beta auto: mult-dae has no beta to search for",
    ),
    "constants": (
        ["--likelihood", "gaussian", "--constants", "c2", "1"],
        "--constants c2: --likelihood gaussian has no such constant. There are: c1, c0",
    ),
    "constant-out-of-bounds": (
        ["--constants", "gravity", "-1"],
        "multvae: --likelihood multinomial: gravity: expected `float` >= 0.0",
    ),
    "two-sources": (
        ["--data", "a.csv", "--dataset", "ml-1m"],
        "multvae: --dataset and --data: give one or the other",
    ),
    "two-rises": (
        ["--anneal-share", "0.5", "--anneal-steps", "5"],
        "multvae: --anneal-share and --anneal-steps: give one or the other",
    ),
    "given-split": (
        ["--train", "a.txt"],
        "multvae: --test is missing: a given split has a training and a test file",
    ),
    "diverged": (
        ["--recipe", "paper", "--optimizer", "sgd", "--learning-rate", "1e30"],
        "multvae: training diverged: the loss of update 2 (epoch 1) is not finite; the users of "
        "its batch are '25', '39', '40'; a lower learning rate may help, or --on-nan skip",
    ),
    "config-without-a-name": (["--config", ""], "multvae: --config '': Is a directory"),
    "not-a-run": (["--resume", "."], "multvae: --resume .: not a run, it has no config.json"),
    "users-file": (["--users-file", "nope.csv"], "multvae: --users-file nope.csv: no such file"),
    "items-file": (["--items-file", "nope.csv"], "multvae: --items-file nope.csv: no such file"),
    "all-filtered": (
        ["--min-user-count", "21"],
        "none of the 40 users is left; the minimum counts are 21 for a user and 0 for an item",
    ),
}


@pytest.mark.nans
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
    ("header", "time", "options", "note", "message"),
    [
        (
            "user,item,time",
            "",
            ["--split", "time"],
            ":2: column 'time': '' is not a time (seconds, or a date such as 2018-09-26 14:30:00); "
            "no times were read",
            "has no times; name their column with --time-column, or hold out users with --split "
            "users",
        ),
        (
            "0,0,0",
            "0",
            ["--min-user-count", "10"],
            ": no header: column 1 is read as the user, 2 as the item, 3 as the rating",
            "none of the 9 users is left; the minimum counts are 10 for a user and 0 for an item",
        ),
        (
            "0,0,0",
            "0",
            ["--held-out", "7"],
            ": no header: column 1 is read as the user, 2 as the item, 3 as the rating",
            "7 validation and 7 test users leave no one to train on: the data has 9 users",
        ),
    ],
)
def test_how_a_file_was_read_is_told_before_why_it_is_refused(
    tmp_path, capsys, header, time, options, note, message
):
    file = tmp_path / "a.csv"
    rows = [[user, item, user * item] for user in range(9) for item in range(9)]
    rows[0][2] = time
    file.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    assert main(["train", "--data", str(file), *options, "--out", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[0] == f"{file}{note}"
    assert said[-1].endswith(message)


@pytest.mark.parametrize(
    "words",
    [
        ["train"],
        ["store"],
        ["try", "gaussian"],
        ["evaluate", "run"],
        ["compare", "run", "other"],
        ["recommend", "run", "--all"],
        ["report", "run"],
        ["export", "run"],
    ],
    ids=lambda words: words[0],
)
def test_an_empty_name_of_what_is_written_is_refused(words, capsys):
    option = "--to" if words[0] == "export" else "--out"
    assert main([*words, option, ""]) == 2
    assert capsys.readouterr().err == f"multvae: {option}: is empty\n"
