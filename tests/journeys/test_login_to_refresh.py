"""From an application's "sign in" to its tokens, through their renewal, to signing out."""

from urllib.parse import urlencode

from audit.models import AuditEvent
from core import clock
from idp.models import Client
from sessions.models import LoginSession
from tests.cast import Person
from tests.journeys.story import audited, come_back, go_to, introspect, sign_in, userinfo
from tests.journeys.visitor import Visitor
from tests.support import oauth


def test_the_main_story(visitor: Visitor, notes: Client, employee: Person, later) -> None:
    go_to(visitor, notes, scope="openid profile email")
    assert visitor.path == "/accounts/login/"
    assert "Acme Notes" in visitor.text

    sign_in(visitor, employee.email, employee.password)
    assert visitor.path == "/mfa/challenge/"
    assert not LoginSession.unscoped.exists()
    visitor.submit("challenge-form", code=employee.totp_code())
    assert visitor.path == "/oauth/consent"
    visitor.submit("consent-form", decision="allow")
    tokens = come_back(visitor, notes)

    session = LoginSession.unscoped.get()
    claims = oauth.claims_of(tokens["id_token"])
    assert (claims["acr"], claims["sid"]) == ("aal2", str(session.id))
    assert set(claims["amr"]) == {"pwd", "otp", "mfa"}
    assert claims["auth_time"] == int(session.auth_time.timestamp())
    assert userinfo(tokens["access_token"]).json["email"] == employee.email

    later(minutes=20)  # the access token has run out, the session has not
    assert userinfo(tokens["access_token"]).status == 401
    renewed = oauth.refresh(notes, tokens["refresh_token"]).json
    assert renewed["refresh_token"] != tokens["refresh_token"]
    assert userinfo(renewed["access_token"]).json["sub"] == str(employee.user.pk)
    assert introspect(notes, renewed["access_token"])["active"] is True

    query = urlencode(
        {
            "id_token_hint": tokens["id_token"],
            "post_logout_redirect_uri": "https://app.acme.example/",
        }
    )
    visitor.open(f"/oauth/end-session?{query}")
    assert visitor.gone_to == "https://app.acme.example/"
    assert introspect(notes, renewed["access_token"]) == {"active": False}
    assert userinfo(renewed["access_token"]).status == 401
    assert oauth.refresh(notes, renewed["refresh_token"]).error == "invalid_grant"
    visitor.open("/security/")
    assert visitor.path == "/accounts/login/"

    assert audited() == [
        "mfa.challenge.passed",
        "devices.browser.first_seen",
        "sessions.session.started",
        "risk.login.assessed",
        "idp.consent.granted",
        "idp.code.issued",
        "idp.code.redeemed",
        "idp.refresh_token.rotated",
        "sessions.session.ended",
    ]
    of_the_session = AuditEvent.objects.exclude(session_id=None)
    assert {event.session_id for event in of_the_session} == {session.id}
    assert {event.organisation_id for event in of_the_session} == {employee.user.organisation_id}
    told = " ".join(str(event.facts) for event in AuditEvent.objects.all())
    for secret in (employee.password, tokens["refresh_token"], renewed["access_token"]):
        assert secret not in told


def test_a_second_application_asks_nothing_but_consent(
    visitor: Visitor, notes: Client, acme_spa: Client, employee: Person
) -> None:
    go_to(visitor, notes)
    sign_in(visitor, employee.email, employee.password)
    visitor.submit("challenge-form", code=employee.totp_code())
    visitor.submit("consent-form", decision="allow")
    first = come_back(visitor, notes)

    go_to(visitor, acme_spa)
    assert visitor.path == "/oauth/consent"
    visitor.submit("consent-form", decision="allow")
    second = come_back(visitor, acme_spa)

    assert LoginSession.unscoped.count() == 1
    sids = {oauth.claims_of(tokens["id_token"])["sid"] for tokens in (first, second)}
    assert len(sids) == 1
    go_to(visitor, notes, prompt="none")
    assert "code=" in visitor.gone_to


def test_a_session_that_nobody_uses_ends_and_takes_the_tokens_along(
    visitor: Visitor, notes: Client, employee: Person, later
) -> None:
    go_to(visitor, notes)
    sign_in(visitor, employee.email, employee.password)
    visitor.submit("challenge-form", code=employee.totp_code())
    visitor.submit("consent-form", decision="allow")
    tokens = come_back(visitor, notes)

    later(hours=25)

    assert oauth.refresh(notes, tokens["refresh_token"]).error == "invalid_grant"
    visitor.open("/security/")
    assert visitor.path == "/accounts/login/"
    assert "Your session has ended." in visitor.text
    assert not LoginSession.unscoped.all().live(clock.now()).exists()
