"""The examples in docstrings run, and print what they show."""

import doctest
import importlib
from pathlib import Path

import pytest

import multvae_jax

PACKAGE = Path(multvae_jax.__file__).parent
# The examples of `testing` are calls that the tests of that room make anyway.
ROOMS = ("baselines", "evaluation", "ops")


def modules_with_examples():
    for room in ROOMS:
        for path in sorted((PACKAGE / room).glob("*.py")):
            if ">>> " in path.read_text(encoding="utf-8"):
                yield f"multvae_jax.{room}.{path.stem}"


@pytest.mark.parametrize("name", list(modules_with_examples()))
def test_the_examples_of_a_module_run(name):
    tested = doctest.testmod(importlib.import_module(name))
    assert tested.attempted > 0
    assert tested.failed == 0
