"""Text of any encoding and line ends becomes UTF-8 with line feeds."""

import pytest

from multvae_jax.data.readers.encoding import as_utf8
from multvae_jax.errors import InputError

TEXT = "user,item\n1,Ärger\n2,naïve\n"
NOTE = ("a.csv: not UTF-8, read as latin-1 (--encoding)",)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_marked_text_and_utf8_need_no_option(encoding):
    assert as_utf8("a.csv", TEXT.encode(encoding), None) == (TEXT.encode(), ())


@pytest.mark.parametrize("order", ["utf-16-be", "utf-16-le", "utf-32-be", "utf-32-le"])
def test_either_order_of_bytes(order):
    marked = f"\ufeff{TEXT}".encode(order)
    assert as_utf8("a.csv", marked, None) == (TEXT.encode(), ())
    assert as_utf8("a.csv", TEXT.encode(order), order) == (TEXT.encode(), ())


def test_other_text_is_read_as_latin_1_with_a_note():
    assert as_utf8("a.csv", TEXT.encode("latin-1"), None) == (TEXT.encode(), NOTE)
    quoted = "1,“a”…b\n"
    assert as_utf8("a.csv", quoted.encode("cp1252"), None) == (quoted.encode(), NOTE)
    assert as_utf8("a.csv", b"1,\x81\xe4\n", None) == ("1,\x81ä\n".encode(), NOTE)
    assert as_utf8("a.csv", TEXT.encode("latin-1"), "latin-1") == (TEXT.encode(), ())
    assert as_utf8("a.csv", "1,Привет\n".encode("cp1251"), "cp1251")[0] == "1,Привет\n".encode()


@pytest.mark.parametrize(
    ("ends", "same"),
    [("\n", True), ("\r\n", True), ("\r", False), ("\r\r\n", False)],
)
def test_line_ends(ends, same):
    text = TEXT.replace("\n", ends).encode()
    assert as_utf8("a.csv", text, None)[0] == (text if same else TEXT.encode())
    assert as_utf8("a.csv", b"a\r\nb\nc\rd", None)[0] == b"a\nb\nc\nd"


@pytest.mark.parametrize(
    ("data", "encoding", "problem"),
    [
        (TEXT.encode() + b"3,\xe9\n", None, "a.csv:4: byte 0xe9 is not UTF-8 text, which the rest"),
        (TEXT.encode("latin-1"), "utf-8", "a.csv:2: byte 0xc4 is not utf-8 text; give another"),
        (TEXT.encode(), "ascii", "a.csv:2: byte 0xc3 is not ascii text; give another --encoding"),
        (b"1,2\n3,\0\n", None, "a.csv:2: a NUL byte: a binary file or damaged text, or UTF-16"),
        (TEXT.encode("utf-16")[:-1], None, "a.csv:3: byte 0x0a is not utf-16 text; give another"),
    ],
)
def test_what_is_not_text(data, encoding, problem):
    with pytest.raises(InputError) as caught:
        as_utf8("a.csv", data, encoding)
    assert str(caught.value).startswith(problem)
