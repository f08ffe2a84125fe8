"""A server that sends something other than the data set: it is refused, and nothing of it stays."""

import json
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request

import pytest

from multvae_jax.cli.main import main
from multvae_jax.datasets import download, registry
from multvae_jax.datasets.download import fetch
from multvae_jax.datasets.registry import fetch_files
from multvae_jax.errors import InputError
from tests.datasets.builders import Page, adjacency, names, silent

PATH = "/gusye1234/LightGCN-PyTorch/master/data/gowalla/train.txt"

WRONG = {
    "a-portal": (Page(b"<!DOCTYPE html>\n<html>Please log in</html>\n"), "a web page came"),
    "an-error": (Page(b"429: Too Many Requests"), "3 interactions came"),
    "nothing": (Page(b""), "0 interactions came"),
    "cut": (Page(adjacency(1)[:-20], length=False), "interactions came"),
}


def said_by(function, *arguments, **named) -> str:
    with pytest.raises(InputError) as caught:
        function(*arguments, **named)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("kind", WRONG)
def test_an_answer_that_is_not_the_data_set_never_becomes_it(kind, site, home, capsys):
    good = site.pages[PATH]
    site.pages[PATH], message = WRONG[kind]
    assert main(["train", "--dataset", "gowalla", "--out", str(home / "run")]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(f"multvae: {site.address}{PATH}: not the data set: train.txt has ")
    assert said.endswith(f"{message}; it was removed")
    assert names(home / "gowalla") == []
    site.pages[PATH] = good
    assert fetch_files("gowalla", silent)["train"].read_bytes() == adjacency(1)


@pytest.mark.parametrize("name", ["msd", "netflix"])
def test_a_broken_archive_that_was_downloaded_is_removed(name, site, home, tmp_path):
    (source,) = registry.DATASETS[name].downloads
    path = source.address.removeprefix(site.address)
    good, site.pages[path] = site.pages[path], Page(b"<html>Please log in</html>")
    message = said_by(fetch_files, name, silent)
    assert message.endswith("; it was removed")
    assert names(home / name) == []
    site.pages[path] = good
    fetch_files(name, silent)
    assert names(home / name) == sorted(source.files)


def test_a_broken_archive_of_the_users_own_stays(site, home):
    (home / "ml-1m").mkdir(parents=True)
    (home / "ml-1m" / "ml-1m.zip").write_bytes(b"PK")
    message = said_by(fetch_files, "ml-1m", silent)
    assert message.endswith("; remove it to have it fetched again")
    assert names(home / "ml-1m") == ["ml-1m.zip"]


def test_an_archive_of_other_contents_leaves_nothing(site, home, monkeypatch):
    dataset = registry.DATASETS["msd"]
    (source,) = dataset.downloads
    assert source.interactions == {"train_triplets.txt": 45}
    source.interactions["train_triplets.txt"] = 46
    message = said_by(fetch_files, "msd", silent)
    assert message.endswith(
        "train_triplets.txt has 46 interactions, and 45 interactions came; it was removed"
    )
    assert names(home / "msd") == []


@pytest.mark.parametrize("length", [True, False])
def test_a_body_larger_than_the_file_ends(length, site, tmp_path):
    site.pages["/x.zip"] = Page(b"0" * 3_000_000, length=length)
    message = said_by(fetch, f"{site.address}/x.zip", tmp_path / "x.zip", most=1e6)
    assert message.endswith("the server sends more than 1 MB, which is not the file")
    assert not (tmp_path / "x.zip").exists()
    assert sum(path.stat().st_size for path in tmp_path.glob("x*") if path.is_file()) < 1000


def test_a_body_that_drips_ends(site, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "_WINDOW", 0.1)
    monkeypatch.setattr(download, "_LEAST", 10**9)
    site.pages["/x.zip"] = Page(b"0" * 1_000_000, stall=0.3)
    began = time.monotonic()
    message = said_by(fetch, f"{site.address}/x.zip", tmp_path / "x.zip")
    assert "the transfer broke off (" in message
    assert "bytes in 0 seconds" in message
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "location", ["http://[", "nonsense://x", "http:///x", "file:///etc/passwd"]
)
def test_a_redirection_to_what_is_not_an_address_is_one_line(location, site, tmp_path):
    site.pages["/x.zip"] = Page(status=302, location=location)
    message = said_by(fetch, f"{site.address}/x.zip", tmp_path / "x.zip")
    assert message.startswith(f"{site.address}/x.zip: ")
    assert list(tmp_path.glob("x*")) == []


def test_encryption_is_never_given_up():
    asked = Request("https://files.grouplens.org/x.zip")

    def redirected(location: str) -> Request | None:
        return download._Redirects().redirect_request(asked, None, 302, "", {}, location)

    with pytest.raises(URLError, match="which is not https"):
        redirected("http://files.grouplens.org/x.zip")
    assert redirected("https://elsewhere.org/x.zip").full_url == "https://elsewhere.org/x.zip"


@pytest.mark.parametrize(
    "version",
    [
        {"validator": "a\r\nX-Injected: 1", "size": None},
        {"validator": "日本", "size": None},
        {"validator": 5, "size": 3},
        {"validator": "a", "size": "3"},
        {"validator": "a"},
        ["a"],
        "a",
    ],
)
def test_an_odd_note_of_the_version_starts_the_download_again(version, site, tmp_path):
    (tmp_path / "x.zip.partial").write_bytes(b"half")
    (tmp_path / "x.zip.partial.json").write_text(json.dumps(version))
    site.pages["/x.zip"] = Page(b"whole")
    fetch(f"{site.address}/x.zip", tmp_path / "x.zip")
    assert (tmp_path / "x.zip").read_bytes() == b"whole"
    assert site.ranges() == [None]


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"MULTVAE_DATA": "~no-such-user/x"}, "MULTVAE_DATA=~no-such-user/x: Could not determine"),
        ({"MULTVAE_DATA": "", "HOME": ""}, "this user has no home directory; name a folder for "),
    ],
)
def test_without_a_folder_for_downloads_the_list_is_still_shown(
    environment, message, monkeypatch, capsys
):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("COLUMNS", "250")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    if "HOME" in environment:
        # As for a user without an entry in the table of users.
        relative = Path("~/.cache/multvae_jax")
        monkeypatch.setattr("platformdirs.user_cache_path", lambda *_, **__: relative)
    assert said_by(fetch_files, "ml-1m", silent).startswith(message)
    assert main(["datasets"]) == 0
    assert f"downloaded on first use; {message}" in capsys.readouterr().out
