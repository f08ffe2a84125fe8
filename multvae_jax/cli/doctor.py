"""The command `doctor`: what the program runs on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from multvae_jax.datasets import registry
from multvae_jax.errors import InputError, reason_of
from multvae_jax.host.console import print_table
from multvae_jax.host.devices import check_devices
from multvae_jax.host.memory import available_memory, physical_memory
from multvae_jax.host.programs import programs_folder

PACKAGES = ("multvae-jax", "jax", "jaxlib", "numpy", "scipy", "polars", "flax", "optax")
PLUGINS = ("jax-cuda13-plugin", "jax-cuda12-plugin", "libtpu", "jax-rocm7-plugin")
OPTIONAL = {
    "implicit": "baselines",
    "scikit-learn": "baselines",
    "optuna": "optuna",
    "starlette": "serve",
    "uvicorn": "serve",
}
DRIVERS = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/kfd")


def doctor() -> None:
    """Print versions, devices, memory and caches, and why no accelerator is used.

    Raises:
        InputError: jax cannot start on the device that JAX_PLATFORMS names; after the table.
    """
    table = Table("what", "found", show_lines=True)
    problem: InputError | None = None
    backend = "none"
    try:
        check_devices()
        import jax

        backend = jax.default_backend()
        devices = "\n".join(f"{device.device_kind} ({device})" for device in jax.devices())
    except InputError as error:
        problem, devices = error, str(error)
    versions = [f"Python {platform.python_version()} on {platform.platform()}"]
    versions += [f"{name} {_version(name) or 'is missing'}" for name in PACKAGES]
    table.add_row("versions", "\n".join(versions))
    table.add_row("devices", devices)
    found = {name: _version(name) for name in PLUGINS}
    drivers = [path for path in DRIVERS if Path(path).exists()]
    lines = backend_lines(backend, drivers, found, os.environ)
    # To rich, the name of an extra in brackets would be a style.
    table.add_row("backend", escape("\n".join(lines)))
    table.add_row(
        "memory",
        f"{available_memory() / 1e9:.1f} GB of {physical_memory() / 1e9:.1f} GB are available",
    )
    table.add_row("caches", "\n".join(_caches()))
    extras = (
        f"{name} {_version(name) or f'is missing: multvae-jax[{extra}]'}"
        for name, extra in OPTIONAL.items()
    )
    table.add_row("optional packages", escape("\n".join(extras)))
    print_table(table)
    if problem is not None:
        raise problem


def backend_lines(
    backend: str,
    drivers: list[str],
    plugins: Mapping[str, str | None],
    environment: Mapping[str, str],
) -> Iterator[str]:
    """Which backend will be used, and why not an accelerator.

    Args:
        backend: what jax has chosen, such as "cpu"; "none" if it could not start.
        drivers: files of drivers of accelerators that are there.
        plugins: version of each plugin of jax, None if it is not installed.
        environment: the variables of the environment.
    """
    yield f"{backend} will be used"
    named = environment.get("JAX_PLATFORMS")
    if named:
        yield f"JAX_PLATFORMS is {named}, and decides it"
    if backend not in ("cpu", "none"):
        return
    installed = [name for name, version in plugins.items() if version]
    if not drivers:
        yield "no GPU: there is no driver of NVIDIA or AMD on this machine"
    elif not installed:
        yield "no GPU: jax has no plugin for it; pip install 'multvae-jax[cuda]'"
    elif environment.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        yield "no GPU: CUDA_VISIBLE_DEVICES hides it"
    elif not named:
        yield f"no GPU: {', '.join(installed)} could not use it; JAX_LOGGING_LEVEL=DEBUG says why"


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _caches() -> Iterator[str]:
    # Without a home directory, platformdirs raises a RuntimeError.
    for what, folder in (("data sets", registry.cache), ("compiled programs", programs_folder)):
        try:
            yield f"{what}: {folder()}"
        except (OSError, RuntimeError) as error:
            yield f"{what}: {reason_of(error)}"
