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
_FEWEST = 5  # some leave the tag out
_SUFFIXES = (".trec", ".run")
_NUMBER = rb"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?"
_LINE = re.compile(
    # With Q0, or with another word there and a tag that is not a number.
    rb"\s*\S+[ \t]+(?:Q0[ \t]+\S+[ \t]+\d+[ \t]+%b(?:[ \t]+\S+)*"
    rb"|\S+[ \t]+\S+[ \t]+\d+[ \t]+%b[ \t]+[a-z_]\S*)[ \t\r]*(?:\n|\Z)" % (_NUMBER, _NUMBER),
    re.IGNORECASE,
)


def is_run(data: bytes, suffix: str) -> bool:
    """Return whether text is a run, by its first line, or by the ending of its file's name."""
    if _LINE.match(data) is not None:
        return True
    return suffix in _SUFFIXES and len(data.lstrip().partition(b"\n")[0].split()) >= _FEWEST


def run_table(body: Body) -> Table:
    """Return the table of a run."""
    width = max(_FEWEST, len(body.data.lstrip().partition(b"\n")[0].split()))
    # The words of a tag with blanks are further columns.
    columns = (*_COLUMNS, *map(str, range(len(_COLUMNS) + 1, width + 1)))[:width]
    layout = ColumnLayout(False, columns, _ROLES)
    table = blanks_table(body, Shape(BLANKS, None, layout, header_lines=0))
    return replace(table, notes=())
