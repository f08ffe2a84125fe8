"""The one exception for input that cannot be used."""


class InputError(ValueError):
    """Input that cannot be used; its message is one line that names the place.

    The command line prints the message and exits with status 2.
    """


def first_line(error: BaseException) -> str:
    """What an error says, in one line."""
    return str(error).partition("\n")[0].strip() or type(error).__name__
