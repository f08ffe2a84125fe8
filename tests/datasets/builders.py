"""A local publisher: its archives, and a server with the faults of real servers."""

import contextlib
import csv
import gzip
import hashlib
import io
import socket
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from multvae_jax.datasets.registry import DATASETS, fetch_files


@dataclass
class Page:
    """The server's answer at a path.

    Attributes:
        body: the file.
        etag: the ETag header, with its quotes; None omits it.
        changed: the Last-Modified header; None omits it.
        ranges: whether Range is supported.
        if_range: whether If-Range is supported; if not, a part of a changed file is sent.
        skew: number of bytes by which a part starts after the requested position.
        stop: number of bytes after which the connection breaks off; None sends all.
        stall: seconds of silence after half of the body.
        status: status code of the answer.
        location: address of a redirection.
        length: whether the size of the body is announced.
    """

    body: bytes = b""
    etag: str | None = '"1"'
    changed: str | None = None
    ranges: bool = True
    if_range: bool = True
    skew: int = 0
    stop: int | None = None
    stall: float = 0.0
    status: int = 200
    location: str | None = None
    length: bool = True


@dataclass
class Publisher:
    """The pages by path, and a record of the requests and of the bytes sent."""

    address: str
    pages: dict[str, Page] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)

    def ranges(self) -> list[str | None]:
        return [headers.get("Range") for _, headers in self.asked]


@contextlib.contextmanager
def publisher() -> Iterator[Publisher]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            site.asked.append((self.path, dict(self.headers)))
            answer(self, site.pages.get(self.path, Page(status=404)), site)

        def log_message(self, *_):
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_):
            pass  # a client may hang up

    with Server(("127.0.0.1", 0), Handler) as server:
        site = Publisher(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()


def answer(request: BaseHTTPRequestHandler, page: Page, site: Publisher) -> None:
    start, status = asked_start(request, page), page.status
    body = page.body
    if start is not None:
        status, body = (206, body[start:]) if start < len(body) else (416, b"")
    request.send_response(status)
    if status == 206:
        request.send_header("Content-Range", f"bytes {start}-{len(page.body) - 1}/{len(page.body)}")
    if page.location is not None:
        request.send_header("Location", page.location)
    if page.etag is not None:
        request.send_header("ETag", page.etag)
    if page.changed is not None:
        request.send_header("Last-Modified", page.changed)
    if page.length:
        request.send_header("Content-Length", str(len(body)))
    part = body[: page.stop]
    # Recorded before the answer, after which the client may read the record or ask again.
    site.sent.append(len(part))
    request.end_headers()
    request.wfile.write(part[: len(part) // 2])
    time.sleep(page.stall)
    request.wfile.write(part[len(part) // 2 :])
    if len(part) < len(body):
        request.close_connection = True
        request.connection.shutdown(socket.SHUT_RDWR)


def asked_start(request: BaseHTTPRequestHandler, page: Page) -> int | None:
    asked, version = request.headers.get("Range"), request.headers.get("If-Range")
    if asked is None or not page.ranges or page.status != 200:
        return None
    if page.if_range and version not in (None, page.etag, page.changed):
        return None
    return int(asked.removeprefix("bytes=").removesuffix("-")) + page.skew


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def write_tar(path: Path | io.BytesIO, files: dict[str, bytes], mode: str = "w:gz"):
    where = {"fileobj": path} if isinstance(path, io.BytesIO) else {"name": path}
    with tarfile.open(mode=mode, **where) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def tar_of(files: dict[str, bytes]) -> bytes:
    return write_tar(io.BytesIO(), files, "w").getvalue()


def write_netflix(
    path: Path,
    movies: dict[str, bytes],
    titles: bytes,
    others: dict[str, bytes] | None = None,
) -> Path:
    """Write an archive as the Netflix Prize published it, with an archive of movies in it."""
    files = {"download/training_set.tar": tar_of(movies), "download/movie_titles.txt": titles}
    return write_tar(path, {**files, **(others or {})})


FETCHED = [name for name, dataset in DATASETS.items() if dataset.downloads]
LIGHTGCN = ("gowalla", "yelp2018", "amazon-book")


# The contents of each publisher's files: user 1 has one item, user 2 the same and another, and so
# on to user 9.
PAIRS = [(user, 100 + item) for user in range(1, 10) for item in range(user)]
TITLED = [(item, f"Café {item}") for item in range(100, 109)]


def lines(form: str, rows=PAIRS) -> bytes:
    return "".join(form.format(*row) + "\n" for row in rows).encode("latin-1")


def adjacency(count: int) -> bytes:
    """Lines of a user and its items: all but the last two if `count`, else the last two."""
    rows = {user: [str(i) for u, i in PAIRS if u == user] for user in range(1, 10)}
    kept = {user: items[:-2] if count else items[-2:] for user, items in rows.items()}
    return "".join(f"{user} {' '.join(items)}\n" for user, items in kept.items()).encode()


def local_interactions(name: str) -> int:
    """Number of interactions of a file of this publisher."""
    parts = {"train.txt": 1, "test.txt": 0}
    if name in parts:
        return sum(len(line.split()) - 1 for line in adjacency(parts[name]).splitlines())
    return len(PAIRS)


def published(name: str, folder: Path) -> dict[str, bytes]:
    """Return the files at the publisher's addresses, by last name."""
    table = {
        "ml-20m": {
            "ml-20m/ratings.csv": b"userId,movieId,rating,timestamp\n" + lines("{},{},3.5,1"),
            "ml-20m/movies.csv": b"movieId,title,genres\n"
            + lines("{},{},x", TITLED).decode("latin-1").encode(),
        },
        "ml-1m": {
            "ml-1m/ratings.dat": lines("{}::{}::4::978300760"),
            "ml-1m/movies.dat": lines("{}::{}::Drama", TITLED),
            "ml-1m/users.dat": b"1::F::18::4::10115\n",
        },
        "ml-100k": {
            "ml-100k/u.data": lines("{}\t{}\t4\t881250949"),
            "ml-100k/u.item": lines("{}|{}|01-Jan-1995||http://us.imdb.com|0|1", TITLED),
            "ml-100k/u.user": b"1|23|F|none|10115\n",
        },
        "msd": {"train_triplets.txt": lines("b80344d063b5{}\tSOAKIMP12A8C{}\t1")},
    }
    if name == "netflix":
        movies = {
            f"training_set/mv_{movie:07}.txt": f"{movie}:\n".encode()
            + lines("{},4,2005-09-06", [(user,) for user, item in PAIRS if item == movie])
            for movie in range(100, 109)
        }
        archive = write_netflix(folder / "nf", movies, lines("{0},NULL,{1}", TITLED))
        return {"nf_prize_dataset.tar.gz": archive.read_bytes()}
    if name in LIGHTGCN:
        return {"train.txt": adjacency(1), "test.txt": adjacency(0)}
    content = write_zip(folder / "zip", {**table[name], f"{name}/README": b"x"}).read_bytes()
    base = "train_triplets.txt.zip" if name == "msd" else f"{name}.zip"
    return {
        base: content,
        f"{base}.md5": f"MD5 ({base}) = {hashlib.md5(content).hexdigest()}\n".encode(),
    }


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


def silent(words: str) -> None:
    """Ignore a message."""


def small() -> Path:
    return fetch_files("ml-latest-small")["data"]


def rows_of(path):
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
