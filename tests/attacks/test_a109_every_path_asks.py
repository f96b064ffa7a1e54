"""A109: every path into an account asks for what it owes.

ENTRANCES lists all paths that might make a session. Each is walked as somebody who has a second
factor; none may end with a live session, and where it leads on, it leads to the second step.
"""

from collections.abc import Callable

import pytest
from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth import login
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest
from django.test import Client as Browser
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from accounts import flows as accounts
from core import clock
from sessions.models import LoginSession
from tests.accounts import mailbox
from tests.cast import Person
from tests.support import passkeys
from tests.support.entrances import give_code, give_password

BETTER = "marmalade thistle orbit 77"


def by_password(browser: Browser, who: Person) -> None:
    give_password(browser, who)


def by_password_in_other_letters(browser: Browser, who: Person) -> None:
    browser.post(reverse("account_login"), {"login": who.email.upper(), "password": who.password})


def by_password_with_remember(browser: Browser, who: Person) -> None:
    browser.post(
        reverse("account_login"),
        {"login": who.email, "password": who.password, "remember": "on"},
    )


def by_password_as_json(browser: Browser, who: Person) -> None:
    browser.post(
        reverse("account_login"),
        {"login": who.email, "password": who.password},
        headers={"X-Requested-With": "XMLHttpRequest", "Accept": "application/json"},
    )


def by_password_reset(browser: Browser, who: Person) -> None:
    browser.post(reverse("account_reset_password"), {"email": who.email})
    form = browser.get(mailbox.path(who.email), follow=True).redirect_chain[-1][0]
    browser.post(form, {"password1": BETTER, "password2": BETTER})


def by_password_reset_and_password(browser: Browser, who: Person) -> None:
    by_password_reset(browser, who)
    give_password(browser, who, password=BETTER)


def by_confirming_an_address(browser: Browser, who: Person) -> None:
    address = EmailAddress.objects.create(user=who.user, email="new@acme.example", verified=False)
    give_password(browser, who)
    from allauth.account.models import EmailConfirmationHMAC

    key = EmailConfirmationHMAC.create(address).key
    browser.get(reverse("account_confirm_email", args=[key]))
    browser.post(reverse("account_confirm_email", args=[key]))


def by_signing_up_again(browser: Browser, who: Person) -> None:
    settings.SIGNUP = "open"
    settings.SIGNUP_ORGANISATION = who.user.organisation.slug
    try:
        browser.post(
            reverse("account_signup"),
            {"email": who.email, "password1": who.password, "password2": who.password},
        )
    finally:
        settings.SIGNUP, settings.SIGNUP_ORGANISATION = "invitation", ""


def by_invitation_of_another_organisation(browser: Browser, who: Person) -> None:
    from tests import cast

    _, link = accounts.invite(
        organisation=cast.organisation("globex"), email=who.email, now=clock.now()
    )
    values = {"name": "x", "password1": who.password, "password2": who.password}
    browser.post("/" + link.split("/", 3)[3], values)


def by_the_admin(browser: Browser, who: Person) -> None:
    who.user.is_staff = True
    who.user.save()
    browser.post("/admin/login/", {"username": who.email, "password": who.password})


def by_djangos_own_login(browser: Browser, who: Person) -> None:
    """Code that calls `login` or `force_login` and skips the stages has proven nothing."""
    request = HttpRequest()
    request.META |= {"REMOTE_ADDR": "127.0.0.1", "SERVER_NAME": "testserver", "SERVER_PORT": "80"}
    request.session = SessionStore()
    login(request, who.user, backend="accounts.backends.PasswordBackend")
    request.session.save()
    browser.cookies[settings.SESSION_COOKIE_NAME] = request.session.session_key


def by_reauthentication(browser: Browser, who: Person) -> None:
    give_password(browser, who)
    browser.post(reverse("account_reauthenticate"), {"password": who.password})


def by_a_passkey_that_is_not_theirs(browser: Browser, who: Person) -> None:
    key = passkeys.authenticator()
    passkeys.register(who, key)
    options = passkeys.options(browser, passkeys.LOGIN)
    passkeys.finish(browser, passkeys.LOGIN, passkeys.authenticator().create(
        {**options, "rp": {"id": settings.RELYING_PARTY_ID}, "user": {"id": "AAAA"}}
    ))  # fmt: skip


ENTRANCES: list[tuple[Callable[[Browser, Person], None], bool]] = [
    # the path, and whether it leads to the second step
    (by_password, True),
    (by_password_in_other_letters, True),
    (by_password_with_remember, True),
    (by_password_as_json, True),
    (by_password_reset, False),
    (by_password_reset_and_password, True),
    (by_confirming_an_address, False),
    (by_signing_up_again, False),
    (by_invitation_of_another_organisation, False),
    (by_the_admin, False),
    (by_djangos_own_login, False),
    (by_reauthentication, True),
    (by_a_passkey_that_is_not_theirs, False),
]

# What strangers may open, by name. A new name here needs a line above if it can sign somebody in.
PUBLIC = {
    "accounts:invitation",
    "account_login",
    "account_logout",
    "account_inactive",
    "account_signup",
    "account_email_verification_sent",
    "account_confirm_email",
    "account_reset_password",
    "account_reset_password_done",
    "account_reset_password_from_key",
    "account_reset_password_from_key_done",
    "mfa:challenge",
    "mfa:passkey_challenge",
    "mfa:passkey_challenge_options",
    "mfa:passkey_login",
    "mfa:passkey_login_options",
    "accounts:locked",
    "risk:was_it_you",
    # Asked by machines and by what browsers do by themselves: none of them signs anybody in.
    "devices:api_connector",
    "devices:api_enrolment",
    "devices:api_enrolments",
    "devices:api_nonce",
    "devices:api_reports",
    "sessions:binding_challenge",
    "sessions:binding_leave",
    "sessions:binding_proof",
    "sessions:binding_registration",
    "sessions:dbsc_refresh",
    "sessions:dbsc_register",
}


@pytest.mark.parametrize(
    ("enter", "leads_on"), ENTRANCES, ids=[enter.__name__ for enter, _ in ENTRANCES]
)
def test_a_path_without_the_second_factor_opens_nothing(
    client: Browser, employee: Person, enter: Callable[[Browser, Person], None], leads_on: bool
) -> None:
    enter(client, employee)

    assert client.get("/security/").status_code == 302
    assert not LoginSession.unscoped.filter(user=employee.user).exclude(acr="").exists()
    assert not LoginSession.unscoped.filter(user=employee.user, outcome="allow").exists()
    challenge = client.get("/mfa/challenge/")
    assert (challenge.status_code == 200) is leads_on
    if leads_on:
        answer = give_code(client, employee.totp_code())
        assert answer.status_code == 302
        assert LoginSession.unscoped.get(user=employee.user, ended_at=None).acr == "aal2"


def test_a_first_account_by_invitation_is_one_factor_and_no_more(
    client: Browser, acme: object
) -> None:
    _, link = accounts.invite(organisation=acme, email="guest@acme.example", now=clock.now())

    client.post(
        "/" + link.split("/", 3)[3], {"name": "G", "password1": BETTER, "password2": BETTER}
    )

    session = LoginSession.unscoped.get(user__email="guest@acme.example")
    assert (session.acr, session.amr) == ("aal1", ["pwd"])


def test_no_public_page_is_missing_from_the_table() -> None:
    assert set(_public_names(get_resolver().url_patterns, "")) == PUBLIC


def _public_names(patterns: list[object], space: str) -> list[str]:
    names = []
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            inner = f"{pattern.namespace}:" if pattern.namespace else space
            if inner not in {"idp:", "console:", "admin:", "api:"}:  # the API makes no session
                names += _public_names(pattern.url_patterns, inner)
        elif isinstance(pattern, URLPattern) and pattern.name and not _asks_for_login(pattern):
            names.append(f"{space}{pattern.name}")
    return names


def _asks_for_login(pattern: URLPattern) -> bool:
    return getattr(pattern.callback, "login_required", True)
