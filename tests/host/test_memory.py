"""Memory that is available, from what the system reports."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from multvae_jax.host import memory


@pytest.mark.parametrize(
    ("meminfo", "bound", "used", "expected"),
    [
        ("MemTotal: 9 kB\nMemAvailable:    5 kB\n", None, None, 5 * 1024),
        ("MemAvailable:    5 kB\n", "max\n", "7\n", 5 * 1024),
        ("MemAvailable:    5 kB\n", "3000\n", "1000\n", 2000),
        ("MemAvailable:    5 kB\n", "3000\n", "4000\n", 0),
        ("", None, None, memory.physical_memory() / 2),
    ],
)
def test_memory_that_is_available(tmp_path, monkeypatch, meminfo, bound, used, expected):
    files = {"meminfo": meminfo, "memory.max": bound, "memory.current": used}
    for name, text in files.items():
        if text is not None:
            Path(tmp_path / name).write_text(text)
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    assert memory.available_memory() == expected


_EIGHT_THREADS = """
import re
import sys
import threading
from pathlib import Path

from multvae_jax.host import memory


def megabytes():
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024


def allocate():
    with one_at_a_time:
        bytearray(b"x") * 2**23
    freed.wait()
    ended.wait()


if sys.argv[1] == "shared":
    memory.share_freed_memory()
# Until the first array of this size is freed, the C library returns them to the system.
bytearray(b"x") * 2**24
one_at_a_time, freed, ended = threading.Lock(), threading.Barrier(9), threading.Event()
before = megabytes()
for _ in range(8):
    threading.Thread(target=allocate).start()
freed.wait()
kept = megabytes()
memory.return_freed_memory()
print(kept - before, megabytes() - before)
ended.set()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="arenas are those of glibc")
def test_threads_share_freed_memory_which_can_be_returned():
    def kept(how, **environment):
        command = [sys.executable, "-c", _EIGHT_THREADS, how]
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, env={**os.environ, **environment}
        )
        return [float(word) for word in done.stdout.split()]

    # Eight threads, each of which has freed an array of 8 MB.
    shared, returned = kept("shared")
    assert shared < 16
    assert returned < 4
    assert kept("own")[0] > 50
    assert kept("shared", MALLOC_ARENA_MAX="64")[0] > 50


def test_a_system_without_glibc_keeps_its_memory_as_it_does(monkeypatch):
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _: object())
    memory._of_c_library.cache_clear()
    memory.share_freed_memory()
    memory.return_freed_memory()
    memory._of_c_library.cache_clear()
