"""Contestants of `benchmarks.sweep`."""
