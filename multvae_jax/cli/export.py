"""The command `export`."""

from __future__ import annotations

from pathlib import Path

from multvae_jax.config.export_options import ExportConfig
from multvae_jax.errors import InputError
from multvae_jax.export.directory import export_run
from multvae_jax.export.page import write_page
from multvae_jax.host.console import say
from multvae_jax.runs.loading import read_run


def export(config: ExportConfig) -> None:
    """Write a run as files that other programs read.

    Raises:
        InputError: if the run cannot be read or exported, or the files cannot be written.
    """
    if config.page and config.formats is not None:
        raise InputError("--page and --formats: the page is one file of its own")
    if config.to is None and not config.page:
        raise InputError("give --to DIR for the files, or --page for one HTML file")
    saved = read_run(Path(config.run), trust_code=config.trust_code)
    if config.page:
        name = Path(config.run).resolve().name
        path = Path(config.to or f"{name}.html")
        write_page(saved.run, path, title=name)
        say(f"{path}: {path.stat().st_size / 1e6:.1f} MB; open it in a browser")
        return
    assert config.to is not None
    notes = export_run(saved, Path(config.to), config.formats, config.k)
    for note in notes:
        say(note)
    say(f"{config.to}: see README.md there for what each file is")
