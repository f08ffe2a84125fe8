"""Servers of `benchmarks.serving`, and their clients."""
