"""The server: its socket, its signals, and what it says."""

from __future__ import annotations

import contextlib
import gc
import ipaddress
import os
import socket
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn

from multvae_jax.errors import InputError, reason_of
from multvae_jax.host.console import say
from multvae_jax.host.signals import stop_requests

DRAIN_SECONDS = 30
"""How long requests in progress may take after the signal that ends the server."""


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket with an address that is ours, and that takes no connections yet.

    Raises:
        InputError: there is no such address, or another program has it.
    """
    place = f"--host {host} --port {port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        with contextlib.ExitStack() as on_failure:
            on_failure.callback(bound.close)
            # The address of a server that has just ended can be taken at once.
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
            on_failure.pop_all()
    # A name that no address can be made of is a UnicodeError.
    except (OSError, UnicodeError) as error:
        raise InputError(f"{place}: {reason_of(error)}") from None
    return bound


def url_of(bound: socket.socket) -> str:
    """The address of a socket as people type it."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_loopback(bound: socket.socket) -> bool:
    """Return whether only programs of this machine reach a socket."""
    return ipaddress.ip_address(bound.getsockname()[0].partition("%")[0]).is_loopback


class _Server(uvicorn.Server):
    """uvicorn's server, with the signals of this program, which says when it listens."""

    def __init__(self, config: uvicorn.Config, listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._listening = listening

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._listening()


def run_server(app: Any, bound: socket.socket, listening: Callable[[], None]) -> None:
    """Answer requests until a signal comes, and then those that are in progress.

    A second signal ends the process.

    Args:
        app: the application.
        bound: the socket.
        listening: called when the server takes connections.
    """
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="none",
        lifespan="on",
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    server = _Server(config, listening)

    def stop(name: str) -> None:
        say(f"{name}: no new requests; those in progress are answered (again to stop at once)")
        server.should_exit = True

    def stop_at_once(number: int) -> None:
        say("stopped at once")
        # An exception would be reported by every task of the loop.
        os._exit(128 + number)

    with _quick_collections(), stop_requests() as request, request.awaited(stop, stop_at_once):
        server.run([bound])


@contextlib.contextmanager
def _quick_collections() -> Iterator[None]:
    """Leave what is there, such as the millions of objects of jax, out of garbage collections.

    With them, a collection takes a fifth of a second, for which all requests wait.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
