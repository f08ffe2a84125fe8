"""Which separator a text file has, whether it has a header, and which column has which role."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from multvae_jax.data.ids import MISSING
from multvae_jax.data.readers.dialect import BLANKS, NO_QUOTES, Dialect
from multvae_jax.data.readers.fields import columns_of, fields_of, is_date, kind_of
from multvae_jax.data.readers.preamble import Body
from multvae_jax.data.readers.schema import (
    INTERACTIONS,
    ColumnLayout,
    NoColumnError,
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
_WIDEST = 20_000
_FEWEST = 5  # lines from which their lengths mean something
_UNUSUAL = re.compile(r"[~^\x01/:!]")
_ROW_NUMBERS = 10  # rows that are numbered before a column of numbers is a column of row numbers
_MATRIX = 12  # columns of numbers from which they are those of a matrix
_RATINGS = 100  # rows before a column of few small numbers is a column of ratings
_ASIN = re.compile(r"B[0-9A-Z]{9}|\d{9}[\dX]")
_REVIEWER = re.compile(r"A[0-9A-Z]{9,}")


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


@dataclass(frozen=True)
class _Candidate:
    separator: str
    first: list[str]
    rows: list[list[str]]

    @property
    def width(self) -> int:
        return len(self.first)

    @property
    def has_pairs(self) -> bool:
        """Whether a line has two fields."""
        return any(len(row) > 1 for row in (self.first, *self.rows))

    @property
    def steady(self) -> bool:
        """Whether all rows have as many fields as the first line, or one more (R's row names)."""
        shifted = bool(self.rows) and all(len(row) == self.width + 1 for row in self.rows)
        return shifted or all(
            len(row) == self.width or (len(row) > self.width and not any(row[self.width :]))
            for row in self.rows
        )


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
        elif schema is not INTERACTIONS or (suffix in _OF_TABLES and not blanks.has_pairs):
            raise missing_column(body.name, schema, lines[:1], column_names)
        else:
            return None
    best = candidates[0]
    if best.width > _WIDEST:
        raise InputError(
            f"{body.place(0)}: {best.width:,} fields; a table has at most {_WIDEST:,} columns"
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


def _candidate(lines: Sequence[str], separator: str, quote: str | None) -> _Candidate:
    first, *rows = (fields_of(line, separator, quote) for line in lines)
    return _Candidate(separator, first, rows)


def _rank(
    one: _Candidate, schema: Schema, column_names: Mapping[str, str], dialect: Dialect
) -> tuple[int, ...]:
    """Return what orders candidates: usual names first, then as many fields in each line."""
    if one.width > _WIDEST:
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
    one: _Candidate,
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
        layout = _by_position(body, one, schema, column_names)
        notes = (_positions_note(layout.roles),) if dialect.header == "auto" else ()
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
    one: _Candidate,
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


def _by_position(
    body: Body, one: _Candidate, schema: Schema, column_names: Mapping[str, str]
) -> ColumnLayout:
    """Return the layout of a table without a header.

    Raises:
        InputError: a number is not that of a column, or the columns cannot be told apart.
    """
    columns = tuple(str(number) for number in range(1, one.width + 1))
    roles: dict[str, int] = {}
    for role, name in column_names.items():
        if name.strip() not in columns:
            raise NoColumnError(
                f"{body.name}: no column '{shortened(name)}'; there is no header, and the columns "
                f"are numbered from 1 to {one.width}"
            )
        roles[role] = columns.index(name.strip())
    asked = set(schema.required) <= set(roles)
    values = list(columns_of([one.first, *one.rows], one.width))
    if not asked:
        _refuse_unclear(body, one, schema, column_names, values)
        order = _order(schema, values)
        for role, index in zip(schema.required, order, strict=False):
            if role not in roles and index not in roles.values():
                roles[role] = index
        if any(role not in roles for role in schema.required):
            raise _which(body, one, "name both the user and the item")
    if one.width <= schema.widest or not any(map(any, values[schema.widest :])):
        for index, column in enumerate(values):
            kind = kind_of(column, share=0.5)
            for role in {"number": ("rating", "time"), "time": ("time",)}.get(kind, ()):
                if role in schema.positions and role not in roles and index not in roles.values():
                    roles[role] = index
    ordered = {role: roles[role] for role in schema.aliases if role in roles}
    return ColumnLayout(False, columns, ordered)


def _order(schema: Schema, values: Sequence[Sequence[str]]) -> tuple[int, ...]:
    """Return the columns of the user and the item: the first two, in either order of Amazon's."""
    if schema is INTERACTIONS and (
        all(_ASIN.fullmatch(value) for value in values[0])
        and all(_REVIEWER.fullmatch(value) for value in values[1])
    ):
        return (1, 0)
    return tuple(range(len(schema.required)))


def _refuse_unclear(
    body: Body,
    one: _Candidate,
    schema: Schema,
    column_names: Mapping[str, str],
    values: Sequence[Sequence[str]],
) -> None:
    """Refuse a table without a header whose first columns are not a user and an item."""
    if one.width < len(schema.required):
        raise missing_column(body.name, schema, one.first, column_names)
    widths = Counter(map(len, (one.first, *one.rows)))
    if len(one.rows) >= _FEWEST and widths.most_common(1)[0][1] <= len(one.rows) / 2:
        raise InputError(
            f"{body.name}: no header, and lines of {min(widths)} to {max(widths)} fields; give "
            "--lines users if each is a user and its items"
        )
    if one.width >= _MATRIX and all(kind_of(column) == "number" for column in values):
        raise InputError(
            f"{body.name}: no header, and {one.width} columns of numbers, like a matrix with a row "
            "per user; write one row per user and item"
        )
    filled = max((n for n, column in enumerate(values, 1) if any(column)), default=0)
    if filled > schema.widest:
        raise _which(body, one, f"{one.width} columns")
    if schema is not INTERACTIONS:
        return
    user, item, *others = values
    first = user[0].strip()
    if others and len(user) >= _ROW_NUMBERS and first in ("0", "1"):
        numbers = [str(number) for number in range(int(first), int(first) + len(user))]
        if [value.strip() for value in user] == numbers:
            raise _which(body, one, "column 1 numbers the rows")
    timed = any(kind_of(column) == "time" for column in others)
    for number, column in ((1, user), (2, item)):
        if all(map(is_date, column)) or (others and not timed and kind_of(column) == "time"):
            raise _which(body, one, f"column {number} holds times")
    for number, column in ((1, user), (2, item)):
        rest = [other for other in values if other is not column]
        if _like_ratings(column) and any(_varied(other, column) for other in rest):
            few = listed(sorted(set(column)))
            raise _which(body, one, f"column {number} holds only {few}, like ratings")


def _like_ratings(column: Sequence[str]) -> bool:
    """Return whether a column has few small numbers in no order, as ratings are."""
    few, changes = set(column), sum(a != b for a, b in pairwise(column))
    return (
        len(column) >= _RATINGS
        and len(few) <= 11
        and kind_of(list(few)) == "number"
        and all(float(value.replace(",", ".")) <= 10 for value in few)
        and changes > len(column) / 4
    )


def _varied(other: Sequence[str], column: Sequence[str]) -> bool:
    return len(set(other)) > len(set(column)) and kind_of(other) != "time"


def _which(body: Body, one: _Candidate, problem: str) -> InputError:
    fields = listed([f"{number} ({shortened(f)})" for number, f in enumerate(one.first, 1)])
    return InputError(
        f"{body.name}: no header, and {problem}: give --user-column and --item-column by number; "
        f"the first line has {fields}"
    )


def _positions_note(roles: Mapping[str, int]) -> str:
    read = ", ".join(f"{index + 1} as the {role}" for role, index in roles.items())
    return f"no header: column {read.replace(' as', ' is read as', 1)}"
