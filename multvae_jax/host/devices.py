"""The devices that jax runs on."""

from __future__ import annotations

import os

from multvae_jax.errors import InputError, first_line


def check_devices() -> None:
    """Initialize jax, before work is done that would be lost if it fails.

    Raises:
        InputError: the device that JAX_PLATFORMS names, or any, cannot be used.
    """
    import jax

    try:
        jax.devices()
    # Without the plugin of a platform that is named, jax fails an assertion.
    except Exception as error:
        named = os.environ.get("JAX_PLATFORMS")
        reason = f" ({first_line(error)})" if str(error) else ""
        told = f"no such device; JAX_PLATFORMS is {named}" if named else "jax cannot start"
        raise InputError(f"{told}{reason}") from None
