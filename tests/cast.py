"""The people and applications that tests are played by."""

import base64
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.hashers import make_password
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest
from django.test import Client as Browser

from accounts.models import Organisation, User
from core import clock
from core.ids import digest
from idp.models import Client
from sessions.models import LoginSession

PASSWORD = "correct horse battery staple 42"
SECRET = "s" * 43
REDIRECT_URI = "https://app.acme.example/callback"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@dataclass
class Person:
    user: User
    password: str
    totp_seed: bytes | None = None

    @property
    def email(self) -> str:
        return self.user.email

    @property
    def totp_secret(self) -> str:
        assert self.totp_seed is not None
        return base64.b32encode(self.totp_seed).decode()

    def totp_code(self, at: datetime | None = None) -> str:
        """The code that the person's authenticator shows now (RFC 6238)."""
        from django_otp.oath import TOTP

        assert self.totp_seed is not None
        totp = TOTP(self.totp_seed)
        totp.time = (at or clock.now()).timestamp()
        return f"{totp.token():06d}"


def organisation(slug: str) -> Organisation:
    found, _ = Organisation.objects.get_or_create(
        slug=slug, defaults={"name": slug.title(), "created_at": clock.now()}
    )
    return found


@cache
def _hashed() -> str:
    """PASSWORD, hashed once for all people of a process: it takes as long as it shall."""
    return make_password(PASSWORD)


def person(
    email: str, of: Organisation, *, name: str = "", totp: bool = False, **fields: Any
) -> Person:
    user = User.objects.create(
        email=email, organisation=of, created_at=clock.now(), password=_hashed(), name=name,
        **fields,
    )  # fmt: skip
    EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    seed = None
    if totp:
        from mfa.models import TotpFactor

        seed = digest(email)[:20]
        TotpFactor.objects.create(
            user=user, organisation=of, name="Authenticator app", seed=seed, confirmed=True
        )
    return Person(user, PASSWORD, seed)


def client(
    client_id: str, of: Organisation, *, kind: str = "confidential", **fields: Any
) -> Client:
    is_confidential = kind == "confidential"
    now = clock.now()
    values: dict[str, Any] = {
        "name": client_id.replace("-", " ").title(),
        "redirect_uris": [REDIRECT_URI],
        "post_logout_redirect_uris": ["https://app.acme.example/"],
        "grant_types": ["authorization_code", "refresh_token"],
        "scopes": ["openid", "profile", "email", "roles", "offline_access"],
        "token_endpoint_auth_method": "client_secret_basic" if is_confidential else "none",
        "secret_digest": digest(SECRET) if is_confidential else None,
    }
    return Client.objects.create(
        client_id=client_id, organisation=of, kind=kind, created_at=now, changed_at=now,
        **(values | fields),
    )  # fmt: skip


RECORDS = {
    "aal1": [{"method": "password", "email": ""}],
    "aal2": [{"method": "password", "email": ""}, {"method": "mfa", "type": "totp"}],
    "phr": [{"method": "mfa", "type": "webauthn", "passwordless": True, "backup_eligible": True}],
    "phrh": [{"method": "mfa", "type": "webauthn", "passwordless": True, "backup_eligible": False}],
}


def sign_in(browser: Browser, who: Person, *, acr: str = "aal2") -> LoginSession:
    """Sign a test browser in, as if `who` had just proven what `acr` stands for.

    For tests of what comes after signing in; the sign-in pages have tests of their own.
    """
    at = clock.now().timestamp()
    request = HttpRequest()
    request.META |= {
        "REMOTE_ADDR": "127.0.0.1", "HTTP_USER_AGENT": FIREFOX, "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
    }  # fmt: skip
    request.session = SessionStore()
    request.session["account_authentication_methods"] = [r | {"at": at} for r in RECORDS[acr]]
    request.session["account_authentication_methods_user"] = str(who.user.pk)
    login(request, who.user, backend="accounts.backends.PasswordBackend")
    request.session.save()
    browser.cookies[settings.SESSION_COOKIE_NAME] = request.session.session_key
    return LoginSession.unscoped.get(
        session_key_digest=digest(request.session.session_key), ended_at=None
    )
