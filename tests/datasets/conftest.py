"""An empty folder for data sets, and a local server instead of every publisher."""

from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from multvae_jax.datasets import registry
from multvae_jax.datasets.registry import DATASETS
from tests.datasets.builders import FETCHED, Page, local_interactions, published, publisher


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("MULTVAE_DATA", str(tmp_path / "home"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "home"


@pytest.fixture
def site(home, tmp_path, monkeypatch):
    """A local server with the files of every publisher; only the host of each address changes."""
    with publisher() as site:

        def moved(address):
            return None if address is None else site.address + urlsplit(address).path

        def local(dataset):
            downloads = [
                replace(
                    download,
                    address=moved(download.address),
                    checksum=moved(download.checksum),
                    interactions={name: local_interactions(name) for name in download.interactions},
                )
                for download in dataset.downloads
            ]
            return replace(dataset, downloads=tuple(downloads))

        table = {name: local(dataset) for name, dataset in DATASETS.items()}
        monkeypatch.setattr(registry, "DATASETS", table)
        for name in FETCHED:
            files = published(name, tmp_path)
            for download in table[name].downloads:
                for address in (download.address, download.checksum):
                    if address is not None:
                        path = urlsplit(address).path
                        site.pages[path] = Page(files[path.rpartition("/")[2]])
        yield site
