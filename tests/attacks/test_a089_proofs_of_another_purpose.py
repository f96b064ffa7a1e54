"""A089: what the key of a session has signed for one purpose, presented for another."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client as Browser

from sessions.binding import challenges
from sessions.models import BoundKey, LoginSession
from tests import cast
from tests.cast import Person
from tests.support import bound, over_tls
from tests.support.bound import Dbsc, Key, WebCrypto

PAGE = "/sessions/"


@pytest.fixture(autouse=True)
def _over_tls(db: None) -> Iterator[None]:
    with over_tls.spoken():
        yield


@pytest.fixture
def victim(client: Browser, session: LoginSession) -> Dbsc:
    browser = Dbsc(client)
    assert browser.register(client.get(PAGE)).status_code == 200
    return browser


def earned_nothing(answer: Any) -> bool:
    return answer.status_code != 200 and "__Host-bound" not in answer.cookies


def another_session(who: Person) -> Dbsc:
    browser = Browser()
    cast.sign_in(browser, who)
    other = Dbsc(browser)
    assert other.register(browser.get(PAGE)).status_code == 200
    return other


def test_a_proof_is_replayed(victim: Dbsc) -> None:
    proof = victim.proof(victim.challenge())
    assert victim.send(proof).status_code == 200
    thief = Dbsc(bound.copied(victim.browser), victim.key, victim.identifier)

    assert earned_nothing(thief.send(proof))


def test_a_challenge_of_another_session(victim: Dbsc, approver: Person) -> None:
    other = another_session(approver)

    assert earned_nothing(victim.send(victim.proof(other.challenge())))


def test_another_session_of_the_same_user(victim: Dbsc, employee: Person) -> None:
    other = another_session(employee)
    thief = Dbsc(Browser(), other.key, victim.identifier)

    assert earned_nothing(thief.send(thief.proof(thief.challenge())))


def test_the_challenge_of_a_registration(victim: Dbsc, session: LoginSession, now: Any) -> None:
    value = challenges.issue(session=session, purpose="registration", now=now)

    assert earned_nothing(victim.send(victim.proof(value)))


def test_a_registration_as_a_proof(victim: Dbsc) -> None:
    challenge = victim.challenge()
    offer = {"challenge": challenge, "authorization": "0" * 64}

    assert earned_nothing(victim.send(victim.registration(offer)))


def test_a_proof_of_the_script_as_one_of_the_browser(victim: Dbsc) -> None:
    forged = WebCrypto(victim.browser, victim.key).signed(victim.challenge())

    assert earned_nothing(victim.send(forged))


def test_a_registration_of_the_script_as_one_of_the_browser(
    client: Browser, session: LoginSession
) -> None:
    """Whoever runs a script in the page gets a challenge, but never an authorization."""
    script = WebCrypto(client)
    challenge = script.asked()["challenge"]
    forged = Dbsc(client).registration({"challenge": challenge, "authorization": ""})

    answer = client.post("/dbsc/register/", headers={"Secure-Session-Response": forged})

    assert earned_nothing(answer)
    assert not BoundKey.unscoped.exists()


def test_an_offer_of_another_session(
    client: Browser, session: LoginSession, approver: Person
) -> None:
    mine = Browser()
    cast.sign_in(mine, approver)
    offer = Dbsc.offer(mine.get(PAGE))
    attacker = Dbsc(client)

    answer = client.post(
        "/dbsc/register/", headers={"Secure-Session-Response": attacker.registration(offer)}
    )

    assert earned_nothing(answer)
    assert not BoundKey.unscoped.exists()


def test_by_another_key(victim: Dbsc) -> None:
    thief = Dbsc(Browser(), Key(), victim.identifier)

    assert earned_nothing(thief.send(thief.proof(thief.challenge())))


def test_by_another_key_that_it_brings_along(victim: Dbsc) -> None:
    thief = Dbsc(Browser(), Key(), victim.identifier)
    proof = thief.proof(thief.challenge(), header={"jwk": thief.key.jwk})

    assert earned_nothing(thief.send(proof))


def test_by_no_key(victim: Dbsc) -> None:
    claims = {"jti": victim.challenge()}
    parts = [{"alg": "none", "typ": "dbsc+jwt"}, claims]
    unsigned = ".".join(bound.part(each) for each in parts)

    for proof in (f"{unsigned}.", unsigned, f"{unsigned}.AAAA"):
        assert earned_nothing(victim.send(proof))


def test_by_the_public_key_as_a_secret(victim: Dbsc) -> None:
    import hmac

    secret = json.dumps(victim.key.jwk).encode()
    parts = [{"alg": "HS256", "typ": "dbsc+jwt"}, {"jti": victim.challenge()}]
    signed = ".".join(bound.part(each) for each in parts)
    tag = base64.urlsafe_b64encode(hmac.digest(secret, signed.encode(), "sha256"))

    assert earned_nothing(victim.send(f"{signed}.{tag.rstrip(b'=').decode()}"))


@pytest.mark.parametrize("size", [5_000, 30_000])
def test_an_oversized_one(victim: Dbsc, size: int) -> None:
    proof = victim.proof(victim.challenge(), claims={"padding": "x" * size})

    assert earned_nothing(victim.send(proof))


ODD = {
    "a name twice": b'{"jti":"%s","jti":"%s"}',
    "no object": b'["%s","%s"]',
    "NUL": b'{"jti":"%s\\u0000","a":"%s"}',
    "nested": b'{"jti":"%s","a":' + b"[" * 1200 + b'"%s"' + b"]" * 1200 + b"}",
    "a lone surrogate": b'{"jti":"\\ud800%s","a":"%s"}',
}


@pytest.mark.parametrize("form", ODD.values(), ids=ODD)
def test_odd_claims(victim: Dbsc, form: bytes) -> None:
    challenge = victim.challenge().encode()
    proof = victim.key.sign({"alg": "ES256", "typ": "dbsc+jwt"}, form % (challenge, challenge))

    assert earned_nothing(victim.send(proof))


@pytest.mark.parametrize("name", ["challenge", "registration", "proof"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Origin": "https://id.sallyport.example", "Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
    ids=["another origin", "no origin to name", "a neighbour", "another site"],
)
def test_a_page_of_another_site_asks(
    client: Browser, session: LoginSession, name: str, headers: dict[str, str]
) -> None:
    answer = WebCrypto(client).post(name, "a.b.c", headers=headers)

    assert answer.status_code == 400
    assert b'"challenge"' not in answer.content
    assert "Access-Control-Allow-Origin" not in answer


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "application/json"]
)
def test_a_form_asks(client: Browser, session: LoginSession, kind: str) -> None:
    answer = WebCrypto(client).post("challenge", "a=b", content_type=kind)

    assert answer.status_code == 400
