"""Shared code of the benchmarks: timing, peer environments, synthetic data, reports."""
