"""Files and directories are there whole or not at all."""

import os
from pathlib import Path

import pytest

from multvae_jax.errors import InputError
from multvae_jax.host.files import atomic_files, atomic_write, new_directory


def tree(folder: Path) -> dict[str, str | None]:
    """The text of each file by its path, None for a folder."""
    return {
        str(path.relative_to(folder)): path.read_text("utf-8") if path.is_file() else None
        for path in folder.rglob("*")
    }


def write_half(opened, write, error: type[BaseException]) -> None:
    with opened as target:
        write(target)
        raise error


def test_a_file_gets_its_name_when_it_is_written(tmp_path):
    (tmp_path / "a.csv").write_text("before")
    with atomic_write(tmp_path / "a.csv") as file:
        file.write("é,1\n")
        file.write("b,2\r\n")
        assert (tmp_path / "a.csv").read_text() == "before"
    assert (tmp_path / "a.csv").read_bytes() == "é,1\nb,2\r\n".encode()
    assert list(tree(tmp_path)) == ["a.csv"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_the_file_as_it_was(tmp_path, error):
    (tmp_path / "a.csv").write_text("before")
    with pytest.raises(error):
        write_half(atomic_write(str(tmp_path / "a.csv")), lambda file: file.write("half"), error)
    assert tree(tmp_path) == {"a.csv": "before"}


def refused(path: Path) -> str:
    with pytest.raises(InputError) as caught, atomic_write(path) as file:
        file.write("text")
    return str(caught.value)


def test_a_file_that_cannot_be_written_is_one_line(tmp_path):
    missing = tmp_path / "none" / "a.csv"
    assert refused(missing) == f"{missing}: No such file or directory"
    (tmp_path / "folder").mkdir()
    assert refused(tmp_path / "folder") == f"{tmp_path / 'folder'}: Is a directory"
    assert tree(tmp_path) == {"folder": None}


def test_several_files_appear_together(tmp_path):
    with atomic_files(tmp_path, ["a", "b"]) as (first, second):
        first.write(b"1")
        second.write(b"2")
        assert not {"a", "b"} & set(tree(tmp_path))
    assert tree(tmp_path) == {"a": "1", "b": "2"}


def test_of_several_files_none_appears_if_one_fails(tmp_path):
    (tmp_path / "b").write_text("before")
    with pytest.raises(KeyError):
        write_half(atomic_files(tmp_path, ["a", "b"]), lambda files: files[0].write(b"1"), KeyError)
    assert tree(tmp_path) == {"b": "before"}
    with pytest.raises(FileNotFoundError), atomic_files(tmp_path, ["c", "none/d"]):
        pass
    assert tree(tmp_path) == {"b": "before"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_no_file_appears_before_all_are_on_the_disk(tmp_path):
    (tmp_path / "b").write_text("before")
    (tmp_path / ".b.partial").symlink_to("/dev/full")
    # Few bytes fail only as the file is closed.
    with pytest.raises(OSError, match="No space"), atomic_files(tmp_path, ["a", "b"]) as files:
        [file.write(b"1") for file in files]
    assert tree(tmp_path) == {"b": "before"}


def test_a_directory_gets_its_name_when_it_is_full(tmp_path):
    target = tmp_path / "runs" / "new"
    with new_directory(target) as work:
        (work / "log").write_text("1")
        assert not target.exists()
    assert tree(tmp_path) == {"runs": None, "runs/new": None, "runs/new/log": "1"}
    assert target.stat().st_mode & 0o777 == 0o755


def test_an_empty_directory_is_filled(tmp_path):
    (tmp_path / "new").mkdir()
    with new_directory(tmp_path / "new") as work:
        (work / "log").write_text("1")
    assert tree(tmp_path) == {"new": None, "new/log": "1"}


@pytest.mark.parametrize("how", ["link", "here"])
def test_a_directory_that_cannot_be_renamed_over_is_filled_in_place(tmp_path, monkeypatch, how):
    """As the mount point of a volume: it stays, and gets the files."""
    (tmp_path / "place").mkdir()
    (tmp_path / "link").symlink_to("place")
    monkeypatch.chdir(tmp_path / "place")
    target = {"link": tmp_path / "link", "here": Path()}[how]
    failed = new_directory(target)
    with pytest.raises(KeyboardInterrupt):
        write_half(failed, lambda work: (work / "log").write_text("1"), KeyboardInterrupt)
    assert list((tmp_path / "place").iterdir()) == []
    with new_directory(target) as work:
        (work / "log").write_text("1")
    assert (tmp_path / "place" / "log").read_text() == "1"
    assert (tmp_path / "link").is_symlink()


def test_a_failure_leaves_neither_the_directory_nor_its_parents(tmp_path):
    directory = new_directory(tmp_path / "a" / "b" / "c")
    with pytest.raises(KeyboardInterrupt):
        write_half(directory, lambda work: (work / "log").write_text("1"), KeyboardInterrupt)
    assert tree(tmp_path) == {}


@pytest.mark.parametrize("kind", ["file", "directory"])
def test_nothing_is_overwritten_by_a_directory(tmp_path, kind):
    target = tmp_path / "taken"
    if kind == "directory":
        target.mkdir()
    (target if kind == "file" else target / "log").write_text("mine")
    before = tree(tmp_path)
    with pytest.raises(InputError) as caught, new_directory(target):
        pass
    assert str(caught.value) == f"{target}: already exists; choose another directory"
    assert tree(tmp_path) == before


@pytest.mark.skipif(os.name != "posix", reason="a file as a parent fails otherwise there")
def test_a_directory_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("mine")
    target = tmp_path / "file" / "run"
    with pytest.raises(InputError) as caught, new_directory(target):
        pass
    assert str(caught.value) == f"{target}: {tmp_path / 'file'} is not a directory"
    assert tree(tmp_path) == {"file": "mine"}
