"""Binding and proving, by the flows themselves and by two at once."""

import json
from typing import Any

import pytest
from django.conf import settings
from django.db import connections
from django.test import Client as Browser

from audit.models import AuditEvent
from core.errors import Refusal
from core.ids import base64url
from sessions.binding import challenges, flows, instructions
from sessions.binding.cookie import Shown
from sessions.models import Binding, BindingChallenge, BoundKey, LoginSession
from tests import cast
from tests.cast import Person
from tests.support import bound
from tests.support.bound import Dbsc, Key, WebCrypto
from tests.support.racing import race

PAGE = "/sessions/"
HERE = "https://id.sallyport.example/sessions/binding/registration/"


class TestTheScript:
    def test_it_registers_a_key(
        self, client: Browser, firefox: WebCrypto, session: LoginSession
    ) -> None:
        session.refresh_from_db()

        assert session.binding == Binding.WEBCRYPTO
        assert session.proven_at == session.bound_key.registered_at
        assert session.bound_key.public_jwk == firefox.key.jwk
        assert AuditEvent.objects.get(event="sessions.binding.registered").facts["kind"] == (
            "webcrypto"
        )

    def test_a_proof_earns_a_new_cookie(
        self, client: Browser, firefox: WebCrypto, session: LoginSession, later: Any
    ) -> None:
        client.get(PAGE)
        former = bound.cookie(client)
        at = later(minutes=8)

        answer = firefox.prove()

        assert json.loads(answer.content) == {"lasts": 600}
        assert bound.cookie(client) not in {"", former}
        session.refresh_from_db()
        assert session.proven_at >= at

    @pytest.mark.parametrize("kind", [[], {}, None, 5, "oct"])
    def test_a_key_of_no_kind_is_refused(
        self, client: Browser, session: LoginSession, kind: Any
    ) -> None:
        parts = [{"typ": "webcrypto+jwt", "alg": "ES256", "jwk": {"kty": kind}}, {}]
        head, body = (base64url(json.dumps(part).encode()).decode() for part in parts)

        answer = WebCrypto(client).post("registration", f"{head}.{body}.AAAA")

        assert answer.status_code == 400
        assert json.loads(answer.content)["error"] == "invalid_proof"

    def test_it_waits_while_the_browser_may_answer_an_offer(
        self, client: Browser, session: LoginSession, later: Any
    ) -> None:
        client.get(PAGE)  # makes the offer
        chromiums, firefoxes = {"Sec-CH-UA": '"Chromium";v="156"'}, {}

        waiting = WebCrypto(client).post("challenge", headers=chromiums).content
        at_once = WebCrypto(client).post("challenge", headers=firefoxes).content
        later(seconds=3)
        after = WebCrypto(client).post("challenge", headers=chromiums).content

        assert waiting == b'{"purpose": "wait"}'
        assert b"registration" in at_once
        assert b"registration" in after

    def test_there_is_nothing_to_do_beside_dbsc(self, client: Browser, chromium: Dbsc) -> None:
        assert WebCrypto(client).asked() == {"purpose": "none"}
        assert WebCrypto(client).post("proof", "a.b.c").status_code == 409


class TestOneKeyForASession:
    def test_a_second_registration_is_refused(self, client: Browser, session: LoginSession) -> None:
        first, second = WebCrypto(client), WebCrypto(client)
        asked = second.asked()
        assert first.register().status_code == 200

        answer = second.post("registration", second.registration(asked["challenge"]))

        assert answer.status_code == 409
        assert BoundKey.unscoped.get().public_jwk == first.key.jwk

    def test_dbsc_takes_over_in_the_same_browser(
        self, client: Browser, session: LoginSession
    ) -> None:
        offer = client.get(PAGE)
        script = WebCrypto(client)
        script.register()

        assert Dbsc(client).register(offer).status_code == 200

        session.refresh_from_db()
        assert session.binding == Binding.DBSC
        assert BoundKey.unscoped.get().kind == Binding.DBSC

    def test_in_no_other_one(self, client: Browser, session: LoginSession, later: Any) -> None:
        offer = client.get(PAGE)
        WebCrypto(client).register()
        client.get(PAGE)
        thief = bound.copied(client)
        bound.drop(thief)
        later(seconds=30)

        answer = Dbsc(thief).register(offer)

        assert answer.status_code == 409
        assert BoundKey.unscoped.get().kind == Binding.WEBCRYPTO

    def test_never_the_other_way(self, client: Browser, session: LoginSession) -> None:
        offer = client.get(PAGE)
        script = WebCrypto(client)
        asked = script.asked()
        Dbsc(client).register(offer)

        answer = script.post("registration", script.registration(asked["challenge"]))

        assert answer.status_code == 409

    def test_it_is_registered_soon_after_signing_in(
        self, client: Browser, session: LoginSession, later: Any
    ) -> None:
        later(minutes=9)
        script = WebCrypto(client)
        asked = script.asked()
        later(minutes=1, seconds=1)

        answer = script.post("registration", script.registration(asked["challenge"]))

        assert answer.status_code == 200, "it was asked in time"
        client.get(PAGE)

    def test_and_not_asked_for_later(
        self, client: Browser, session: LoginSession, later: Any
    ) -> None:
        later(minutes=10, seconds=1)

        assert WebCrypto(client).asked() == {"purpose": "none"}

    def test_the_same_key_may_be_registered_again(
        self, client: Browser, session: LoginSession
    ) -> None:
        """The page was left before it heard of its success."""
        script = WebCrypto(client)
        texts = [script.registration(script.asked()["challenge"]) for _ in range(2)]
        script.post("registration", texts[0])
        bound.drop(client)

        answer = script.post("registration", texts[1])

        assert answer.status_code == 200
        assert client.get(PAGE).status_code == 200
        assert BoundKey.unscoped.count() == 1

    def test_nothing_is_bound_that_is_over(self, client: Browser, session: LoginSession) -> None:
        script = WebCrypto(client)
        text = script.registration(script.asked()["challenge"])
        LoginSession.unscoped.filter(id=session.id).update(ended_at=session.started_at)

        assert script.post("registration", text).status_code == 403
        assert not BoundKey.unscoped.exists()


class TestChallenges:
    def test_those_that_are_over_do_not_pile_up(
        self, session: LoginSession, later: Any, now: Any
    ) -> None:
        for _ in range(3):
            challenges.issue(session=session, purpose="proof", now=now)
        assert BindingChallenge.unscoped.count() == 3
        at = later(minutes=3)

        challenges.issue(session=session, purpose="proof", now=at)

        assert BindingChallenge.unscoped.count() == 1

    def test_one_of_another_purpose_is_none(self, session: LoginSession, now: Any) -> None:
        value = challenges.issue(session=session, purpose="registration", now=now)

        with pytest.raises(Refusal) as refusal:
            challenges.claim(value, session=session, purpose="proof")

        assert refusal.value.code == "stale_challenge"

    def test_they_are_kept_as_digests(self, session: LoginSession, now: Any) -> None:
        value = challenges.issue(session=session, purpose="proof", now=now)

        assert value.encode() not in bytes(BindingChallenge.unscoped.get().digest)

    def test_a_key_goes_with_its_session(
        self, client: Browser, chromium: Dbsc, session: LoginSession
    ) -> None:
        LoginSession.unscoped.filter(id=session.id).delete()

        assert not BoundKey.unscoped.exists()
        assert not BindingChallenge.unscoped.exists()


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_a_challenge_is_claimed_by_one(self, client: Browser, employee: Person) -> None:
        session = cast.sign_in(client, employee)
        value = challenges.issue(session=session, purpose="proof", now=session.started_at)

        def claim(_: int) -> bool:
            challenges.claim(value, session=session, purpose="proof")
            return True

        assert race(claim, runners=8, tolerate=Refusal) == [True]

    def test_a_session_is_bound_to_one_key(
        self, client: Browser, employee: Person, now: Any
    ) -> None:
        session = cast.sign_in(client, employee)
        texts = []
        for _ in range(6):
            value = challenges.issue(session=session, purpose="registration", now=now)
            texts.append(WebCrypto(client, Key()).registration(value))

        def bind(number: int) -> str:
            key, _ = flows.bind_session(
                session=session,
                text=texts[number],
                kind=Binding.WEBCRYPTO,
                audience=HERE,
                shown=Shown.NONE,
                now=now,
            )
            return key.thumbprint

        bound_to = race(bind, runners=6, tolerate=Refusal)

        assert bound_to == [BoundKey.unscoped.get().thumbprint]

    def test_tabs_that_refresh_together_all_go_on(self, client: Browser, employee: Person) -> None:
        cast.sign_in(client, employee)
        browser = Dbsc(client)
        browser.register(client.get(PAGE))
        client.get(PAGE)
        proofs = [browser.proof(browser.challenge()) for _ in range(5)]

        def refresh(number: int) -> str:
            tab = Browser()
            answer = Dbsc(tab, browser.key, browser.identifier).send(proofs[number])
            assert answer.status_code == 200
            return bound.cookie(tab)

        cookies = race(refresh, runners=5)

        assert len(set(cookies)) == 5
        connections.close_all()
        answers = []
        for value in [bound.cookie(client), *cookies]:
            client.cookies[settings.BOUND_COOKIE_NAME] = value
            answers.append(client.get(PAGE).status_code)
        # What it had, and what came last, whichever answer reached it last.
        assert answers[0] == 200
        assert 200 in answers[1:]


class TestFindKey:
    def test_it_is_the_key_with_its_session_as_they_are_stored(
        self, chromium: Dbsc, session: LoginSession
    ) -> None:
        session.refresh_from_db()

        found = flows.find_key(str(session.bound_key.id), kind=Binding.DBSC)

        assert found is not None
        assert _values(found) == _values(session.bound_key)
        assert _values(found.session) == _values(session)

    def test_a_refresh_reads_no_row_of_it_again(
        self, chromium: Dbsc, session: LoginSession, django_assert_num_queries: Any
    ) -> None:
        found = flows.find_key(str(BoundKey.unscoped.get().id), kind=Binding.DBSC)
        assert found is not None

        with django_assert_num_queries(0):
            assert found.session.is_live(session.started_at)
            assert (found.session.outcome, found.session.user_id) == ("allow", session.user_id)
            assert instructions.of(found)["session_identifier"] == str(found.id)

    @pytest.mark.parametrize("identifier", ["", "x", "00000000-0000-7000-8000-000000000000"])
    def test_of_no_session_it_is_none(self, chromium: Dbsc, identifier: str) -> None:
        assert flows.find_key(identifier, kind=Binding.DBSC) is None

    def test_neither_is_a_key_of_the_other_kind(
        self, chromium: Dbsc, session: LoginSession
    ) -> None:
        session.refresh_from_db()
        assert flows.find_key(str(session.bound_key.id), kind=Binding.WEBCRYPTO) is None


def _values(row: Any) -> dict[str, Any]:
    """What a row holds; what was left out at first is read now."""
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}
