"""A worker of `benchmarks.accelerator`.

python -m benchmarks.contestants.accelerator.serve MODULE SIZES
"""

from __future__ import annotations

import importlib
import sys
from functools import partial

from benchmarks.contestants.accelerator.sizes import from_words
from benchmarks.harness.sections import problem_of, refuse, serve_sections


def main(module: str, word: str) -> None:
    """Serve the sections of a module, or say what it lacks."""
    try:
        sections = importlib.import_module(f"benchmarks.contestants.accelerator.{module}").SECTIONS
    except ImportError as error:
        refuse(problem_of(error))
        return
    sizes = from_words(word)
    serve_sections({name: partial(run, sizes) for name, run in sections.items()})


if __name__ == "__main__":
    main(*sys.argv[1:])
