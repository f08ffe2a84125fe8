"""`multvae doctor`: what is found, and why no accelerator is used."""

import pytest

from multvae_jax.cli.doctor import backend_lines
from multvae_jax.cli.main import main

NONE = {"jax-cuda13-plugin": None}
CUDA = {"jax-cuda13-plugin": "0.10.2"}


def test_the_doctor_shows_versions_devices_memory_and_caches(capsys):
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    for words in ("multvae-jax", "jaxlib", "cpu will be used", "GB are available", "data sets: "):
        assert words in out


def test_what_is_missing_is_named_with_its_extra(capsys, monkeypatch):
    monkeypatch.setattr("multvae_jax.cli.doctor._version", lambda name: None)
    assert main(["doctor"]) == 0
    assert "uvicorn is missing: multvae-jax[serve]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("backend", "drivers", "plugins", "environment", "reason"),
    [
        ("cpu", [], NONE, {}, "there is no driver of NVIDIA or AMD on this machine"),
        ("cpu", ["/dev/nvidia0"], NONE, {}, "pip install 'multvae-jax[cuda]'"),
        ("cpu", ["/dev/nvidia0"], CUDA, {"CUDA_VISIBLE_DEVICES": ""}, "hides it"),
        ("cpu", ["/dev/nvidia0"], CUDA, {}, "jax-cuda13-plugin could not use it"),
        ("cpu", ["/dev/nvidia0"], CUDA, {"JAX_PLATFORMS": "cpu"}, "JAX_PLATFORMS is cpu"),
        ("gpu", ["/dev/nvidia0"], CUDA, {}, "gpu will be used"),
    ],
)
def test_the_reason_for_the_backend(backend, drivers, plugins, environment, reason):
    lines = list(backend_lines(backend, drivers, plugins, environment))
    assert reason in lines[-1]
    assert lines[0] == f"{backend} will be used"
