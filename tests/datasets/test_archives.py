"""Extraction from archives that are sound, broken, hostile, or nested like the Netflix Prize's."""

import tarfile
from pathlib import Path

import pytest

from multvae_jax.datasets import archives
from multvae_jax.datasets.archives import extract, extract_netflix
from multvae_jax.errors import InputError
from tests.datasets.builders import write_netflix, write_tar, write_zip

RATINGS = b"userId,movieId,rating\n" + b"".join(b"%d,%d,4.0\n" % (i, i * i) for i in range(3000))
FILES = {"ml/ratings.csv": RATINGS, "ml/movies.csv": b"movieId,title\n1,One\n", "ml/README": b"no"}
WRITERS = {
    "zip": write_zip,
    "tar": lambda path, files: write_tar(path, files, "w"),
    "tar.gz": write_tar,
}


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "into").mkdir()
    return tmp_path / "into"


def said_by(archive: Path, folder: Path, members=("ml/ratings.csv", "ml/movies.csv"), by=extract):
    with pytest.raises(InputError) as caught:
        by(archive, members, folder)
    message = str(caught.value)
    assert "\n" not in message
    assert sorted(path.name for path in folder.iterdir()) == []
    return message


@pytest.mark.parametrize("kind", WRITERS)
def test_only_what_is_asked_for_is_taken_out(kind, tmp_path, folder):
    archive = WRITERS[kind](tmp_path / "x", FILES)
    extract(archive, ("ml/ratings.csv", "ml/movies.csv"), folder)
    found = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert found == {"ratings.csv": RATINGS, "movies.csv": FILES["ml/movies.csv"]}


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("hostile", ["../ratings.csv", "/tmp/ml/../../ratings.csv"])
def test_nothing_is_written_outside_of_the_folder(kind, hostile, tmp_path, folder):
    (tmp_path / "ratings.csv").write_text("the user's own")
    archive = WRITERS[kind](tmp_path / "x", {hostile: b"evil", **FILES})
    extract(archive, ("ml/ratings.csv",), folder)
    assert (folder / "ratings.csv").read_bytes() == RATINGS
    extract(archive, (hostile,), folder)
    assert (folder / "ratings.csv").read_bytes() == b"evil"
    assert (tmp_path / "ratings.csv").read_text() == "the user's own"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["into", "ratings.csv", "x"]


def test_a_link_is_not_followed(tmp_path, folder):
    (tmp_path / "secret").write_text("secret")
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        info = tarfile.TarInfo("ml/ratings.csv")
        info.type, info.linkname = tarfile.SYMTYPE, str(tmp_path / "secret")
        archive.addfile(info)
    message = said_by(tmp_path / "x.tar", folder, ("ml/ratings.csv",))
    assert message == f"{tmp_path / 'x.tar'}: does not contain 'ml/ratings.csv'"


@pytest.mark.parametrize("kind", WRITERS)
def test_a_missing_member_is_named_and_the_others_do_not_appear(kind, tmp_path, folder):
    archive = WRITERS[kind](tmp_path / "x", {"ml/ratings.csv": RATINGS})
    assert said_by(archive, folder) == f"{archive}: does not contain 'ml/movies.csv'"


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :]


DAMAGES = {
    "cut": lambda content: content[: len(content) // 2],
    "flipped": flipped,
    "empty": lambda content: b"",
    "a-web-page": lambda content: b"<html>Please log in</html>",
}


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_broken_archive_is_one_line(kind, damage, tmp_path, folder):
    archive = WRITERS[kind](tmp_path / "x", FILES)
    archive.write_bytes(DAMAGES[damage](archive.read_bytes()))
    message = said_by(archive, folder)
    assert message.startswith(f"{archive}: not a complete archive (")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path, folder):
    archive = write_zip(tmp_path / "x.zip", FILES)
    (folder / ".ratings.csv.partial").symlink_to("/dev/full")
    message = said_by(archive, folder)
    assert message == f"{folder}: No space left on device while extracting x.zip"
    assert archive.exists()


def test_an_archive_that_is_not_there_is_one_line(tmp_path, folder):
    message = said_by(tmp_path / "x.zip", folder)
    assert message == f"{tmp_path / 'x.zip'}: No such file or directory while extracting x.zip"


MOVIES = {
    "training_set/mv_0000001.txt": b"1:\n1488844,3,2005-09-06\n822109,5,2005-05-13\n",
    "training_set/mv_0000002.txt": b"2:\r\n822109,4,2005-09-05\r\n7,1,2005-09-05",
}
TITLES = "1,2003,Dinosaur Planet\n2,2004,Isle, of Man: Café\n3,NULL,Undated\n".encode("latin-1")


def test_netflix_becomes_two_tables(tmp_path, folder):
    archive = write_netflix(
        tmp_path / "nf.tar.gz", MOVIES, TITLES, {"download/probe.txt": b"1:\n30878\n"}
    )
    extract_netflix(archive, ("ratings.csv", "movies.csv"), folder)
    assert sorted(path.name for path in folder.iterdir()) == ["movies.csv", "ratings.csv"]
    assert (folder / "ratings.csv").read_text("utf-8") == (
        "userId,movieId,rating\n1488844,1,3\n822109,1,5\n822109,2,4\n7,2,1\n"
    )
    assert (folder / "movies.csv").read_text("utf-8") == (
        'movieId,title\n1,Dinosaur Planet (2003)\n2,"Isle, of Man: Café (2004)"\n3,Undated\n'
    )


@pytest.mark.parametrize(
    "content",
    [b"1\n1,3\n", b"one:\n1,3,2005-09-06\n", b"1:\n1,3,2005-09-06\n1,x,2005-09-06\n", b""],
)
def test_netflix_in_another_form_is_one_line(content, tmp_path, folder):
    archive = write_netflix(
        tmp_path / "nf.tar.gz", MOVIES | {"training_set/mv_3.txt": content}, TITLES
    )
    message = said_by(archive, folder, ("ratings.csv", "movies.csv"), extract_netflix)
    assert message == f"{archive}: training_set/mv_3.txt: not the ratings of a movie"


def test_netflix_without_a_part_is_one_line(tmp_path, folder):
    asked = (folder, ("ratings.csv", "movies.csv"), extract_netflix)
    archive = write_tar(tmp_path / "nf.tar.gz", {"download/movie_titles.txt": TITLES})
    assert said_by(archive, *asked) == f"{archive}: does not contain 'training_set.tar'"
    write_netflix(archive, MOVIES, b"1;2003;Dinosaur Planet\n")
    message = said_by(archive, *asked)
    assert message == f"{archive}: movie_titles.txt: '1;2003;Dinosaur Planet' is not a title"


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_broken_archive_of_netflix_is_one_line(damage, tmp_path, folder):
    rows = b"".join(b"%d,%d,2005-09-06\n" % (i * i, i % 5 + 1) for i in range(3000))
    archive = write_netflix(tmp_path / "nf", {"training_set/mv_1.txt": b"1:\n" + rows}, TITLES)
    archive.write_bytes(DAMAGES[damage](archive.read_bytes()))
    message = said_by(archive, folder, ("ratings.csv", "movies.csv"), extract_netflix)
    assert message.startswith(f"{archive}: ")


def with_entry(path: Path, offset: int, value: int) -> Path:
    """A zip file in whose two headers of the first member a byte is changed."""
    content = bytearray(write_zip(path, FILES).read_bytes())
    for start, at in (
        (content.index(b"PK\x03\x04"), offset),
        (content.index(b"PK\x01\x02"), offset + 2),
    ):
        content[start + at] = value
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("offset", "value", "reason"),
    [(6, 1, "is encrypted"), (8, 99, "compression method is not supported")],
)
def test_a_member_that_cannot_be_unpacked_is_one_line(offset, value, reason, tmp_path, folder):
    archive = with_entry(tmp_path / "x.zip", offset, value)
    message = said_by(archive, folder)
    assert message.startswith(f"{archive}: not a complete archive (")
    assert reason in message


@pytest.mark.parametrize("kind", WRITERS)
def test_an_archive_that_grows_too_large_is_left(kind, tmp_path, folder):
    archive = WRITERS[kind](tmp_path / "x", {"ml/ratings.csv": b"0" * 3_000_000})

    def bounded(archive, members, folder):
        extract(archive, members, folder, 1e6)

    message = said_by(archive, folder, ("ml/ratings.csv",), bounded)
    assert message == f"{archive}: unpacks to more than its publisher's file"


@pytest.mark.parametrize("kind", WRITERS)
def test_an_archive_of_too_many_members_is_left(kind, tmp_path, folder, monkeypatch):
    monkeypatch.setattr(archives, "_MOST_MEMBERS", 2)
    archive = WRITERS[kind](tmp_path / "x", FILES)
    assert said_by(archive, folder) == f"{archive}: has more than 2 members"


def test_a_movie_with_a_pattern_for_its_id_is_one_line(tmp_path, folder):
    archive = write_netflix(
        tmp_path / "nf.tar.gz", {"training_set/mv_1.txt": b"\\g<9>:\n1,3,2005-09-06\n"}, TITLES
    )
    message = said_by(archive, folder, ("ratings.csv", "movies.csv"), extract_netflix)
    assert message == f"{archive}: training_set/mv_1.txt: not the ratings of a movie"
