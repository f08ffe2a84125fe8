"""The API reference has every public name, and every function of it an example."""

import importlib
import inspect
import re
import types
from pathlib import Path

import multvae_jax as mv

PAGES = sorted((Path(__file__).parents[2] / "docs" / "api").glob("*.md"))
DIRECTIVE = re.compile(
    r"^\.\. auto(\w+):: ([\w.]+)\n(?:   :members:(.*)\n)?(?:   :exc.*: (.*))?", re.M
)


def documented():
    """Name and value of everything that the pages name, as autodoc finds it."""
    for page in PAGES:
        for kind, name, members, left_out in DIRECTIVE.findall(page.read_text(encoding="utf-8")):
            if kind != "module":
                room, _, own = name.removeprefix("multvae_jax").strip(".").rpartition(".")
                module = importlib.import_module(f"multvae_jax.{room}".strip("."))
                yield f"{room}.{own}".strip("."), getattr(module, own)
                continue
            module = importlib.import_module(name)
            of_its_own = [n for n, value in vars(module).items() if is_of(module, n, value)]
            chosen = re.findall(r"\w+", members) or of_its_own
            for own in set(chosen) - set(re.findall(r"\w+", left_out)):
                yield f"{name.removeprefix('multvae_jax.')}.{own}", getattr(module, own)


def is_of(module, name, value):
    return not name.startswith("_") and getattr(value, "__module__", None) == module.__name__


def test_every_public_name_is_in_the_reference():
    known = {name for name, _ in documented()}
    public = {name for name in mv.__all__ if not isinstance(getattr(mv, name), types.ModuleType)}
    assert public - known == set()


def test_every_function_in_the_reference_has_an_example():
    functions = {name: value for name, value in documented() if inspect.isfunction(value)}
    assert len(functions) > 100
    lacking = [name for name, value in functions.items() if ">>> " not in (value.__doc__ or "")]
    assert lacking == []


def test_every_page_is_in_a_table_of_contents():
    docs = PAGES[0].parents[1]
    for index in (docs / "index.md", docs / "api" / "index.md"):
        lines = index.read_text(encoding="utf-8").splitlines()
        for page in index.parent.glob("*.md"):
            assert page == index or page.stem in lines, page
