"""The files of a run belong together: checksums, sizes, and what each file may hold."""

import dataclasses
import hashlib
import json
import os
import shutil

import jax
import numpy as np
import pytest
import scipy.sparse as sp

import multvae_jax as mv
from multvae_jax.config.options import DataOptions
from multvae_jax.config.unions import InteractionFile
from multvae_jax.data.types import Catalogue, HeldOut
from multvae_jax.runs.held_out import changed_users, read_held_out
from multvae_jax.runs.id_maps import read_items, read_users, write_items
from multvae_jax.runs.loading import held_out_users
from multvae_jax.runs.manifest import Checksum, check_files, read_manifest, write_manifest
from multvae_jax.runs.run import data_checksums
from tests.builders import write_ratings
from tests.cli.builders import train

pytestmark = pytest.mark.updates


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("manifest")
    with jax.numpy_dtype_promotion("standard"):
        assert train(write_ratings(folder / "ratings.csv"), folder / "run") == 0
    return folder / "run"


@pytest.fixture
def run(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "run")


@pytest.fixture
def unchecked(run):
    """A run as older versions wrote it."""
    (run / "manifest.json").unlink()
    return run


def refusal(run, read=mv.load_run):
    with pytest.raises(mv.InputError) as error:
        read(run)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_the_manifest_lists_every_file_with_its_checksum(run):
    found = json.loads((run / "manifest.json").read_text())
    files = {path.relative_to(run).as_posix(): path for path in run.rglob("*") if path.is_file()}
    del files["manifest.json"]
    assert found["files"] == {
        name: {
            "bytes": path.stat().st_size,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for name, path in files.items()
    }
    assert {"config.json", "held_out.npz", "items.csv"} <= files.keys()
    assert any(name.startswith("checkpoint/params/") for name in files)
    assert found["format"] == 1


def flip(path):
    """Change one bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def largest(run):
    """The file with the arrays of the parameters."""
    files = (path for path in (run / "checkpoint" / "params").rglob("*") if path.is_file())
    return max(files, key=lambda path: path.stat().st_size)


@pytest.mark.parametrize("name", ["config.json", "items.csv", "metrics.jsonl", "parameters"])
def test_a_changed_bit_is_found(name, run):
    path = largest(run) if name == "parameters" else run / name
    flip(path)
    assert refusal(run) == (
        f"{path}: is not the file that the run was saved with (its checksum differs); restore it, "
        f"or remove {run}/manifest.json to read the run without checks"
    )


def test_a_missing_and_a_new_file_are_found(run):
    flip(run / "curves.png")  # which is not read
    mv.load_run(run)
    (run / "checkpoint" / "params" / "more").write_text("")
    assert refusal(run) == (
        f"{run}/checkpoint/params/more: is not a file of the run, by its manifest.json"
    )
    (run / "checkpoint" / "params" / "more").unlink()
    path = largest(run)
    path.unlink()
    assert refusal(run) == f"{path}: is missing from the run"
    (run / "items.csv").unlink()
    os.mkfifo(run / "items.csv")
    assert refusal(run) == f"{run}/items.csv: is missing from the run"


def test_the_held_out_users_are_checked(run):
    flip(run / "held_out.npz")
    assert "its checksum differs" in refusal(run, lambda run: held_out_users(run, "test", 30))


def test_a_newer_format_is_refused_and_hidden_files_are_not_of_the_run(run):
    (run / ".lock").touch()
    write_manifest(run)
    assert ".lock" not in read_manifest(run).files
    check_files(run, ["config.json", "checkpoint"])
    manifest = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps(manifest | {"format": 2, "version": "9.1"}))
    assert refusal(run).startswith(f"{run}: a run of multvae-jax 9.1, which this version (")
    for broken in ("", "[]", "{}", '{"format": 1, "version": "", "files": 1}', "[" * 100_000):
        (run / "manifest.json").write_text(broken)
        assert f"{run}/manifest.json: not the manifest of a run" in refusal(run)


def test_data_that_is_gone_after_the_training_does_not_keep_the_run_from_being_written(tmp_path):
    (tmp_path / "a.csv").write_text("user,item\n")
    os.mkfifo(tmp_path / "b.csv")
    found = {}
    for name in ("a.csv", "b.csv", "gone.csv", "gone-*.csv", "-"):
        source = InteractionFile(name if name == "-" else str(tmp_path / name))
        found |= data_checksums(DataOptions(source=source))
    digest = hashlib.sha256(b"user,item\n").hexdigest()
    assert found == {str(tmp_path / "a.csv"): Checksum(10, digest)}


def test_a_run_without_a_manifest_is_read(unchecked):
    assert mv.load_run(unchecked).log[-1]["epoch"] == 2


def test_a_run_that_is_not_finished_is_not_read(unchecked):
    (unchecked / "checkpoints").mkdir()
    (unchecked / "checkpoints" / "run.json").touch()
    assert "its training has not finished; continue it with multvae tr" in refusal(unchecked)


def test_the_number_of_items_is_compared_with_the_checkpoint(unchecked):
    lines = (unchecked / "items.csv").read_text().splitlines(keepends=True)
    (unchecked / "items.csv").write_text("".join(lines[:-2]))
    assert refusal(unchecked) == (
        f"{unchecked}/checkpoint/params: does not belong to this run: 28 items in items.csv, "
        "30 in the checkpoint"
    )
    assert "does not belong to this run: 28 items in items.csv, 30 here" in refusal(
        unchecked, lambda run: held_out_users(run, "test", 28)
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"latent": 5}, "decoder/layers_0/kernel has the shape (4, 16) in the checkpoint and has"),
        ({"hidden": []}, "is missing by config.json"),
        ({"hidden": [16, 16]}, "is missing in the checkpoint"),
    ],
)
def test_a_configuration_is_compared_with_the_checkpoint(change, message, unchecked, capfd):
    config = json.loads((unchecked / "config.json").read_text())
    config["model"] |= change
    (unchecked / "config.json").write_text(json.dumps(config))
    said = refusal(unchecked)
    assert f"{unchecked}/checkpoint/params: does not belong to this run: the parameter " in said
    assert message in said
    assert capfd.readouterr().err == ""


def test_a_damaged_checkpoint_is_one_line_without_tracebacks(unchecked, capfd):
    for path in (unchecked / "checkpoint" / "params").rglob("d/*"):
        path.write_bytes(b"")
    said = refusal(unchecked)
    start = f"{unchecked}/checkpoint/params: cannot be read: it is damaged or incomplete ("
    assert said.startswith(start)
    # The cause, without the path that is there already.
    assert len(start) + 5 < len(said) < len(start) + 110
    assert said.count(str(unchecked)) == 1
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not the item list of a run (its first line is not item,title,users)"),
        ("item,title,users\n", "not the item list of a run (it has no items)"),
        ("item,title,users\na,,1\n,,1\n", "items.csv:3: the item has no id"),
        ("item,title,users\na,,1\nb,,2\na,,1\n", "items.csv: the item 'a' is there twice"),
        ("item,title,users\na,,1e3\n", "items.csv:2: '1e3' is not a number of users"),
        (f"item,title,users\na,,{10**30}\n", "is not a number of users"),
        ("item,title,users\na,,-1\n", "items.csv:2: '-1' is not a number of users"),
        ("item,title,users\na,1\n", "not the item list of a run"),
        ('item,title,users\n"a,,1\n', "not the item list of a run"),
        ("item,title,users\n\xff,,1\n", "not the item list of a run"),
    ],
)
def test_an_item_list_that_cannot_be_right_is_refused(text, message, tmp_path):
    (tmp_path / "items.csv").write_bytes(text.encode("latin-1"))
    assert message in refusal(tmp_path, read_items)


def test_an_item_list_that_is_not_a_regular_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "items.csv")
    assert "not a regular file" in refusal(tmp_path, read_items)


def test_ids_and_titles_of_any_length_and_content_are_read_back(tmp_path):
    ids = np.array(["x" * 200_000, 'a"b', "new\nline", "=cmd()", "\x1b[31m", "007"], object)
    catalogue = Catalogue(ids, np.arange(6), {"007": "y" * 150_000, 'a"b': ", and"})
    write_items(tmp_path, catalogue)
    found = read_items(tmp_path)
    assert found.ids.tolist() == ids.tolist()
    assert found.counts.tolist() == [0, 1, 2, 3, 4, 5]
    assert found.titles == catalogue.titles


def test_users_are_read_by_part(saved, tmp_path):
    lines = (saved / "users.csv").read_text().splitlines()[1:]
    found = read_users(saved)
    assert sorted(lines) == sorted(f"{user},{part}" for part in found for user in found[part])
    assert {part: len(found[part]) for part in ("validation", "test")} == {
        "validation": 8,
        "test": 8,
    }
    assert read_users(tmp_path) == {}


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"x"),
        lambda path: path.write_bytes(path.read_bytes()[:-30]),
        lambda path: np.savez(path, **{"test.user_ids": np.arange(3)}),
        lambda path: np.savez(path, **{"test.user_ids": np.array([object()])}),
        lambda path: path.unlink(),
        lambda path: (path.unlink(), os.mkfifo(path)),
    ],
)
def test_held_out_users_that_cannot_be_read_are_one_line(damage, unchecked):
    path = unchecked / "held_out.npz"
    damage(path)
    said = refusal(path, lambda path: read_held_out(path, "test"))
    assert said.startswith(f"{path}: ")


def test_an_item_outside_the_catalogue_is_refused(unchecked):
    path = unchecked / "held_out.npz"
    with np.load(path) as file:
        arrays = dict(file)
    arrays["test.history.indices"] = arrays["test.history.indices"] + 1000
    np.savez(path, **arrays)
    assert "not the held-out users of a run" in refusal(
        path, lambda path: read_held_out(path, "test")
    )


def test_users_with_other_interactions_are_found():
    def users(history, targets, ids):
        return HeldOut(sp.csr_array(history), sp.csr_array(targets), np.array(ids, object))

    before = users(
        [[1, 0, 0], [0, 1, 0], [1, 0, 1]], [[0, 1, 0], [0, 0, 1], [0, 0, 0]], ["a", "b", "c"]
    )
    same = users([[1, 0, 1], [1, 0, 0]], [[0, 0, 0], [0, 1, 0]], ["c", "a"])
    assert changed_users(before, same) == []
    more = users([[1, 1, 0], [1, 0, 1]], [[0, 0, 1], [0, 0, 0]], ["a", "new"])
    assert changed_users(before, more) == ["a"]
    fewer = dataclasses.replace(before, targets=sp.csr_array((3, 3)))
    assert changed_users(before, fewer) == ["a", "b"]
