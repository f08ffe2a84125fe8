"""Variational autoencoders for collaborative filtering as pure JAX functions.

Verbs (`fit`, `evaluate`, `recommend`, ...) and the values that they take are at the top; everything
else is in a room such as `multvae_jax.likelihoods` or `multvae_jax.metrics`. `__init__.pyi` lists
the public names. Each is imported when it is first used, so that neither `import multvae_jax` nor
`multvae --help` imports jax.
"""

import importlib.metadata
import operator
import sys
import warnings
from typing import Any

import lazy_loader

from multvae_jax.moved_names import NEW_PLACES

_public, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.metadata.version("multvae-jax")
    if name not in NEW_PLACES:
        return _public(name)
    place = NEW_PLACES[name]
    warnings.warn(
        f"multvae_jax.{name} has moved to multvae_jax.{place}; the old name will be removed in 0.3",
        DeprecationWarning,
        stacklevel=2,
    )
    return operator.attrgetter(place)(sys.modules[__name__])
