"""The command `datasets`."""

from __future__ import annotations

from rich.table import Table

from multvae_jax.datasets import registry
from multvae_jax.host.console import print_table


def list_datasets() -> None:
    """Print the table of named data sets."""
    rows = Table("name", "description", show_lines=True)
    for dataset in registry.DATASETS.values():
        rows.add_row(dataset.name, "\n".join(registry.describe_dataset(dataset)))
    print_table(rows)
