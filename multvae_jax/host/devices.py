"""The devices that jax runs on."""

from __future__ import annotations

import contextlib
import os

from multvae_jax.errors import InputError, first_line


def check_devices(at_least: int = 1) -> None:
    """Initialize jax, before work is done that would be lost if it fails.

    Args:
        at_least: number of devices that are needed. A CPU is divided into as many; of a GPU or a
            TPU, there are as many as there are.

    Raises:
        InputError: the device that JAX_PLATFORMS names, or any, cannot be used.
    """
    import jax

    if at_least > 1 and "host_platform_device_count" not in os.environ.get("XLA_FLAGS", ""):
        # Once jax is initialized, their number is fixed.
        with contextlib.suppress(RuntimeError):
            jax.config.update("jax_num_cpu_devices", at_least)
    try:
        jax.devices()
    # Without the plugin of a platform that is named, jax fails an assertion.
    except Exception as error:
        named = os.environ.get("JAX_PLATFORMS")
        reason = f" ({first_line(error)})" if str(error) else ""
        told = f"no such device; JAX_PLATFORMS is {named}" if named else "jax cannot start"
        raise InputError(f"{told}{reason}") from None


def describe_devices(number: int) -> str:
    """One line about the devices that are used.

    Args:
        number: number of devices.
    """
    import jax

    kind = jax.local_devices()[0].device_kind
    return f"device: {kind}" if number == 1 else f"devices: {number} of {kind}"
