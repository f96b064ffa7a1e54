"""People for browser tests, made inside the instance's own database, each used by one test.

`make` runs in the instance's environment (`manage.py shell`) and prints them as JSON.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from core import clock
from core.ids import new_token
from tests.support.instance import Instance

BATCH = {"strong": 16, "plain": 6}
# Their sessions count as fresh for ten minutes; older ones are left alone.
FRESH_SECONDS = 420


@dataclass
class Person:
    """Somebody with an account; `session` is the cookie of a browser that is signed in already."""

    email: str
    password: str
    totp_secret: str | None
    session: str
    _used_step: int = field(default=0, repr=False)

    @property
    def local_part(self) -> str:
        return self.email.partition("@")[0]

    def code(self) -> str:
        """A code that was not used yet: the current step's or the next one's, never a third."""
        assert self.totp_secret is not None, f"{self.email} has no authenticator app"
        now = int(clock.now().timestamp()) // 30
        step = max(now, self._used_step + 1)
        assert step <= now + 1, "three codes within half a minute: let another person do this"
        self._used_step = step
        return totp(self.totp_secret, step)

    def wrong_code(self) -> str:
        """Six digits that no step around now has."""
        assert self.totp_secret is not None
        now = int(clock.now().timestamp()) // 30
        near = {totp(self.totp_secret, now + distance) for distance in range(-3, 4)}
        return next(code for code in map("{:06d}".format, range(100)) if code not in near)


class Pool:
    """Gives each test somebody whom no other test has met."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self._waiting: dict[str, list[Person]] = {}
        self._made_at = clock.now()

    def take(self, kind: str) -> Person:
        """kind: "strong" has a password and an authenticator app, "plain" a password alone."""
        age = (clock.now() - self._made_at).total_seconds()
        if age > FRESH_SECONDS or not self._waiting.get(kind):
            self._fill()
        return self._waiting[kind].pop()

    def _fill(self) -> None:
        script = "from tests.browser.people import make; make()"
        said = self.instance.inside(script)
        found = json.loads(said.splitlines()[-1])
        self._waiting = {
            kind: [Person(**each) for each in people] for kind, people in found.items()
        }
        self._made_at = clock.now()


def make() -> None:
    """Register people of each kind with acme, and sign each in once."""
    from accounts.models import Organisation

    acme = Organisation.objects.get(slug="acme")
    made = {
        kind: [_one(acme, totp=kind == "strong") for _ in range(count)]
        for kind, count in BATCH.items()
    }
    print(json.dumps(made))


def _one(acme: Any, *, totp: bool) -> dict[str, Any]:
    from django.conf import settings
    from django.test import Client as Browser

    from tests import cast

    name = f"p{new_token(6).lower()}".replace("_", "x").replace("-", "y")
    who = cast.person(f"{name}@acme.example", acme, name="Pat Porter", totp=totp)
    browser = Browser()
    cast.sign_in(browser, who, acr="aal2" if totp else "aal1")
    return {
        "email": who.email,
        "password": who.password,
        "totp_secret": who.totp_secret if totp else None,
        "session": browser.cookies[settings.SESSION_COOKIE_NAME].value,
    }


def totp(secret: str, step: int) -> str:
    """The code of a time step, by the base32 secret that a page shows."""
    import base64

    from django_otp.oath import hotp

    bare = secret.replace(" ", "")
    return f"{hotp(base64.b32decode(bare + '=' * (-len(bare) % 8)), step, 6):06d}"
