"""Clients of `benchmarks.serving`: each sends a request as soon as the last one is answered.

python -m benchmarks.contestants.serving.clients PORT CLIENTS SECONDS REQUESTS HISTORIES

HISTORIES is a file with a request per line. It ends after so many seconds, or so many requests if
that is not 0, and prints a line of JSON: the seconds of each request in the order of the answers,
and those of the whole. The first half second is not counted.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

WARM_UP = 0.5
"""Seconds before the first that are counted."""


async def request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes) -> bytes:
    """Send a request, and read its answer.

    Raises:
        RuntimeError: it is refused.
    """
    head = f"POST /recommend HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    headers = await reader.readuntil(b"\r\n\r\n")
    length = headers.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
    answer = await reader.readexactly(int(length))
    if not headers.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"{headers!r} {answer!r}")
    return answer


async def client(
    port: int, bodies: Iterator[bytes], end: float, left: Iterator[int], taken: list[float]
) -> None:
    """Send one request after the other until the end, or until none is left."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began = time.perf_counter()
    try:
        while began < end and next(left, None) is not None:
            await request(reader, writer, next(bodies))
            now = time.perf_counter()
            taken.append(now - began)
            began = now
    finally:
        writer.close()
        await writer.wait_closed()


async def measure(
    port: int, n_clients: int, seconds: float, n_requests: int, bodies: list[bytes]
) -> dict[str, object]:
    """Seconds of each request, and those of all."""

    async def for_(seconds: float, n_requests: int) -> list[float]:
        end, taken = time.perf_counter() + seconds, []
        # A client stops between two requests; all requests of the others are counted.
        left = iter(range(n_requests)) if n_requests else itertools.repeat(0)
        async with asyncio.TaskGroup() as group:
            for _ in range(n_clients):
                group.create_task(client(port, several, end, left, taken))
        return taken

    several = itertools.cycle(bodies)
    await for_(WARM_UP, 0)
    began = time.perf_counter()
    taken = await for_(seconds, n_requests)
    return {"requests": taken, "seconds": time.perf_counter() - began}


def main(port: str, n_clients: str, seconds: str, n_requests: str, path: str) -> None:
    """Measure, and print what was found."""
    bodies = Path(path).read_bytes().splitlines()
    found = measure(int(port), int(n_clients), float(seconds), int(n_requests), bodies)
    print(json.dumps(asyncio.run(found)))


if __name__ == "__main__":
    main(*sys.argv[1:])
