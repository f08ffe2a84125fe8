"""Reader of the runs of TREC: lines of a query, Q0, a document, its rank, its score, and a tag."""

import re
from dataclasses import replace

from multvae_jax.data.readers.blanks import blanks_table
from multvae_jax.data.readers.dialect import BLANKS
from multvae_jax.data.readers.preamble import Body
from multvae_jax.data.readers.schema import ColumnLayout
from multvae_jax.data.readers.shape import Shape
from multvae_jax.data.readers.table import Table

_COLUMNS = ("qid", "Q0", "docid", "rank", "score", "tag")
_ROLES = {"user": 0, "item": 2, "rank": 3, "score": 4}
_SUFFIXES = (".trec", ".run")
_LINE = re.compile(rb"\s*\S+[ \t]+Q0[ \t]+\S+[ \t]+\d+[ \t]+\S+[ \t]*\S*[ \t\r]*(\n|\Z)", re.I)


def is_run(data: bytes, suffix: str) -> bool:
    """Return whether text is a run, by the ending of its file's name or by its first line."""
    return suffix in _SUFFIXES or _LINE.match(data) is not None


def run_table(body: Body) -> Table:
    """Return the table of a run."""
    layout = ColumnLayout(False, _COLUMNS, _ROLES)
    table = blanks_table(body, Shape(BLANKS, None, layout, header_lines=0))
    return replace(table, notes=())
