"""Compressed files are read as their contents, and refused if broken or absurdly large."""

import bz2
import gzip
import io
import lzma
import sys
import time
import tracemalloc
import zipfile

import pytest

from multvae_jax.data.interactions import read_interactions
from multvae_jax.data.readers import compression
from tests.data.builders import pairs, refusal, write

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TABLE = b"user,item\n1,a\n2,b\n"
PAIRS = [("1", "a"), ("2", "b")]


def gz(data):
    return gzip.compress(data, mtime=0)


def zipped(members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


PACK = {
    "gz": gz,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstd.compress,
    "zip": lambda data: zipped({"ratings.csv": data}),
}


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("name", ["a.csv.{}", "a.csv", "a", "A.CSV.{}"])
def test_a_file_is_unpacked_by_its_first_bytes(tmp_path, suffix, name):
    path = write(tmp_path, name.format(suffix), PACK[suffix](TABLE))
    data = read_interactions(path, min_user_count=0)
    assert (pairs(data), data.notes) == (PAIRS, ())


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz", "zst"])
def test_members_one_after_the_other_are_one_file(tmp_path, suffix):
    packed = PACK[suffix](TABLE[:12]) + PACK[suffix](TABLE[12:])
    path = write(tmp_path, f"a.csv.{suffix}", packed)
    assert pairs(read_interactions(path, min_user_count=0)) == PAIRS


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.95])
def test_a_truncated_file_is_refused(tmp_path, suffix, kept):
    packed = PACK[suffix](TABLE + b"3,c\n" * 99 + bytes(range(33, 127)) * 9)
    path = write(tmp_path, f"a.csv.{suffix}", packed[: int(kept * len(packed))])
    named = {"gz": "gzip", "bz2": "bzip2", "zst": "Zstandard"}.get(suffix, suffix)
    assert refusal(path).startswith(f"{path}: not a complete {named} file: ")


def test_a_wrong_checksum_is_refused(tmp_path):
    packed = bytearray(gz(TABLE))
    packed[-8] ^= 1
    path = write(tmp_path, "a.csv.gz", bytes(packed))
    assert refusal(path).startswith(f"{path}: not a complete gzip file: CRC check failed")


def test_what_follows_the_compressed_data_is_ignored_with_a_note(tmp_path):
    path = write(tmp_path, "a.csv.gz", gz(TABLE) + b"garbage")
    data = read_interactions(path, min_user_count=0)
    assert pairs(data) == PAIRS
    assert data.notes == (f"{path}: bytes after the end of the gzip data ignored",)
    path = write(tmp_path, "b.csv.gz", gz(TABLE) + b"\0" * 512)  # as tar pads
    assert read_interactions(path, min_user_count=0).notes == ()


def test_a_file_that_is_not_compressed_after_all_is_read_with_a_note(tmp_path):
    path = write(tmp_path, "a.csv.gz", TABLE)
    data = read_interactions(path, min_user_count=0)
    assert pairs(data) == PAIRS
    assert data.notes == (f"{path}: not compressed, though its name ends as that of a gzip file",)


def test_a_file_compressed_twice(tmp_path):
    path = write(tmp_path, "a.zip", zipped({"a.csv.gz": gz(TABLE)}))
    assert pairs(read_interactions(path, min_user_count=0)) == PAIRS
    path = write(tmp_path, "b.csv.gz", gz(gz(gz(gz(TABLE)))))
    assert refusal(path) == f"{path}: compressed more than 3 times; unpack it yourself"


MOVIELENS = {
    "ml-1m/": b"",
    "ml-1m/README": b"...",
    "ml-1m/movies.dat": b"a::Title::Drama\n",
    "ml-1m/ratings.dat": b"1::a::5::7\n2::b::4::8\n",
    "ml-1m/users.dat": b"1::F\n",
    "__MACOSX/ml-1m/._ratings.dat": b"\0",
}


def test_the_file_of_interactions_of_an_archive_is_found_and_named(tmp_path):
    path = write(tmp_path, "ml-1m.zip", zipped(MOVIELENS))
    data = read_interactions(path, min_user_count=0)
    assert pairs(data) == PAIRS
    tables = "ml-1m/movies.dat, ml-1m/ratings.dat, ml-1m/users.dat"
    assert data.notes[0] == f"{path}: ml-1m/ratings.dat was read, of {tables}"


def test_a_member_can_be_named(tmp_path):
    path = write(tmp_path, "two.zip", zipped({"x.csv": b"no table", "sub/y.csv": TABLE}))
    data = read_interactions(path / "sub" / "y.csv", min_user_count=0)
    assert (pairs(data), data.notes) == (PAIRS, ())
    listed = "x.csv, sub/y.csv"
    assert refusal(path) == (
        f"{path}: holds {listed}; name the file of interactions, as in {path}/x.csv"
    )
    assert refusal(path / "z.csv") == f"{path}: holds no 'z.csv'; it holds {listed}"


def test_errors_name_the_member_and_its_line(tmp_path):
    path = write(tmp_path, "a.zip", zipped({"r.csv": TABLE + b"3,\n"}))
    assert refusal(path) == f"{path}/r.csv:4: column 'item' is empty"


@pytest.mark.parametrize(
    ("members", "what"),
    [
        ({"[Content_Types].xml": b"", "xl/workbook.xml": b""}, "an Excel workbook; save the sheet"),
        ({"mimetype": b"", "content.xml": b""}, "an OpenDocument file"),
        ({"row.npy": b"", "col.npy": b""}, "arrays of NumPy (.npz)"),
        ({"model/data.pkl": b""}, "an archive of a program"),
        ({"README.txt": b"hello"}, "holds no table"),
    ],
)
def test_zip_files_of_other_programs_are_named(tmp_path, members, what):
    path = write(tmp_path, "a.xlsx", zipped(members))
    assert refusal(path).startswith(f"{path}: {what}")


def test_an_encrypted_archive_is_refused(tmp_path):
    packed = bytearray(zipped({"r.csv": TABLE}))
    packed[6] |= 1  # in the header of the member
    packed[packed.index(b"PK\x01\x02") + 8] |= 1  # in the directory
    path = write(tmp_path, "a.zip", bytes(packed))
    assert refusal(path).startswith(f"{path}: encrypted; ")


@pytest.mark.parametrize("suffix", PACK)
def test_a_bomb_is_refused_before_it_fills_the_memory(tmp_path, suffix):
    """Fails by its time and memory if everything is unpacked first."""
    bomb = PACK[suffix](b"1" * (compression._SMALL + 2**25))
    path = write(tmp_path, f"a.csv.{suffix}", bomb)
    tracemalloc.start()
    start = time.monotonic()
    problem = refusal(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "times as many: not a table" in problem
    assert time.monotonic() - start < 5
    assert peak < 2**28


def test_a_file_that_does_not_fit_the_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(compression, "most_bytes", lambda: 1000)
    path = write(tmp_path, "a.csv.gz", gz(TABLE + b"3,c\n" * 999))
    assert refusal(path) == (
        f"{path}: unpacks to more than 4,014 bytes, which is more than the memory that is "
        "available allows (1,000 bytes)"
    )
