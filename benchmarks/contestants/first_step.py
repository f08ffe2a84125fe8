"""This program from a cold process to the end of its first update, at ML-20M's size."""

from __future__ import annotations

import json
import time


def main() -> None:
    """Import, prepare, compile, update once, and say when each was done."""
    began = time.perf_counter()
    import jax

    from benchmarks.contestants.ours import prepare

    imported = time.perf_counter()
    jax.devices()
    update = prepare(500, 1)
    ready = time.perf_counter()
    update()
    first = time.perf_counter()
    update()
    second = time.perf_counter()
    stages = {
        "imports": imported - began,
        "data and initial parameters": ready - imported,
        "first update": first - ready,
        "second update": second - first,
    }
    print(json.dumps({"stages": stages}), flush=True)


if __name__ == "__main__":
    main()
