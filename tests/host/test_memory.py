"""Memory that is available, from what the system reports."""

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
