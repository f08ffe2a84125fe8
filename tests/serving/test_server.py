"""The address of the server."""

import socket

import pytest

from multvae_jax.errors import InputError
from multvae_jax.serving.server import bound_socket, is_loopback, url_of


def test_an_address_in_use_is_one_line():
    with bound_socket("127.0.0.1", 0) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        assert url_of(taken) == f"http://127.0.0.1:{port}"
        with pytest.raises(InputError) as caught:
            bound_socket("127.0.0.1", port)
    assert str(caught.value) == f"--host 127.0.0.1 --port {port}: Address already in use"
    # At once, although connections of the server before may linger.
    bound_socket("127.0.0.1", port).close()


@pytest.mark.parametrize("host", ["256.0.0.1", "no host", "." * 300])
def test_a_host_that_does_not_exist_is_one_line(host):
    with pytest.raises(InputError, match="--host"):
        bound_socket(host, 0)


def test_the_loopback_is_told_from_other_addresses():
    found = {}
    for host in ("127.0.0.1", "localhost", "0.0.0.0", "::1"):
        try:
            with bound_socket(host, 0) as bound:
                found[host] = is_loopback(bound)
                if bound.family == socket.AF_INET6:
                    assert url_of(bound).startswith(f"http://[{host.replace('localhost', '::1')}]:")
        except InputError:
            assert host == "::1"  # this machine has no IPv6
    assert found.pop("::1", True)
    assert found == {"127.0.0.1": True, "localhost": True, "0.0.0.0": False}
