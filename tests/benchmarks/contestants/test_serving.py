"""The benchmark of serving: requests that the server understands, clients, and the table."""

import asyncio
import contextlib
import json

import pytest

from benchmarks.contestants.serving import clients
from benchmarks.contestants.serving.task import write_task
from benchmarks.harness.synthetic import random_histories
from benchmarks.serving import CLIENTS, OURS, PLAIN, summary, table
from multvae_jax.serving.messages import RecommendRequest, decoded


def test_requests_of_all_kinds_are_those_of_the_server(tmp_path):
    write_task(tmp_path, random_histories(40, 50, 6))
    for name in ("requests", "varied"):
        lines = (tmp_path / name).read_bytes().splitlines()
        found = [decoded(line, RecommendRequest) for line in lines]
        assert len(found) == 40
        assert any(request.histories for request in found) == (name == "varied")


def test_clients_send_so_many_requests_and_fail_if_one_is_refused(monkeypatch):
    monkeypatch.setattr(clients, "WARM_UP", 0.0)

    async def answered(reader, writer):
        with contextlib.closing(writer):
            while head := await reader.read(10_000):
                status = b"200 OK" if b"fine" in head else b"422 No"
                writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\n{}")

    async def measured(bodies):
        server = await asyncio.start_server(answered, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            return await clients.measure(port, 3, 60, 20, bodies)

    found = asyncio.run(measured([b"fine", b"fine too"]))
    assert len(found["requests"]) == 20
    assert 0 < max(found["requests"]) <= found["seconds"]
    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(measured([b"wrong"]))
    assert "422 No" in str(caught.value.exceptions[0])


def test_the_table_has_ratios_of_the_rounds_and_percentiles():
    def rounds(*rates):
        return [summary({"requests": [0.001 * n for n in range(101)], "seconds": 101 / rate})
                for rate in rates]  # fmt: skip

    samples = {
        OURS: dict.fromkeys(CLIENTS, rounds(100, 300, 200)),
        PLAIN: dict.fromkeys(CLIENTS, rounds(50, 100, 50)),
    }
    assert json.loads(json.dumps(samples)) is not None
    _, _, first, second, *_ = table(samples).splitlines()
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in (first, second)]
    assert cells == [
        ["1", OURS, "200", "100 to 300", "1.00", "50.0", "95.0", "99.0"],
        ["1", PLAIN, "50", "50 to 100", "3.00", "50.0", "95.0", "99.0"],
    ]
