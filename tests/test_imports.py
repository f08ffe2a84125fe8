"""The rows of the house: a module imports only from the rows below its own."""

import ast
import itertools
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "multvae_jax"

# From the bottom to the top. A name is a module of the package, or a folder with all in it.
ROWS = (
    ("errors",),
    ("checks",),
    ("recipe", "keys", "selection"),
    ("by_value", "host"),
    ("parallel",),
    ("batching",),
    ("types", "posteriors", "ops", "data", "schedules"),
    ("sampling",),
    ("log_probability",),
    ("sizes",),
    ("likelihoods", "networks", "priors", "averages", "lazy_adam", "evaluation", "datasets"),
    ("mlp", "reconstruction", "optimizers", "baselines", "testing"),
    ("objectives",),
    ("models",),
    ("extensions", "defaults"),
    ("training",),
    ("config",),
    ("runs",),
    ("recommending",),
    ("export", "training_loop"),
    ("fitting",),
    ("model_selection", "estimator", "estimating"),
    ("sweeps", "serving", "reports"),
    ("tournament",),
    ("cli",),
)
ROW_OF = {name: number for number, names in enumerate(ROWS) for name in names}

# The facade at the top, which imports from every row when a name is first used.
FACADE = {"__init__", "__main__", "moved_names"}

# Third-party packages, and the only places that import them, at the top or in a function.
WALLS = {
    "polars": ("data",),
    "narwhals": ("data",),
    "flax": ("mlp", "networks"),
    "rich": (
        "host",
        "cli",
        "runs.report",
        "reports.comparison",
        "sweeps.report",
        "tournament.report",
    ),
    "onnxruntime": ("export.scripts",),
    "optuna": ("sweeps.optuna_study",),
    "implicit": ("baselines.implicit_package",),
    "sklearn": ("baselines.slim", "estimator"),
    "orbax": ("runs",),
    "tyro": ("config", "cli"),
    "msgspec": ("checks", "config", "serving", "sweeps"),
    "starlette": ("serving.app",),
    "uvicorn": ("serving.server",),
    "matplotlib": (
        "runs.report",
        "sweeps.report",
        "reports",
        "tournament.report",
    ),
}


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts), path


MODULES = dict(modules())


def imported(path):
    """Every module that a file imports, wherever in the file, in full."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                is_module = inner.removeprefix("multvae_jax.") in MODULES
                yield inner if is_module else node.module


ARROWS = {
    name: {
        other.removeprefix("multvae_jax.")
        for other in imported(path)
        if other.startswith("multvae_jax.")
    }
    for name, path in MODULES.items()
    if name not in FACADE
}


def room(module):
    return module.partition(".")[0]


def test_every_module_has_a_row():
    assert {room(name) for name in ARROWS} == set(ROW_OF)


@pytest.mark.parametrize("name", ARROWS)
def test_a_module_imports_only_from_its_own_room_and_from_lower_rows(name):
    upward = {
        other
        for other in ARROWS[name]
        if room(other) != room(name) and ROW_OF[room(other)] >= ROW_OF[room(name)]
    }
    assert upward == set()


def test_no_module_imports_itself_through_others():
    """Within a room, too: modules can be ordered so that each imports only earlier ones."""
    left = {name: others - {name} for name, others in ARROWS.items()}
    # A package imports its modules for the names it offers; they do not count as importing it.
    packages = {name for name, path in MODULES.items() if path.name == "__init__.py"}
    left = {name: others - packages for name, others in left.items() if name not in packages}
    while left:
        free = {name for name, others in left.items() if not others & left.keys()}
        assert free, f"a cycle among {sorted(left)}"
        left = {name: others for name, others in left.items() if name not in free}


@pytest.mark.parametrize("package", WALLS)
def test_a_package_is_imported_only_behind_its_wall(package):
    users = {
        name
        for name, path in MODULES.items()
        if any(other == package or other.startswith(f"{package}.") for other in imported(path))
    }
    allowed = WALLS[package]
    outside = {
        name
        for name in users
        if not any(name == place or name.startswith(f"{place}.") for place in allowed)
    }
    assert outside == set()


def test_tests_share_helpers_in_builders_alone():
    """None imports another test module, whose name says what it tests."""
    tests = PACKAGE.parent / "tests"
    shared = re.compile(r"^(?:from|import) tests[\w.]*\.test_\w+", re.MULTILINE)
    found = [p for p in tests.rglob("*.py") if shared.search(p.read_text(encoding="utf-8"))]
    assert found == []


def test_the_walls_name_no_place_that_does_not_exist():
    for place in itertools.chain(*WALLS.values()):
        assert any(name == place or name.startswith(f"{place}.") for name in MODULES), place
