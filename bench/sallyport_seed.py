"""Make the organisation, person, live session and clients that the benchmark asks with.

Runs once, in a process of its own with the product's settings: `python -m bench.sallyport_seed`.
Prints JSON; secrets go through the pipe to the benchmark and nowhere else.
"""

import json
import os
import sys
from datetime import datetime
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from allauth.account.models import EmailAddress  # noqa: E402
from django.conf import settings  # noqa: E402
from django.contrib.auth import (  # noqa: E402
    BACKEND_SESSION_KEY,
    HASH_SESSION_KEY,
    SESSION_KEY,
)
from django.contrib.sessions.backends.db import SessionStore  # noqa: E402
from django.db import transaction  # noqa: E402
from joserfc.jwk import ECKey  # noqa: E402

from accounts import flows  # noqa: E402
from accounts.models import Organisation, User  # noqa: E402
from bench.load import REDIRECT_URI  # noqa: E402
from core import clock  # noqa: E402
from core.assurance import Assurance, Level  # noqa: E402
from core.ids import digest, new_token  # noqa: E402
from idp.forward_auth.registration import register_application  # noqa: E402
from idp.models import Client, ForwardSession  # noqa: E402
from protection import keyring  # noqa: E402
from sessions.flows import start_session  # noqa: E402
from sessions.models import Binding, BoundKey, LoginSession  # noqa: E402

BOUND_SESSIONS = 30
ROLES, READERS, REPORTS = 20, 200, 50
GRANT_TYPES = ["authorization_code", "refresh_token", "client_credentials"]
SCOPES = ["openid", "profile", "email", "roles", "offline_access"]


@transaction.atomic
def seed() -> dict[str, object]:
    now = clock.now()
    organisation = Organisation.objects.create(slug="bench", name="Bench", created_at=now)
    user = User.objects.create_user(
        email="bench@example.com",
        organisation=organisation,
        now=now,
        password=new_token(),
        name="Bench",
    )
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    browser = SessionStore()
    browser[SESSION_KEY] = str(user.pk)
    browser[BACKEND_SESSION_KEY] = "accounts.backends.PasswordBackend"
    browser[HASH_SESSION_KEY] = user.get_session_auth_hash()
    browser.save()
    session = start_session(
        user=user,
        session_key=str(browser.session_key),
        assurance=Assurance(Level.AAL2, ("pwd", "otp", "mfa"), now),
        browser=None,
        address="127.0.0.1",
        user_agent="bench",
        now=now,
    )
    keyring.active_key(organisation.id)  # As in any organisation whose people have a factor.
    keys = {kind: ECKey.generate_key("P-256", auto_kid=True) for kind in ("dpop", "assertion")}
    jwks = {"keys": [keys["assertion"].as_dict(private=False)]}
    wanted: dict[str, dict[str, Any]] = {
        "ES256": {"signing_alg": "ES256"},
        "RS256": {"signing_alg": "RS256"},
        "DPoP": {"metadata": {"dpop_bound_access_tokens": True}},
        "assertion": {
            "token_endpoint_auth_method": "private_key_jwt",
            "secret_digest": None,
            "metadata": {"jwks": jwks},
        },
    }
    clients = {kind: _client(kind, organisation, **fields) for kind, fields in wanted.items()}
    return {
        "organisation": str(organisation.id),
        "user": str(user.id),
        "session": str(session.id),
        "cookie": f"{settings.SESSION_COOKIE_NAME}={browser.session_key}",
        "keys": {kind: key.as_dict(private=True) for kind, key in keys.items()},
        "clients": clients,
        "bound": _bound_sessions(user, now),
        "authzen": _readers(organisation, user, session, now),
        "forwarded": _forwarded(organisation, session, now),
    }


def _forwarded(organisation: Organisation, session: LoginSession, now: datetime) -> list[str]:
    """An application behind nginx, and what nginx sends for a browser that is signed in there."""
    origin, cookie = "https://wiki.example.com", new_token()
    rules = [{"prefix": "/", "roles": ["reader-0"]}, {"prefix": "/admin", "acr": "phr"}]
    client = register_application(
        organisation=organisation, name="Wiki", origins=[origin], rules=rules, now=now
    )
    ForwardSession.objects.create(
        digest=digest(cookie),
        organisation_id=organisation.id,
        client=client,
        session=session,
        origin=origin,
        seen_from=digest("bench"),
        created_at=now,
        ends_at=session.expires_at,
    )
    return [
        f"Cookie: theme=dark; __Host-sallyport={cookie}",
        f"X-Original-URL: {origin}/pages/one?version=2",
        "X-Original-Method: GET",
        "X-Forwarded-For: 203.0.113.7",
        "Sec-Fetch-Mode: navigate",
    ]


def _readers(
    organisation: Organisation, user: User, session: LoginSession, now: datetime
) -> dict[str, Any]:
    """People who may read reports by one of twenty roles, and a client that asks whether they may.

    The first of them is the one with the session.
    """
    roles = [
        flows.create_role(organisation=organisation, name=f"reader-{n}", now=now)
        for n in range(ROLES)
    ]
    for role in roles:
        for action in ("read", "write", "list"):
            flows.give_permission(role=role, resource_type="report", action=action, now=now)
    people = [user]
    for n in range(READERS):
        person = User(email=f"p{n}@example.com", organisation=organisation, created_at=now)
        person.set_unusable_password()
        person.save()
        people.append(person)
    for n, person in enumerate(people):
        flows.assign_role(user=person, role=roles[n % ROLES], now=now)
    reports = [f"report-{n}" for n in range(REPORTS)]
    for name in reports:
        flows.register_resource(
            organisation=organisation, type="report", name=name, now=now,
            properties={"department": "finance"},
        )  # fmt: skip
    client = _client("AuthZEN", organisation, scopes=["authzen"])
    return {
        "client": client["name"],
        "secret": client["secret"],
        "people": [person.email for person in people],
        "reports": reports,
        "session": str(session.id),
    }


def _bound_sessions(user: User, now: datetime) -> dict[str, Any]:
    """Sessions of one user, each bound to the same key: that one, and their identifiers."""
    key = ECKey.generate_key("P-256")
    public = key.as_dict(private=False)
    identifiers = []
    for _ in range(BOUND_SESSIONS):
        session = start_session(
            user=user,
            session_key=new_token(),
            assurance=Assurance(Level.AAL2, ("pwd", "otp", "mfa"), now),
            browser=None,
            address="127.0.0.1",
            user_agent="bench",
            now=now,
        )
        session.binding, session.proven_at = Binding.DBSC, now
        session.save(update_fields=["binding", "proven_at"])
        bound_key = BoundKey.objects.create(
            organisation_id=user.organisation_id,
            session=session,
            kind=Binding.DBSC,
            public_jwk={name: public[name] for name in ("kty", "crv", "x", "y")},
            thumbprint=key.thumbprint(),
            registered_at=now,
            cookie_digest=digest(new_token()),
            cookie_ends_at=now,
            former_digest=digest(""),
            former_ends_at=now,
        )
        identifiers.append(str(bound_key.id))
    return {"jwk": key.as_dict(private=True), "identifiers": identifiers}


def _client(kind: str, organisation: Organisation, **fields: Any) -> dict[str, str]:
    """One client by the name `bench-<kind>`; its id, name and secret."""
    secret = new_token()
    now = clock.now()
    wanted: Any = {
        "client_id": f"bench-{kind.lower()}",
        "organisation": organisation,
        "name": f"Bench {kind}",
        "kind": "confidential",
        "secret_digest": digest(secret),
        "redirect_uris": [REDIRECT_URI],
        "grant_types": GRANT_TYPES,
        "scopes": SCOPES,
        "token_endpoint_auth_method": "client_secret_basic",
        "is_first_party": True,
        "created_at": now,
        "changed_at": now,
    }
    client = Client.objects.create(**wanted | fields)
    return {"id": str(client.id), "name": client.client_id, "secret": secret}


if __name__ == "__main__":
    json.dump(seed(), sys.stdout)
