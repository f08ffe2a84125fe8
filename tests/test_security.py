"""The promises of SECURITY.md: their tests exist, and nothing in the package evaluates data."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
TESTS = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "SECURITY.md").read_text("utf-8"))

UNSAFE_MODULES = {"pickle", "cPickle", "dill", "joblib", "marshal", "shelve", "cloudpickle", "yaml"}
UNSAFE_CALLS = {"eval", "exec", "compile", "__import__"}


def test_every_test_that_is_named_exists():
    assert len(TESTS) >= 20
    for file, name in TESTS:
        tree = ast.parse((ROOT / file).read_text("utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, name


def unsafe(tree):
    """Whatever in a module could run code that data contains."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from UNSAFE_MODULES & {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            yield from UNSAFE_MODULES & {(node.module or "").partition(".")[0]}
        elif isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id in UNSAFE_CALLS:
                yield node.func.id
            for keyword in node.keywords:
                safe = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
                if keyword.arg in ("allow_pickle", "shell") and not safe:
                    yield keyword.arg
            # numpy.load without the argument refuses pickles only since numpy 1.16.
            if isinstance(node.func, ast.Attribute) and node.func.attr == "load":
                of_numpy = isinstance(node.func.value, ast.Name) and node.func.value.id == "np"
                if of_numpy and "allow_pickle" not in {keyword.arg for keyword in node.keywords}:
                    yield "np.load"


def test_no_module_reads_pickles_or_evaluates_text():
    files = sorted((ROOT / "multvae_jax").rglob("*.py"))
    found = {path.name: [*unsafe(ast.parse(path.read_text("utf-8")))] for path in files}
    assert {name: names for name, names in found.items() if names} == {}
    assert len(found) > 50


def test_what_is_unsafe_is_found():
    text = (
        "import pickle.x\nfrom joblib import load\neval('1')\nnp.load('a')\n"
        "np.load('a', allow_pickle=True)\nrun('a', shell=True)\nre.compile('a')\n"
    )
    names = ["pickle", "joblib", "eval", "np.load", "allow_pickle", "shell"]
    assert sorted(unsafe(ast.parse(text))) == sorted(names)
