"""Lines before the rows of a text file, and text that is not rows."""

import re
from dataclasses import dataclass, replace

from multvae_jax.errors import InputError

_HEAD = 2**16
_SEPARATORS = (b"\t", b"::", b",", b";", b"|")
_MATRIX = "%%matrixmarket"
_BLANK_LINES = re.compile(rb"(?:[ \t\r]*+\n)*+")
_MANY = 1000
_GAP = re.compile(rb"(?<=\n)(?:\r?\n){%d,}+" % _MANY)


@dataclass(frozen=True)
class Body:
    """The rows of a text file.

    Attributes:
        name: name of the file in messages.
        data: the rows, and the header if there is one.
        before: number of lines before them.
        separator: the separator that the file itself names, as Excel does.
        comment: the last line of comments before the rows; it may name the columns.
        mark: the character that starts a line of comments, or empty.
        matrix: whether it is a matrix of MatrixMarket, whose first line has its size.
        gaps: runs of blank lines that were left out: the index of the line after each, and their
            number.
    """

    name: str
    data: bytes
    before: int = 0
    separator: str | None = None
    comment: str = ""
    mark: str = ""
    matrix: bool = False
    gaps: tuple[tuple[int, int], ...] = ()

    def notes(self) -> tuple[str, ...]:
        """Return the notes on what stands before the rows."""
        if self.matrix:
            return (f"{self.name}: a matrix; its rows are users and its columns items",)
        skipped = f"{self.name}: lines that start with '{self.mark}' were skipped as comments"
        return (skipped,) if self.mark else ()

    def place(self, index: int) -> str:
        """Return the place of a line of the data in the file, such as "a.csv:17"."""
        left_out = sum(lines for at, lines in self.gaps if at <= index)
        return f"{self.name}:{index + left_out + self.before + 1}"

    def first(self) -> str:
        """Return the first line, without its end."""
        end = self.data.find(b"\n")
        return self.data[: end if end >= 0 else None].decode(errors="replace").rstrip("\r")

    def sample(self) -> list[str]:
        """Return some thousand lines from the start, complete ones unless there is only one."""
        lines = self.data[:_HEAD].decode(errors="replace").split("\n")
        if len(self.data) > _HEAD and len(lines) > 1:
            lines.pop()
        return [self.first(), *(line.rstrip("\r") for line in lines[1:] if line.strip())]


# What a file starts with that is text and not rows.
_OTHER = {
    r"\{|\[\s*[\[{\"\d]": "JSON, not a table; JSON Lines is read: one object per line",
    r"\|.*\|\s*\n\|[\s:|-]+\n": "a table of Markdown; write it as CSV",
    r".*\|.*\n-+(\+-+)+\n": "the output of psql; export the table as CSV (\\copy)",
    r"@(relation|attribute|data)\b": "an ARFF file; save it as CSV",
    r"%%matrixmarket(?! matrix coordinate \w+ general)": (
        "a MatrixMarket file that is not 'coordinate' and 'general'; save it so"
    ),
}


def body_of(name: str, data: bytes) -> Body:
    """Return the rows of a text file, without blank lines, comments and `sep=` before them.

    Raises:
        InputError: the text is in a format that does not consist of rows.
    """
    head = data[:4096].decode(errors="replace").lstrip()
    for beginning, kind in _OTHER.items():
        if re.match(beginning, head, re.IGNORECASE):
            raise InputError(f"{name}: {kind}")
    marked = _marked_lines(data)
    start, before, separator, comment, mark = 0, 0, None, "", ""
    while True:
        blank = _BLANK_LINES.match(data, start)
        assert blank is not None
        start, before = blank.end(), before + data.count(b"\n", start, blank.end())
        end = data.find(b"\n", start)
        line = data[start : end if end >= 0 else None]
        named = re.fullmatch(rb"sep=(.)\s*", line, re.IGNORECASE)
        if named and before == 0:
            separator = named[1].decode(errors="replace")
        elif marked and line[:1] == marked:
            mark, comment = marked.decode(), line[1:].decode(errors="replace")
        elif line.strip():
            break
        if end < 0:
            raise InputError(f"{name}: nothing but blank lines and comments")
        start, before = end + 1, before + 1
    if not start and not data[-3:].endswith((b"\n\n", b"\n\r\n")):
        return _without_gaps(Body(name, data))
    rows = data[start:].rstrip(b"\r\n")
    if mark:
        # Blank lines are skipped, and keep the numbers of the lines after them.
        rows = re.sub(rb"(?m)^" + re.escape(marked) + rb".*$", b"", rows)
    matrix = head[: len(_MATRIX)].lower() == _MATRIX
    body = Body(name, rows, before, separator, comment.strip(), mark, matrix)
    return body if matrix else _without_gaps(body)


def _without_gaps(body: Body) -> Body:
    """Leave long runs of blank lines out, which would take far more memory than their bytes.

    Not where a quote may enclose them.
    """
    end = b"\r\n" if b"\r" in body.data else b"\n"
    if b'"' in body.data or _MANY * end not in body.data:
        return body
    parts, gaps, line, done = [], [], 0, 0
    for run in _GAP.finditer(body.data):
        parts.append(body.data[done : run.start()])
        line += parts[-1].count(b"\n")
        gaps.append((line, run[0].count(b"\n")))
        done = run.end()
    return replace(body, data=b"".join([*parts, body.data[done:]]), gaps=tuple(gaps))


def _marked_lines(data: bytes) -> bytes:
    """Return the character that starts lines of comments, or nothing if there are none.

    Ids may start with it as well: the first line is a row if it has as many separators as the first
    line without the character.
    """
    lines = [line for line in data[:_HEAD].splitlines() if line.strip()]
    mark = lines[0][:1] if lines else b""
    if mark not in (b"#", b"%"):
        return b""
    others = [line for line in lines if not line.startswith(mark)][:1]
    if not others:
        return b"" if len(data) <= _HEAD else mark
    is_row = any(
        separator in lines[0] and lines[0].count(separator) == others[0].count(separator)
        for separator in _SEPARATORS
    )
    return b"" if is_row else mark


def matrix_entries(body: Body) -> Body:
    """Return the entries of a MatrixMarket file, without the line of its size.

    Raises:
        InputError: that line is missing, or says another number of entries.
    """
    sizes = body.first().split()
    start = body.data.find(b"\n") + 1
    if len(sizes) != 3 or not all(map(str.isdecimal, sizes)) or not start:
        raise InputError(f"{body.place(0)}: not the size of a matrix: rows, columns and entries")
    entries = body.data[start:]
    found = sum(1 for line in entries.split(b"\n") if line.strip())
    if found != int(sizes[2]):
        raise InputError(f"{body.place(0)}: {sizes[2]} entries are announced, and {found} follow")
    return replace(body, data=entries, before=body.before + 1)
