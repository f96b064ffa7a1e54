"""A086: a sign-out that leads to an address which the client did not register."""

from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client as Browser

from audit.events import Event
from audit.models import AuditEvent
from idp.models import Client
from sessions.models import LoginSession
from tests import cast

REGISTERED = "https://app.acme.example/"
ADDRESSES = {
    "unregistered": "https://evil.example/",
    "of another client": "https://spa.acme.example/signed-out",
    "another case": "https://APP.acme.example/",
    "another scheme": "http://app.acme.example/",
    "a longer path": f"{REGISTERED}x",
    "a shorter path": REGISTERED[:-1],
    "a query": f"{REGISTERED}?next=https://evil.example",
    "a fragment": f"{REGISTERED}#x",
    "a user part": "https://app.acme.example@evil.example/",
    "a line break": f"{REGISTERED}\r\nSet-Cookie: session=x",
    "an encoded line break": f"{REGISTERED}%0d%0aSet-Cookie:x",
    "no scheme": "//evil.example/",
    "a script": "javascript:alert(1)",
    "spaces around": f" {REGISTERED} ",
}


@pytest.mark.parametrize("address", ADDRESSES.values(), ids=ADDRESSES)
def test_it_is_never_gone_to(
    client: Browser, acme: Any, tokens: dict[str, Any], address: str
) -> None:
    cast.client(
        "acme-spa", acme, kind="public",
        post_logout_redirect_uris=["https://spa.acme.example/signed-out"],
    )  # fmt: skip

    query = {
        "id_token_hint": tokens["id_token"], "post_logout_redirect_uri": address, "state": "s",
    }  # fmt: skip
    response = client.get(f"/oauth/end-session?{urlencode(query)}")

    assert response.status_code in {200, 400}
    assert not response.has_header("Location")
    assert not response.has_header("Refresh")
    assert b"evil.example" not in response.content
    assert b"spa.acme.example" not in response.content
    if response.status_code == 200:
        assert LoginSession.unscoped.get().end_reason == "signed_out"
        assert AuditEvent.objects.filter(event=Event.SESSION_ENDED).count() == 1
    else:  # a character that no parameter may have: nothing was done at all
        assert LoginSession.unscoped.get().ended_at is None


def test_the_address_of_one_client_is_not_reached_by_the_hint_of_another(
    client: Browser, acme_web: Client, acme: Any, tokens: dict[str, Any]
) -> None:
    other = cast.client("acme-other", acme, post_logout_redirect_uris=["https://o.acme.example/"])

    query = {
        "id_token_hint": tokens["id_token"], "client_id": other.client_id,
        "post_logout_redirect_uri": "https://o.acme.example/",
    }  # fmt: skip
    response = client.get(f"/oauth/end-session?{urlencode(query)}")

    assert b"logout-form" in response.content, "the user is asked first"
    confirmed = client.post(
        "/oauth/end-session", urlencode(query | {"decision": "logout"}),
        content_type="application/x-www-form-urlencoded",
    )  # fmt: skip
    assert LoginSession.unscoped.get().end_reason == "signed_out"
    assert b"o.acme.example" not in confirmed.content
