"""Runs on disk: configuration, checkpoints, report."""
