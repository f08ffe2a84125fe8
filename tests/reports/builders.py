"""Runs that were never trained, on users with tastes, and the page on them as its tables."""

from dataclasses import replace
from html.parser import HTMLParser

import multvae_jax as mv
from multvae_jax.runs import Run
from tests.builders import randomized
from tests.tournament.builders import tastes

N_ITEMS = 40
MARKED = "<b>Film & {}</b>"


def split(**sizes):
    """A split whose items have titles that a page must escape."""
    found = tastes(n_users=120, n_items=N_ITEMS, held_out=30, **sizes)
    titles = {str(item): MARKED.format(item) for item in range(N_ITEMS)}
    return replace(found, catalogue=replace(found.catalogue, titles=titles))


def entry(epoch, ndcg=None, beta=None):
    """An entry of a log of five updates per epoch."""
    terms = {"epoch": epoch, "step": 5 * epoch, "loss": 90.0 - epoch, "kl": float(epoch)}
    terms |= {} if beta is None else {"beta": beta}
    return terms | ({} if ndcg is None else {"validation": {"ndcg@100": ndcg}})


def untrained(model, split, seed=0, log=None):
    """A run of a model with random parameters."""
    log = [entry(1, 0.1, 0.0), entry(2, 0.3, 0.5), entry(3, 0.2, 0.5)] if log is None else log
    best = max(log, key=lambda one: one.get("validation", {}).get("ndcg@100", 0))["epoch"]
    params = randomized(model.init, N_ITEMS, seed)
    return Run(model, params, split.catalogue, best, None, log, split)


def ease(split):
    return mv.fit_baseline("ease", split, constants={"regularization": 5.0})


class Page(HTMLParser):
    """The tags that are still open, the rows of the tables by heading, and what a page holds.

    Attributes:
        tables: part of the page -> its tables, each a list of rows of text.
        left_out: sentences on what a run lacks, by part.
    """

    def __init__(self, text):
        super().__init__()
        self.open, self.images, self.circles, self.hits = [], [], 0, 0
        self.tables, self.left_out, self.text, self._part = {}, {}, {}, ""
        self._words, self._is_left_out = None, False
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag in ("img", "meta"):
            self.images += [given] if tag == "img" else []
            return
        self.open.append(tag)
        if tag == "section":
            self._part = given["id"]
            self.text[self._part] = ""
        if tag == "table":
            self.tables.setdefault(self._part, []).append([])
        elif tag == "tr":
            self.tables[self._part][-1].append([])
        self._words = "" if tag in ("td", "th") else self._words
        self._is_left_out = given.get("class") == "left-out"
        self.circles += tag == "circle"
        self.hits += given.get("class") == "hit"

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if tag in ("td", "th"):
            self.tables[self._part][-1][-1].append(self._words)
            self._words = None

    def handle_data(self, data):
        if self._words is not None:
            self._words += data
        if self._part:
            self.text[self._part] += data
        if self._is_left_out and data.strip():
            self.left_out.setdefault(self._part, []).append(data)


def rows(table):
    """The rows of a table by their first cell, each as a dict by heading."""
    header, *lines = table
    return {line[0]: dict(zip(header[1:], line[1:], strict=True)) for line in lines}


def number(cell):
    """The mean in a cell, and what stands behind the sign."""
    mean, _, half = cell.partition(" ± ")
    return float(mean), float(half) if half else None
