"""Variational autoencoders for collaborative filtering as pure JAX functions.

The public names are listed in `__init__.pyi`; each is imported when it is first used, so that
neither `import multvae_jax` nor `multvae --help` waits for jax.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
