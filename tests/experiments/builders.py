"""Small data for the experiments, their commands, and readers of the files that they write."""

import json
from pathlib import Path

import numpy as np
import pytest
import scipy.stats

from experiments.shared.main import main
from experiments.shared.options import Options

ROOT = Path(__file__).parents[2]
METRICS = {"Recall@20": "recall@20", "Recall@50": "recall@50", "NDCG@100": "ndcg@100"}


def write_ratings(path: Path) -> Path:
    """Two tastes, each with 30 items of one genre, and 80 users of both."""
    random = np.random.default_rng(0)
    lines = ["userId,movieId,rating"]
    for user in range(80):
        taste = 30 * (user % 2) + random.permutation(30)[:12]
        items = [*taste, *random.integers(0, 60, 2)]
        lines += [f"{user},{item},{random.choice([4, 5])}" for item in sorted(set(items))]
    path.write_text("\n".join(lines) + "\n")
    movies = [f"{item}::Film {item}::{'Drama' if item < 30 else 'Comedy'}" for item in range(60)]
    users = [f"{user}::{'FM'[user % 2]}::25::4::0" for user in range(80)]
    (path.parent / "users.dat").write_text("\n".join(users) + "\n")
    (path.parent / "movies.dat").write_text("\n".join(movies) + "\n", "latin-1")
    return path


def run_quick(experiment, ratings: Path, out: Path, *arguments: str, options=Options) -> int:
    """The exit status of an experiment's command with --quick and a small network."""
    small = ["--quick", "--hidden", "16", "--latent", "4", "--held-out", "16"]
    given = ["--data", str(ratings), "--out", str(out), *small, *arguments]
    return main(experiment, options, given)


def results_in(folder: Path) -> dict:
    """The content of the JSON file that an experiment wrote."""
    return json.loads((folder / "results.json").read_text())


def read(folder: Path) -> tuple[dict, dict[str, dict[str, str]]]:
    """The JSON file and the table that an experiment wrote, the table as row -> column -> cell."""
    assert (folder / "plot.png").read_bytes().startswith(b"\x89PNG")
    return results_in(folder), table_of((folder / "table.md").read_text())


def table_of(text: str) -> dict[str, dict[str, str]]:
    """A Markdown table as row -> column -> cell."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    header, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    return {row[0]: dict(zip(header[1:], row[1:], strict=True)) for row in rows}


def cell_of(numbers: dict) -> str:
    """`mean ± interval (standard error)`, computed from the seeds' own figures."""
    mean, by_seed = numbers["mean"], numbers["by_seed"]
    assert mean == pytest.approx(np.mean(by_seed))
    interval = ""
    if len(by_seed) > 1:
        half = scipy.stats.t.ppf(0.975, len(by_seed) - 1) * scipy.stats.sem(by_seed)
        interval = f" ± {half:.4f}"
    return f"{mean:.4f}{interval} ({numbers['standard_error']:.4f})"
