"""Simple readers, written from the definitions of the formats and not from the package.

A reader returns the (user, item) pairs of a file, or None if the file breaks the definition, so
that it may only be refused.
"""

import json
import re

NUL = re.compile("\0")

# White space by Unicode, to which Python adds four control characters.
WHITE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)


def lines(text):
    """Write every line end as a line feed: a carriage return ends a line as well."""
    return re.sub("\r\r\n|\r\n|\r", "\n", text)


def delimited(text, separator, user, item, header=True, quote='"'):
    """Read a table as RFC 4180 defines it, with a separator of any length.

    Args:
        text: the file, decoded and without its byte order mark.
        separator: the characters between two fields.
        user: index of the column of users.
        item: index of the column of items.
        header: whether the first record holds the names of the columns.
        quote: the character around quoted fields; None if quotes are part of the text.
    """
    records = split_records(text, separator, quote)
    if records is None:
        return None
    # A line of tabs is as blank as one of spaces, and so is one of the separators of ASCII.
    records = [record for record in records if separator.join(record).strip()]
    if not records:
        return None
    width = len(records[0])
    if width <= max(user, item):
        return None
    pairs = []
    if (
        header
        and len(records) > 1
        and all(len(row) == width + 1 and row[-1] for row in records[1:])
    ):
        # R names no column for the names of the rows.
        width, user, item = width + 1, user + 1, item + 1
    for record in records[header:]:
        if len(record) < width or any(record[width:]):
            return None
        ids = record[user].strip(WHITE), record[item].strip(WHITE)
        if not all(ids) or any(map(NUL.search, ids)):
            return None
        pairs.append(ids)
    return pairs or None


def split_records(text, separator, quote):
    """Split a text into records of fields, one character after the other."""
    if quote is None or quote not in text:
        lines = text.removesuffix("\n").split("\n")
        return [line.removesuffix("\r").split(separator) for line in lines]
    records, record, field = [], [], ""
    place, end = 0, len(text)
    while place < end:
        if text[place] == quote and not field:
            place += 1
            while True:
                close = text.find(quote, place)
                if close < 0:
                    return None
                field += text[place:close]
                place = close + 1
                if not text.startswith(quote, place):
                    break
                field += quote
                place += 1
            if not re.match(rf"{re.escape(separator)}|\r?\n|\r?\Z", text[place : place + 2]):
                return None
            quoted = True
        else:
            quoted = False
        start = place
        while place < end and text[place] != "\n" and not text.startswith(separator, place):
            place += 1
        rest = text[start:place]
        if place >= end or text[place] == "\n":
            rest = rest.removesuffix("\r")
        if quoted and rest:
            return None
        record.append(field + rest)
        field = ""
        if place < end and text[place] == "\n":
            records.append(record)
            record = []
            place += 1
        elif place < end:
            place += len(separator)
            if place == end:
                record.append("")
    if record:
        records.append(record)
    return records


def adjacency(text):
    """Read lines of a user and its items, with blanks between them."""
    pairs = []
    for line in text.split("\n"):
        user, *items = re.findall(f"[^{WHITE}]+", line) or [None]
        pairs += [(user, item) for item in items]
    return None if not pairs or any(NUL.search(i) for pair in pairs for i in pair) else pairs


def objects(data, user, item):
    """Read JSON Lines."""
    pairs = []
    for line in data.split(b"\n"):
        if not line.strip():
            continue
        try:
            found = json.loads(
                line,
                parse_float=Number,
                parse_int=Number,
                parse_constant=int,
                # What a key that is given twice means is left open; here, the first.
                object_pairs_hook=lambda pairs: dict(reversed(pairs)),
            )
        except ValueError:
            return None
        if not isinstance(found, dict):
            return None
        ids = [number(found.get(key)) for key in (user, item)]
        if not all(isinstance(value, str) and value.strip(WHITE) for value in ids):
            return None
        pairs.append(tuple(value.strip(WHITE) for value in ids))
    return pairs or None


class Number(str):
    """A number as it is written."""


def number(value):
    """Write a whole number without a point."""
    if isinstance(value, Number) and re.fullmatch(r"-?\d+\.0+", value):
        return value.partition(".")[0]
    return value
