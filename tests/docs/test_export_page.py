"""The blocks of the page on export, as a reader would run them."""

import shlex

import pytest

from multvae_jax.cli.main import main
from tests.builders import write_ratings
from tests.docs.builders import blocks

pytestmark = pytest.mark.updates

PAGE = blocks("docs/export.md")


def test_the_commands_and_the_program_run(tmp_path, monkeypatch, capsys):
    pytest.importorskip("flatbuffers", reason="flatbuffers is not installed")
    pytest.importorskip("onnx", reason="onnx is not installed")
    monkeypatch.chdir(tmp_path)
    write_ratings(tmp_path / "ratings.csv", n_users=60)
    small = "--epochs 1 --held-out 8 --baselines none --latent 4 --out runs/mine"
    assert main(["train", "--data", "ratings.csv", *small.split()]) == 0
    capsys.readouterr()
    ((_, _, commands),) = [block for block in PAGE if block[0] == "sh"]
    for command in commands.splitlines():
        assert main(shlex.split(command, comments=True)[1:]) == 0, command
    said = capsys.readouterr().err
    # Nothing is missing of the default model.
    assert "not written" not in said
    ((_, _, program),) = [block for block in PAGE if block[0] == "python"]
    exec(compile(program, "the page on export", "exec"), {"__name__": "export"})
    assert capsys.readouterr().out == "13 steps, vectors of 5 numbers\n"
