"""Sections of `benchmarks.accelerator`: those of this program, and those of plain PyTorch."""
