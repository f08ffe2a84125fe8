"""Functions and values by name: the package's own, and those of the user's files."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from multvae_jax.errors import InputError, first_line, names_like


class Vocabulary(NamedTuple):
    """The values that an option can name.

    Besides its plain names, an option takes `package.module:name` and `path/to/file.py:name`.

    Attributes:
        option: the option, such as `--likelihood`, for messages.
        noun: a value of it in one word, for messages.
        names: the plain names and the value of each.
    """

    option: str
    noun: str
    names: Mapping[str, Any]

    def find(self, name: str) -> Any:
        """The function or the value that a name stands for.

        Raises:
            InputError: if there is no such name, file or module, or it fails to import.
        """
        place, colon, own = name.rpartition(":")
        if colon:
            return self._find_in(place, own)
        plain = {known.replace("-", "_"): value for known, value in self.names.items()}
        if name.replace("-", "_") in plain:
            return plain[name.replace("-", "_")]
        raise InputError(
            f"{self.option} {name}: no such {self.noun}"
            f"{names_like(name, self.names)}, or my_file.py:name"
        )

    def make(self, name: str, kind: Any, /, *given: Any, **named: Any) -> Any:
        """The value of a kind that a name stands for, or that its function returns.

        Args:
            name: a name, as for `find`.
            kind: type of the value.
            *given: arguments of the function, if it is one.
            **named: arguments of the function by name.

        Raises:
            InputError: as `find`, or if the function fails or returns something else.
        """
        return self.call(name, kind, self.find(name), *given, **named)

    def call(self, name: str, kind: Any, function: Any, /, *given: Any, **named: Any) -> Any:
        """The value of a kind that a function returns, which `find` has found by a name."""
        wanted = "a function" if kind is Callable else _with_article(kind)
        if not callable(function):
            got = _with_article(type(function))
            or_function = "" if kind is Callable else " or a function that returns one"
            raise InputError(f"{self.option} {name}: is {got}, not {wanted}{or_function}")
        try:
            made = function(*given, **named)
        except InputError as error:
            # The name of an argument alone does not say which option it is a constant of.
            if str(error).partition(":")[0] in named:
                raise InputError(f"{self.option} {name}: {error}") from None
            raise
        # Any exception of the user's file is reported in one line.
        except (Exception, SystemExit) as error:
            raise InputError(
                f"{self.option} {name}: {_with_line(error, name.rpartition(':')[0])}"
            ) from error
        if not isinstance(made, kind):
            got = _with_article(type(made))
            raise InputError(f"{self.option} {name}: returns {got}, not {wanted}")
        return made

    def _find_in(self, place: str, name: str) -> Any:
        module = _module(self.option, place)
        if not name.startswith("_") and hasattr(module, name):
            return getattr(module, name)
        raise InputError(
            f"{self.option} {place}:{name}: there is no '{name}' in {place}"
            f"{names_like(name, _public_names(module))}"
        )


def _with_article(kind: type) -> str:
    return f"{'an' if kind.__name__[0] in 'AEIOUaeiou' else 'a'} {kind.__name__}"


def _public_names(module: ModuleType) -> list[str]:
    """The names that a module defines, without those that it imports."""

    def is_imported(value: Any) -> bool:
        home = sys.modules.get(getattr(value, "__module__", None) or "")
        name = getattr(value, "__name__", None)
        return home is not module and name is not None and getattr(home, name, None) is value

    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and not isinstance(value, ModuleType)
        and name != "annotations"
        and not is_imported(value)
    ]


def error_in_user_file(error: BaseException) -> str | None:
    """An error in one line, if it was raised in or below a file that an option named."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename in _loaded_files:
            return f"{frame.filename}:{frame.lineno}: {first_line(error, with_type=True)}"
    return None


def _module(option: str, place: str) -> ModuleType:
    is_file = place.endswith(".py")
    if is_file and not Path(place).is_file():
        raise InputError(f"{option} {place}: no such file")
    try:
        return _load(Path(place).absolute()) if is_file else importlib.import_module(place)
    # Any exception of the user's file is reported in one line, also that of a script that ends.
    except (Exception, SystemExit) as error:
        raise InputError(f"{option} {place}: {_with_line(error, place)}") from error


_loaded_files: set[str] = set()
"""The user's files that have been loaded, by absolute path."""


def _load(path: Path) -> ModuleType:
    """A file as a module: the same one for every option that names it, until it is edited."""
    name = f"{path} {hashlib.sha256(path.read_bytes()).hexdigest()}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    _loaded_files.add(str(path))
    # Entered before it runs: a dataclass, and so a flax module, looks up its own module.
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    # A file beside it can be imported, as from a script.
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    finally:
        sys.path.remove(str(path.parent))
    return module


def _with_line(error: BaseException, place: str) -> str:
    """An error in one line, with the last line of the user's file that it came through."""
    file = str(Path(place).absolute())
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f" (line {frame.lineno})" for frame in frames if frame.filename == file]
    return f"{first_line(error, with_type=True)}{lines[-1] if lines else ''}"
