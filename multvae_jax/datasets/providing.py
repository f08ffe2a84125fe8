"""The files of a data set from its publisher: downloaded, extracted, and checked."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from multvae_jax.datasets import download
from multvae_jax.datasets.archives import DownloadError, extract, last_name
from multvae_jax.datasets.contents import check_interactions
from multvae_jax.errors import InputError, file_errors


@dataclass(frozen=True)
class Download:
    """A file to download, and how to extract the files of a data set from it.

    Attributes:
        address: URL at the publisher.
        members: members to extract from the archive; none if the download is not an archive.
        checksum: URL of the publisher's MD5 or SHA-256; None if there is none.
        unpack: `(archive, members, folder, most)`, extracts the members to files of their last
            names, of `most` bytes together at most.
        interactions: published number of interactions by file, which is compared after the
            download.
        size: megabytes of the downloaded file, about.
        unpacked: megabytes that are unpacked from it, about.
    """

    address: str
    members: tuple[str, ...] = ()
    checksum: str | None = None
    unpack: Callable[[Path, Sequence[str], Path, float], None] = extract
    interactions: Mapping[str, int] = field(default_factory=dict)
    size: int = 10
    unpacked: int = 100

    @property
    def name(self) -> str:
        """Name of the downloaded file."""
        return last_name(self.address)

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the extracted files."""
        return tuple(last_name(member) for member in self.members) or (self.name,)


def provide(source: Download, folder: Path, say: Callable[[str], None]) -> None:
    """Download what is missing, extract its files and check them; all appear or none.

    Args:
        source: the download.
        folder: folder of the data set. An archive in it that the user has put there is used.
        say: called with a message before something that takes long.

    Raises:
        InputError: it cannot be downloaded, or is not the data set; what came is removed.
    """
    target = folder / source.name
    # Some megabytes more than the publisher's, which may be packed anew.
    most, most_unpacked = (2e6 * size + 1e7 for size in (source.size, source.unpacked))

    def check(path: Path, name: str, origin: str) -> None:
        if name in source.interactions:
            check_interactions(path, name, source.interactions[name], origin)

    if not source.members:
        download.fetch(
            source.address,
            target,
            source.checksum,
            most=most,
            check=lambda path: check(path, target.name, source.address),
        )
        return
    users_own = target.is_file()
    if not users_own:
        download.fetch(source.address, target, source.checksum, most=most)
    say(f"extracting {target}")
    try:
        with _staged(folder, source.files) as work:
            source.unpack(target, source.members, work, most_unpacked)
            for name in source.files:
                check(work / name, name, str(target))
    except DownloadError as error:
        if users_own:
            raise InputError(f"{error}; remove it to have it fetched again") from None
        target.unlink()
        raise InputError(f"{error}; it was removed") from None
    if not users_own:
        target.unlink()


@contextlib.contextmanager
def _staged(folder: Path, names: Sequence[str]) -> Iterator[Path]:
    """A folder to fill and check, from which the files are moved into the given one."""
    work = folder / ".unpacked"
    with file_errors(folder, own_name=True):
        # A program that was killed may have left it.
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        try:
            yield work
            for name in names:
                (work / name).replace(folder / name)
        finally:
            shutil.rmtree(work, ignore_errors=True)
