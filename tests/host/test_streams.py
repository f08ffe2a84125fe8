"""Commands with standard streams that are closed, full, or in ASCII."""

import io
import subprocess
import sys

import pytest

from multvae_jax.host.streams import PLAIN

WITH_TABLE = """
import sys
from rich.table import Table
from multvae_jax.cli import datasets, main
from multvae_jax.host.console import print_table, progress_bar, say

def command():
    say("a note")
    with progress_bar("bar", 1) as advance:
        advance(1)
    table = Table("\\xe9 \\xb1 1")
    for _ in range({rows}):
        table.add_row("row")
    print_table(table)

datasets.list_datasets = command
sys.exit(main.main(["datasets"]))
"""


def outcome(redirection: str, rows: int = 1, **environment: str) -> tuple[int, str, str]:
    """Exit status, output and messages of a command that prints a table, as a shell runs it."""
    assignments = [f"{name}={value}" for name, value in environment.items()]
    command = ["env", *assignments, sys.executable, "-c", WITH_TABLE.format(rows=rows)]
    shell = ["sh", "-c", f'"$@" {redirection}', "sh", *command]
    done = subprocess.run(shell, capture_output=True, encoding="utf-8", timeout=60)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("redirection", "rows", "status", "message"),
    [
        (">/dev/full", 1, 2, "multvae: standard output: No space left on device"),
        (">/dev/full", 9_000, 2, "multvae: standard output: No space left on device"),
        (">&-", 1, 2, "multvae: standard output: Bad file descriptor"),
        ("| true", 9_000, 0, ""),
    ],
)
def test_output_that_cannot_be_written_is_one_line(redirection, rows, status, message):
    found, out, err = outcome(redirection, rows)
    assert (found if "|" not in redirection else 0, out) == (status, "")
    bar, *said = err.splitlines()[1:]
    assert bar.startswith("bar")
    assert said == ([message] if message else [])


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"])
def test_messages_that_cannot_be_written_leave_the_output_alone(redirection):
    status, out, err = outcome(redirection)
    assert (status, err) == (0, "")
    assert "row" in out
    assert "note" not in out
    assert "bar" not in out


def test_a_table_in_ascii():
    for environment in ({"LC_ALL": "C", "PYTHONUTF8": "0"}, {"PYTHONIOENCODING": "ascii"}):
        status, out, _ = outcome("", **environment)
        assert (status, out.isascii()) == (0, True)
        assert r"\xe9 +/- 1" in out


def test_characters_without_a_plain_form_are_escaped():
    stream = io.TextIOWrapper(io.BytesIO(), "latin-1", errors=PLAIN)
    stream.write("1 ± 2 … é 猫")
    stream.flush()
    assert stream.buffer.getvalue().decode("latin-1") == r"1 ± 2 ... é \u732b"
