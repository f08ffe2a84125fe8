"""Messages and bars go to standard error, and a bar needs rich only when it is shown."""

import subprocess
import sys

from rich.table import Table

from multvae_jax.host.console import print_table, progress_bar, say


def test_a_message_is_a_line_of_standard_error(capfd):
    say("reading")
    assert capfd.readouterr() == ("", "reading\n")


def test_numbers_of_a_table_are_whole_whatever_the_width_of_the_terminal(capfd, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    table = Table()
    table.add_column("words")
    for number in range(9):
        table.add_column(str(number), no_wrap=True)
    table.add_row("some words that need no line of their own", *["0.1234 ± 0.0123"] * 9)
    print_table(table)
    out = capfd.readouterr().out
    assert out.count("0.1234 ± 0.0123") == 9
    assert "…" not in out


def test_a_bar_shows_title_count_and_description(capfd):
    with progress_bar("training [x] {0}", 8, description="epochs") as advance:
        advance()
        advance(6, "loss [1.0]")
        advance()
    out, err = capfd.readouterr()
    assert out == ""
    assert err.split()[:3] == ["training", "[x]", "{0}"]
    assert "8/8 loss [1.0]" in err


def test_a_bar_starts_at_what_is_done_already(capfd):
    with progress_bar("file", 10, completed=4) as advance:
        advance(3)
    assert " 7/10 " in capfd.readouterr().err


def test_a_bar_of_bytes_shows_sizes(capfd):
    with progress_bar("x.zip", 2_000_000, in_bytes=True) as advance:
        advance(500_000)
    assert "0.5/2.0 MB" in capfd.readouterr().err


def test_a_bar_of_unknown_length_ends(capfd):
    with progress_bar("x.zip", None, in_bytes=True) as advance:
        advance(500_000)
    assert "500.0 kB" in capfd.readouterr().err.replace("/?", "")


def test_rich_is_imported_when_a_bar_is_shown():
    code = (
        "import sys; from multvae_jax.host.console import progress_bar;"
        "assert 'rich' not in sys.modules\n"
        "with progress_bar('', 1): assert 'rich' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
