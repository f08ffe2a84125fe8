"""Optional packages are imported on use, or the message says how to install them."""

import sys

import pytest

from multvae_jax.errors import InputError
from multvae_jax.host.optional import import_optional


def test_a_module_that_is_there_is_returned():
    assert import_optional("xml.dom", "extra", "this") is sys.modules["xml.dom"]


def test_a_package_that_is_missing_is_one_line():
    with pytest.raises(InputError) as caught:
        import_optional("no_such_package.part", "extra", "--option")
    assert str(caught.value) == (
        "--option needs the package no_such_package (No module named 'no_such_package'): "
        "pip install 'multvae-jax[extra]'"
    )


def test_a_package_that_fails_to_import_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "broken_package.py").write_text("raise ImportError('no libfoo\\nor libbar')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError) as caught:
        import_optional("broken_package", "extra", "this baseline")
    assert str(caught.value) == (
        "this baseline needs the package broken_package (no libfoo): "
        "pip install 'multvae-jax[extra]'"
    )
