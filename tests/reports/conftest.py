"""Programs of these tests run a few times: most of their time is compiling them."""

import jax
import pytest

from tests.builders import see_through_shape_checks


@pytest.fixture(scope="package", autouse=True)
def _compile_quickly():
    jax.config.update("jax_disable_most_optimizations", True)
    with pytest.MonkeyPatch.context() as patch:
        # Runs are saved, and the parts of their models found by name.
        see_through_shape_checks(patch)
        yield
    jax.config.update("jax_disable_most_optimizations", False)
