"""Where the text goes that `atomic_write` takes, whatever is at its path."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from multvae_jax.errors import InputError
from multvae_jax.host.files import atomic_write


def write(path, text: str = "new\n") -> None:
    with atomic_write(path) as file:
        file.write(text)


def refused(path) -> str:
    with pytest.raises(InputError) as caught:
        write(path)
    return str(caught.value)


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_and_its_target_is_written(tmp_path, there):
    folder = tmp_path / "folder"
    folder.mkdir()
    if there:
        (folder / "target").write_text("old")
    (tmp_path / "link").symlink_to("folder/target")
    write(tmp_path / "link")
    assert (tmp_path / "link").readlink() == Path("folder/target")
    assert (folder / "target").read_text() == "new\n"
    assert [path.name for path in folder.iterdir()] == ["target"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755])
def test_a_file_keeps_its_mode(tmp_path, mode):
    (tmp_path / "a").write_text("old")
    (tmp_path / "a").chmod(mode)
    write(tmp_path / "a")
    assert (tmp_path / "a").stat().st_mode & 0o777 == mode
    assert (tmp_path / "a").read_text() == "new\n"


def test_a_new_file_has_the_mode_of_any_other(tmp_path):
    (tmp_path / "other").write_text("")
    write(tmp_path / "a")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_pipe_is_written_to_and_stays(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    read = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_text()))
    reader.start()
    write(tmp_path / "pipe")
    reader.join(30)
    assert read == ["new\n"]
    assert (tmp_path / "pipe").is_fifo()


def test_a_device_is_written_to_and_stays():
    before = os.stat("/dev/null")  # noqa: PTH116
    write("/dev/null")
    assert os.stat("/dev/null").st_rdev == before.st_rdev  # noqa: PTH116


def test_the_standard_output_by_its_name():
    code = (
        "from multvae_jax.host.files import atomic_write\n"
        "with atomic_write('/dev/stdout') as file: file.write('new')"
    )
    assert subprocess.check_output([sys.executable, "-c", code]) == b"new"


def test_the_longest_name_there_is(tmp_path):
    path = tmp_path / ("a" * 255)
    write(path)
    assert path.read_text() == "new\n"
    assert refused(f"{path}a").endswith("a: File name too long")


def test_two_that_write_one_file_do_not_mix(tmp_path):
    with atomic_write(tmp_path / "a") as first, atomic_write(tmp_path / "a") as second:
        first.write("first")
        second.write("2")
    assert (tmp_path / "a").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("", "'': No such file or directory"),
        (".", ".: Is a directory"),
        ("/", "/: Is a directory"),
        ("new/", "new/: No such file or directory"),
        ("missing/a", "missing/a: No such file or directory"),
        ("file/a", "file/a: Not a directory"),
        ("loop", "loop: Too many levels of symbolic links"),
        ("/dev/full", "/dev/full: No space left on device"),
    ],
)
def test_a_path_that_cannot_be_written_is_one_line(path, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "loop").symlink_to("loop")
    assert refused(path) == message
    assert sorted(found.name for found in tmp_path.iterdir()) == ["file", "loop"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "a").write_text("old")
    tmp_path.chmod(0o555)
    assert refused(tmp_path / "a") == f"{tmp_path / 'a'}: Permission denied"
    tmp_path.chmod(0o755)
    assert (tmp_path / "a").read_text() == "old"
