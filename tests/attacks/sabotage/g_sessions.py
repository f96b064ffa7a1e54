"""Sessions and logout (A079 to A089)."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from tests.attacks.sabotage.defence import Defence, Patch, edit, layers, replace, wrap


def by_the_cookie_alone(patch: Patch) -> None:
    """A login session counts whatever has become of it."""
    from django.db.models import F

    from core.ids import digest
    from sessions.models import LoginSession

    def find(request: Any) -> Any:
        key_digest = digest(request.session.session_key or "")
        found = LoginSession.unscoped.filter(session_key_digest=key_digest)
        return found.annotate(user_stamp=F("user__security_stamp")).first()

    patch.setattr("sessions.middleware._find", find)
    patch.setattr("sessions.standing.is_good", lambda *_: True)


def prove_without(*conditions: str) -> Callable[[Patch], None]:
    def remove(patch: Patch) -> None:
        for condition in conditions:
            edit(patch, "PROVE", condition, "sessions.binding.flows")

    return remove


def proof_by_the_key_it_brings(text: str, _: Any, expected: Any) -> Any:
    """Verifies a proof as if it were a registration."""
    from sessions.binding.proof import read_registration

    return read_registration(text, expected)


def only_who_it_is(session: Any) -> None:
    """Signing out forgets the person, and keeps the rest of the browser's session."""
    for name in [name for name, _ in session.items() if name.startswith("_auth")]:
        del session[name]


def in_other_processes(**settings: Any) -> Callable[[Patch], None]:
    """Gives settings another value in the processes that a test starts."""
    more = {
        "DJANGO_SETTINGS_MODULE": "tests.attacks.sabotage.settings",
        "SABOTAGE_SETTINGS": json.dumps(settings),
    }

    def run(original: Any, *args: Any, env: Any = None, **how: Any) -> Any:
        return original(*args, env=None if env is None else env | more, **how)

    return layers(
        wrap(
            "tests.support.instance:Instance.environment",
            lambda original, *args, **how: original(*args, **how) | more,
        ),
        wrap("subprocess:run", run),
    )


COOKIES = "attacks/test_a084_cookies.py"
DEFENCES = {
    "A079": Defence(
        "a sign-in brings a new cookie",
        replace("django.contrib.sessions.backends.base:SessionBase.cycle_key", lambda _: None),
    ),
    "A080": Defence(
        "signing out empties the browser's session",
        replace("django.contrib.sessions.backends.base:SessionBase.flush", only_who_it_is),
    ),
    "A081": Defence(
        "a session is judged at each request",
        by_the_cookie_alone,
    ),
    "A082": Defence(
        "what polls by itself is no use of a session",
        replace("sessions.middleware:_is_activity", lambda *_: True),
    ),
    "A084-cookie": Defence(
        "a bound session needs its bound cookie",
        replace("sessions.binding.guard:judge", lambda *_: None),
        "attacks/test_a084_copied_cookies.py",
    ),
    "A084-privileged": Defence(
        "privileged pages want a proof of now",
        replace("sessions.binding.guard:_demand", lambda *_: None),
        "attacks/test_a084_copied_cookies.py",
    ),
    "A084-elsewhere": Defence(
        "a cookie counts only from where it was first shown",
        replace("sessions.binding.guard:whence", lambda _: b""),
        "attacks/test_a084_copied_cookies.py",
    ),
    "A084-first": Defence(
        "a cookie that a page asked for is that page's from the proof on",
        lambda patch: patch.setattr("sessions.binding.views.whence", lambda _: b""),
        "attacks/test_a084_copied_cookies.py",
    ),
    "A084-rotation": Defence(
        "a cookie ends with the next proof",
        replace("sessions.binding.flows:ON_ITS_WAY", timedelta(hours=1)),
        "attacks/test_a084_copied_cookies.py",
    ),
    "A084-names": Defence(
        "no neighbour can set a cookie of ours",
        in_other_processes(SESSION_COOKIE_NAME="session", CSRF_COOKIE_NAME="csrf"),
        COOKIES,
    ),
    "A084-secure": Defence(
        "a cookie is sent by TLS alone", in_other_processes(SESSION_COOKIE_SECURE=False), COOKIES
    ),
    "A084-script": Defence(
        "no script reads a cookie", in_other_processes(SESSION_COOKIE_HTTPONLY=False), COOKIES
    ),
    "A084-sites": Defence(
        "no other site sends a cookie along",
        in_other_processes(SESSION_COOKIE_SAMESITE="None"),
        COOKIES,
    ),
    "A084-https": Defence(
        "production has an https address",
        in_other_processes(UNREFUSED="BASE_URL must be an https"),
        COOKIES,
    ),
    "A086": Defence(
        "post_logout_redirect_uri is one that is registered",
        replace("idp.logout:_return_to", lambda params, _: params.post_logout_redirect_uri or ""),
    ),
    "A087": Defence(
        "a logout address inside is not asked", replace("core.outbound:is_open", lambda _: True)
    ),
    "A089": Defence(
        "each purpose signs by a key of its own",
        wrap(
            "django.core.signing:base64_hmac",
            lambda original, _salt, *args, **how: original("one for all", *args, **how),
        ),
    ),
    "A089-reset": Defence(
        "so does the token of a password reset",
        wrap(
            "django.contrib.auth.tokens:salted_hmac",
            lambda original, _salt, *args, **how: original("one for all", *args, **how),
        ),
    ),
    "A089-challenge": Defence("a challenge is good once", prove_without("AND c.used_at IS NULL")),
    "A089-session": Defence(
        "a challenge is good for one session",
        prove_without("AND c.session_id = %(session)s", "AND k.session_id = claimed.session_id"),
    ),
    "A089-purpose": Defence(
        "a challenge is good for one purpose", prove_without("AND c.purpose = 'proof'")
    ),
    "A089-key": Defence(
        "a proof is by the key that was registered",
        replace("sessions.binding.flows:read_proof", proof_by_the_key_it_brings),
    ),
    "A089-authorization": Defence(
        "a registration answers an offer to the browser",
        replace("sessions.binding.flows:_check_authorization", lambda *_: None),
    ),
    "A089-site": Defence(
        "no other site asks for a proof",
        replace("sessions.binding.views:_check_origin", lambda _: None),
    ),
}
