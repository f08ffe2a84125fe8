"""Functions by name: those of a module of the package, and those of the user's own files."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from multvae_jax.errors import InputError, first_line


def find_function(option: str, name: str, home: str) -> Any:
    """The function that an option names.

    Args:
        option: for the message, such as `--likelihood`.
        name: of a public function of `home`; or `package.module:function`, or
            `path/to/file.py:function`.
        home: the module that plain names are looked up in.

    Raises:
        InputError: if there is no such file, module or function, or it fails to import.
    """
    place, colon, function = name.rpartition(":")
    module = _module(option, place) if colon else importlib.import_module(home)
    found = None if function.startswith("_") else getattr(module, function, None)
    if not callable(found):
        raise InputError(f"{option} {name}: there is no function '{function}' in {place or home}")
    return found


def call_function(
    option: str, name: str, home: str, kind: Any, /, *given: Any, **named: Any
) -> Any:
    """What the function that an option names makes of the arguments.

    Args:
        option: as of `find`, like the two after it.
        name: of the function.
        home: of plain names.
        kind: what has to come of it.
        *given: its arguments.
        **named: its arguments by name.

    Raises:
        InputError: as `find`, or if the function fails, or makes something else.
    """
    function = find_function(option, name, home)
    try:
        made = function(*given, **named)
    except InputError:
        raise
    except Exception as error:
        place = name.rpartition(":")[0]
        raise InputError(f"{option} {name}: {_told(error, place)}") from error
    if not isinstance(made, kind):
        got = type(made).__name__
        raise InputError(f"{option} {name}: returns a {got}, not a {kind.__name__}")
    return made


def error_in_user_file(error: BaseException) -> str | None:
    """An error in one line, if it came through a file that an option named; else None."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if any(name.startswith(f"{frame.filename} ") for name in sys.modules):
            return f"{frame.filename}:{frame.lineno}: {first_line(error, with_type=True)}"
    return None


def accepted_arguments(function: Callable[..., Any], named: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the arguments that a function has parameters for."""
    parameters = inspect.signature(function).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return dict(named)
    return {name: value for name, value in named.items() if name in parameters}


def _module(option: str, place: str) -> ModuleType:
    is_file = place.endswith(".py")
    if is_file and not Path(place).is_file():
        raise InputError(f"{option} {place}: no such file")
    try:
        return _load(Path(place).absolute()) if is_file else importlib.import_module(place)
    # The file is the user's: whatever it raises is theirs to hear of, in one line.
    except Exception as error:
        raise InputError(f"{option} {place}: {_told(error, place)}") from error


def _load(path: Path) -> ModuleType:
    """A file as a module: the same one for every option that names it, until it is edited."""
    name = f"{path} {hashlib.sha256(path.read_bytes()).hexdigest()}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    # Entered before it runs: a dataclass, and so a flax module, looks its own module up.
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    # What lies beside the file can be imported, as from a script.
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    finally:
        sys.path.remove(str(path.parent))
    return module


def _told(error: BaseException, place: str) -> str:
    """An error in one line, with the last line of the user's file that it came through."""
    file = str(Path(place).absolute())
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f" (line {frame.lineno})" for frame in frames if frame.filename == file]
    return f"{first_line(error, with_type=True)}{lines[-1] if lines else ''}"
