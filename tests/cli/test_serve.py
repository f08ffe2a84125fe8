"""`multvae serve`: its start, its end, and what keeps it from starting."""

import json
import os
import re
import signal
import socket
import sys
import time

import pytest

from multvae_jax.cli.main import main

pytestmark = pytest.mark.updates

# One program to rank and one to score again, so that it starts in a second.
FEW = ["--port", "0", "--batch-size", "1", "--max-history", "16"]


def answer(connection):
    """Status and content of the next answer on a connection."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(10_000)
    head, _, content = received.partition(b"\r\n\r\n")
    length = int(re.search(rb"content-length: (\d+)", head)[1])
    while len(content) < length:
        content += connection.recv(10_000)
    return int(head.split()[1]), json.loads(content)


def wait_until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def refuses(port):
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return True
    return False


def test_sigterm_answers_what_was_accepted_refuses_the_rest_and_exits_with_0(run, commands):
    process = commands.start("serve", run, *FEW)
    wait_until(lambda: "listening at" in commands.said)
    port = int(re.search(r"http://127\.0\.0\.1:(\d+)", commands.said)[1])
    body = b'{"history": ["100", "101"], "k": 2}'
    head = f"POST /recommend HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(head + body)
        status, first = answer(connection)
        assert status == 200
        assert len(first["items"]) == 2
        # The second request on the same connection is accepted when the signal comes.
        connection.sendall(head[:-2] + b"expect: 100-continue\r\n\r\n" + body[:5])
        assert connection.recv(10_000).startswith(b"HTTP/1.1 100 Continue")
        os.kill(process, signal.SIGTERM)
        wait_until(lambda: refuses(port))
        connection.sendall(body[5:])
        assert answer(connection) == (200, first)
    assert commands.wait() == 0
    lines = commands.said.splitlines()
    assert re.fullmatch(rf"{run}: \d+ items, on cpu; 2 programs made ready in \d+\.\d s", lines[-4])
    assert lines[-3].startswith(f"listening at http://127.0.0.1:{port}; ")
    assert lines[-2].startswith("SIGTERM: no new requests; those in progress are answered")
    assert lines[-1] == "stopped"


def test_what_keeps_it_from_starting_is_one_line(run, capsys, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["serve", str(run), "--port", port]) == 2
    assert capsys.readouterr().err == (
        f"multvae: --host 127.0.0.1 --port {port}: Address already in use\n"
    )
    assert main(["serve", str(run), "--port", "99999"]) == 2
    assert capsys.readouterr().err == "multvae: --port: expected `int` <= 65535\n"
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert main(["serve", str(run)]) == 2
    told = capsys.readouterr().err
    assert told.startswith("multvae: multvae serve needs the package uvicorn (")
    assert told.endswith("): pip install 'multvae-jax[serve]'\n")


def test_more_than_the_loopback_is_said(run, capsys, monkeypatch):
    def listen_and_stop(app, bound, listening):
        bound.listen()
        listening()

    monkeypatch.setattr("multvae_jax.serving.server.run_server", listen_and_stop)
    monkeypatch.setattr("multvae_jax.serving.model.ServedModel.warm_up", lambda self: 0)
    assert main(["serve", str(run), "--host", "0.0.0.0", *FEW]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert (
        "--host 0.0.0.0: other machines can reach the server, which has no authentication" in lines
    )
    assert lines[-1] == "stopped"
