"""The map of the items as a picture whose points have titles."""

from __future__ import annotations

from html import escape

import numpy as np

from multvae_jax.reports.contents import Content
from multvae_jax.reports.examples import titles_of

MOST = 1500
"""Most items of a map, the most popular ones; more would be a cloud, and a large page."""

NAMED = 14
"""Most items whose titles are on the map itself."""

WIDTH, HEIGHT, EDGE = 640, 420, 14

STYLE = """
svg.map { width: 100%; height: auto; background: #f8f9fa; border-radius: 6px; }
svg.map circle { fill: #4c78a8; fill-opacity: .45; }
svg.map circle.here { fill: #c2410c; fill-opacity: 1; }
svg.map text { font: 11px system-ui, sans-serif; fill: #222; paint-order: stroke;
               stroke: #f8f9fa; stroke-width: 3px; pointer-events: none; }
@media (max-width: 600px) {
  svg.map text { font-size: 15px; } svg.map text:nth-of-type(n+7) { display: none; }
}
.here { min-height: 1.5em; margin: .2rem 0 0; font-size: .9rem; }
"""

SCRIPT = """
for (const map of document.querySelectorAll("svg.map")) {
  const points = [...map.querySelectorAll("circle")], line = map.nextElementSibling;
  const show = event => {
    const at = new DOMPoint(event.clientX, event.clientY)
      .matrixTransform(map.getScreenCTM().inverse());
    const far = p => Math.hypot(p.cx.baseVal.value - at.x, p.cy.baseVal.value - at.y);
    const best = points.reduce((one, other) => far(other) < far(one) ? other : one);
    map.querySelector("circle.here")?.classList.remove("here");
    best.classList.add("here");
    line.textContent = best.textContent;
  };
  map.addEventListener("pointermove", show);
  map.addEventListener("pointerdown", show);
}
"""
"""Shows the title of the item that is nearest to the pointer, and works with a finger."""


def map_picture(content: Content) -> str:
    """Return the map of a run as HTML: a point per item, larger if popular, and its title."""
    assert content.places is not None
    counts, title = np.asarray(content.catalogue.counts).tolist(), titles_of(content.catalogue)
    shown = np.argsort(-np.asarray(counts), kind="stable")[:MOST].tolist()
    largest = max(1, *counts)
    places = content.places[shown]
    # The map fits the items that are shown; others may lie outside of it.
    lowest, spread = places.min(axis=0), np.maximum(np.ptp(places, axis=0), 1e-9)
    across, up = ((places - lowest) / spread).T
    x = (EDGE + (WIDTH - 2 * EDGE) * across).tolist()
    y = (HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * up).tolist()
    circles = "".join(
        f'<circle cx="{left:.1f}" cy="{top:.1f}" '
        f'r="{1.5 + 4.5 * (counts[item] / largest) ** 0.5:.1f}">'
        f"<title>{escape(title(item))} ({_users(counts[item])})</title></circle>\n"
        # Less popular items come later and so in front.
        for left, top, item in zip(x, y, shown, strict=True)
    )
    named = [title(item) for item in shown]
    labels = "".join(
        f'<text x="{left:.0f}" y="{top:.0f}" text-anchor="middle">{escape(words)}</text>\n'
        for left, top, words in _labels(list(zip(x, y, named, strict=True)))
    )
    about = f"Map of {len(shown):,} items of {content.name}; similar items are near each other"
    return (
        f'<svg class="map" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(about)}">'
        f'\n{circles}{labels}</svg>\n<p class="here" aria-live="polite">'
        "Point at an item to read its title.</p>\n"
    )


def _users(count: int) -> str:
    return "1 user" if count == 1 else f"{count:,} users"


_LETTER = 4.2
"""Half the width of a letter, in units of the picture."""


def _labels(points: list[tuple[float, float, str]]) -> list[tuple[float, float, str]]:
    """The labels of the first points that do not overlap: their places and words."""
    placed: list[tuple[float, float, str]] = []
    for x, y, title in points[: 8 * NAMED]:
        words = title if len(title) <= 26 else f"{title[:24].rstrip()}…"
        half = _LETTER * len(words)
        left, top = min(max(x, half), WIDTH - half), y - 8 if y > 24 else y + 16
        if all(
            abs(top - other_top) > 16 or abs(left - other) > half + _LETTER * len(other_words)
            for other, other_top, other_words in placed
        ):
            placed.append((left, top, words))
        if len(placed) == NAMED:
            break
    return placed
