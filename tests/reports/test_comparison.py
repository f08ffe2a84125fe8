"""A comparison as a table, Markdown and a picture."""

import io

import numpy as np
import pytest
from rich.console import Console

from multvae_jax.evaluation.comparison import compare
from multvae_jax.evaluation.result import Evaluation
from multvae_jax.reports.comparison import Overlap, Report, draw, markdown, table

LONG = "runs/a-very-long-name-of-a-directory-with-words|and a bar, [bold]made[/bold] in a hurry"


def report_of(names, seeds=1, metrics=("ndcg@100", "recall@20"), overall=False):
    random = np.random.default_rng(0)
    users = random.uniform(size=50)

    def evaluation(worse):
        values = {m: users - 0.02 * worse + 0.05 * random.normal(size=50) for m in metrics}
        return Evaluation(values, 0, {"coverage@20": 0.5 + worse} if overall else {})

    systems = {
        name: [evaluation(number) for _ in range(seeds)] for number, name in enumerate(names)
    }
    overlaps = {name: Overlap(0.5, 0.25) for name in names[1:]}
    return Report(compare(systems), overlaps, systems[names[0]][0], "test")


def printed(report, width):
    file = io.StringIO()
    Console(file=file, width=width, highlight=False).print(table(report))
    return file.getvalue()


@pytest.mark.parametrize("seeds", [1, 3])
def test_eighty_columns_hold_every_number_and_the_whole_of_a_long_name(seeds):
    report = report_of(["mult-vae", LONG], seeds)
    text = printed(report, 80)
    for row in report.comparisons.differences.values():
        other = row[LONG]
        numbers = f"{other.difference:+.4f} {other.over_users:.4f} {other.corrected:.4f}"
        assert all(number in text for number in numbers.split())
    words = "".join(line[:20] for line in text.splitlines() if not line.startswith("mean"))
    assert "[bold]" in words.replace(" ", "").replace("\n", "")
    assert ("seeds" in text) == (seeds > 1)


def test_markdown_has_a_table_per_metric_with_as_many_cells_as_headings():
    text = markdown(report_of(["mult-vae", LONG], 2, overall=True))
    tables = [part.splitlines() for part in text.split("\n\n") if part.startswith("|")]
    assert [lines[0].split(" | ")[0] for lines in tables] == [
        "| NDCG@100",
        "| Recall@20",
        "| Coverage@20",
        "| lists, overlap with those of mult-vae",
    ]
    for lines in tables:
        assert len({line.replace("\\|", "").count("|") for line in lines}) == 1
    assert tables[2][-1].endswith("|  |  |")  # no test of a metric of all lists


def test_a_single_user_has_neither_interval_nor_test():
    systems = {
        name: [Evaluation({"ndcg@5": np.array([x])}, 2)] for name, x in (("a", 1), ("b", 0.5))
    }
    report = Report(compare(systems), {}, systems["a"][0], "test")
    text = " ".join(printed(report, 100).split())
    assert "b 0.5000 (0.0000) -0.5000 1.0000 none" in text
    assert "of 1 test user; nothing is held out of 2 more." in text
    assert "so few users: no test of them can give a p of .05 or less." in text
    draw(report)


@pytest.mark.parametrize(("names", "metrics"), [(2, 1), (8, 4)])
def test_the_picture_shows_each_difference_with_its_intervals(names, metrics):
    systems = ["best", *(f"system {n}" for n in range(names - 2)), LONG]
    metrics = [f"ndcg@{k}" for k in range(1, metrics + 1)]
    report = report_of(systems, 2, metrics)
    figure = draw(report)
    panels = {axes.get_title(): axes for axes in figure.axes if axes.axison}
    assert list(panels) == [f"NDCG@{k}" for k in range(1, len(metrics) + 1)]
    for metric, axes in zip(metrics, panels.values(), strict=True):
        rows = report.comparisons.differences[metric]
        points = [c[0] for c in axes.containers if c[0] is not None]
        assert [point.get_xdata()[0] for point in points] == [r.difference for r in rows.values()]
        is_filled = [point.get_markerfacecolor() == "black" for point in points]
        assert is_filled == [row.corrected <= 0.05 for row in rows.values()]
        bars = [c[2][0].get_segments()[0][:, 0] for c in axes.containers]
        for row, wide, thin in zip(rows.values(), bars[::2], bars[1::2], strict=True):
            assert np.ptp(wide) == pytest.approx(2 * row.over_seeds)
            assert np.ptp(thin) == pytest.approx(2 * row.over_users)
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert len(labels) == len(systems) - 1
    assert max(map(len, "\n".join(labels).splitlines())) <= 36


def test_what_is_not_tested_is_a_square_without_a_bar_over_users():
    figure = draw(report_of(["best", "other"], metrics=("ndcg@5",), overall=True))
    _, coverage = (axes for axes in figure.axes if axes.axison)
    points = [c[0] for c in coverage.containers if c[0] is not None]
    assert [point.get_marker() for point in points] == ["s"]
    assert all(not container.has_xerr for container in coverage.containers)
    assert "square: no test" in figure._supxlabel.get_text()
