"""The report as one HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from multvae_jax.reports import comparison, figures, pieces, results, users
from multvae_jax.reports.contents import Content
from multvae_jax.reports.latent import ACTIVE
from multvae_jax.reports.map_picture import SCRIPT, map_picture
from multvae_jax.reports.map_picture import STYLE as MAP_STYLE
from multvae_jax.reports.web_page import page_of, table_of

STYLE = (
    """
nav { font-size: .9rem; color: #555; } nav a { margin-right: .8rem; }
a { color: #1d5fa8; }
.charts { display: grid; gap: .5rem 1.5rem; align-items: start;
          grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); }
.charts p { margin: 0; } .charts img { width: 100%; max-width: 30rem; }
.maps { display: grid; gap: .5rem 1.5rem;
        grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr)); }
.maps > div { max-width: 52rem; } .lists { display: grid; gap: .5rem 2rem; align-items: start;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); }
.beside { display: grid; gap: .5rem 2rem; align-items: center;
          grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); }
.scroll + .scroll { margin-top: 1rem; }
.left-out { color: #555; font-style: italic; margin: .2rem 0; }
h3 { font-size: 1rem; margin: 1.2rem 0 .2rem; } h4 { font-size: .9rem; margin: .4rem 0; }
ol { padding-left: 1.6rem; margin: .2rem 0; } li.hit { font-weight: 600; }
.why { display: block; font-weight: 400; font-size: .82rem; color: #555; }
.history { font-size: .9rem; margin: .2rem 0 .4rem; }
@media (max-width: 600px) {
  body { margin: 1rem auto; } table { font-size: .8rem; } td, th { padding: .15rem .35rem; }
  ul.notes { padding-left: 1.1rem; }
  #runs td + td { white-space: normal; overflow-wrap: anywhere; }
}
"""
    + MAP_STYLE
)


def page(
    contents: Sequence[Content],
    metrics: Sequence[str],
    compared: comparison.Report | None,
    notes: Sequence[str] = (),
) -> str:
    """Return the page of some runs.

    Args:
        contents: what is shown of each run.
        metrics: names of the metrics of the table of results.
        compared: the runs compared with each other, if they are.
        notes: remarks on the comparison.
    """
    sections = {
        "Runs": results.facts(contents),
        "Results": results.results(contents, metrics, compared, notes),
        "Training": _training(contents),
        "Latent dimensions": _latent(contents),
        "Users by activity": users.groups(contents),
        "Popularity and coverage": users.popularity(contents),
        "Map of the items": _maps(contents),
        "Some users": users.examples(contents),
    }
    places = {title: title.lower().replace(" ", "-") for title in sections}
    links = "".join(f'<a href="#{place}">{title}</a> ' for title, place in places.items())
    body = "".join(
        f'<section id="{places[title]}">\n<h2>{title}</h2>\n{text}</section>\n'
        for title, text in sections.items()
    )
    names = ", ".join(one.name for one in contents)
    return page_of(
        f"Report: {names}", f'<nav aria-label="Parts">{links}</nav>\n{body}', STYLE, SCRIPT
    )


def _training(contents: Sequence[Content]) -> str:
    names = (*figures.values_in(contents), "beta")
    charts = pieces.charts(
        [(figures.curve(contents, name), f"{figures.title_of(name)} by epoch") for name in names]
    )
    text = pieces.left_out(contents, "curves", "learning curves")
    text += pieces.left_out(contents, "beta", "curve of beta")
    notes = ["dotted: the epoch whose parameters the run has."]
    return charts + text + (pieces.notes(notes) if charts else "")


def _latent(contents: Sequence[Content]) -> str:
    with_any = [one for one in contents if one.latent is not None]
    if not with_any:
        return pieces.left_out(contents, "latent", "latent dimensions to show")
    lines = []
    for one in with_any:
        assert one.latent is not None
        kl, size = one.latent.kl, len(one.latent.kl)
        lines.append([one.name, f"{size:,}", f"{one.latent.active:,}", f"{kl.sum():.2f}"])
    said = [
        "KL: of the posterior q(z | x) of a held-out user's history from a standard normal, a mean "
        "over users, in nats.",
        f"active: the mean of q(z | x) varies over the users by more than {ACTIVE:g} (Burda et "
        "al., 2016).",
    ]
    said += [
        f"{one.name} was trained with another prior: the sum is not the KL term of its loss."
        for one in with_any
        if one.has_other_prior
    ]
    chart = pieces.charts([(figures.latent(contents), "KL of each latent dimension")])
    return (
        pieces.beside(chart, table_of(["", "dimensions", "active", "KL, sum"], lines))
        + pieces.left_out(contents, "latent", "latent dimensions to show")
        + pieces.notes(said)
    )


def _maps(contents: Sequence[Content]) -> str:
    maps = "".join(
        f"<div>\n<h3>{escape(one.name)}</h3>\n{map_picture(one)}</div>\n"
        for one in contents
        if one.places is not None
    )
    text = pieces.left_out(contents, "map", "map")
    if not maps:
        return text
    said = [
        "two principal components of the directions of the item vectors, without what popularity "
        "explains; large: popular."
    ]
    return f'<div class="maps">\n{maps}</div>\n{text}{pieces.notes(said)}'
