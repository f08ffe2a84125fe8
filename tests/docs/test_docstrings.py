"""The examples in docstrings run, and print what they show."""

import doctest
import importlib
from pathlib import Path

import pytest

import multvae_jax as mv
from tests.builders import see_through_shape_checks
from tests.docs import examples

# Not under strict promotion: these are programs of a user's own.
pytestmark = pytest.mark.updates

PACKAGE = Path(mv.__file__).parent


def modules_with_examples():
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(("multvae_jax", *path.relative_to(PACKAGE).with_suffix("").parts))
        # The examples of `testing` and `tournament` are calls that the tests of these make anyway.
        if ">>> " in path.read_text(encoding="utf-8") and name.split(".")[1] not in (
            "testing",
            "tournament",
        ):
            yield name


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("examples")


@pytest.fixture(scope="module")
def names(folder):
    with pytest.MonkeyPatch.context() as patched:
        see_through_shape_checks(patched)
        yield examples.names(folder)


@pytest.mark.parametrize("name", list(modules_with_examples()))
def test_the_examples_of_a_module_run(name, folder, names, monkeypatch):
    monkeypatch.chdir(folder)
    tested = doctest.testmod(importlib.import_module(name), extraglobs=names)
    assert tested.attempted > 0
    assert tested.failed == 0
