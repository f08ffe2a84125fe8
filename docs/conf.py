"""The documentation as a site: `sphinx-build -W --keep-going docs build/site`.

What it needs is in the extra `docs`. Nothing is loaded from another host, neither while it is built
nor by its pages: formulas are MathML, which browsers show by themselves.
"""

import html
import importlib.metadata
import os
import re
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx

# The notebooks run in processes of their own, which inherit these.
os.environ.setdefault("JAX_PLATFORMS", "cpu")

project = "multvae_jax"
copyright = "2026, the multvae_jax authors"
author = "the multvae_jax authors"
release = importlib.metadata.version("multvae-jax")
version = ".".join(release.split(".")[:2])

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
templates_path = ["_templates"]
exclude_patterns = ["_build"]
# Names in docstrings are written `so`, and are links where they are names of this package.
default_role = "py:obj"
# Blocks that name no language are what a program prints.
highlight_language = "none"

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 900
nb_execution_in_temp = True
nb_merge_streams = True

autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
napoleon_attr_annotations = False

html_theme = "sphinx_book_theme"
html_title = f"multvae_jax {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = True
html_theme_options = {
    "show_toc_level": 2,
    "show_navbar_depth": 1,
    "use_download_button": True,
    "navbar_persistent": [],
    "use_fullscreen_button": False,
    "extra_footer": "",
}
html_math_renderer = "mathml"
# The prompts of a session and the output below them are not copied.
copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True


def _inline(self: Any, node: nodes.math) -> None:
    self.body.append(convert(node.astext()))
    raise nodes.SkipNode


def _display(self: Any, node: nodes.math_block) -> None:
    anchor = "".join(f' id="{html.escape(name)}"' for name in node["ids"][:1])
    formula = convert(node.astext(), display="block")
    self.body.append(f'<div class="math-block"{anchor}>{formula}</div>')
    raise nodes.SkipNode


def _formulas(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Show an indented block between two paragraphs of a docstring as it is: it is a formula."""
    for at in range(len(lines) - 1, 1, -1):
        before, blank, first = lines[at - 2 : at + 1]
        if first.startswith("    ") and not blank and before and not before.startswith((" ", "- ")):
            lines[at:at] = [".. code-block:: text", ""]


def _prose(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Escape what reStructuredText would take for markup: docstrings are prose with `names`."""
    is_literal = False
    for at, line in enumerate(lines):
        if line and not line.startswith(" "):
            is_literal = line.endswith("::") or line.startswith(".. code-block")
        if is_literal or re.match(r"\s*(>>>|\.\.)", line) or (at and _is_session(lines, at)):
            continue
        parts = line.split("`")
        parts[::2] = [re.sub(r"(?<!\\)([*|])", r"\\\1", part) for part in parts[::2]]
        lines[at] = "`".join(parts)


def _is_session(lines: list[str], at: int) -> bool:
    """Whether a line belongs to the block of an interpreter's session."""
    while at and lines[at].strip():
        if lines[at].lstrip().startswith(">>>"):
            return True
        at -= 1
    return False


def _of_a_tuple(app: Any, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Leave out the fields of named tuples, which are described with their class."""
    return True if str(obj.__doc__).startswith("Alias for field number") else None


def _outside(app: Sphinx, docname: str, source: list[str]) -> None:
    """Name pages of the repository that are not part of the site instead of linking to them."""
    if "/" not in docname:
        source[0] = re.sub(r"\[([^\]]+)\]\(\.\./([^)#]+\.md)[^)]*\)", r"\1 (`\2`)", source[0])


def setup(app: Sphinx) -> None:
    """Formulas as MathML, docstrings as prose, and no links that lead out of the site."""
    app.connect("source-read", _outside)
    app.add_html_math_renderer("mathml", (_inline, None), (_display, None))
    app.connect("autodoc-skip-member", _of_a_tuple)
    app.connect("autodoc-process-docstring", _formulas, priority=100)
    app.connect("autodoc-process-docstring", _prose, priority=900)
