"""Where the data of options lies."""

from pathlib import Path

from multvae_jax.config import load_data
from multvae_jax.config.load_data import load_split, path_of
from multvae_jax.config.options import DataOptions
from multvae_jax.config.unions import GivenSplit, InteractionFile, NamedDataset


def test_the_place_of_data_is_known_without_reading_or_downloading_it(tmp_path, monkeypatch):
    monkeypatch.setenv("MULTVAE_DATA", str(tmp_path))
    expected = {
        NamedDataset("ml-1m"): tmp_path / "ml-1m" / "ratings.dat",
        InteractionFile(("gone/a.csv",)): Path("gone/a.csv"),
        GivenSplit(("data/train.txt",), ("data/test.txt",)): Path("data/train.txt"),
        InteractionFile(("-",)): None,
        InteractionFile(("no/such-*.csv",)): None,
    }
    for source, place in expected.items():
        assert path_of(DataOptions(source)) == place
    assert list(tmp_path.iterdir()) == []


def test_memory_that_reading_has_freed_is_returned(monkeypatch):
    returned = []
    monkeypatch.setattr(load_data, "return_freed_memory", lambda: returned.append(1))
    load_split(DataOptions(NamedDataset("ml-latest-small")))
    assert returned == [1]
