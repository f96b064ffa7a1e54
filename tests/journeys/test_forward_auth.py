"""An application behind a proxy, and access for a time: from a closed door to an open one, and back."""

import threading
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.db import connection, connections, transaction
from django.test import Client as Browser

from access import flows
from core import clock
from tests import cast
from tests.support import access, forwarded, oauth
from tests.support.forwarded import ORIGIN, PAGE, ask

VAULT = [{"prefix": "/vault", "roles": ["db-admin"]}]


@pytest.fixture(autouse=True)
def _proxies(settings):
    settings.FORWARD_AUTH_PROXIES = forwarded.NETWORKS


@pytest.fixture
def stage(acme, employee, approver):
    class Stage:
        """alice's browser and session, her cookie at the wiki, and a grant that she may have."""

        browser = Browser()

    it = Stage()
    it.alice, it.bob = employee, approver
    it.session = cast.sign_in(it.browser, employee)
    it.entitlement = access.entitlement(acme, by=[approver], eligible=[employee])
    forwarded.wiki(acme, rules=VAULT)
    it.cookie = forwarded.sign_in(it.browser)
    return it


def granted(stage):
    grant = access.ask(stage.entitlement, stage.alice, stage.session)
    access.approve(grant, stage.bob)
    return access.activate(grant, stage.alice, stage.session)


@pytest.mark.django_db
class TestAccessForATime:
    def test_from_the_closed_door_to_the_open_one(self, stage):
        closed = ask("/vault", cookie=stage.cookie, **PAGE)
        assert closed.status == 403
        there = urlsplit(closed["Location"])
        page = stage.browser.get(f"{there.path}?{there.query}").content.decode()
        assert "You have none of the roles that this page needs." in page
        assert f"/access/request/?entitlement={stage.entitlement.name}" in page

        grant = granted(stage)

        told = ask("/vault", cookie=stage.cookie)
        assert (told.status, told["Remote-Roles"]) == (200, "db-admin")
        claims = oauth.claims_of(told["Remote-Assertion"])
        assert claims["grant_id"] == [str(grant.pk)]
        assert claims["exp"] <= claims["grant_exp"]
        page = stage.browser.get(f"{there.path}?{there.query}").content.decode()
        assert "You may open this now" in page

    def test_it_ends_on_its_second_with_every_worker_dead(self, stage, later):
        grant = granted(stage)
        end = grant.ends_at - clock.now()

        later(seconds=end.total_seconds() - 1)
        assert ask("/vault", cookie=stage.cookie).status == 200
        later(seconds=1)
        assert ask("/vault", cookie=stage.cookie).status == 403
        assert ask("/page", cookie=stage.cookie).status == 200

    def test_it_counts_in_the_session_that_it_was_activated_in(self, stage):
        granted(stage)
        other = Browser()
        cast.sign_in(other, stage.alice)

        assert ask("/vault", cookie=forwarded.sign_in(other, "/page")).status == 403

    def test_suspended_it_is_closed_and_resumed_it_is_open(self, stage, now):
        grant = granted(stage)
        flows.suspend_grant(grant=access.fresh(grant), actor=stage.bob.user, now=now)

        assert ask("/vault", cookie=stage.cookie).status == 403


@pytest.mark.django_db(transaction=True)
def test_a_grant_that_is_revoked_is_refused_right_after_the_commit(stage):
    """Until then it counts: another connection sees no more than what is committed."""
    grant = granted(stage)
    assert ask("/vault", cookie=stage.cookie).status == 200
    revoked, go_on = threading.Event(), threading.Event()

    def revoke() -> None:
        try:
            with transaction.atomic():
                flows.revoke_grant(
                    grant=access.fresh(grant), actor=stage.bob.user, reason="a test",
                    now=clock.now(),
                )  # fmt: skip
                revoked.set()
                assert go_on.wait(30)
        finally:
            revoked.set()
            connections.close_all()

    other = threading.Thread(target=revoke)
    other.start()
    assert revoked.wait(30)
    assert ask("/vault", cookie=stage.cookie).status == 200
    go_on.set()
    other.join()

    assert connection.get_autocommit()
    assert ask("/vault", cookie=stage.cookie).status == 403
    assert ask("/page", cookie=stage.cookie).status == 200


@pytest.mark.django_db(transaction=True)
def test_a_code_is_redeemed_by_one_of_many(stage):
    from tests.support.racing import race

    location, secret = forwarded.begin()
    there = urlsplit(location)
    code = forwarded.code_in(stage.browser.get(f"{there.path}?{there.query}"))

    answers = race(lambda _: forwarded.finish(code, secret).status, runners=8)

    assert sorted(answers) == [302] + [400] * 7


@pytest.mark.django_db
def test_a_person_signs_in_proves_more_and_comes_back(acme, employee, client):
    """By the pages themselves, from a stranger's first click to the page that was wanted."""
    forwarded.wiki(acme, required_acr="aal2")
    location, secret = forwarded.begin("/deep?x=1")
    there = urlsplit(location)
    answer = client.get(f"{there.path}?{there.query}")
    answer = client.post(
        answer["Location"], {"login": employee.email, "password": employee.password}
    )
    answer = client.post(answer["Location"], {"code": employee.totp_code()})
    answer = client.get(answer["Location"])

    done = forwarded.finish(forwarded.code_in(answer), secret)

    assert done["Location"] == f"{ORIGIN}/deep?x=1"
    cookie = done.cookies["__Host-sallyport"]
    told = ask("/deep?x=1", cookie=cookie)
    assert (told.status, told["Remote-Email"]) == (200, employee.email)
    assert oauth.claims_of(told["Remote-Assertion"])["acr"] == "aal2"
    assert timedelta(seconds=60) >= timedelta(
        seconds=oauth.claims_of(told["Remote-Assertion"])["exp"] - clock.now().timestamp()
    )
