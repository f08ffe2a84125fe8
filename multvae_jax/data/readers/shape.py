"""Which separator a text file has, whether it has a header, and which column has which role."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from multvae_jax.data.ids import MISSING
from multvae_jax.data.readers.dialect import BLANKS, NO_QUOTES, Dialect
from multvae_jax.data.readers.fields import Candidate, columns_of, fields_of, kind_of
from multvae_jax.data.readers.positions import by_position, positions_note
from multvae_jax.data.readers.preamble import Body
from multvae_jax.data.readers.schema import (
    WIDEST,
    ColumnLayout,
    Schema,
    has_usual_name,
    layout_of,
    match_roles,
    missing_column,
)
from multvae_jax.errors import InputError, listed, shortened

_SEPARATORS = ("\t", "::", ",", ";", "|")
_RARELY_IN_TEXT = ("\t", "::")
_PREFERRED = {".item": ("\t", "|")}
_OF_TABLES = (".csv", ".tsv", ".inter")
_UNUSUAL = re.compile(r"[~^\x01/:!]")


@dataclass(frozen=True)
class Shape:
    """How the lines of a text file make a table.

    Attributes:
        separator: what stands between two fields.
        quote: the character around quoted fields, or None.
        layout: the columns and their roles.
        header_lines: lines of the data before the first row: 1 if the first one is the header.
    """

    separator: str
    quote: str | None
    layout: ColumnLayout
    header_lines: int


def shape_of(
    body: Body,
    schema: Schema,
    column_names: Mapping[str, str],
    dialect: Dialect,
    suffix: str = "",
) -> Shape | None:
    """Return the shape of a table in text; None if its lines hold a user and its items.

    Raises:
        InputError: a role has no column, or what the columns mean cannot be decided.
    """
    quote = None if dialect.quote == NO_QUOTES else dialect.quote or '"'
    lines = body.sample()
    given = dialect.separator or body.separator
    if given is not None:
        candidates = [_candidate(lines, given, quote)]
    else:
        order = dict.fromkeys([*_PREFERRED.get(suffix, ()), *_SEPARATORS])
        found = [
            _candidate(lines, separator, quote) for separator in order if separator in lines[0]
        ]
        candidates = sorted(found, key=lambda one: _rank(one, schema, column_names, dialect))
    if not candidates:
        _refuse_line_before_table(body, lines)
        blanks = _candidate(lines, BLANKS, quote)
        named = dialect.header != "no" and _named(blanks.first, schema, column_names)
        if named or dialect.lines == "rows":
            candidates = [blanks]
        elif not blanks.has_pairs and (mark := _UNUSUAL.search(lines[0])):
            raise InputError(
                f"{body.place(0)}: one field, '{shortened(lines[0])}'; give the --separator, such "
                f"as '{mark[0]}'"
            )
        elif not schema.per_user or (suffix in _OF_TABLES and not blanks.has_pairs):
            raise missing_column(body.name, schema, lines[:1], column_names)
        else:
            return None
    best = candidates[0]
    if best.width > WIDEST:
        raise InputError(
            f"{body.place(0)}: {best.width:,} fields; a table has at most {WIDEST:,} columns"
        )
    if dialect.quote is None and _single_quoted(best.first):
        return shape_of(body, schema, column_names, replace(dialect, quote="'"), suffix)
    layout, header_lines = _layout(body, best, schema, column_names, dialect)
    return Shape(best.separator, quote, layout, header_lines)


def _single_quoted(fields: Sequence[str]) -> bool:
    quoted = (len(field) > 1 and field[0] == field[-1] == "'" for field in fields)
    return len(fields) > 1 and all(quoted)


def _refuse_line_before_table(body: Body, lines: Sequence[str]) -> None:
    """Refuse a first line without the separator that all others have as often, such as a title."""
    for separator in _SEPARATORS:
        counts = {line.count(separator) for line in lines[1:]}
        if len(lines) > 2 and len(counts) == 1 and counts != {0}:
            raise InputError(
                f"{body.place(0)}: '{shortened(lines[0])}' is not a line of the table that "
                "follows; remove it"
            )


def _candidate(lines: Sequence[str], separator: str, quote: str | None) -> Candidate:
    first, *rows = (fields_of(line, separator, quote) for line in lines)
    return Candidate(separator, first, rows)


def _rank(
    one: Candidate, schema: Schema, column_names: Mapping[str, str], dialect: Dialect
) -> tuple[int, ...]:
    """Return what orders candidates: usual names first, then as many fields in each line."""
    if one.width > WIDEST:
        return (3,)
    if dialect.header != "no" and _named(one.first, schema, column_names):
        return (0,)
    if not one.steady or one.width < len(schema.required):
        return (2,)
    kind = 0 if one.separator in _RARELY_IN_TEXT else 2 if one.separator == "|" else 1
    return (1, kind, -one.width)


def _named(fields: Sequence[str], schema: Schema, column_names: Mapping[str, str]) -> bool:
    """Return whether a line names a column for each role, by more than its number."""
    numbers = {role for role, name in column_names.items() if name.isdecimal()}
    return (
        len(numbers & set(schema.required)) < len(schema.required)
        and not match_roles(schema, fields, column_names)[1]
    )


def _layout(
    body: Body,
    one: Candidate,
    schema: Schema,
    column_names: Mapping[str, str],
    dialect: Dialect,
) -> tuple[ColumnLayout, int]:
    """Return the layout, and the number of lines of the header."""
    comment = fields_of(body.comment, one.separator, None) if body.comment else []
    if dialect.header == "auto" and len(comment) == one.width:
        layout = layout_of(schema, comment, column_names)
        if layout is not None and has_usual_name(schema, comment):
            return layout, 0
    if not _has_header(body, one, schema, column_names, dialect):
        layout = by_position(body, one, schema, column_names)
        notes = (positions_note(layout.roles),) if dialect.header == "auto" else ()
        return replace(layout, notes=notes), 0
    columns = one.first
    rows = [row for row in one.rows if row]
    if rows and all(len(row) == one.width + 1 for row in rows) and any(row[-1] for row in rows):
        columns = ["row names", *columns]
    layout = layout_of(schema, columns, column_names)
    if layout is None:
        problem = missing_column(body.name, schema, columns, column_names)
        named = dialect.header == "yes" or has_usual_name(schema, columns)
        raise problem if named else InputError(f"{problem}; --header no if that line is a row")
    return layout, 1


def _has_header(
    body: Body,
    one: Candidate,
    schema: Schema,
    column_names: Mapping[str, str],
    dialect: Dialect,
) -> bool:
    """Return whether the first line names the columns.

    Raises:
        InputError: that cannot be decided.
    """
    if dialect.header != "auto":
        return dialect.header == "yes"
    if has_usual_name(schema, one.first):
        return True
    if any(not name.isdecimal() for name in column_names.values()):
        return True
    if any(kind_of([field]) != "text" for field in one.first):
        return False
    below = list(columns_of(one.rows, one.width))
    for field, column in zip(one.first, below, strict=True):
        if kind_of(column) != "text" and field.strip() and field.strip() not in MISSING:
            return True
    digits = re.compile(r"\d")
    for field, column in zip(one.first, below, strict=True):
        if column and digits.search(field) and all(digits.search(value) for value in column):
            return False
    if set(schema.required) <= set(column_names):
        return False
    if not one.rows or one.width < len(schema.required):
        return True
    raise InputError(
        f"{body.place(0)}: is this line the header, or a row ({listed(one.first)})? Give "
        "--header yes and the names of the columns (--user-column, --item-column), or --header no"
    )
