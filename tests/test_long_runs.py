"""Memory does not grow with the number of epochs."""

import os
from pathlib import Path

import jax
import pytest

from multvae_jax.fitting import fit
from multvae_jax.models import mult_vae
from tests.builders import checkerboard

pytestmark = [pytest.mark.updates, pytest.mark.slow]


def resident() -> int:
    """Bytes of memory that this process has."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")
def test_memory_is_flat_over_200_epochs():
    seen = []
    fit(
        jax.random.key(0),
        mult_vae((64,), 16),
        checkerboard(600, 400),
        epochs=200,
        callback=lambda state: seen.append(resident()) and False,
    )
    early, late = seen[20], seen[-1]
    # Measured: 0.2 MB. A state that was kept each epoch would be 100 MB.
    assert late - early < 5e6
