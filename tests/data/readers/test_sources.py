"""Opening of what a user names: files, pipes, members of archives, and what is none of these."""

import gzip
import os
import pickle
import socket
import subprocess
import sys
import threading

import polars as pl
import pytest

from multvae_jax.data.interactions import read_interactions
from multvae_jax.data.readers import sources
from multvae_jax.errors import InputError
from tests.data.builders import pairs, refusal, write

TABLE = b"user,item\n1,a\n2,b\n"
PAIRS = [("1", "a"), ("2", "b")]


def refused(path):
    with pytest.raises(InputError) as caught:
        sources.open_source(path)
    return str(caught.value)


def test_a_path_that_cannot_be_opened():
    assert refused("") == "an empty path; name a file"
    assert refused("a\0b.csv") == "a\\x00b.csv: a path cannot hold a NUL character"
    assert refused("/" + "a" * 300) == f"/{'a' * 300}: File name too long"
    assert refused(os.fsdecode(b"/tmp/\xff.csv")) == (
        "/tmp/\\udcff.csv: the name is not UTF-8 text; rename the file"
    )
    assert refused("https://files.grouplens.org/ml-1m.zip") == (
        "https://files.grouplens.org/ml-1m.zip: an address, not a file; download it first"
    )


def test_a_missing_file_is_refused_with_the_closest_name(tmp_path):
    write(tmp_path, "ratings.csv", TABLE)
    missing = tmp_path / "rating.csv"
    assert refused(missing) == f"{missing}: no such file; is it {tmp_path}/ratings.csv?"
    assert refused(tmp_path / "else") == f"{tmp_path}/else: no such file"


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null"])
def test_a_device_is_refused_at_once(path):
    assert refused(path) == f"{path}: a device or a socket, not a file"


def test_a_socket_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the path of a socket is at most 100 bytes long
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")
        assert refused("s") == "s: a device or a socket, not a file"


def test_a_pipe_is_read_until_it_is_closed(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)

    def write_slowly():
        with path.open("wb", buffering=0) as file:
            for part in (TABLE[:5], TABLE[5:]):
                threading.Event().wait(0.1)
                file.write(part)

    writer = threading.Thread(target=write_slowly)
    writer.start()
    assert pairs(read_interactions(path, min_user_count=0)) == PAIRS
    writer.join()


def test_a_pipe_that_nobody_writes_to_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "_PATIENCE", 0.1)
    path = tmp_path / "pipe"
    os.mkfifo(path)
    assert refused(path) == f"{path}: a pipe that no program writes to"


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path, monkeypatch):
    path = write(tmp_path, "a.csv", TABLE)

    def cut(name, size):
        os.truncate(name, size - 5)

    monkeypatch.setattr(sources, "_check_size", cut)
    assert refused(path) == (
        f"{path}: changed while it was read; read it again when it is complete"
    )


def test_a_file_that_is_cut_after_it_was_read_cannot_end_the_process(tmp_path):
    """A file mapped into memory would end it by a signal."""
    code = (
        "import sys, os\n"
        "from multvae_jax.data.readers import formats\n"
        "from multvae_jax.data.readers.records import read_records\n"
        "from multvae_jax.data.readers.schema import INTERACTIONS\n"
        "opened = formats.open_source\n"
        "def cut(path):\n"
        "    source = opened(path)\n"
        "    os.truncate(path, 0)\n"
        "    return source\n"
        "formats.open_source = cut\n"
        "print(read_records(sys.argv[1], INTERACTIONS, {}).rows.height)\n"
    )
    path = write(tmp_path, "a.csv", b"user,item\n" + b"1,2\n" * 100_000)
    found = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert (found.returncode, found.stdout.strip()) == (0, "100000")


def test_memory_that_runs_out_is_one_line(tmp_path, monkeypatch):
    def fail(path):
        raise MemoryError

    monkeypatch.setattr(sources, "_contents", fail)
    path = write(tmp_path, "a.csv", TABLE)
    assert refused(path) == f"{path}: does not fit the memory"


def test_a_file_larger_than_the_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "most_bytes", lambda: 10)
    path = write(tmp_path, "a.csv", TABLE)
    assert refused(path) == (
        f"{path}: more than 18 bytes, which is more than the memory that is available allows "
        "(10 bytes)"
    )


PICKLES = [pickle.dumps([1, "a"], protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
FOREIGN = [
    ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 99, "an old Excel workbook"),
    ("a.feather", b"FEA1" + b"\0" * 99, "a Feather file of version 1"),
    *(("a.pkl", data, "a pickle of Python") for data in (PICKLES[0], *PICKLES[2:])),
    ("a.npy", b"\x93NUMPY\x01\0" + b" " * 60, "an array of NumPy (.npy)"),
    ("a.h5", b"\x89HDF\r\n\x1a\n" + b"\0" * 99, "an HDF5 file"),
    ("a.db", b"SQLite format 3\0" + b"\0" * 99, "an SQLite database"),
    ("a.duckdb", b"12345678DUCK" + b"\0" * 99, "a DuckDB database"),
    ("a.avro", b"Obj\x01" + b"\0" * 99, "an Avro file"),
    ("a.orc", b"ORC" + b"\0" * 99, "an ORC file"),
    ("a.RData", b"RDX3\nX\n\0\0\0", "a file of R (.RData)"),
    ("a.rds", b"X\n\0\0\0\3", "a file of R (.rds)"),
    ("a.mat", b"MATLAB 5.0 MAT-file, Platform", "a MATLAB file"),
    ("a.pdf", b"%PDF-1.7\n", "a PDF document"),
    ("a.csv", b"\n<!DOCTYPE html>\n<html><body>429", "a web page, perhaps an error"),
    ("a.csv", b"<HTML><head>", "a web page, perhaps an error"),
    ("a.xml", b"<?xml version='1.0'?><r/>", "an XML document"),
    ("a.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 9, "an image"),
    ("a.tar", b"ratings.csv" + b"\0" * 246 + b"ustar\0" + b"\0" * 99, "a tar archive"),
    ("a.7z", b"7z\xbc\xaf\x27\x1c" + b"\0" * 9, "a 7z archive"),
    ("a.rar", b"Rar!\x1a\x07\x01\0", "a RAR archive"),
    ("a.lz4", b"\x04\x22\x4d\x18" + b"\0" * 9, "a file compressed with lz4"),
    ("a.csv", b"version https://git-lfs.github.com/spec/v1\noid", "a pointer of Git LFS"),
    ("a.sql", b"-- MySQL dump 10.13\n", "a script of SQL"),
]


@pytest.mark.parametrize(("name", "data", "what"), FOREIGN, ids=[what for _, _, what in FOREIGN])
@pytest.mark.parametrize("suffix", ["", ".csv"])
def test_other_formats_are_named_with_what_to_do(tmp_path, name, data, what, suffix):
    path = write(tmp_path, name + suffix, data)
    problem = refusal(path)
    assert problem.startswith(f"{path}: {what}")
    assert ";" in problem


@pytest.mark.parametrize("value", [1, "a", (1, 2), None, {"a": 1}])
@pytest.mark.parametrize("name", ["a.pkl", "a.pickle", "a.joblib.gz"])
def test_a_pickle_is_named_by_its_suffix(tmp_path, value, name):
    path = write(tmp_path, name, pickle.dumps(value, 0))
    assert refusal(path).startswith(f"{path}: a pickle of Python")


@pytest.mark.parametrize(
    "text", ["created_by,user,item\nx,1,a\ny,2,b\n", "(l,user,item\n,1,a\n,2,b\n"]
)
def test_a_table_that_only_starts_like_another_format_is_read(tmp_path, text):
    assert pairs(read_interactions(write(tmp_path, "a.csv", text), min_user_count=0)) == PAIRS


def test_a_process_that_is_piped_in_is_read():
    code = (
        "from multvae_jax.data.interactions import read_interactions\n"
        "print(read_interactions('-', min_user_count=0).user_ids.tolist())\n"
    )
    for data, said in ((TABLE, "['1', '2']"), (gzip.compress(TABLE), "['1', '2']")):
        found = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True)
        assert found.stdout.decode().strip() == said


@pytest.mark.parametrize("name", ["a.csv", "a.parquet.gz"])
def test_parquet_is_recognized_by_its_content(tmp_path, name):
    path = tmp_path / name
    pl.DataFrame({"user": [1, 2], "item": ["a", "b"]}).write_parquet(path)
    assert pairs(read_interactions(path, min_user_count=0)) == PAIRS
