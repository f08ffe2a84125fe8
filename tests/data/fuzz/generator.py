"""Seeded files: valid ones in random dialects, and the same with random damage."""

import bz2
import contextlib
import csv
import gzip
import io
import json
import lzma
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field

import polars as pl

from tests.data.fuzz import reference

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Pairs = list[tuple[str, str]]


@dataclass(frozen=True)
class Case:
    """One file, and what may be read from it.

    Attributes:
        name: file name, whose suffix is that of its format.
        data: the bytes.
        readings: the readings that are right; without one the file may only be refused.
        intact: whether the file must be read.
        dialect: options of `Dialect`.
        exact: whether what is read is compared at all; a flipped bit of a Parquet file may change
            a value and nothing else.
    """

    name: str
    data: bytes
    readings: Callable[[], list[Pairs | None]]
    intact: bool
    dialect: dict[str, str] = field(default_factory=dict)
    exact: bool = True


PACK = {
    ".gz": lambda data: gzip.compress(data, 1, mtime=0),
    ".bz2": bz2.compress,
    ".xz": lambda data: lzma.compress(data, preset=0),
    ".zst": zstd.compress,
}

# By suffix, the separators that are recognized.
SEPARATORS = {".csv": ",;\t", ".tsv": "\t", ".dat": ("::", "\t", ","), "": ("\t", "::", ",")}

WORDS = ["a", "Z9", "é", "漢字", "x y", "O'Neil", "#1", "b_2", "007", "-5", "3.0", "1e3", "q|r"]
QUOTED = [*WORDS, 'say "hi"', "one,two", "semi;colon", "tab\there", "two\nlines", '"']


def table(random):
    """A delimited file that is valid."""
    suffix = random.choice(list(SEPARATORS))
    separator = random.choice(SEPARATORS[suffix])
    quoting = random.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, None])
    if len(separator) > 1:
        quoting = None
    plain = [word for word in WORDS if separator not in word]
    ids = random.choice([None, plain, plain if quoting is None else QUOTED])
    names = [
        "user_id",
        "item_id",
        *random.sample(["note", "rating", "extra"], random.randint(0, 3)),
    ]
    random.shuffle(names)
    width, height = len(names), random.randint(1, 12)

    def value(name):
        if name == "rating":
            return random.choice(["1", "4.5", "5.0"])
        if name in ("note", "extra") and random.random() < 0.3:
            return ""
        return str(random.randint(0, 300)) if ids is None else random.choice(ids)

    rows = [[value(name) for name in names] for _ in range(height)]
    ending = random.choice(["\n", "\r\n"])
    if quoting is None:
        text = "".join(separator.join(row) + ending for row in [names, *rows])
    else:
        file = io.StringIO(newline="")
        options = {"delimiter": separator, "quoting": quoting, "lineterminator": ending}
        csv.writer(file, **options).writerows([names, *rows])
        text = file.getvalue()
    if random.random() < 0.2:
        text = text.removesuffix(ending)
    if random.random() < 0.2:
        text = random.choice(["\n", "\r\n\n"]) + text
    if random.random() < 0.2:
        text += random.choice([ending, ending * 3])
    if ending == "\n" and "\n" not in "".join(map("".join, rows)) and random.random() < 0.1:
        text = text.replace("\n", "\r")
    user, item = names.index("user_id"), names.index("item_id")

    def read(text):
        found = []
        for same in dict.fromkeys((text, reference.lines(text))):
            strict = reference.delimited(same, separator, user, item)
            found.append(strict)
            open_ = separator == "\t" and any(line.count('"') % 2 for line in same.split("\n"))
            if strict is None or quoting is None or open_:
                # Quotes that enclose no field are part of the text. Between tabs, where quotes
                # are mostly text, so are those that enclose the end of a line.
                found.append(reference.delimited(same, separator, user, item, quote=None))
        return [*found, *map(lists_apart, found)]

    return f"a{suffix}", text, read, width


def lists_apart(pairs):
    """Take lists of items apart, if at least every other field looks like one."""
    lists = [item for _, item in pairs or () if " " in item]
    if not lists or 2 * len(lists) < len(pairs):
        return pairs
    return [(user, item) for user, items in pairs for item in items.split(" ")]


def encoded(random, text):
    """A text as bytes, the option that its encoding needs, and where the first line ends."""
    encoding = random.choice(["utf-8"] * 6 + ["utf-8-sig", "utf-16", "cp1252", "gb18030"])
    try:
        data = text.encode(encoding)
    except UnicodeEncodeError:
        encoding, data = "utf-8", text.encode()
    body = text.lstrip()
    head = len(text) - len(body) + min(len(body), *(body.find(end) % 9999 for end in "\r\n"))
    return encoding, data, len(text[: head + 2].encode(encoding))


def decoded(data, encoding):
    """The texts that bytes may stand for: what is not UTF-8 may be read as latin-1."""
    texts = []
    if encoding.startswith("utf-8"):
        data = data.removeprefix(b"\xef\xbb\xbf")
    # cp1252 is latin-1 with letters in the place of control characters.
    for attempt in (encoding, "cp1252", "latin-1"):
        with contextlib.suppress(UnicodeError):
            texts.append(data.decode(attempt).removeprefix("\ufeff"))
        if (texts and attempt in (encoding, "latin-1")) or not encoding.startswith("utf-8"):
            break
    return texts


def delimited_case(random):
    """A table, perhaps damaged after its header, compressed or not."""
    name, text, read, _ = table(random)
    encoding, data, start = encoded(random, text)
    dialect = {} if encoding.startswith("utf-8") else {"encoding": encoding}
    intact = random.random() < 0.4
    if not intact:
        for _ in range(random.choice([1, 1, 1, 2, 5])):
            data = damaged(random, data, start)

    def readings():
        return [pairs for text in decoded(data, encoding) for pairs in read(text)]

    if random.random() < 0.15:
        suffix = random.choice(list(PACK))
        return Case(name + suffix, PACK[suffix](data), readings, intact, dialect)
    return Case(name, data, readings, intact, dialect)


def header_end(data):
    """Where the first line that is not blank ends; damage comes after it."""
    body = data.lstrip()
    ends = [place for place in (body.find(b"\n"), body.find(b"\r")) if place >= 0]
    return min(ends, default=len(body)) + 2


DAMAGE = [b"\0", b"\r", b"\n", b"\r\n", b'"', b'""', b",", b"\t", b";", b"::", b"\xef\xbb\xbf"]
DAMAGE += [b" ", b"\xff", b"\xe9", b"\x1a", b"\x1f", b"\x85", b"\xc2\xa0", b"'", b"\\", b"#"]


def damaged(random, data, start=0):
    """Bytes with one piece of random damage, not before `start`."""
    if start >= len(data):
        return data
    place = random.randint(start, len(data))
    kind = random.randrange(7)
    if kind == 0:
        return data[:place]
    if kind == 1 and place < len(data):
        return data[:place] + bytes([data[place] ^ 1 << random.randrange(8)]) + data[place + 1 :]
    if kind == 2:
        stop = min(len(data), place + random.randint(1, 9))
        return data[:place] + data[stop:]
    if kind == 3:
        stop = min(len(data), place + random.randint(1, 30))
        return data[:stop] + data[place:]
    if kind == 4:
        return data[:place] + random.choice([b"x", b",", b'"', b"\n"]) * 3000 + data[place:]
    return data[:place] + random.choice(DAMAGE) + data[place:]


def headless_case(random):
    """Rows of a user, an item and perhaps a rating and a time, without a header."""
    separator = random.choice([",", "\t", "::", ";"])
    width = random.randint(2, 4)
    rows = [
        (
            str(random.randint(1, 9)),
            f"i{random.randint(0, 99)}",
            random.choice(["1.0", "3.5", "5.0"]),
            str(random.randint(10**9, 15 * 10**8)),
        )[:width]
        for _ in range(random.randint(1, 30))
    ]
    data = "".join(separator.join(row) + "\n" for row in rows).encode()
    intact = random.random() < 0.4
    if not intact:
        data = damaged(random, data, header_end(data))

    def readings():
        texts = [reference.lines(text) for text in decoded(data, "utf-8")]
        quotes = [None] if len(separator) > 1 else ['"', None]
        return [
            lists_apart(reference.delimited(text, separator, 0, 1, False, quote))
            for text in texts
            for quote in quotes
        ]

    return Case(random.choice(["a.csv", "a.dat", "a"]), data, readings, intact)


def adjacency_case(random):
    """Lines of a user and its items."""
    blank = random.choice([" ", "  "])
    lines = [
        blank.join(str(random.randint(0, 99)) for _ in range(random.choice([2, 5, 6, 7, 9])))
        for _ in range(random.randint(1, 9))
    ]
    data = (random.choice(["\n", "\r\n"]).join(lines) + "\n" * random.randint(0, 2)).encode()
    intact = random.random() < 0.5
    if not intact:
        data = damaged(random, data, header_end(data))
    return Case(
        random.choice(["a.txt", "a"]),
        data,
        lambda: [reference.adjacency(reference.lines(text)) for text in decoded(data, "utf-8")],
        intact,
        {"lines": "users"},
    )


def objects_case(random):
    """JSON Lines."""
    ids = [*WORDS, 'say "hi"', "a\nb", "\\", 5, 700, 12.5, 3.0, 2**70, -1]
    lines = [
        json.dumps(
            {
                "item": random.choice(ids),
                "text": "x" * random.randint(0, 9),
                "user": random.choice(ids),
            },
            ensure_ascii=random.random() < 0.5,
        )
        for _ in range(random.randint(1, 9))
    ]
    data = (random.choice(["\n", "\r\n", "\n\n"]).join(lines) + "\n").encode()
    intact = random.random() < 0.4
    if not intact:
        data = damaged(random, data, header_end(data))
    return Case("a.jsonl", data, lambda: [reference.objects(data, "user", "item")], intact)


def packed_case(random):
    """A compressed table with damage to what is compressed: refused, or read as it was."""
    name, text, read, _ = table(random)
    suffix = random.choice([*PACK, ".zip"])
    if suffix == ".zip":
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name, text.encode())
        whole = file.getvalue()
    else:
        whole = PACK[suffix](text.encode())
    data = damaged(random, whole, 4)
    name = name + suffix if suffix != ".zip" else "a.zip"
    # zstd.compress adds no checksum, so that damage may change the text.
    return Case(name, data, lambda: read(text), data == whole, exact=suffix != ".zst")


def frame_case(random):
    """A Parquet or Arrow file, perhaps damaged."""
    height = random.randint(1, 9)
    users = [random.randint(0, 9) for _ in range(height)]
    items = [random.choice(WORDS) for _ in range(height)]
    file = io.BytesIO()
    frame = pl.DataFrame({"user": users, "item": items})
    suffix = random.choice([".parquet", ".arrow"])
    if suffix == ".parquet":
        frame.write_parquet(file)
    else:
        frame.write_ipc(file)
    data, intact = file.getvalue(), random.random() < 0.3
    if not intact:
        data = damaged(random, data)
    pairs = [(str(user), item) for user, item in zip(users, items, strict=True)]
    return Case(f"a{suffix}", data, lambda: [pairs], intact, exact=intact)


MAGIC = [b"PAR1", b"ARROW1\0\0", b"\x1f\x8b\x08\0", b"BZh9", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"]
MAGIC += [
    b"PK\x03\x04",
    b"\xff\xff\xff\xff",
    b"\x80\x04",
    b"\xef\xbb\xbf",
    b"{",
    b'{"',
    b"[{",
    b"[",
]


def garbage_case(random):
    """Random bytes behind the first bytes of a format, which may only be refused."""
    data = random.choice([*MAGIC, b""]) + b"\0\1" + random.randbytes(random.randint(0, 300))
    suffix = random.choice([".csv", ".parquet", ".json", ".gz", ".zip", ".dat", ""])
    return Case(f"a{suffix}", data, lambda: [None], False)


KINDS = {
    delimited_case: 10,
    adjacency_case: 2,
    headless_case: 2,
    objects_case: 2,
    packed_case: 3,
    frame_case: 1,
    garbage_case: 2,
}


def case(random):
    """A file of any kind."""
    (make,) = random.choices(list(KINDS), list(KINDS.values()))
    return make(random)
