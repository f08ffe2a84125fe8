"""A contestant that does nothing, and table cells."""

import sys

_CONTESTANT = """
import sys, time
from benchmarks.harness.rounds import serve_rounds
name, nap, aside = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])

def work():
    with open("done", "a") as done:
        done.write(name)
    print("output of a library")
    time.sleep(nap)

serve_rounds(work, after_each=lambda: time.sleep(aside))
"""


def idle_contestant(name, nap=0.0, aside=0.0):
    """A command whose rounds append its name to a file and take `nap` seconds."""
    return [sys.executable, "-c", _CONTESTANT, name, str(nap), str(aside)]


def table_cells(table):
    """The cells of each row of a Markdown table, without its heading."""
    _, _, *rows = table.splitlines()
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in rows]
