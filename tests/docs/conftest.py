"""Settings of the tests of pages and examples."""

import jax
import pytest


@pytest.fixture(scope="module", autouse=True)
def _quickly():
    """Most of the time of a page is compiling programs that run a few times."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
