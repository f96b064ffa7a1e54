"""Applications that register themselves, as they do it over HTTP."""

import json
from typing import Any

from accounts.models import Organisation
from core import clock
from idp.dynamic_registration.flows import make_initial_access_token
from tests import cast
from tests.support import oauth
from tests.support.oauth import Reply

PATH = "/oauth/register"


def initial_token(of: Organisation, **policy: Any) -> str:
    return make_initial_access_token(organisation=of, now=clock.now(), **policy).text


def register(token: str | None, /, **members: Any) -> Reply:
    """POST with a redirect URI unless told otherwise; None leaves a member out."""
    body = {"redirect_uris": [cast.REDIRECT_URI]} | members
    return post({name: value for name, value in body.items() if value is not None}, token)


def post(body: Any, token: str | None, **changes: Any) -> Reply:
    return oauth.send(
        "POST",
        PATH,
        form=body if isinstance(body, str) else json.dumps(body, ensure_ascii=True),
        authorization=f"Bearer {token}" if token else None,
        **({"content_type": "application/json"} | changes),
    )


def manage(method: str, registered: Any, /, token: str | None = None, **members: Any) -> Reply:
    """A request to the registration's own address, with its own token unless another is given."""
    path = registered["registration_client_uri"].partition("//")[2].partition("/")[2]
    text = token if token is not None else registered["registration_access_token"]
    return oauth.send(
        method,
        f"/{path}",
        form=json.dumps(members) if members else "",
        authorization=f"Bearer {text}" if text else None,
        content_type="application/json",
    )
