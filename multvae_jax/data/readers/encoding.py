"""Text in any encoding and with any line ends, as UTF-8 with line feeds."""

import codecs

from multvae_jax.errors import InputError

_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    codecs.BOM_UTF8: "utf-8",
}


def as_utf8(name: str, data: bytes, encoding: str | None) -> tuple[bytes, tuple[str, ...]]:
    """Return text as UTF-8 with a line feed at the end of each line, or a carriage return before.

    Text that has this form is returned as it is.

    Args:
        name: name of the file in messages.
        data: the text.
        encoding: its encoding; None for UTF-8, or what a byte order mark says, or latin-1 if the
            bytes are not UTF-8.

    Returns:
        The text, and a note if its encoding was guessed.

    Raises:
        InputError: the bytes are not in the encoding, or are not text.
    """
    notes: tuple[str, ...] = ()
    # The marks of UTF-32 start with those of UTF-16, and come first.
    marked = next((_MARKS[mark] for mark in _MARKS if data[: len(mark)] == mark), None)
    if encoding is not None or marked not in (None, "utf-8"):
        data = _decoded(name, data, encoding or str(marked)).encode()
    elif marked == "utf-8":
        data = data[3:]
    if (nul := data.find(b"\0")) >= 0:
        line = data[:nul].count(b"\n") + 1
        raise InputError(
            f"{name}:{line}: a NUL byte: a binary file or damaged text, or UTF-16 without a byte "
            "order mark (--encoding utf-16-le)"
        )
    if (wrong := _not_utf8(data)) is not None:
        _refuse_damaged(name, data, wrong)
        data = data.decode("latin-1" if _has_controls(data) else "cp1252").encode()
        notes = (f"{name}: not UTF-8, read as latin-1 (--encoding)",)
    return _with_line_feeds(data), notes


def _decoded(name: str, data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding).removeprefix("\ufeff")
    except UnicodeError as error:
        start = getattr(error, "start", 0)
        line = data.count(b"\n", 0, start) + 1
        raise InputError(
            f"{name}:{line}: byte 0x{data[start]:02x} is not {encoding} text; "
            "give another --encoding"
        ) from None


def _not_utf8(data: bytes) -> int | None:
    """Return the place of the first byte that is not UTF-8 text."""
    if data.isascii():
        return None
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.start
    return None


def _refuse_damaged(name: str, data: bytes, wrong: int) -> None:
    """Refuse text of which a part is UTF-8: it is damaged, and not in another encoding."""
    text = data.decode("utf-8", "ignore")
    if not text.isascii():
        line = data.count(b"\n", 0, wrong) + 1
        raise InputError(
            f"{name}:{line}: byte 0x{data[wrong]:02x} is not UTF-8 text, which the rest of the "
            "file is; mend the line, or give --encoding"
        )


def _has_controls(data: bytes) -> bool:
    """Return whether cp1252, which extends latin-1, leaves one of the bytes undefined."""
    return any(byte in data for byte in (b"\x81", b"\x8d", b"\x8f", b"\x90", b"\x9d"))


def _with_line_feeds(data: bytes) -> bytes:
    if data.find(b"\r") < 0:
        return data
    if data.count(b"\r") == data.count(b"\r\n"):
        return data
    return data.replace(b"\r\r\n", b"\n").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
