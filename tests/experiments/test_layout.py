"""The folder of experiments: imports, commands and links that a reader relies on."""

import ast
import importlib
import re
import shlex
from pathlib import Path

import pytest
import tyro

from experiments.extensions.variants import ExtensionOptions
from experiments.main_table import TableOptions
from experiments.ml_20m import RecipeOptions as WholeRecipeOptions
from experiments.recipe.__main__ import RecipeOptions
from experiments.shared.options import Options, complete
from tests.experiments.builders import ROOT

FOLDER = ROOT / "experiments"
QUESTIONS = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")
PAGES = sorted(FOLDER.rglob("*.md"))
READMES = [page for page in PAGES if page.name == "README.md"]
OPTIONS = {
    "main_table": TableOptions,
    "extensions": ExtensionOptions,
    "ml_20m": WholeRecipeOptions,
    "recipe": RecipeOptions,
}


def imports_of(path: Path) -> set[str]:
    """The modules that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_no_experiment_imports_another():
    modules = {f"experiments.{name}" for name in QUESTIONS}
    assert len(modules) == 14
    for path in FOLDER.rglob("*.py"):
        assert not imports_of(path) & modules, path


def test_one_module_imports_the_configuration_of_the_command_line():
    importers = {
        path.relative_to(FOLDER).as_posix()
        for path in FOLDER.rglob("*.py")
        if any(name.startswith("multvae_jax.config") for name in imports_of(path))
    }
    assert importers == {"shared/options.py"}


def commands() -> list[tuple[str, str]]:
    """The commands in docstrings and pages, as the experiment and its arguments."""
    texts = [page.read_text() for page in READMES]
    texts += [path.read_text() for path in FOLDER.rglob("*.py")]
    found = re.findall(r"^ *python -m experiments\.(\w+)((?:.*\\\n)*.*)$", "\n".join(texts), re.M)
    return sorted({(name, " ".join(rest.split())) for name, rest in found})


@pytest.mark.parametrize(("experiment", "rest"), commands())
def test_the_commands_that_are_shown_are_accepted(experiment, rest):
    assert importlib.util.find_spec(f"experiments.{experiment}")
    arguments = shlex.split(rest.replace("\\", ""), comments=True)
    kind = tyro.conf.OmitArgPrefixes[OPTIONS.get(experiment, Options)]
    options = complete(tyro.cli(kind, args=arguments))
    for flag in ("dataset", "seeds", "epochs", "latent"):
        if f"--{flag}" in arguments:
            value = options.data_name if flag == "dataset" else getattr(options, flag)
            assert arguments[arguments.index(f"--{flag}") + 1] == str(value)


@pytest.mark.parametrize("name", QUESTIONS)
def test_each_experiment_opens_with_its_command_hardware_time_and_score(name):
    text = ast.get_docstring(ast.parse((FOLDER / f"{name}.py").read_text()))
    assert f"python -m experiments.{name} " in text
    assert re.search(r"[\d,]+ s on (two|one) .*cores? of an? \w+", text)
    assert re.search(r"\.\d{4}", text)


def anchors_of(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-") for words in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(FOLDER).as_posix())
def test_every_link_leads_somewhere(page):
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if link.startswith("https://"):
            continue
        place, _, anchor = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors_of(target), link


def test_the_index_fits_a_screen_and_leads_to_every_result():
    index = (FOLDER / "README.md").read_text()
    assert len(index.splitlines()) <= 60
    for folder in (FOLDER / "results").iterdir():
        assert f"results/{folder.name}/README.md" in index


# Of these, the pages show a part of the table, or other columns.
ARRANGED_ANEW = ("recommenders", "extensions")


@pytest.mark.parametrize(
    "table",
    [
        path
        for path in sorted((FOLDER / "results").rglob("table.md"))
        if path.relative_to(FOLDER / "results").parts[0] not in ARRANGED_ANEW
    ],
    ids=lambda path: "-".join(path.relative_to(FOLDER / "results").parts[:-1]),
)
def test_the_page_of_an_experiment_shows_the_table_of_its_file(table):
    folder = FOLDER / "results" / table.relative_to(FOLDER / "results").parts[0]
    page = (folder / "README.md").read_text()
    lines = [line for line in table.read_text().splitlines() if line.startswith("|")]
    assert "\n".join(lines) in page
