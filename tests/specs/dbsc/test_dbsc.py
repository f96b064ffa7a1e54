"""Device Bound Session Credentials (W3C), the server's side."""

import json
from typing import Any

import pytest
from django.conf import settings
from django.test import Client as Browser

from accounts.models import User
from audit.models import AuditEvent
from sessions.models import Binding, BoundKey, EndReason, LoginSession
from tests import cast
from tests.cast import Person
from tests.support import bound, over_tls
from tests.support.bound import Dbsc, Key
from tests.support.entrances import give_code, give_password

PAGE = "/sessions/"


@pytest.fixture
def signed_in(client: Browser, employee: Person) -> Any:
    """The answer that a sign-in ends with."""
    give_password(client, employee)
    return give_code(client, employee.totp_code())


@pytest.fixture
def chromium(client: Browser, signed_in: Any) -> Dbsc:
    browser = Dbsc(client)
    assert browser.register(signed_in).status_code == 200
    return browser


def session() -> LoginSession:
    return LoginSession.unscoped.get(ended_at=None)


@pytest.mark.spec("DBSC", "9.1", "a registration is offered with algorithms, path and challenge")
def test_the_offer(signed_in: Any) -> None:
    offer = Dbsc.offer(signed_in)

    assert offer["algorithms"] == "ES256 RS256"
    assert offer["path"] == "/dbsc/register/"
    assert len(offer["challenge"]) == 43
    assert len(offer["authorization"]) == 64


@pytest.mark.spec("DBSC", "9.1", "each offer has a challenge of its own, and waits for its answer")
def test_offers_follow_one_another(client: Browser, signed_in: Any, later: Any) -> None:
    assert Dbsc.offer(client.get(PAGE)) == {}

    later(minutes=2, seconds=1)

    again = Dbsc.offer(client.get(PAGE))
    assert again["challenge"] != Dbsc.offer(signed_in)["challenge"]


@pytest.mark.spec("DBSC", "9.1", "who is signed in for long, or bound already, is offered nothing")
def test_no_offer(client: Browser, signed_in: Any, later: Any) -> None:
    later(minutes=10, seconds=1)

    assert Dbsc.offer(client.get(PAGE)) == {}
    assert Dbsc.offer(client.get("/accounts/login/")) == {}


@pytest.mark.spec("DBSC", "9.1", "nothing is offered where sessions are not bound")
def test_no_offer_when_off(client: Browser, employee: Person, settings: Any) -> None:
    settings.SESSION_BINDING = "off"

    give_password(client, employee)

    assert Dbsc.offer(give_code(client, employee.totp_code())) == {}


@pytest.mark.spec("DBSC", "9.6", "the answer to a registration says what the session is")
def test_the_instructions(client: Browser, signed_in: Any) -> None:
    answer = Dbsc(client).register(signed_in)

    assert answer["Content-Type"] == "application/json"
    told = json.loads(answer.content)
    assert told["session_identifier"] == str(BoundKey.unscoped.get().id)
    assert told["refresh_url"] == "/dbsc/refresh/"
    assert told["scope"]["origin"] == over_tls.ISSUER
    assert told["scope"]["include_site"] is False
    assert {"type": "exclude", "path": "/static/"} in told["scope"]["scope_specification"]
    assert told["allowed_refresh_initiators"] == ["*"]
    assert "continue" not in told


@pytest.mark.spec("DBSC", "9.9", "the credential is the cookie that comes with the answer")
def test_the_credential(client: Browser, signed_in: Any) -> None:
    answer = Dbsc(client).register(signed_in)

    (credential,) = json.loads(answer.content)["credentials"]
    cookie = answer.cookies["__Host-bound"]
    assert (credential["type"], credential["name"]) == ("cookie", "__Host-bound")
    assert credential["attributes"] == "Path=/; Secure; HttpOnly; SameSite=Lax"
    assert cookie["max-age"] == "600"
    assert (cookie["path"], cookie["samesite"]) == ("/", "Lax")
    assert cookie["secure"]
    assert cookie["httponly"]
    assert not cookie["domain"]
    assert len(cookie.value) == 43


@pytest.mark.spec("DBSC", "9.10", "a registration by ES256 binds the session to its key")
def test_registration(client: Browser, signed_in: Any) -> None:
    browser = Dbsc(client)

    browser.register(signed_in)

    bound_to = BoundKey.unscoped.get()
    assert bound_to.public_jwk == browser.key.jwk
    assert session().binding == Binding.DBSC
    assert session().proven_at == bound_to.registered_at
    event = AuditEvent.objects.get(event="sessions.binding.registered")
    assert event.facts == {"kind": "dbsc", "thumbprint": bound_to.thumbprint}
    assert event.session_id == session().id


@pytest.mark.spec("DBSC", "9.10", "a registration by RS256 binds the session to its key")
def test_registration_by_rsa(client: Browser, signed_in: Any) -> None:
    browser = Dbsc(client, Key(rsa_bits=2048))

    assert browser.register(signed_in).status_code == 200
    assert browser.refresh().status_code == 200


@pytest.mark.spec("DBSC", "9.3", "a proof may be a quoted string, as it is written, or bare")
@pytest.mark.parametrize("form", ['"{}"', "{}", '"{}";a=1', " {} "], ids=str)
def test_forms_of_a_response(chromium: Dbsc, form: str) -> None:
    proof = chromium.proof(chromium.challenge())

    assert chromium.send(form.format(proof)).status_code == 200


@pytest.mark.spec("DBSC", "9.4", "a session identifier may be a quoted string or bare")
@pytest.mark.parametrize("form", ['"{}"', "{}", '"{}";a=1'], ids=str)
def test_forms_of_an_identifier(chromium: Dbsc, form: str) -> None:
    answer = chromium.ask(**{"Sec-Secure-Session-Id": form.format(chromium.identifier)})

    assert answer.status_code == 403


ODD_REGISTRATIONS = {
    "no type": {"header": {"typ": None}},
    "another type": {"header": {"typ": "JWT"}},
    "the script's type": {"header": {"typ": "webcrypto+jwt"}},
    "alg none": {"header": {"alg": "none"}},
    "alg HS256": {"header": {"alg": "HS256"}},
    "alg RS256 with this key": {"header": {"alg": "RS256"}},
    "alg ES384": {"header": {"alg": "ES384"}},
    "no key": {"header": {"jwk": None}},
    "a key that is no object": {"header": {"jwk": "key"}},
    "a symmetric key": {"header": {"jwk": {"kty": "oct", "k": "AAAA"}}},
    "a critical header": {"header": {"crit": ["b64"], "b64": False}},
    "another challenge": {"claims": {"jti": "made-up"}},
    "a challenge that is no text": {"claims": {"jti": 1}},
    "no challenge": {"claims": {"jti": ""}},
    "another authorization": {"claims": {"authorization": "0" * 64}},
    "no authorization": {"claims": {"authorization": ""}},
    "another audience": {"claims": {"aud": "https://elsewhere.example/dbsc/register/"}},
    "of another session": {"claims": {"sub": "made-up"}},
}


@pytest.mark.spec("DBSC", "9.10", "a registration that is not as it shall be makes no session")
@pytest.mark.parametrize("changes", ODD_REGISTRATIONS.values(), ids=ODD_REGISTRATIONS)
def test_refused_registrations(client: Browser, signed_in: Any, changes: dict[str, Any]) -> None:
    answer = Dbsc(client).register(signed_in, **changes)

    assert 400 <= answer.status_code < 500
    assert not bound.cookie(client)
    assert not BoundKey.unscoped.exists()
    assert session().binding == ""
    assert AuditEvent.objects.get(event="sessions.binding.refused").facts["step"] == "registration"
    assert client.get(PAGE).status_code == 200, "it goes on unbound"


@pytest.mark.spec("DBSC", "9.10", "keys of RSA have 2048 to 4096 bits")
@pytest.mark.parametrize("bits", [1024, 4104])
def test_rsa_of_another_size(client: Browser, signed_in: Any, bits: int) -> None:
    answer = Dbsc(client, Key(rsa_bits=bits)).register(signed_in)

    assert answer.status_code == 400


@pytest.mark.spec("DBSC", "8.8", "a refresh without a proof is answered 403, with a new challenge")
def test_the_challenge(chromium: Dbsc) -> None:
    challenges = [chromium.challenge() for _ in range(3)]

    assert len(set(challenges)) == 3
    assert all(len(challenge) == 43 for challenge in challenges)


@pytest.mark.spec("DBSC", "8.8", "a proof earns a new cookie, and its session goes on")
def test_refresh(client: Browser, chromium: Dbsc, later: Any) -> None:
    former = bound.cookie(client)
    later(minutes=10, seconds=1)
    bound.drop(client)

    answer = chromium.refresh()

    assert answer.status_code == 200
    assert json.loads(answer.content)["session_identifier"] == chromium.identifier
    assert bound.cookie(client) not in {"", former}
    assert client.get(PAGE).status_code == 200


@pytest.mark.spec("DBSC", "9.10", "a proof may say whom it is for and which session it is of")
def test_claims_that_are_true(chromium: Dbsc) -> None:
    claims = {"aud": f"{over_tls.ISSUER}/dbsc/refresh/", "sub": chromium.identifier, "iat": "1"}

    answer = chromium.send(chromium.proof(chromium.challenge(), claims=claims))

    assert answer.status_code == 200


@pytest.mark.spec("DBSC", "5", "refreshes need no cookie session: other sites may start them")
def test_a_refresh_without_cookies(chromium: Dbsc) -> None:
    chromium.browser.cookies.clear()

    assert chromium.refresh().status_code == 200


@pytest.mark.spec("DBSC", "5", "a proof for an earlier challenge that comes late is good")
def test_a_late_proof(chromium: Dbsc, later: Any) -> None:
    first, second = chromium.challenge(), chromium.challenge()
    later(seconds=90)

    assert chromium.send(chromium.proof(second)).status_code == 200
    assert chromium.send(chromium.proof(first)).status_code == 200


@pytest.mark.spec("DBSC", "5", "a proof for a challenge that is over gets another one, no refusal")
def test_a_stale_proof(chromium: Dbsc, later: Any) -> None:
    challenge = chromium.challenge()
    later(minutes=2, seconds=1)

    answer = chromium.send(chromium.proof(challenge))

    assert answer.status_code == 403
    assert answer["Secure-Session-Challenge"]
    assert "__Host-bound" not in answer.cookies


@pytest.mark.spec("DBSC", "5", "a challenge is good for one proof; the next gets another one")
def test_a_used_challenge(chromium: Dbsc) -> None:
    proof = chromium.proof(chromium.challenge())
    assert chromium.send(proof).status_code == 200

    again = chromium.send(proof)

    assert again.status_code == 403
    assert again["Secure-Session-Challenge"]
    assert AuditEvent.objects.filter(event="sessions.binding.refused").count() == 1


ODD_PROOFS = {
    "another key": {"key": Key()},
    "a key in the header": {"header": {"jwk": Key().jwk}},
    "another type": {"header": {"typ": "JWT"}},
    "alg none": {"header": {"alg": "none"}},
    "alg RS256": {"header": {"alg": "RS256"}},
    "another audience": {"claims": {"aud": "https://elsewhere.example/"}},
    "of another session": {"claims": {"sub": "made-up"}},
}


@pytest.mark.spec("DBSC", "9.10", "what never will be a proof of the key is refused for good")
@pytest.mark.parametrize("changes", ODD_PROOFS.values(), ids=ODD_PROOFS)
def test_refused_proofs(chromium: Dbsc, changes: dict[str, Any]) -> None:
    challenge = chromium.challenge()
    signer = Dbsc(chromium.browser, changes.get("key", chromium.key), chromium.identifier)

    answer = chromium.send(signer.proof(challenge, **changes))

    assert answer.status_code == 400
    assert "__Host-bound" not in answer.cookies
    assert chromium.send(chromium.proof(challenge)).status_code == 200, "the challenge is not spent"


@pytest.mark.spec("DBSC", "8.8", "a session that is over is told so, and its cookie is not touched")
def test_an_ended_session(client: Browser, chromium: Dbsc, employee: Person) -> None:
    client.post("/accounts/logout/")
    cast.sign_in(client, employee)

    answer = chromium.ask()

    assert answer.status_code == 200
    assert json.loads(answer.content) == {
        "session_identifier": chromium.identifier,
        "continue": False,
    }
    assert "__Host-bound" not in answer.cookies


@pytest.mark.spec("DBSC", "8.8", "whoever may no longer sign in is told that the session is over")
def test_a_session_that_policy_ends(chromium: Dbsc, employee: Person) -> None:
    User.unscoped.filter(pk=employee.user.pk).update(is_active=False)
    challenge = chromium.challenge()
    answer = chromium.send(chromium.proof(challenge))

    assert json.loads(answer.content)["continue"] is False
    assert "__Host-bound" not in answer.cookies
    assert LoginSession.unscoped.get().end_reason == EndReason.REVOKED


@pytest.mark.spec("DBSC", "8.8", "an identifier that nobody has is over as well")
@pytest.mark.parametrize("identifier", ["made-up", "01900000-0000-7000-8000-000000000000"])
def test_an_unknown_session(chromium: Dbsc, identifier: str) -> None:
    answer = chromium.ask(**{"Sec-Secure-Session-Id": identifier})

    assert json.loads(answer.content) == {"session_identifier": identifier, "continue": False}


@pytest.mark.spec("DBSC", "5", "a refresh has to name its session by a header of the browser's own")
@pytest.mark.parametrize("identifier", ["", '"', "a b", "\u00e9"], ids=ascii)
def test_no_identifier(chromium: Dbsc, identifier: str) -> None:
    answer = chromium.ask(**{"Sec-Secure-Session-Id": identifier})

    assert answer.status_code == 400


@pytest.mark.spec("DBSC", "5", "the endpoints answer no other site, and no frame")
@pytest.mark.parametrize("path", ["/dbsc/register/", "/dbsc/refresh/"])
def test_other_sites(chromium: Dbsc, path: str) -> None:
    own = {"Sec-Secure-Session-Id": chromium.identifier}
    foreign = chromium.browser.post(path, headers=own | {"Origin": "https://elsewhere.example"})
    crossing = chromium.browser.post(path, headers=own | {"Sec-Fetch-Site": "cross-site"})

    for answer in (foreign, crossing):
        assert answer.status_code == 400
        assert "Secure-Session-Challenge" not in answer
        assert "Access-Control-Allow-Origin" not in answer
        assert answer["Cross-Origin-Resource-Policy"] == "same-origin"
        assert answer["X-Frame-Options"] == "DENY"
        assert "no-store" in answer["Cache-Control"]
    assert chromium.browser.get(path).status_code == 405


@pytest.mark.spec("DBSC", "8.8", "too many refreshes are told to wait, which keeps the session")
def test_too_many(chromium: Dbsc, early_in_a_window: None) -> None:
    statuses = [chromium.ask().status_code for _ in range(31)]

    assert statuses == [403] * 30 + [429]


@pytest.mark.spec(
    "DBSC", "9.5", "why a browser went without its cookie is written down, not trusted"
)
@pytest.mark.parametrize("reason", ["unreachable", "server_error", "quota_exceeded"])
def test_skipped(client: Browser, chromium: Dbsc, later: Any, reason: str) -> None:
    later(minutes=1)
    bound.drop(client)
    skipped = f'{reason};session_identifier="{chromium.identifier}"'

    answers = [client.get(PAGE, headers={"Secure-Session-Skipped": skipped}) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [401, 401]
    event = AuditEvent.objects.get(event="sessions.binding.refused")
    assert event.facts == {"kind": "dbsc", "step": "request", "reason": f"skipped_{reason}"}


@pytest.mark.spec("DBSC", "9.5", "another session's reason is not this one's")
def test_skipped_by_another(client: Browser, chromium: Dbsc, later: Any) -> None:
    later(minutes=1)
    bound.drop(client)

    client.get(PAGE, headers={"Secure-Session-Skipped": "unreachable;session_identifier=123, x"})

    assert not AuditEvent.objects.filter(event="sessions.binding.refused").exists()


@pytest.mark.spec("DBSC", "5", "a privileged page takes the cookie away, and gets a proof of now")
def test_proof_at_a_point_in_time(client: Browser, chromium: Dbsc, later: Any) -> None:
    later(minutes=3)
    page = "/mfa/passkeys/add/"

    asked = client.get(page)

    assert asked.status_code == 307
    assert asked["Location"] == page
    taken = asked.cookies[settings.BOUND_COOKIE_NAME]
    assert (taken.value, taken["max-age"]) == ("", "0")
    bound.drop(client)
    assert chromium.get(page).status_code == 200
