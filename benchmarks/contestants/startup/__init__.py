"""The program that `benchmarks.startup` starts."""
