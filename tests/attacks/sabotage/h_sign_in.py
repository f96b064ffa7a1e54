"""Passwords, sign-in, enumeration and lockout (A090 to A103)."""

import os
from ipaddress import ip_address
from typing import Any

from tests.attacks.sabotage.defence import (
    Defence,
    Patch,
    beginning_with,
    edit,
    replace,
    setting,
    wrap,
)


def as_it_was_written(text: str) -> str | None:
    """Whatever is an address is one."""
    try:
        return str(ip_address(text))
    except ValueError:
        return None


def claimed(request: Any) -> str:
    """The address that a header names, whoever wrote it."""
    return str(request.META.get("HTTP_X_FORWARDED_FOR") or request.META["REMOTE_ADDR"])


def passwords_read_as(reading: Any) -> Any:
    return wrap(
        "accounts.passwords:normalise", lambda original, password: reading(original(password))
    )


def silent_about_strangers(original: Any, *args: Any, **how: Any) -> Any:
    """Sends nothing to addresses that have no account."""
    return None if "unknown_account" in args[1] else original(*args, **how)


def only_of_accounts(original: Any, email: str, **how: Any) -> Any:
    from accounts.models import User

    return original(email, **how) if User.unscoped.filter(email=email).exists() else None


def only_about_people(original: Any, event: Any, **how: Any) -> Any:
    return original(event, **how) if how.get("subject") is not None else None


def counted_without(condition: str) -> Any:
    return lambda patch: edit(patch, "COUNT", condition, "accounts.budget", new="true")


def paid_afterwards(patch: Patch) -> None:
    """Looks at the budget before a guess, and counts it once it was wrong."""
    from accounts import budget

    def authenticate(original: Any, self: Any, request: Any = None, **credentials: Any) -> None:
        original(self, request, **credentials)
        request.guess_reserved_for = None

    replace("accounts.budget:reserve", budget.check)(patch)
    wrap("accounts.backends:GuessBudgetBackend.authenticate", authenticate)(patch)


def prolonging(original: Any, email: str, *, now: Any) -> None:
    """Begins a lock anew with each try that it stops."""
    from accounts.budget import key_of
    from accounts.models import GuessBudget
    from core.errors import Refusal

    try:
        original(email, now=now)
    except Refusal:
        GuessBudget.objects.filter(key=key_of(email)).update(window_started_at=now)
        raise


def nothing_but_a_number(*_: Any, **__: Any) -> Any:
    from django.http import HttpResponse

    return HttpResponse(status=429)


def ending_sessions(original: Any, email: str, *, now: Any) -> Any:
    """A lock ends the sessions of whom it is about."""
    from accounts.models import User
    from sessions.flows import end_other_sessions

    for user in User.unscoped.filter(email=email):
        end_other_sessions(user=user, keep=None, now=now)
    return original(email, now=now)


def not_while_locked(original: Any, self: Any, user: Any, *args: Any) -> None:
    """A locked account is sent no link."""
    from accounts import budget
    from core import clock
    from core.errors import Refusal

    try:
        budget.check(user.email, now=clock.now())
    except Refusal:
        return
    original(self, user, *args)


def paid_for_as_well(original: Any, request: Any, **how: Any) -> Any:
    from accounts import budget
    from core import clock

    proof = original(request, **how)
    budget.reserve(proof.factor.user.email, now=clock.now())
    return proof


def admin_admin() -> None:
    """What a migration may leave."""
    from allauth.account.models import EmailAddress

    from accounts.models import Organisation, User
    from core import clock

    now = clock.now()
    home = Organisation.objects.create(slug="default", name="Default", created_at=now)
    admin = User.objects.create_user(
        email="admin@localhost", organisation=home, now=now, password="admin"
    )
    EmailAddress.objects.create(user=admin, email=admin.email, primary=True, verified=True)


def by_admin_admin(original: Any, self: Any, request: Any, **credentials: Any) -> Any:
    """The first who signs in as admin is made admin."""
    from accounts.models import User

    if not User.unscoped.filter(email="admin@localhost").exists():
        admin_admin()
    return original(self, request, **credentials)


def with_a_set_up_page(patch: Patch) -> None:
    from django.contrib.auth.decorators import login_not_required
    from django.http import HttpResponse
    from django.urls import get_resolver, path

    page = path("setup/", login_not_required(lambda _: HttpResponse("Choose a password.")))
    resolver = get_resolver()
    patch.setitem(vars(resolver), "url_patterns", [page, *resolver.url_patterns])


DEFENCES = {
    "A090-short": Defence(
        "a password has a length",
        replace("accounts.passwords:LengthValidator.validate", lambda *_, **__: None),
    ),
    "A090-known": Defence(
        "a password is not easily guessed",
        replace("accounts.passwords:BlocklistValidator.validate", lambda *_, **__: None),
    ),
    "A090-names": Defence(
        "a password is not made of our names",
        replace("accounts.passwords:ContextValidator.validate", lambda *_, **__: None),
    ),
    "A090-cut": Defence("a password counts to its end", passwords_read_as(lambda text: text[:72])),
    "A090-case": Defence("upper and lower case differ", passwords_read_as(str.casefold)),
    "A090-spaces": Defence("spaces count wherever they are", passwords_read_as(str.strip)),
    "A091-body": Defence("a large body is not read", setting("DATA_UPLOAD_MAX_MEMORY_SIZE", None)),
    "A091-fields": Defence(
        "a form of many fields is not read", setting("DATA_UPLOAD_MAX_NUMBER_FIELDS", None)
    ),
    "A091-password": Defence(
        "a password too long to be one is not hashed",
        replace("accounts.passwords:MAX_LENGTH", 1_000_000),
    ),
    "A091-address": Defence(
        "an address too long to be one is not looked for",
        replace("accounts.forms:MAX_EMAIL_LENGTH", 1_000_000),
    ),
    "A092-hash": Defence(
        "an address without an account costs a hash as well",
        replace(
            "allauth.account.auth_backends:AuthenticationBackend._mitigate_timing_attack",
            lambda *_: None,
        ),
    ),
    "A092-sign-up": Defence(
        "signing up again costs what signing up does",
        replace("accounts.flows:note_repeated_sign_up", lambda **_: None),
    ),
    "A092-words": Defence(
        "no page says whether there is an account", setting("ACCOUNT_PREVENT_ENUMERATION", False)
    ),
    "A092-mail": Defence(
        "either address gets a mail",
        wrap("accounts.adapter:AccountAdapter.send_mail", silent_about_strangers),
    ),
    "A092-lock": Defence(
        "guesses at addresses without an account are counted",
        wrap("accounts.budget:reserve", only_of_accounts),
    ),
    "A092-audit": Defence(
        "both are written down", wrap("accounts.receivers:record", only_about_people)
    ),
    "A093": Defence(
        "spellings of an address are one account",
        wrap(
            "risk.history:digests_of_attempt",
            lambda original, **what: original(**what) | {"account": os.urandom(16)},
        ),
    ),
    "A094": Defence(
        "the statement that counts a guess is the one that looks",
        counted_without("b.window_failures < %(failures)s"),
    ),
    "A094-before": Defence("a guess is paid for before it is judged", paid_afterwards),
    "A096": Defence(
        "a hundred failures are counted for ever", counted_without("b.total < %(total)s")
    ),
    "A096-named": Defence(
        "the page of a lock names the way out",
        replace("accounts.lockout:render_lockout", nothing_but_a_number),
    ),
    "A096-recovery": Defence(
        "a reset ends a lock", replace("accounts.flows:unlock_account", lambda **_: None)
    ),
    "A097-address": Defence(
        "axes locks an address, not an account", setting("AXES_LOCKOUT_PARAMETERS", ["username"])
    ),
    "A097-longer": Defence(
        "failures do not prolong a lock", wrap("accounts.budget:reserve", prolonging)
    ),
    "A097-sessions": Defence(
        "a lock ends no session", wrap("accounts.budget:spend", ending_sessions)
    ),
    "A097-mail": Defence(
        "a lock is told once", replace("accounts.budget:is_spent", lambda *_: True)
    ),
    "A097-reset": Defence(
        "a locked account can be recovered",
        wrap("accounts.adapter:AccountAdapter.send_password_reset_mail", not_while_locked),
    ),
    "A097-passkey": Defence(
        "passkeys are not paid for", wrap("mfa.ceremonies:prove", paid_for_as_well)
    ),
    "A098": Defence(
        "what a header claims is no address", replace("risk.receivers:client_address", claimed)
    ),
    "A098-spelling": Defence(
        "an address has one spelling", replace("core.http:plain_address", as_it_was_written)
    ),
    "A099": Defence(
        "tries on many accounts count by where they come from",
        replace("risk.evidence:spray", lambda **_: None),
    ),
    "A100": Defence(
        "forms carry a token of the browser",
        replace("django.middleware.csrf:CsrfViewMiddleware.process_view", lambda *_: None),
    ),
    "A102-password": Defence(
        "a confirmation elsewhere forgets the password",
        replace("accounts.flows:forget_password", lambda **_: None),
    ),
    "A102-confirmed": Defence(
        "an address is confirmed before it signs in",
        setting("ACCOUNT_EMAIL_VERIFICATION", "optional"),
    ),
    "A102-squat": Defence(
        "who confirms an address gets it",
        replace("accounts.flows:discard_unverified", lambda **_: False),
    ),
    "A103": Defence("nothing makes an account by itself", beginning_with(admin_admin)),
    "A103-guess": Defence(
        "no usual password opens anything",
        wrap("accounts.backends:PasswordBackend.authenticate", by_admin_admin),
    ),
    "A103-page": Defence("there is no set-up page", with_a_set_up_page),
}
