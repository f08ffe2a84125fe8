"""The index and the pages of results: their links, and that nothing is left out."""

import re
from pathlib import Path

import pytest

from benchmarks.__main__ import QUESTIONS

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
PAGES = sorted(BENCHMARKS.rglob("*.md"))
LINK = re.compile(r"\]\(([^)\s]+)\)")


def without_code(text):
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)


def anchors(text):
    """The anchors of a page's headings, as GitHub forms them."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def relative_links(page):
    links = LINK.findall(without_code(page.read_text()))
    return [link for link in links if "://" not in link]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(BENCHMARKS)))
def test_every_relative_link_leads_somewhere(page):
    for link in relative_links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text()), link


def test_the_index_is_one_screen_and_has_every_question():
    index = BENCHMARKS / "README.md"
    assert len(index.read_text().splitlines()) <= 60
    links = relative_links(index)
    for name in QUESTIONS:
        assert f"results/{name}/README.md" in links
        assert f"`python -m benchmarks {name}" in index.read_text()


@pytest.mark.parametrize("name", QUESTIONS)
def test_the_page_of_a_question_links_all_of_its_files(name):
    folder = BENCHMARKS / "results" / name
    files = {path.name for path in folder.iterdir() if path.name != "README.md"}
    assert files
    assert files <= set(relative_links(folder / "README.md"))


def test_every_folder_of_results_belongs_to_a_question():
    assert {path.name for path in (BENCHMARKS / "results").iterdir()} == set(QUESTIONS)
