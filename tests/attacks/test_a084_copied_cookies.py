"""A084: every cookie of a browser, copied to another machine."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.test import Client as Browser

from audit.models import AuditEvent
from idp.models import Client
from sessions.models import LoginSession
from tests import cast
from tests.cast import Person
from tests.support import bound, over_tls
from tests.support.authorize import authorize, nothing_was_issued
from tests.support.bound import Dbsc, WebCrypto

ELSEWHERE = {"REMOTE_ADDR": "203.0.113.66", "HTTP_USER_AGENT": "thief"}
PAGES = {"Accept": "text/html"}
PAGE, PRIVILEGED = "/sessions/", "/mfa/passkeys/add/"


@pytest.fixture(autouse=True)
def _over_tls(db: None) -> Iterator[None]:
    with over_tls.spoken():
        yield


@pytest.fixture(params=["dbsc", "webcrypto"])
def victim(request: Any, client: Browser, session: LoginSession) -> Dbsc | WebCrypto:
    if request.param == "dbsc":
        browser: Dbsc | WebCrypto = Dbsc(client)
        browser.register(client.get(PAGE))
    else:
        browser = WebCrypto(client)
        browser.register()
    assert client.get(PAGE).status_code == 200
    return browser


def thief_of(victim: Dbsc | WebCrypto) -> Browser:
    return bound.copied(victim.browser)


def is_refused(answer: Any) -> bool:
    return answer.status_code in {307, 401} and b"session-list" not in answer.content


def prove(victim: Dbsc | WebCrypto) -> None:
    answer = victim.refresh() if isinstance(victim, Dbsc) else victim.prove()
    assert answer.status_code == 200


def test_privileged_pages_refuse_it_at_once(victim: Dbsc | WebCrypto) -> None:
    thief = thief_of(victim)

    assert is_refused(thief.get(PRIVILEGED, headers=PAGES, **ELSEWHERE))
    assert victim.browser.get(PRIVILEGED).status_code == 200


def test_whatever_is_posted_there_is_not_done(victim: Dbsc | WebCrypto) -> None:
    thief = thief_of(victim)

    answer = thief.post("/sessions/end-others/", **ELSEWHERE)

    assert is_refused(answer)


def test_every_page_refuses_it_elsewhere(victim: Dbsc | WebCrypto) -> None:
    thief = thief_of(victim)

    assert is_refused(thief.get(PAGE, headers=PAGES, **ELSEWHERE))
    assert victim.browser.get(PAGE).status_code == 200


def test_beside_its_owner_privileged_pages_refuse_it_two_minutes_after_the_proof(
    victim: Dbsc | WebCrypto, later: Any
) -> None:
    thief = thief_of(victim)
    later(minutes=2, seconds=1)

    assert is_refused(thief.get(PRIVILEGED, headers=PAGES))


def test_beside_its_owner_every_page_refuses_it_after_ten_minutes(
    victim: Dbsc | WebCrypto, later: Any
) -> None:
    thief = thief_of(victim)
    later(minutes=10)

    assert is_refused(thief.get(PAGE, headers=PAGES))


def test_the_victims_next_proof_ends_it(victim: Dbsc | WebCrypto, later: Any) -> None:
    thief = thief_of(victim)
    prove(victim)
    assert victim.browser.get(PAGE).status_code == 200
    later(seconds=11)

    assert is_refused(thief.get(PAGE, headers=PAGES, **ELSEWHERE))
    assert AuditEvent.objects.filter(event="sessions.binding.refused").exists()


def test_without_the_bound_cookie_it_is_nobodys(victim: Dbsc | WebCrypto, later: Any) -> None:
    later(seconds=31)
    thief = thief_of(victim)
    bound.drop(thief)

    assert is_refused(thief.get(PAGE, headers=PAGES, **ELSEWHERE))


def test_no_application_is_signed_in_to_by_it(
    victim: Dbsc | WebCrypto, acme_web: Client, later: Any
) -> None:
    thief = thief_of(victim)
    later(minutes=10)

    assert is_refused(authorize(thief, acme_web))
    assert nothing_was_issued()


def test_it_registers_no_key_of_its_own(victim: Dbsc | WebCrypto) -> None:
    thief = WebCrypto(thief_of(victim))

    purpose = thief.asked()["purpose"]
    answer = thief.post("registration", thief.registration("made-up"))

    assert purpose in {"none", "proof"}
    assert answer.status_code in {403, 409}


def test_it_signs_nobody_out(victim: Dbsc | WebCrypto, session: LoginSession, later: Any) -> None:
    thief = thief_of(victim)
    later(minutes=10)

    thief.post("/accounts/logout/", **ELSEWHERE)
    thief.post("/sessions/binding/leave/", **ELSEWHERE)

    bound.drop(victim.browser)
    prove(victim)
    assert victim.browser.get(PAGE).status_code == 200


def test_nor_does_another_users_bound_cookie_open_it(
    victim: Dbsc | WebCrypto, approver: Person, later: Any
) -> None:
    other = Browser()
    cast.sign_in(other, approver)
    WebCrypto(other).register()
    thief = thief_of(victim)
    thief.cookies[settings.BOUND_COOKIE_NAME] = bound.cookie(other)
    later(seconds=31)

    assert is_refused(thief.get(PAGE, headers=PAGES))


def test_a_copy_that_comes_before_its_owner_gains_nothing_by_that(
    client: Browser, session: LoginSession
) -> None:
    """Taken from the very answer to the proof, and shown before the page shows it."""
    owner = WebCrypto(client)
    owner.register()
    assert client.get(PAGE).status_code == 200
    prove(owner)
    thief = thief_of(owner)

    assert is_refused(thief.get(PAGE, headers=PAGES, **ELSEWHERE))

    assert client.get(PAGE).status_code == 200, "the owner is not asked again for it"
    session.bound_key.refresh_from_db()
    assert session.bound_key.cookie_seen_at is not None
    assert is_refused(thief.get(PAGE, headers=PAGES, **ELSEWHERE))
