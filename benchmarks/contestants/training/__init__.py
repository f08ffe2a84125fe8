"""Contestants of `benchmarks.training` and `benchmarks.quality_over_time`."""
