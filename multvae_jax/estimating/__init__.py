"""Estimates of a training before it is run: memory, operations, bytes, time."""
