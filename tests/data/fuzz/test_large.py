"""Large and odd files take little more memory than their size, and little time."""

import gzip
import json
import subprocess
import sys

import pytest

MIB = 2**20
MEMORY = 192  # MiB beside ten times the file: buffers of polars, and of what is unpacked
SECONDS = 20

# Prints what became of a file, and by how many bytes the peak of memory rose. A small file of the
# same name is read before, so that what is loaded once does not count.
MEASURE = """
import json, sys, time
from pathlib import Path
from multvae_jax.data.readers.records import read_records
from multvae_jax.data.readers.schema import INTERACTIONS
from multvae_jax.errors import InputError

def read(path):
    try:
        rows = read_records(path, INTERACTIONS, {}).rows
        return rows.height, str(rows["user"][-1])[:20], str(rows["item"][-1])[:20]
    except InputError as error:
        return str(error)

def memory(field):
    (line,) = (line for line in open("/proc/self/status") if line.startswith(field))
    return int(line.split()[1]) * 1024

small, large = map(Path, sys.argv[1:])
read(small)
Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
before, start = memory("VmRSS"), time.monotonic()
found = read(large)
print(json.dumps([found, memory("VmHWM") - before, time.monotonic() - start]))
"""

SMALL = {
    ".csv": b"user,item\n1,a\n2,b\n",
    ".txt": b"1 2 3\n2 3 4\n",
    ".jsonl": b'{"user": 1, "item": 2}\n',
    ".gz": gzip.compress(b"user,item\n1,a\n2,b\n"),
}


def bomb(pattern):
    """Return 1 GB as gzip of several members."""
    return gzip.compress(pattern * (64 * MIB // len(pattern)), mtime=0) * 16


NAMES = ",".join(f"c{n}" for n in range(998))
FILES = {
    "a field of 10 MB": (".csv", lambda: b"user,item\n1,a\n2," + b"x" * 10 * MIB + b"\n"),
    "a quoted field of 10 MB": (
        ".csv",
        lambda: b'user,item\n1,a\n2,"' + b"x\n" * 5 * MIB + b'"\n',
    ),
    "a quote never closed": (".csv", lambda: b'user,item\n1,"a\n' + b"2,b\n" * 2 * MIB),
    "a thousand columns": (
        ".csv",
        lambda: f"user,{NAMES},item\n".encode() + (b"1," + b"7," * 998 + b"2\n") * 5000,
    ),
    "a header of 10 MB": (".csv", lambda: b"column," * (10 * MIB // 7) + b"\n1,2\n"),
    "10 MB of separators": (".csv", lambda: b"user,item\n1,a\n" + b"," * 10 * MIB),
    "10 MB of quotes": (".csv", lambda: b"user,item\n1,a\n" + b'"' * 10 * MIB),
    "10 MB of line ends": (".csv", lambda: b"user,item\n1,a\n" + b"\n" * 10 * MIB + b"2,b\n"),
    "10 MB of carriage returns": (".csv", lambda: b"user,item\n1,a\n" + b"\r" * 10 * MIB),
    "10 MB of NUL": (".csv", lambda: b"user,item\n1,a\n" * 400 + b"\0" * 10 * MIB),
    "10 MB of blanks": (".txt", lambda: b"1 2 3\n2 3 4" + b" " * 10 * MIB),
    "a line of 10 MB": (".txt", lambda: b"1 2 3\n2 " + b"12345 " * (10 * MIB // 6)),
    "an object of 10 MB": (
        ".jsonl",
        lambda: b'{"user": 1, "item": 2, "text": "' + b"x" * 10 * MIB + b'"}\n',
    ),
    "brackets in brackets": (
        ".jsonl",
        lambda: b'{"user": 1, "item": 2}\n' * 200 + b'{"user": ' + b"[" * 10 * MIB,
    ),
    "a bomb of rows": (".gz", lambda: bomb(b"1,1\n")),
    "a bomb of zeros": (".gz", lambda: bomb(b"\0")),
}


# One file of each kind in every run: a process for each takes a second.
FAST = ("a quote never closed", "a header of 10 MB", "10 MB of line ends", "a bomb of rows")


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from /proc")
@pytest.mark.parametrize(
    "what", [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in FILES]
)
def test_a_large_file_takes_little_memory_and_time(tmp_path, what):
    suffix, make = FILES[what]
    small, large = tmp_path / f"small{suffix}", tmp_path / f"large{suffix}"
    small.write_bytes(SMALL[suffix])
    data = make()
    large.write_bytes(data)
    found = subprocess.run(
        [sys.executable, "-c", MEASURE, small, large],
        capture_output=True,
        text=True,
        timeout=3 * SECONDS,
    )
    assert found.stderr == ""
    result, memory, seconds = json.loads(found.stdout)
    if isinstance(result, str):
        assert result.startswith(f"{large}")
        assert len(result) < 2100
    assert memory < 10 * len(data) + MEMORY * MIB
    assert seconds < SECONDS
