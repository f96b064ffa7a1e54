"""Tokens under our own signature that we would never make: what only the claims may refuse."""

import json
from typing import Any

from joserfc import jws

from idp import keys
from tests.support import oauth
from tests.support.request_objects import AnyHeader


def sign(claims: Any, *, alg: str = "ES256", **header: Any) -> str:
    """`claims`: an object, or JSON text as it stands; `header` replaces or (None) drops members."""
    key = keys.signing_key(alg)
    head = {"alg": alg, "kid": key.kid, "typ": "at+jwt"} | header
    head = {name: value for name, value in head.items() if value is not None}
    text = claims if isinstance(claims, str | bytes) else json.dumps(claims)
    return jws.serialize_compact(head, text, key.key, registry=AnyHeader(algorithms=[alg]))


def changed(token: str, **changes: Any) -> str:
    """The token with other claims (None drops one), and the same header, signed again by us."""
    claims = oauth.claims_of(token) | changes
    kept = {name: value for name, value in claims.items() if value is not None}
    return sign(kept, **{name: oauth.header_of(token)[name] for name in ("kid", "typ")})


def is_worth_nothing(token: str, *, client_id: str = "acme-web") -> bool:
    """Refused at userinfo, and inactive at introspection."""
    userinfo = oauth.send("GET", "/oauth/userinfo", authorization=f"Bearer {token}")
    told = oauth.send(
        "POST", "/oauth/introspect", form={"token": token}, authorization=oauth.basic(client_id)
    )
    refused = (userinfo.status, userinfo.error) in {
        (401, "invalid_token"),
        (400, "invalid_request"),
    }
    return refused and told.status == 200 and told.json == {"active": False}
