"""Contestants of `benchmarks.evaluation`."""
