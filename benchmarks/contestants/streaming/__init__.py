"""Contestants of `benchmarks.streaming`."""
