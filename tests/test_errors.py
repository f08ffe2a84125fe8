"""Errors of any kind in one line."""

import errno

import pytest

from multvae_jax.errors import InputError, file_errors, first_line, one_line


@pytest.mark.parametrize(
    ("error", "line", "typed"),
    [
        (ValueError("no"), "no", "ValueError: no"),
        (ValueError("\n  no \r\nmore"), "no", "ValueError: no"),
        (KeyError("a"), "'a'", "KeyError: 'a'"),
        (EOFError(), "EOFError", "EOFError"),
        (EOFError("\n"), "EOFError", "EOFError"),
    ],
)
def test_the_first_line_of_an_error(error, line, typed):
    assert first_line(error) == line
    assert first_line(error, with_type=True) == typed


def raised(error: Exception, *place, **options) -> BaseException:
    with pytest.raises(Exception) as caught, file_errors(*place, **options):  # noqa: PT011
        raise error
    return caught.value


def test_an_error_of_the_system_names_the_place():
    error = OSError(errno.ENOSPC, "No space left on device", "/tmp/.work")
    assert str(raised(error, "a.csv")) == "a.csv: No space left on device"
    assert str(raised(error, "a", "; again", own_name=True)) == (
        "/tmp/.work: No space left on device; again"
    )
    nameless = OSError(errno.ENOSPC, "No space left on device")
    assert str(raised(nameless, "a", own_name=True)) == "a: No space left on device"
    assert str(raised(OSError("odd\nvery"), "a")) == "a: odd"
    assert isinstance(raised(error, "a"), InputError)


def test_other_errors_pass():
    for error in (ValueError("no"), InputError("b: no")):
        assert raised(error, "a") is error


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\r\nb\t\x1b[31mc", "a\\r\\nb\\t\\x1b[31mc"),
        ("two\u2028lines\x85\u202e", "two\\u2028lines\\x85\\u202e"),
        ("\udcff.csv", "\\udcff.csv"),
        ("漢 é 'x'", "漢 é 'x'"),
    ],
)
def test_a_message_is_one_line_whatever_is_put_into_it(text, line):
    assert str(InputError(text)) == one_line(text) == line


def test_a_long_message_keeps_its_place_and_its_advice():
    message = str(InputError("a.csv:1: " + "x" * 10**6 + "; name one"))
    assert len(message) < 2001
    assert len(str(InputError("\0" * 10**6))) < 2001
    assert message.startswith("a.csv:1: xxx")
    assert message.endswith("xxx; name one")
