"""Users per second of contestants that took turns, as a table, as JSON and as a picture."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from benchmarks.harness.figures import bars, write
from benchmarks.harness.report import markdown, save
from benchmarks.harness.rounds import Samples, median_ratio

HEADING = ("", "users/s, median", "range", "times our time, round by round", "ready after, s")


def rates(samples: Mapping[str, Samples], users: int) -> dict[str, list[float]]:
    """Contestant -> users per second in each round over so many users."""
    return {name: [users / seconds for seconds in taken.seconds] for name, taken in samples.items()}


def table(samples: Mapping[str, Samples], users: int, ours: str) -> str:
    """A line for each contestant."""
    rows = [
        [
            name,
            f"{statistics.median(found):,.0f}",
            f"{min(found):,.0f} to {max(found):,.0f}",
            f"{median_ratio(samples[ours], samples[name]):.2f}",
            f"{samples[name].ready:.0f}",
        ]
        for name, found in rates(samples, users).items()
    ]
    return markdown(HEADING, rows)


def draw(samples: Mapping[str, Samples], users: int) -> Figure:
    """A bar for each contestant."""
    return bars({"users per second": rates(samples, users)}, "")


def report(
    name: str, samples: Mapping[str, Samples], users: int, ours: str, figures: dict[str, Any]
) -> None:
    """Print the table, and write the samples with other figures, and the picture.

    Args:
        name: of the files.
        samples: of all contestants.
        users: in a round.
        ours: the contestant that the others' times are given in.
        figures: what else belongs in the JSON.
    """
    print(table(samples, users, ours))
    taken = {contestant: found._asdict() for contestant, found in samples.items()}
    print(f"\n{save(name, {**figures, 'samples': taken})}\n{write(name, draw(samples, users))}")
