"""One program per contestant; each runs in a process of its own, timed by `benchmarks.harness`."""
