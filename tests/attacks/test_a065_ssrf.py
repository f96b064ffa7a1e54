"""A065: an address that leads inside, by whatever way it is written or resolved."""

import ipaddress
import queue
import socket
import threading
from contextlib import suppress

import pytest

from core.outbound import OutboundError, fetch, post
from tests.support.elsewhere import authority

INSIDE = [
    "https://127.0.0.1:{port}/",
    "https://127.1:{port}/",
    "https://0x7f.1:{port}/",
    "https://2130706433:{port}/",
    "https://0177.0.0.1:{port}/",
    "https://localhost:{port}/",
    "https://LOCALHOST.:{port}/",
    "https://[::1]:{port}/",
    "https://[::ffff:127.0.0.1]:{port}/",
    "https://[::ffff:7f00:1]:{port}/",
    "https://[64:ff9b::127.0.0.1]:{port}/",
    "https://[2002:7f00:1::]:{port}/",
    "https://0.0.0.0:{port}/",
    "https://[::]:{port}/",
    "https://169.254.169.254/latest/meta-data/",
    "https://[fd00:ec2::254]/latest/meta-data/",
    "http://127.0.0.1:{port}/",
    "http://169.254.169.254/latest/meta-data/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:{port}/",
]


@pytest.fixture
def listener(settings):
    """A port on loopback, and who has connected to it until now; nothing is allowed."""
    settings.OUTBOUND_ALLOWED_NETWORKS = []
    settings.OUTBOUND_CA = authority().pem
    accepted = queue.SimpleQueue()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept():
            with suppress(OSError):
                while True:
                    accepted.put(server.accept()[1])

        def connected():
            """Whoever connected before us was accepted before us."""
            with socket.create_connection(server.getsockname()) as us:
                return list(iter(lambda: accepted.get(timeout=30), us.getsockname()))

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1], connected


@pytest.mark.parametrize("url", INSIDE)
def test_no_connection_is_made(listener, url):
    port, connected = listener

    with pytest.raises(OutboundError):
        fetch(url.format(port=port), accept="*/*", timeout=2)
    with pytest.raises(OutboundError):
        post(url.format(port=port), body=b"", content_type="text/plain", timeout=2)
    assert connected() == []


def test_one_closed_address_among_many_closes_the_name(listener, monkeypatch):
    port, connected = listener
    places = ["93.184.215.14", "127.0.0.1"]
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", (p, port)) for p in places]
    )

    with pytest.raises(OutboundError, match="not open"):
        fetch(f"https://rebind.example:{port}/", accept="*/*")
    assert connected() == []


def test_a_name_that_is_rebound_after_the_look_leads_nowhere_new(elsewhere, monkeypatch):
    """The first answer is the one that is used: there is no second look-up."""
    answers = iter(["127.0.0.1", "127.0.0.9"])
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda _, port, **__: [(2, 1, 6, "", (next(answers), port))]
    )

    assert fetch(elsewhere.url(), accept="*/*").status == 404
    assert list(answers) == ["127.0.0.9"]


def test_an_allowed_network_opens_nothing_beside_it(settings, listener):
    settings.OUTBOUND_ALLOWED_NETWORKS = [ipaddress.ip_network("10.0.0.0/8")]
    port, connected = listener

    with pytest.raises(OutboundError):
        fetch(f"https://127.0.0.1:{port}/", accept="*/*")
    assert connected() == []
