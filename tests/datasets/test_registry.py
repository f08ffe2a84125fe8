"""The table of data sets: names, addresses, terms of use, counts and folders."""

import subprocess
import sys
from pathlib import Path

import pytest

from multvae_jax.cli.main import main
from multvae_jax.config.load_data import load_split
from multvae_jax.config.options import DataOptions
from multvae_jax.config.unions import NamedDataset
from multvae_jax.datasets.registry import DATASETS, cache, fetch_files, find_dataset
from multvae_jax.errors import InputError
from tests.datasets.builders import LIGHTGCN

SHARED = Path(__file__).parents[3] / "shared" / "data"


def test_an_unknown_name_is_refused_with_those_there_are():
    with pytest.raises(InputError) as caught:
        fetch_files("ml-latest-tiny")
    assert str(caught.value) == (
        "no data set is named 'ml-latest-tiny'; the names are ml-latest-small, ml-100k, ml-1m, "
        "ml-20m, netflix, msd, gowalla, yelp2018, amazon-book"
    )


def test_the_table_imports_no_library():
    code = "import sys, multvae_jax.datasets.registry; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()
    packages = {module.partition(".")[0] for module in modules} - set(sys.stdlib_module_names)
    start_up = {name for name in packages if name.startswith("_") or name == "sitecustomize"}
    assert packages - start_up <= {"multvae_jax", "lazy_loader", "packaging"}


@pytest.mark.parametrize(
    ("name", "downloads"),
    {
        "ml-20m": [("https://files.grouplens.org/datasets/movielens/ml-20m.zip", True)],
        "ml-1m": [("https://files.grouplens.org/datasets/movielens/ml-1m.zip", True)],
        "ml-100k": [("https://files.grouplens.org/datasets/movielens/ml-100k.zip", True)],
        "msd": [("http://labrosa.ee.columbia.edu/~dpwe/tmp/train_triplets.txt.zip", False)],
        "netflix": [
            ("https://archive.org/download/nf_prize_dataset.tar/nf_prize_dataset.tar.gz", False)
        ],
        **{
            name: [
                (
                    f"https://raw.githubusercontent.com/gusye1234/LightGCN-PyTorch/master/data/{name}/{part}.txt",
                    False,
                )
                for part in ("train", "test")
            ]
            for name in LIGHTGCN
        },
    }.items(),
)
def test_the_addresses_are_the_publishers(name, downloads):
    found = find_dataset(name).downloads
    assert [(download.address, download.checksum is not None) for download in found] == downloads
    assert all(download.checksum in (None, f"{download.address}.md5") for download in found)


def test_the_cache_is_the_users_choice_or_the_platforms(monkeypatch):
    monkeypatch.setenv("MULTVAE_DATA", "~/sets")
    assert cache() == Path.home() / "sets"
    monkeypatch.setenv("MULTVAE_DATA", "")
    assert cache().name == "multvae_jax"
    monkeypatch.delenv("MULTVAE_DATA")
    assert cache().is_absolute()


def test_the_list_says_what_is_here_and_under_which_terms(home, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "250")
    (home / "msd").mkdir(parents=True)
    (home / "msd" / "train_triplets.txt").touch()
    assert main(["datasets"]) == 0
    shown = capsys.readouterr().out
    assert all(f" {name} " in shown for name in DATASETS)
    assert shown.count("license: ") == len(DATASETS)
    assert f"downloaded: {home / 'msd'}" in shown
    assert f"downloaded on first use, to {home / 'ml-20m'}" in shown
    assert shown.count("shipped with the package") == 1
    assert shown.count("no redistribution") == len(DATASETS) - 3


@pytest.mark.skipif(not (SHARED / "gowalla").is_dir(), reason="Gowalla is not on this machine")
def test_the_counts_of_the_table_are_those_of_gowalla(monkeypatch):
    monkeypatch.setenv("MULTVAE_DATA", str(SHARED))
    dataset, split = find_dataset("gowalla"), load_split(DataOptions(NamedDataset("gowalla")))
    assert len(split.user_ids) == dataset.users
    assert len(split.catalogue.ids) == dataset.items
    assert split.train.nnz + split.test.targets.nnz == dataset.interactions
