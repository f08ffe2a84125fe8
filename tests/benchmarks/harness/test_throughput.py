"""Users per second, as a table and as a report."""

import pytest

from benchmarks.harness.rounds import Samples
from benchmarks.harness.throughput import throughput_report, throughput_table
from tests.benchmarks.builders import table_cells

SAMPLES = {
    "ours": Samples(3.4, [0.5, 0.25, 1.0], {}),
    "theirs": Samples(7.0, [1.0, 1.0, 1.5], {}),
}


def test_rates_are_users_over_seconds_and_ratios_are_of_times():
    ours, theirs = table_cells(throughput_table(SAMPLES, 500, "ours"))
    assert ours == ["ours", "1,000", "500 to 2,000", "1.00", "3"]
    assert theirs == ["theirs", "500", "333 to 500", "2.00", "7"]


def test_the_report_keeps_the_raw_samples_and_draws_a_bar_for_each_contestant():
    report = throughput_report("name", "title", SAMPLES, 500, "ours", {"options": {"rounds": 3}})
    assert report.table.startswith("title\n\n|")
    assert report.record == {
        "options": {"rounds": 3},
        "samples": {name: taken._asdict() for name, taken in SAMPLES.items()},
    }
    (axes,) = report.figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["ours", "theirs"]
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([1000, 500])
