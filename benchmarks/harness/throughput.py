"""Users per second of contestants that ran in alternating rounds."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

from benchmarks.harness.figures import bars
from benchmarks.harness.report import Report, markdown
from benchmarks.harness.rounds import Samples, median_ratio

HEADING = ("", "users/s, median", "range", "times our time, round by round", "ready after, s")


def users_per_second(samples: Mapping[str, Samples], users: int) -> dict[str, list[float]]:
    """Contestant -> users per second in each round over `users` users."""
    return {name: [users / seconds for seconds in taken.seconds] for name, taken in samples.items()}


def throughput_table(samples: Mapping[str, Samples], users: int, ours: str) -> str:
    """One row per contestant."""
    rows = [
        [
            name,
            f"{statistics.median(found):,.0f}",
            f"{min(found):,.0f} to {max(found):,.0f}",
            f"{median_ratio(samples[ours], samples[name]):.2f}",
            f"{samples[name].ready:.0f}",
        ]
        for name, found in users_per_second(samples, users).items()
    ]
    return markdown(HEADING, rows)


def throughput_report(
    name: str,
    title: str,
    samples: Mapping[str, Samples],
    users: int,
    ours: str,
    record: dict[str, Any],
) -> Report:
    """Table, record and figure of users per second.

    Args:
        name: stem of the files.
        title: line above the table.
        samples: times of all contestants.
        users: users in a round.
        ours: the contestant to which the others' times are compared.
        record: further contents of the JSON file.
    """
    taken = {contestant: found._asdict() for contestant, found in samples.items()}
    return Report(
        name,
        f"{title}\n\n{throughput_table(samples, users, ours)}",
        {**record, "samples": taken},
        bars({"users per second": users_per_second(samples, users)}, ""),
    )
