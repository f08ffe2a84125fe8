"""Interactions and splits of them, and the readers of files."""
