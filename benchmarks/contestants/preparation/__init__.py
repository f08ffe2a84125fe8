"""Contestants of `benchmarks.preparation`."""
