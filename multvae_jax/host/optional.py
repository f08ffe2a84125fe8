"""Import of packages that only an extra of this one installs."""

from __future__ import annotations

import importlib
from typing import Any

from multvae_jax.errors import InputError, first_line


def import_optional(module: str, extra: str, what: str) -> Any:
    """Import a module of an optional package.

    Args:
        module: its full name, such as "implicit.als".
        extra: the extra that installs its package.
        what: the option or function that needs it, for the message.

    Raises:
        InputError: the package is missing or fails to import; the message says how to install it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise InputError(
            f"{what} needs the package {package} ({first_line(error)}): "
            f"pip install 'multvae-jax[{extra}]'"
        ) from error
