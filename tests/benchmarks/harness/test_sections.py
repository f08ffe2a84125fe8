"""A run of sections ends in time and keeps what it had, whatever a section does."""

import sys
import time

from benchmarks.harness.sections import Outcome, Section, run_sections

_WORKER = """
import os, time
from benchmarks.harness.sections import serve_sections

def rows(budget, found):
    print("output of a library")
    yield {"left": budget.left(), "before": len(found.get("rows", ()))}
    yield {"left": budget.left()}

def fails(budget, found):
    yield {"n": 1}
    raise ValueError("first line\\nsecond")

def hangs(budget, found):
    yield {"n": 2}
    time.sleep(60)

def dies(budget, found):
    yield {"pid": os.getpid()}
    os._exit(3)

def pid(budget, found):
    yield {"pid": os.getpid(), "before": [row["pid"] for row in found["dies"]]}

serve_sections({"rows": rows, "fails": fails, "hangs": hangs, "dies": dies, "pid": pid})
"""
WORKER = (sys.executable, "-c", _WORKER)


def test_each_section_keeps_its_rows_and_the_others_run(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", ":".join(sys.path))
    shares = {"hangs": 0.5, "rows": 6.0, "fails": 6.0, "dies": 6.0, "pid": 6.0}
    sections = [Section(name, WORKER, share) for name, share in shares.items()]
    sections.append(Section("after", (sys.executable, "-c", "pass"), 1.0))
    found = {outcome.name: outcome for outcome in run_sections(sections, seconds=30)}
    first, second = found["rows"].rows
    # A quarter of the time or so, of which a part is left for what may take longer.
    assert 1 < second["left"] <= first["left"] < 0.9 * 30 / 4
    assert first["before"] == 0
    assert found["rows"].problem is None
    assert found["fails"][1:3] == ([{"n": 1}], "ValueError: first line")
    assert found["dies"].problem == "its process ended with status 3"
    ((dead,), (alive,)) = found["dies"].rows, found["pid"].rows
    assert alive["before"] == [dead["pid"]] != [alive["pid"]]
    assert found["hangs"].rows == [{"n": 2}]
    assert found["hangs"].problem.startswith("stopped after ")
    assert found["after"] == Outcome("after", [], "its process ended with status 0", 0.0)


def test_the_time_ends_within_a_section_and_for_those_after_it(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", ":".join(sys.path))
    began = time.monotonic()
    sections = [Section(name, WORKER, share) for name, share in (("hangs", 9), ("rows", 1))]
    hangs, rows = run_sections(sections, seconds=1.0)
    assert time.monotonic() - began < 20
    # On a busy machine, its process takes longer to start.
    assert hangs.problem.startswith(("stopped after ", "no time was left"))
    assert rows == Outcome("rows", [], "no time was left", 0.0)
