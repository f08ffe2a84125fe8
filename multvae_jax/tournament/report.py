"""A tournament as tables on the screen, as plain values, and as pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from matplotlib.figure import Figure
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from multvae_jax.errors import escaped
from multvae_jax.evaluation.metrics import heading
from multvae_jax.evaluation.significance import confidence_half_width
from multvae_jax.reports.interval_plot import Mark, draw_marks
from multvae_jax.tournament.calibration import EDGES, Calibration
from multvae_jax.tournament.gradient_noise import GradientNoise
from multvae_jax.tournament.rounds import LEVEL, Match, Round, Tournament
from multvae_jax.tournament.trials import Trial


class Cells(NamedTuple):
    """A table of words.

    Attributes:
        title: what it is of.
        header: names of the columns; all but the first two are aligned to the right.
        lines: its rows.
    """

    title: str
    header: list[str]
    lines: list[list[str]]


def verdict_of(found: Tournament, match: Match) -> str:
    """A sentence on a match."""
    test, metric = match.tests[found.select_by], found.select_by
    if not any(test.by_seed) and test.p_value == 1.0:
        return f"{match.data}: {found.idea} ranks as {match.rival} does, for every user and seed"
    p = f"p {_p(match.corrected[metric])}"
    by = f"{test.difference:+.4f} ± {test.half_width:.4f} {heading(metric)}"
    verdict = match.verdict(metric)
    if verdict == "not different":
        return f"{match.data}: no difference from {match.rival} beyond chance ({by}, {p})"
    return f"{match.data}: {found.idea} is {verdict} than {match.rival} ({by}, {p})"


def _p(value: float) -> str:
    return f"{value:.4f}" if value >= 1e-4 else "< .0001"


_SHORT = {"better": "better", "worse": "worse", "not different": "by chance"}


def differences(found: Tournament) -> Cells:
    """The differences of the idea from its rivals, one line per metric."""
    lines = []
    for match in found.matches:
        for metric in _metrics(found):
            test = match.tests[metric]
            lines.append(
                [
                    match.data, match.rival, heading(metric), f"{test.difference:+.4f}",
                    f"± {test.half_width:.4f}", f"{100 * test.seed_share:.0f} %",
                    _p(match.corrected[metric]), _SHORT[match.verdict(metric)],
                ]
            )  # fmt: skip
    header = ["data", "rival", "metric", "difference", "95%", "from seeds", "p", ""]
    return Cells(f"{found.idea} minus its rivals", header, lines)


def contenders(found: Tournament) -> Cells:
    """The metric that decides and the costs of each contender."""
    header = [
        "data", "", heading(found.select_by), "95%, seeds", "seeds", "epochs", "s per seed", "MB",
    ]  # fmt: skip
    lines = [[data, name, *_costs(trial, found.select_by)] for data, name, trial in _trials(found)]
    return Cells("Contenders", header, lines)


def diagnoses(found: Tournament) -> Cells:
    """Noise of the gradient, and calibration, of each contender."""
    header = ["data", "", "noise, start", "noise, best", "from keys", "calibration", "by chance"]
    lines = [[data, name, *_diagnosis(trial)] for data, name, trial in _trials(found)]
    return Cells("Noise of the gradient, and calibration", header, lines)


def _trials(found: Tournament) -> list[tuple[str, str, Trial]]:
    return [(one.data, name, trial) for one in found.rounds for name, trial in one.trials.items()]


def _metrics(found: Tournament) -> list[str]:
    """The metric that decides, and then the others."""
    return [found.select_by, *(name for name in found.metrics if name != found.select_by)]


def _costs(trial: Trial, metric: str) -> list[str]:
    costs = [
        f"{sum(trial.best_epochs) / max(1, len(trial.best_epochs)):.0f}",
        f"{trial.seconds:.1f}",
        "" if trial.bytes is None else f"{trial.bytes / 1e6:.0f}",
    ]
    if trial.problem is not None:
        return ["left out", "", "0", *costs]
    by_seed = [one.mean(metric) for one in trial.tested]
    half = confidence_half_width(by_seed)
    return [
        f"{sum(by_seed) / len(by_seed):.4f}", "" if half is None else f"± {half:.4f}",
        str(len(by_seed)), *costs,
    ]  # fmt: skip


def _diagnosis(trial: Trial) -> list[str]:
    seen = trial.diagnosis
    noises = [_noise(seen.noise_at_start), _noise(seen.noise_at_best)]
    of_keys = "" if seen.noise_at_best is None else f"{100 * seen.noise_at_best.of_keys:.0f} %"
    if seen.calibration is None:
        return [*noises, of_keys, "not defined", ""]
    found = seen.calibration
    return [*noises, of_keys, f"{found.error:.3f}", f"{found.by_chance:.3f}"]


def _noise(noise: GradientNoise | None) -> str:
    if noise is None:
        return ""
    return "no mean" if noise.relative is None else f"{noise.relative:.2f}"


def notes(found: Tournament) -> list[str]:
    """Explanations of the columns, and a list of what was left out."""
    reasons = {
        f"{name}: {trial.diagnosis.not_defined}"
        for one in found.rounds
        for name, trial in one.trials.items()
        if trial.diagnosis.not_defined
    }
    tests = len(found.matches)
    said = [
        "difference: mean over test users and seeds, with half of its 95% interval: how far other "
        "users and other seeds would move it. From seeds: the share of that uncertainty which more "
        "seeds would reduce.",
        "p: of the test over users and seeds together, after Holm's correction for "
        f"{tests} {'match' if tests == 1 else 'matches'}, each metric by itself; different if at "
        f"most {LEVEL:g}. {heading(found.select_by)} decides.",
        "95%, seeds: half of the interval of the mean over seeds. Epochs: the one that was kept. s "
        "per seed: training and validation, without compilation. MB: of the compiled programs.",
        "noise: standard deviation of the gradient of a batch over the norm of its mean, at the "
        "start and at the epoch that was kept; from keys: the share of its variance that remains "
        "for a fixed batch.",
        "calibration: expected calibration error of the probabilities of unseen items on the "
        "held-out clicks, and what it would be by chance, about, if all of them were right."
        + (f" Not defined: {'; '.join(sorted(reasons))}." if reasons else ""),
        f"{found.seconds:.0f} s in all.",
    ]
    return said + [f"left out: {each}" for each in found.left_out]


def tables_of(found: Tournament) -> list[Cells]:
    """All tables, in their order."""
    return [contenders(found), differences(found), diagnoses(found)]


def table(found: Tournament) -> RenderableType:
    """The tournament for a terminal."""
    parts: list[RenderableType] = []
    for cells in tables_of(found):
        rows = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
        for number, name in enumerate(cells.header):
            # Nothing is cut; a terminal that is too narrow shows a line in two.
            rows.add_column(
                "\n".join(escaped(name).split()),
                justify="left" if number < 2 else "right",
                no_wrap=True,
            )
        for line in cells.lines:
            rows.add_row(*(Text(escaped(words)) for words in line))
        parts.append(rows)
    verdicts = [Text(escaped(verdict_of(found, match)), style="bold") for match in found.matches]
    return Group(*parts, *(Text(escaped(note)) for note in notes(found)), Text(), *verdicts)


def as_json(found: Tournament, about: dict[str, Any]) -> dict[str, Any]:
    """The tournament as plain values.

    Args:
        found: the tournament.
        about: options and versions, which are added.
    """
    return {
        **about,
        "idea": found.idea,
        "rivals": found.rivals,
        "decided_by": found.select_by,
        "seconds": found.seconds,
        "left_out": found.left_out,
        "verdicts": [verdict_of(found, match) for match in found.matches],
        "matches": [
            {
                "data": match.data,
                "rival": match.rival,
                "verdict": match.verdict(found.select_by),
                "metrics": {
                    metric: {
                        "difference": test.difference,
                        "interval_95": [
                            test.difference - test.half_width,
                            test.difference + test.half_width,
                        ],
                        "standard_error": test.standard_error,
                        "share_of_seeds": test.seed_share,
                        "by_seed": test.by_seed,
                        "p": test.p_value,
                        "p_holm": match.corrected[metric],
                    }
                    for metric, test in match.tests.items()
                },
            }
            for match in found.matches
        ],
        "data": [_round_json(one, found.metrics) for one in found.rounds],
    }


def _round_json(one: Round, metrics: Sequence[str]) -> dict[str, Any]:
    def trial_json(trial: Trial) -> dict[str, Any]:
        seen = trial.diagnosis
        return {
            "problem": trial.problem,
            "metrics": {
                metric: [_number(each.mean(metric)) for each in trial.tested] for metric in metrics
            },
            "epochs": trial.best_epochs,
            "seconds_per_seed": trial.seconds,
            "bytes": trial.bytes,
            "gradient_noise": {
                "start": seen.noise_at_start and seen.noise_at_start._asdict(),
                "best": seen.noise_at_best and seen.noise_at_best._asdict(),
            },
            "calibration": {"upper_ends": [*EDGES, 1.0], **seen.calibration._asdict()}
            if seen.calibration is not None
            else {"not_defined": seen.not_defined},
        }

    return {
        "name": one.data,
        **one.shape._asdict(),
        "test_users": one.test_users,
        "seeds": one.seeds,
        "contenders": {name: trial_json(trial) for name, trial in one.trials.items()},
    }


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def draw_differences(found: Tournament) -> Figure:
    """Draw the differences with their intervals: one panel per metric, one line per match."""
    panels = {
        heading(metric): {
            f"{match.data} - {match.rival}": Mark(
                match.tests[metric].difference,
                None,
                match.tests[metric].half_width,
                match.corrected[metric] <= LEVEL,
            )
            for match in found.matches
        }
        for metric in _metrics(found)
    }
    note = "bar: 95% over users and seeds; filled: p ≤ .05 after Holm's correction"
    return draw_marks(panels, f"{found.idea} minus its rivals", note, zero=True)


def draw_calibrations(found: Tournament) -> Figure | None:
    """Draw observed over predicted clicks by probability; None if there is no calibration."""
    with_any = [
        (one.data, {n: c for n, t in one.trials.items() if (c := t.diagnosis.calibration)})
        for one in found.rounds
    ]
    panels = [(name, each) for name, each in with_any if each]
    if not panels:
        return None
    figure = Figure(figsize=(4.2 * len(panels), 3.4), layout="constrained")
    for axes, (data, each) in zip(
        figure.subplots(1, len(panels), squeeze=False).flat, panels, strict=True
    ):
        axes.axhline(1, color="0.4", linewidth=1, linestyle=":")
        for name, one in each.items():
            places, ratios, spreads = _reliability(one)
            axes.errorbar(places, ratios, yerr=spreads, marker="o", markersize=4, label=name)
        axes.set(
            xscale="log", title=data, xlabel="predicted probability", ylabel="observed / predicted"
        )
        axes.legend(fontsize="small")
    figure.suptitle("Calibration on held-out clicks")
    return figure


_FEWEST_CLICKS = 5.0
"""Clicks that are predicted of a bin, or observed in it, below which it is not drawn."""


def _reliability(one: Calibration) -> tuple[list[float], list[float], list[float]]:
    """Return the points and their 95% intervals."""
    ends = [*EDGES, 1.0]
    drawn = [
        (end / 10**0.25, observed / predicted, 1.96 * math.sqrt(observed) / predicted)
        for end, predicted, observed in zip(ends, one.predicted, one.observed, strict=True)
        if predicted >= _FEWEST_CLICKS and observed >= _FEWEST_CLICKS
    ]
    places, ratios, spreads = zip(*drawn, strict=True) if drawn else ((), (), ())
    return list(places), list(ratios), list(spreads)
