"""Downloads from a server that breaks off, changes its files, or sends wrong headers."""

import hashlib
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from multvae_jax.datasets import download
from multvae_jax.datasets.download import alone, fetch
from multvae_jax.errors import InputError
from tests.datasets.builders import Page, publisher

# More than one chunk, with no two equal parts.
BODY = b"".join(hashlib.sha256(str(index).encode()).digest() for index in range(20_000))
OTHER = bytes(reversed(BODY))
HALF = len(BODY) // 2


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with publisher() as site:
        yield site


@pytest.fixture
def target(tmp_path):
    return tmp_path / "x.zip"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def said_by(address: str, target: Path, checksum: str | None = None) -> str:
    with pytest.raises(InputError) as caught:
        fetch(address, target, checksum)
    message = str(caught.value)
    assert "\n" not in message
    return message


def break_off(site, target: Path, page: Page) -> None:
    """Download the first half of a page and check what is left."""
    site.pages["/x.zip"] = page
    page.stop = HALF
    message = said_by(f"{site.address}/x.zip", target)
    assert message.startswith(f"{site.address}/x.zip: the transfer broke off (")
    assert message.endswith("the same command resumes from there")
    assert target.with_name("x.zip.partial").read_bytes() == page.body[:HALF]
    assert not target.exists()
    page.stop = None
    site.asked.clear()
    site.sent.clear()


def test_a_file_comes_whole_under_its_name_with_a_bar(site, target, capfd):
    site.pages["/x.zip"] = Page(BODY)
    fetch(f"{site.address}/x.zip", target)
    assert target.read_bytes() == BODY
    assert names(target.parent) == ["x.zip"]
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "x.zip" in shown.err
    assert "640.0/640.0 kB" in shown.err


@pytest.mark.parametrize(
    "version",
    [
        {"etag": '"1"'},
        {"etag": None, "changed": "Wed, 26 Sep 2018 14:30:00 GMT"},
        {"etag": 'W/"1"', "changed": "Wed, 26 Sep 2018 14:30:00 GMT"},
    ],
    ids=["etag", "date", "weak-etag-and-date"],
)
def test_a_broken_transfer_goes_on_where_it_broke_off(site, target, version):
    break_off(site, target, Page(BODY, **version))
    fetch(f"{site.address}/x.zip", target)
    assert site.ranges() == [f"bytes={HALF}-"]
    assert site.asked[0][1]["If-Range"] == version.get("changed", version["etag"])
    assert site.sent == [len(BODY) - HALF]
    assert target.read_bytes() == BODY
    assert names(target.parent) == ["x.zip"]


def test_a_transfer_may_break_off_more_than_once(site, target):
    break_off(site, target, Page(BODY))
    site.pages["/x.zip"].stop = 1000
    said_by(f"{site.address}/x.zip", target)
    site.pages["/x.zip"].stop = None
    fetch(f"{site.address}/x.zip", target)
    assert site.ranges() == [f"bytes={HALF}-", f"bytes={HALF + 1000}-"]
    assert target.read_bytes() == BODY


CHANGED = {
    "the-server-knows-no-range": ({}, {"ranges": False}, BODY, 1),
    "changed": ({}, {"body": OTHER, "etag": '"2"'}, OTHER, 1),
    "changed-and-if-range-ignored": (
        {},
        {"body": OTHER, "etag": '"2"', "if_range": False},
        OTHER,
        2,
    ),
    "size-changed-and-version-not": ({}, {"body": OTHER + b"."}, OTHER + b".", 2),
    "another-part-than-asked-for": ({}, {"skew": 5}, BODY, 2),
    "shorter-than-what-came": ({}, {"body": BODY[:9], "if_range": False}, BODY[:9], 2),
    "no-version": ({"etag": None}, {}, BODY, 1),
    "weak-version": ({"etag": 'W/"1"'}, {}, BODY, 1),
}


@pytest.mark.parametrize("name", CHANGED)
def test_what_is_not_surely_the_same_file_is_fetched_from_its_start(name, site, target):
    before, after, body, requests = CHANGED[name]
    break_off(site, target, Page(BODY, **before))
    for attribute, value in after.items():
        setattr(site.pages["/x.zip"], attribute, value)
    fetch(f"{site.address}/x.zip", target)
    assert target.read_bytes() == body
    assert len(site.asked) == requests
    if before:
        assert site.ranges() == [None]
    assert names(target.parent) == ["x.zip"]


def test_a_partial_file_of_unknown_origin_is_not_gone_on_with(site, target):
    site.pages["/x.zip"] = Page(BODY)
    target.with_name("x.zip.partial").write_bytes(b"anything")
    target.with_name("x.zip.partial.json").write_text("{")
    fetch(f"{site.address}/x.zip", target)
    assert target.read_bytes() == BODY


def test_a_restart_that_breaks_off_forgets_the_version_before(site, target):
    break_off(site, target, Page(BODY))
    break_off(site, target, Page(OTHER, etag=None))
    site.pages["/x.zip"] = Page(BODY)
    fetch(f"{site.address}/x.zip", target)
    assert target.read_bytes() == BODY


MD5, SHA256 = hashlib.md5(BODY).hexdigest(), hashlib.sha256(BODY).hexdigest()


@pytest.mark.parametrize(
    "text",
    [
        f"MD5 (x.zip) = {MD5}\n",
        f"{MD5}  x.zip\n",
        MD5.upper(),
        f"{SHA256} *x.zip\n",
        f"{'0' * 32}  a.zip\n{MD5}  x.zip\n{'1' * 32}  z.zip\n",
    ],
    ids=["bsd", "gnu", "bare", "sha256", "of-several-files"],
)
def test_a_file_that_fits_its_checksum_is_kept(text, site, target):
    site.pages |= {"/x.zip": Page(BODY), "/x.zip.md5": Page(text.encode())}
    fetch(f"{site.address}/x.zip", target, f"{site.address}/x.zip.md5")
    assert target.read_bytes() == BODY


@pytest.mark.parametrize(("kind", "digest"), [("MD5", MD5), ("SHA-256", SHA256)])
def test_a_file_that_does_not_is_removed(kind, digest, site, target):
    site.pages |= {"/x.zip": Page(OTHER), "/x.zip.md5": Page(f"{digest}  x.zip\n".encode())}
    message = said_by(f"{site.address}/x.zip", target, f"{site.address}/x.zip.md5")
    actual = hashlib.new(kind.replace("-", ""), OTHER).hexdigest()
    assert message == (
        f"{site.address}/x.zip: the downloaded file has the {kind} {actual}, but the publisher "
        f"states {digest}; it was removed"
    )
    assert names(target.parent) == []
    site.pages["/x.zip"] = Page(BODY)
    fetch(f"{site.address}/x.zip", target, f"{site.address}/x.zip.md5")
    assert target.read_bytes() == BODY


def test_a_checksum_that_cannot_be_had_is_missed_before_the_transfer(site, target):
    site.pages["/x.zip"] = Page(BODY)
    checksum = f"{site.address}/x.zip.md5"
    assert said_by(f"{site.address}/x.zip", target, checksum).startswith(f"{checksum}: HTTP 404 ")
    site.pages["/x.zip.md5"] = Page(b"<html>Moved</html>")
    message = said_by(f"{site.address}/x.zip", target, checksum)
    assert message == f"{checksum}: contains neither an MD5 nor a SHA-256 of x.zip"
    site.pages["/x.zip.md5"] = Page(f"{MD5}  other-x.zip\n{MD5}  y.zip\n".encode())
    assert said_by(f"{site.address}/x.zip", target, checksum) == message
    assert {path for path, _ in site.asked} == {"/x.zip.md5"}


@pytest.mark.parametrize(("status", "reason"), [(404, "Not Found"), (500, "Internal Server Error")])
def test_what_the_server_refuses_is_said_with_a_way_out(status, reason, site, target):
    site.pages["/x.zip"] = Page(status=status)
    assert said_by(f"{site.address}/x.zip", target) == (
        f"{site.address}/x.zip: HTTP {status} {reason}; "
        f"try again, or put x.zip into {target.parent} by hand"
    )
    assert names(target.parent) == []


def test_a_refusal_leaves_what_came_before(site, target):
    page = Page(BODY)
    break_off(site, target, page)
    site.pages["/x.zip"] = Page(status=503)
    assert "HTTP 503" in said_by(f"{site.address}/x.zip", target)
    site.pages["/x.zip"] = page
    fetch(f"{site.address}/x.zip", target)
    assert site.sent[-1] == len(BODY) - HALF
    assert target.read_bytes() == BODY


def test_no_one_listens(monkeypatch, target):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/x.zip"
        message = said_by(address, target)
    assert message.startswith(f"{address}: cannot be reached (Connection refused); try again, ")


def test_no_such_host(monkeypatch, target):
    def nowhere(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    monkeypatch.setenv("NO_PROXY", "*")
    message = said_by("http://files.example.org/x.zip", target)
    assert "x.zip: cannot be reached (Name or service not known); try again" in message


def test_a_server_that_falls_silent_is_given_up(site, target, monkeypatch):
    monkeypatch.setattr(download, "_TIMEOUT", 0.2)
    site.pages["/x.zip"] = Page(BODY, stall=1.0)
    assert "broke off (timed out)" in said_by(f"{site.address}/x.zip", target)
    site.pages["/x.zip"].stall = 0.0
    fetch(f"{site.address}/x.zip", target)
    assert site.ranges()[-1] is not None
    assert target.read_bytes() == BODY


def test_a_redirection_is_followed_and_so_is_that_of_a_part(site, target):
    break_off(site, target, Page(BODY))
    site.pages["/moved.zip"] = Page(status=302, location="/x.zip", etag=None)
    fetch(f"{site.address}/moved.zip", target)
    assert site.sent == [0, len(BODY) - HALF]
    assert target.read_bytes() == BODY


def test_a_redirection_in_a_circle_is_one_line(site, target):
    site.pages["/x.zip"] = Page(status=302, location="/x.zip")
    assert said_by(f"{site.address}/x.zip", target).startswith(f"{site.address}/x.zip: HTTP 302 ")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("body", [BODY, b"few"], ids=["as-it-is-written", "as-it-is-closed"])
def test_a_full_disk_is_one_line(body, site, target):
    site.pages["/x.zip"] = Page(body)
    target.with_name("x.zip.partial").symlink_to("/dev/full")
    message = said_by(f"{site.address}/x.zip", target)
    assert message.startswith(f"{target}.partial: No space left on device; the part of ")
    assert not target.exists()


LIMITED = """
import resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
from multvae_jax.datasets.download import fetch
from multvae_jax.errors import InputError
try:
    fetch(sys.argv[1], Path(sys.argv[2]))
except InputError as error:
    print(error)
"""


def test_what_came_until_the_disk_was_full_is_gone_on_with(site, target):
    site.pages["/x.zip"] = Page(BODY)
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, f"{site.address}/x.zip", str(target)],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith(f"{target}.partial: File too large; the part of ")
    kept = target.with_name("x.zip.partial").read_bytes()
    assert 0 < len(kept) <= 300_000
    assert BODY.startswith(kept)
    fetch(f"{site.address}/x.zip", target)
    assert site.ranges()[-1] == f"bytes={len(kept)}-"
    assert target.read_bytes() == BODY


ELSEWHERE = "; MULTVAE_DATA can name another folder for downloads"


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError) as caught, alone(tmp_path / "file" / "ml", print):
        pytest.fail("it was made")
    assert str(caught.value) == f"{tmp_path / 'file' / 'ml'}: Not a directory{ELSEWHERE}"


def test_a_folder_that_cannot_be_written_to_is_one_line(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied", str(tmp_path / ".lock"))

    monkeypatch.setattr("os.open", refuse)  # root may write anywhere
    with pytest.raises(InputError) as caught, alone(tmp_path, print):
        pytest.fail("it was locked")
    monkeypatch.undo()
    assert str(caught.value) == f"{tmp_path / '.lock'}: Permission denied{ELSEWHERE}"


def test_the_next_one_waits_until_the_first_is_done(tmp_path):
    waits = (
        "import sys; from pathlib import Path; from multvae_jax.datasets.download import alone\n"
        "def say(words): print(words, flush=True)\n"
        "with alone(Path(sys.argv[1]), say): print('in', flush=True)\n"
    )
    with alone(tmp_path, pytest.fail):
        process = subprocess.Popen(
            [sys.executable, "-c", waits, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout.readline() == (
            f"{tmp_path}: waiting for another process that downloads into it\n"
        )
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.3)
    assert process.communicate(timeout=20)[0] == "in\n"
    assert process.returncode == 0
