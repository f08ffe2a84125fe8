"""The model card, and the directory that it stands in."""

import datetime
import json
import re

import pytest

import multvae_jax as mv
from multvae_jax.config.options import DataOptions, ModelOptions
from multvae_jax.config.unions import InteractionFile, NamedDataset
from multvae_jax.export import card, directory
from multvae_jax.runs.loading import SavedRun
from multvae_jax.runs.run_config import RunConfig
from tests.export.builders import exported, make_run

TODAY = datetime.date(2026, 8, 31)


def text_of(run, files=("recommend.jax_export", "items.csv"), **config):
    return card.model_card(SavedRun(RunConfig(**config), run), files, 20, None, TODAY)


def test_a_card_has_data_license_metrics_versions_and_the_last_day(tmp_path):
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    run = make_run("mult-dae")
    (tmp_path / "test.json").write_text(
        json.dumps({"model": {"ndcg@100": {"mean": 0.4, "standard_error": 0.01}}, "users": 9})
    )
    object.__setattr__(run, "loaded_from", tmp_path)
    data = DataOptions(source=NamedDataset("ml-1m"))
    text = text_of(run, data=data, model=ModelOptions(model="mult-dae"))
    front = yaml.safe_load(text.split("---\n")[1])
    assert front["license_link"] == "https://grouplens.org/datasets/movielens/1m/"
    (result,) = front["model-index"][0]["results"]
    assert result["dataset"]["name"].startswith("MovieLens 1M")
    assert result["metrics"] == [{"type": "ndcg@100", "value": 0.4}]
    # 1.96 standard errors on either side.
    assert "| ndcg@100 | 0.4000 | 0.3804 to 0.4196 |" in text
    assert "no redistribution; no commercial use without permission of GroupLens" in text
    # There is no 31st of February.
    assert "released after 2027-02-28 it is refused" in text
    assert f"- multvae-jax {mv.__version__}" in text


def test_a_card_names_only_the_files_that_are_there():
    text = text_of(make_run("mult-dae"), {"weights.npz", "items.csv"})
    named = re.findall(r"^\| ([\w.]+) \|", text, re.MULTILINE)
    assert named == ["file", "README.md", "items.csv", "weights.npz"]
    assert "is refused" not in text
    assert "The run has no test metrics" in text


def test_paths_of_the_machine_are_not_published():
    data = DataOptions(source=InteractionFile("/home/ann/secret/plays.csv"))
    text = text_of(make_run("mult-dae"), data=data, model=ModelOptions(model="mult-dae"))
    assert "plays.csv" in text
    assert "/home/ann" not in text


def test_a_failure_leaves_no_directory(tmp_path, monkeypatch):
    def fails(*given):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(directory, "write_items", fails)
    with pytest.raises(mv.InputError, match="No space left on device"):
        exported(make_run("popularity"), tmp_path / "new" / "out", "weights")
    assert list(tmp_path.iterdir()) == []


def test_a_directory_with_files_is_kept(tmp_path):
    (tmp_path / "mine").touch()
    with pytest.raises(mv.InputError, match="already exists; choose another directory"):
        exported(make_run("popularity"), tmp_path, "weights")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("package", "format"), [("flatbuffers", "jax"), ("onnx", "onnx"), ("safetensors", "weights")]
)
def test_a_missing_package_is_named_with_the_extra(tmp_path, monkeypatch, package, format):
    monkeypatch.setitem(__import__("sys").modules, package, None)
    for module in ("safetensors.numpy",):
        monkeypatch.delitem(__import__("sys").modules, module, raising=False)
    with pytest.raises(
        mv.InputError, match=rf"needs the package {package} .*multvae-jax\[export\]"
    ):
        exported(make_run("popularity"), tmp_path / "out", format)
    assert not (tmp_path / "out").exists()
