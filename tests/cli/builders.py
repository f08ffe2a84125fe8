"""Small trainings by the command line, and what they leave on disk."""

import json
from pathlib import Path

from multvae_jax.cli.main import main

SMALL = ["--epochs", "2", "--hidden", "16", "--latent", "4"]


def train(ratings: Path, out: Path, *options: str) -> int:
    """Train on ratings, with eight validation and eight test users; returns the exit status."""
    given = ["train", "--data", str(ratings), "--held-out", "8", "--out", str(out)]
    return main([*given, *SMALL, *options])


def log_of(run: Path, name: str = "metrics.jsonl") -> list[dict]:
    """The entries of a log."""
    return [json.loads(line) for line in (run / name).read_text().splitlines()]
