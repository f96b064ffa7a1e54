"""Pushes authorization requests, and opens them in a browser."""

from typing import Any
from urllib.parse import urlencode

from django.test import Client as Browser

from idp.models import Client
from tests.support import oauth
from tests.support.authorize import parameters
from tests.support.oauth import Reply


def push(client: Client, *, authorization: str | None = None, **changes: Any) -> Reply:
    """Push a correct request; `changes` replace or (None) drop parameters."""
    form = parameters(client, **changes)
    if authorization is None and client.kind == Client.Kind.CONFIDENTIAL:
        authorization = oauth.basic(client.client_id)
    return oauth.send("POST", "/oauth/par", form=form, authorization=authorization)


def pushed(client: Client, **changes: Any) -> str:
    """The `request_uri` of a request that was accepted."""
    reply = push(client, **changes)
    assert reply.status == 201, reply.body
    return str(reply.json["request_uri"])


def open_pushed(browser: Browser, client: Client | str, reference: str, **more: Any) -> Any:
    client_id = client if isinstance(client, str) else client.client_id
    query = {"client_id": client_id, "request_uri": reference} | more
    return browser.get(f"/oauth/authorize?{urlencode(query, doseq=True)}")
