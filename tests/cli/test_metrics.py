"""`--metrics` and `--select-by` with metrics of items, and with those of a user's file."""

import json

import pytest

from multvae_jax.cli.main import main
from tests.cli.builders import log_of, train

pytestmark = pytest.mark.updates

OWN = """
import jax.numpy as jnp

def mean_column(user_list):
    columns = user_list.items.astype(jnp.float32)
    return jnp.where(user_list.shown, columns, 0.0).sum() / user_list.shown.sum()

def spread(counts):
    return (counts > 0).sum().astype(jnp.float32)
"""


@pytest.fixture
def own(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    return f"{tmp_path}/own.py"


def test_a_metric_of_a_file_selects_the_epoch_and_is_shown(own, ratings, tmp_path, capsys):
    out, name = tmp_path / "run", "spread@5"
    options = ["--epochs", "4", "--baselines", "popularity", "--select-by", f"{own}:{name}"]
    assert train(ratings, out, *options, "--metrics", f"{own}:mean_column@3", "coverage@5") == 0
    shown = capsys.readouterr()
    values = [entry["validation"][name] for entry in log_of(out)]
    assert all(value == int(value) > 0 for value in values)
    best = values.index(max(values)) + 1
    assert f"kept epoch {best} of 4 (best validation Spread@5)" in shown.err
    tested = json.loads((out / "test.json").read_text())
    n_items = len((out / "items.csv").read_text().splitlines()) - 1
    of_model, of_popularity = tested["model"], tested["popularity"]
    assert of_model["coverage@5"] == {"mean": pytest.approx(of_model[name]["mean"] / n_items)}
    assert of_popularity["coverage@5"]["mean"] < 1
    assert of_model["mean_column@3"].keys() == {"mean", "standard_error"}
    assert "Coverage@5" in shown.out
    assert "Mean column@3" in shown.out

    # The run names the code of the file, which is only run with consent.
    evaluate = ["evaluate", str(out), "--cutoffs", "5", "--out", str(tmp_path / "out.json")]
    assert main(evaluate) == 2
    said = capsys.readouterr().err
    assert f"--select-by {own}:{name}: this would run the file {own}; if you trust its code" in said
    assert main([*evaluate, "--trust-code"]) == 0
    assert json.loads((tmp_path / "out.json").read_text())["model"][name] == of_model[name]
    # What is typed is consent.
    assert main([*evaluate, "--metrics", "coverage", "auc", f"{own}:spread"]) == 0
    again = json.loads((tmp_path / "out.json").read_text())
    assert again["model"].keys() == {"coverage@5", "auc", name}
    assert again["model"]["coverage@5"] == of_model["coverage@5"]
    assert again["model"][name] == of_model[name]
    assert 0 <= again["model"]["auc"]["mean"] <= 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--metrics", "coverag@5"], "--metrics coverag@5: no such metric; did you mean coverage"),
        (["--metrics", "{own}:nothing"], "there is no 'nothing' in"),
        (["--select-by", "coverage"], "--select-by coverage: give the cutoff too, such as"),
    ],
)
def test_a_metric_that_there_is_not(options, said, own, ratings, tmp_path, capsys):
    options = [option.format(own=own) for option in options]
    assert train(ratings, tmp_path / "run", *options) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_metrics_of_genres_and_vectors_take_the_files_that_are_named(run, tmp_path, capsys):
    items = sorted(line.split(",")[0] for line in (run / "items.csv").read_text().splitlines()[1:])
    kinds, vectors = tmp_path / "kinds.csv", tmp_path / "vectors.csv"
    rows = [(item, number % 2) for number, item in enumerate(items)]
    kinds.write_text("item,kind\n" + "".join(f"{item},{'ab'[kind]}\n" for item, kind in rows))
    vectors.write_text("item,x,y\n" + "".join(f"{item},{x},{1 - x}\n" for item, x in rows))
    asked = ["evaluate", str(run), "--out", str(tmp_path / "out.json"), "--metrics"]
    assert main([*asked, "intra_list_diversity@5"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("multvae: --metrics intra_list_diversity@5: needs vectors of the items")
    given = ["--items-file", str(kinds), "--features-column", "kind"]
    given += ["--item-vectors", str(vectors)]
    assert main([*asked, "genre_diversity@5", "intra_list_diversity@5", *given]) == 0
    found = json.loads((tmp_path / "out.json").read_text())["model"]
    # Two genres, and the same two directions: two items differ wholly or not at all.
    assert found["genre_diversity@5"] == pytest.approx(found["intra_list_diversity@5"])
    assert 0 < found["genre_diversity@5"]["mean"] < 1


@pytest.mark.parametrize("option", ["--items-file", "--item-vectors"])
def test_a_missing_file_is_refused_even_if_no_metric_needs_it(option, run, tmp_path, capsys):
    missing = str(tmp_path / "nowhere.csv")
    assert main(["evaluate", str(run), option, missing]) == 2
    assert capsys.readouterr().err == f"multvae: {option} {missing}: no such file\n"
