"""`multvae export`."""

import csv
import runpy

import numpy as np
import pytest

from multvae_jax.cli.main import main

pytestmark = pytest.mark.updates


def test_what_is_exported_recommends_as_the_command_does(folder, run, capsys):
    out, history = folder / "exported", folder / "for_export.csv"
    assert main(["export", str(run), "--to", str(out), "--formats", "weights", "vectors"]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [f"{out}: see README.md there for what each file is"]
    history.write_text("user,item\nann,100\nann,101\n")
    assert main(["recommend", str(run), "--history", str(history), "-k", "5"]) == 0
    wanted = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    with (out / "items.csv").open() as file:
        items = [row["item"] for row in csv.DictReader(file)]
    x = np.isin(items, ["100", "101"]).astype(np.float32)[None]
    scores = runpy.run_path(str(out / "recommend_numpy.py"))["compute"](x)[0]
    best = np.argsort(-np.where(x[0] > 0, -np.inf, scores), kind="stable")[:5]
    assert [items[column] for column in best] == [row["item"] for row in wanted]
    np.testing.assert_allclose(
        scores[best], [float(row["score"]) for row in wanted], rtol=1e-4, atol=1e-6
    )
    assert "recall@20" in (out / "README.md").read_text()


def test_the_page_gets_the_name_of_the_run(run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["export", str(run), "--page"]) == 0
    assert "run.html: 0.0 MB; open it in a browser" in capsys.readouterr().err
    assert "<title>run</title>" in (tmp_path / "run.html").read_text()
    assert main(["export", str(run), "--page"]) == 2
    assert capsys.readouterr().err == (
        "multvae: run.html: already exists; name another file with --to\n"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "give --to DIR for the files, or --page for one HTML file"),
        (["--page", "--formats", "onnx"], "--page and --formats: the page is one file of its own"),
    ],
)
def test_options_that_do_not_go_together_are_one_line(run, capsys, options, message):
    assert main(["export", str(run), *options]) == 2
    assert capsys.readouterr().err == f"multvae: {message}\n"


def test_places_that_cannot_be_read_or_written_are_one_line(run, tmp_path, capsys):
    (tmp_path / "file").touch()
    for words, message in (
        ([str(tmp_path / "none"), "--to", str(tmp_path / "out")], "not a run, it has no config"),
        (
            [str(run), "--to", str(tmp_path / "file" / "out")],
            "/file is not a directory",
        ),
        ([str(run), "--page", "--to", str(tmp_path / "file" / "out.html")], "Not a directory"),
        ([str(run), "--to", str(tmp_path)], "already exists; choose another directory"),
    ):
        assert main(["export", *words]) == 2, words
        (line,) = capsys.readouterr().err.splitlines()
        assert message in line
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
