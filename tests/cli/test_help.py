"""`--help`, `--version` and `multvae datasets`."""

import functools
import itertools
import os
import re
import subprocess
import sys

import pytest

import multvae_jax
from multvae_jax.cli.main import main


def test_datasets_lists_what_is_shipped(capsys):
    assert main(["datasets"]) == 0
    assert "ml-latest-small" in capsys.readouterr().out


COMMANDS = [
    [],
    ["train"],
    ["sweep"],
    ["estimate"],
    ["try"],
    ["evaluate"],
    ["compare"],
    ["recommend"],
    ["similar"],
    ["why"],
    ["report"],
    ["export"],
    ["serve"],
    ["store"],
    ["doctor"],
    ["datasets"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
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


@functools.cache
def help_of(columns, *command):
    """The lines of a command's help on a terminal of some width."""
    environment = os.environ | {"COLUMNS": str(columns), "PYTHONIOENCODING": "utf-8"}
    asked = [sys.executable, "-m", "multvae_jax", *command, "--help"]
    return subprocess.run(
        asked, env=environment, capture_output=True, encoding="utf-8", check=True
    ).stdout.splitlines()


def _is_invocation(line, indent):
    """Whether a line holds an option alone; its help begins on the next line at the indent."""
    return line.startswith(" -") and (not line[:indent].endswith("  ") or len(line) <= indent)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("columns", [80, 120])
def test_help_fits_the_terminal_and_breaks_lines_at_its_edge_only(command, columns):
    lines = help_of(columns, *command)
    assert max(map(len, lines[1:])) <= columns
    boxed = [line.strip("│").rstrip() for line in lines if line.startswith("│")]
    for line, following in itertools.pairwise(boxed):
        assert line.strip(), "a blank line in a box"
        indent = len(following) - len(following.lstrip())
        if indent < 4 or line.lstrip().startswith("•") or _is_invocation(line, indent):
            continue
        first = following.split()[0]
        assert len(line) + 1 + len(first) > columns - 3, line
    text = "\n".join(lines)
    assert "None" not in text
    assert "config." not in text.replace("config.json", "")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_option_has_a_sentence(command):
    text = re.sub(r"\s+", " ", " ".join(line.strip("│") for line in help_of(80, *command)[1:]))
    options = re.split(r" (?=--[a-z][a-z-]* (?:[A-Z]+|\[|\{))", text)[1:]
    assert len(options) >= {"sweep": 55, "train": 45, "recommend": 6}.get("".join(command), 0)
    for option in options:
        # The first of two names of an option, which has its sentence after the second.
        if option.endswith(","):
            continue
        sentence = re.sub(
            r"^--[a-z-]+ ((\[[A-Z .]+\]|\{[^}]*\}|NAME VALUE \.\.\.|[A-Z]{2,}) )?", "", option
        )
        assert re.match(r"[A-Z][^╭╰]*\.( \((default: [^)]+|required)\))?( |$)", sentence), option


def test_help_has_groups_for_people():
    def groups(command):
        lines = help_of(80, command)
        return [line.strip("╭─╮ ") for line in lines if line.startswith("╭")]

    usual = ["options", "Data options", "Model options", "Training options"]
    assert groups("train") == [*usual, "Output options"]
    assert groups("sweep") == [*usual, "Search options", "Resource options", "Output options"]


def test_help_shows_the_options_of_a_file_as_defaults(tmp_path):
    file = tmp_path / "options.json"
    file.write_text('{"training": {"epochs": 17}, "model": {"constants": {"c1": 3}}}')
    text = "\n".join(help_of(120, "train", "--config", str(file)))
    assert "(default: 17)" in text
    assert "--constants.c1" not in text


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"multvae {multvae_jax.__version__}\n"
