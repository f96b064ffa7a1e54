"""A065: addresses in a registration that we would ask may not plainly lead inside."""

import pytest

from accounts.models import Organisation
from audit.models import AuditEvent
from idp.models import Client
from tests.support.registering import initial_token, register

HOSTS = [
    "127.0.0.1", "127.1", "0x7f.1", "2130706433", "0177.0.0.1", "localhost", "a.localhost",
    "169.254.169.254", "10.0.0.1", "192.168.1.1", "100.64.0.1", "0.0.0.0", "[::1]",
    "[::ffff:127.0.0.1]", "[fe80::1]", "[fd00::1]", "LOCALHOST", "127.0.0.1.",
]  # fmt: skip


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize(
    "name", ["jwks_uri", "sector_identifier_uri", "logo_uri", "backchannel_logout_uri"]
)
def test_it_is_refused_when_it_is_registered(acme: Organisation, name: str, host: str) -> None:
    reply = register(initial_token(acme), **{name: f"https://{host}/x"})

    assert (reply.status, reply.error) == (400, "invalid_client_metadata")
    assert not Client.unscoped.exists()
    assert AuditEvent.objects.filter(event="idp.registration.refused").count() == 1


@pytest.mark.parametrize("uri", ["file:///etc/passwd", "http://a.example/", "gopher://a.example/"])
def test_only_https_is_asked(acme: Organisation, uri: str) -> None:
    assert register(initial_token(acme), jwks_uri=uri).error == "invalid_client_metadata"
