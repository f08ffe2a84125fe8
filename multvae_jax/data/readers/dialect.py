"""How a text file is written: its encoding, separator, quotes, header, and what a line is."""

from dataclasses import dataclass
from typing import Literal

from multvae_jax.checks.bounds import check_choice, check_text
from multvae_jax.errors import InputError

BLANKS = " "
"""The separator of fields with any number of spaces and tabs between them."""

NO_QUOTES = "none"

_SEPARATORS = {
    "tab": "\t",
    "\\t": "\t",
    "comma": ",",
    "semicolon": ";",
    "pipe": "|",
    "blank": BLANKS,
    "blanks": BLANKS,
    "space": BLANKS,
}


@dataclass(frozen=True)
class Dialect:
    """How a text file is written; what is not given is recognized by the content.

    Attributes:
        encoding: encoding of the text, such as "latin-1" or "utf-16"; None for UTF-8, or
            latin-1 if the file is not UTF-8.
        separator: what stands between two fields: a character, several such as "::", "tab", or
            "blanks" for any number of spaces and tabs.
        quote: the character around quoted fields, or "none" if quotes are part of the text.
        header: whether the first line holds the names of the columns.
        lines: whether each line is a row of a table, or a user and its items.
    """

    encoding: str | None = None
    separator: str | None = None
    quote: str | None = None
    header: Literal["auto", "yes", "no"] = "auto"
    lines: Literal["auto", "rows", "users"] = "auto"

    def __post_init__(self) -> None:
        """Check the values, and write the separator as the characters that it names.

        Raises:
            InputError: there is no such encoding, or a value cannot separate or quote fields.
        """
        for name in ("encoding", "separator", "quote"):
            check_text(name, getattr(self, name), "text, or None to have it recognized")
        try:
            b" ".decode(self.encoding or "utf-8", "ignore")
        except (LookupError, ValueError):
            raise InputError(
                f"no encoding '{self.encoding}'; utf-8, latin-1, cp1252 and utf-16 are some"
            ) from None
        if self.separator is not None:
            separator = _SEPARATORS.get(self.separator.lower(), self.separator)
            if not separator or set(separator) & set('"\r\n\0'):
                raise InputError(
                    f"'{self.separator}' cannot separate fields; give a character such as ',' or "
                    "';', or the word tab or blanks"
                )
            object.__setattr__(self, "separator", separator)
        if self.quote not in (None, NO_QUOTES) and not (
            len(self.quote) == 1 and self.quote.isascii() and self.quote.isprintable()
        ):
            raise InputError(f"'{self.quote}' cannot quote fields; give one character, or none")
        check_choice("header", self.header, ("auto", "yes", "no"))
        check_choice("lines", self.lines, ("auto", "rows", "users"))


DETECTED = Dialect()
"""Everything recognized by the content."""
