"""Functions that are equal if they compute the same, so that their programs are compiled once.

A model, an objective or an optimizer is made of closures, and is usually made anew for each
training. Python takes two such closures for different; `ByValue` compares their code, and whatever
the code refers to: defaults, enclosed values, and the global names of a user's own files. If
a number changes in a notebook between two trainings, a function that reads it is therefore another
function, which a comparison by identity would not see.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import sys
import types
from collections.abc import Callable, Hashable, Mapping
from typing import Any, ParamSpec, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

P = ParamSpec("P")
R = TypeVar("R")

SMALL_ARRAY = 1024
"""Entries of an array of jax up to which it is compared by its entries, else by identity."""

LIBRARIES = {"multvae_jax", "jax", "jaxlib", "flax", "optax", "numpy", "scipy", "jaxtyping"}
"""Packages whose global names do not change."""


class UnknownError(Exception):
    """A value may change without becoming another, such as an object of the user's class."""


class _Same:
    """An object that equals itself alone. It keeps the object, whose identity stays its own."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)


class ByValue:
    """A value, or a function that can be called, that equals others of the same content.

    Example:
        >>> def scaled(factor):
        ...     return lambda x: factor * x
        >>> scaled(2.0) == scaled(2.0), ByValue(scaled(2.0)) == ByValue(scaled(2.0))
        (False, True)
        >>> ByValue(scaled(2.0)) == ByValue(scaled(3.0))
        False
    """

    __slots__ = ("_hash", "key", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        self.key = key_of(value)
        self._hash = hash(self.key)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        return self.value(*args, **kwargs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ByValue) and self.key == other.key

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return repr(self.value)


def by_value(function: Any) -> Any:
    """The function as a `ByValue`, or as it is if its content is not known to stay the same."""
    if isinstance(function, ByValue):
        return function
    try:
        return ByValue(function)
    except UnknownError:
        return function


def remembered(most: int) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return the earlier result for arguments of the same content; the latest `most` are kept.

    Nothing is kept for arguments whose content is not known to stay the same.

    Args:
        most: number of results that are kept.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.lru_cache(maxsize=most)
        def call(*args: ByValue) -> R:
            return function(*(one.value for one in args))  # type: ignore[call-arg]

        @functools.wraps(function)
        def remember(*args: P.args, **kwargs: P.kwargs) -> R:
            assert not kwargs
            try:
                keys = [ByValue(one) for one in args]
            except UnknownError:
                return function(*args, **kwargs)
            return call(*keys)

        return remember

    return decorate


def key_of(value: Any) -> Hashable:
    """A key that is equal for values of the same content.

    Raises:
        UnknownError: the content may change.
    """
    return _key(value, {})


def _key(value: Any, seen: dict[int, int]) -> Hashable:
    """The key of a value; one that is being looked at already, as in a recursion, is its number."""
    if value is None or isinstance(value, bool | int | str | bytes | type | types.EllipsisType):
        return type(value), value
    if isinstance(value, float | complex | range | slice):
        # As text: NaN equals itself, and 0.0 is not -0.0.
        return type(value), repr(value)
    if id(value) in seen:
        return "seen", seen[id(value)]
    seen = {**seen, id(value): len(seen)}
    for kind, key in _KINDS:
        if isinstance(value, kind):
            return type(value), key(value, seen)
    if dataclasses.is_dataclass(value) and type(value).__hash__ is not None:
        fields = dataclasses.fields(value)
        return type(value), tuple(_key(getattr(value, field.name), seen) for field in fields)
    if _package(type(value).__module__) in LIBRARIES:
        return _Same(value)
    raise UnknownError(type(value).__name__)


def _package(module: str | None) -> str:
    return (module or "").partition(".")[0]


def _of_items(value: Any, seen: dict[int, int]) -> Hashable:
    return tuple(_key(item, seen) for item in value)


def _of_list(value: list[Any], seen: dict[int, int]) -> Hashable:
    # Widths of layers, or functions; a list of other things may be one to which calls append.
    if not value or not all(
        isinstance(item, int | str | tuple) or callable(item) for item in value
    ):
        raise UnknownError("a list that may grow")
    return _of_items(value, seen)


def _of_set(value: Any, seen: dict[int, int]) -> Hashable:
    return frozenset(_key(item, seen) for item in value)


def _of_mapping(value: Mapping[Any, Any], seen: dict[int, int]) -> Hashable:
    return tuple((_key(name, seen), _key(item, seen)) for name, item in value.items())


def _of_numpy(value: Any, seen: dict[int, int]) -> Hashable:
    if value.dtype == object:
        return _of_items(value.ravel().tolist(), seen)
    digest = hashlib.blake2b(np.ascontiguousarray(value).tobytes(), digest_size=16).digest()
    return value.dtype.str, value.shape, digest


def _of_array(value: jax.Array, seen: dict[int, int]) -> Hashable:
    if isinstance(value, jax.core.Tracer):
        raise UnknownError("an array that is traced")
    if jnp.issubdtype(value.dtype, jax.dtypes.prng_key) or value.size > SMALL_ARRAY:
        return _Same(value)
    return value.weak_type, _of_numpy(np.asarray(value), seen)


def _of_partial(value: Any, seen: dict[int, int]) -> Hashable:
    parts = (value.func, value.args, value.keywords)
    return tuple(_key(part, seen) for part in parts)


def _of_method(value: types.MethodType, seen: dict[int, int]) -> Hashable:
    return _key(value.__func__, seen), _key(value.__self__, seen)


def _itself(value: Any, seen: dict[int, int]) -> Hashable:
    del seen
    return _Same(value)


CHECKS = {"jaxtyping", "beartype"}
"""Packages whose decorators check a function and do not change what it computes."""


def _of_function(function: types.FunctionType, seen: dict[int, int]) -> Hashable:
    home = function.__globals__.get("__name__")
    is_check = _package(home) in CHECKS or home == "multvae_jax.checks.signatures"
    if is_check and hasattr(function, "__wrapped__"):
        return _key(function.__wrapped__, seen)
    enclosed = []
    for cell in function.__closure__ or ():
        try:
            enclosed.append(cell.cell_contents)
        except ValueError:  # Not assigned yet.
            enclosed.append(_UNASSIGNED)
    parts = (function.__defaults__, function.__kwdefaults__, tuple(enclosed), function.__dict__)
    globals_ = _globals_of(function)
    return function.__code__, tuple(_key(part, seen) for part in (*parts, globals_))


_UNASSIGNED = "not assigned yet"


def _globals_of(function: types.FunctionType) -> dict[str, Any]:
    """The global variables that a user's function reads, including attributes of modules."""
    if _package(function.__module__) in LIBRARIES:
        return {}
    names = _names_in(function.__code__)
    found = {name: function.__globals__[name] for name in names if name in function.__globals__}
    modules = {
        name: module
        for name, module in found.items()
        if isinstance(module, types.ModuleType) and not _is_installed(module)
    }
    for name, module in modules.items():
        found |= {f"{name}.{own}": getattr(module, own) for own in names if hasattr(module, own)}
    return found


def _names_in(code: types.CodeType) -> list[str]:
    inner = (constant for constant in code.co_consts if isinstance(constant, types.CodeType))
    return list(dict.fromkeys([*code.co_names, *(n for part in inner for n in _names_in(part))]))


def _is_installed(module: types.ModuleType) -> bool:
    name = _package(module.__name__)
    return (
        name in LIBRARIES
        or name in sys.stdlib_module_names
        or "site-packages" in (getattr(module, "__file__", None) or "")
    )


_KINDS: tuple[tuple[Any, Callable[[Any, dict[int, int]], Hashable]], ...] = (
    (tuple, _of_items),
    (list, _of_list),
    (set | frozenset, _of_set),
    (dict | types.MappingProxyType, _of_mapping),
    (np.ndarray | np.generic, _of_numpy),
    (jax.Array, _of_array),
    (types.FunctionType, _of_function),
    (types.MethodType, _of_method),
    (functools.partial, _of_partial),
    (types.BuiltinFunctionType | types.ModuleType | np.dtype | np.ufunc, _itself),
)
"""Kinds of values and how the key of each is made; a subclass comes before its class."""
