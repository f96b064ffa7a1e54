"""A television that cannot show a sign-in page, and a person who has a browser at hand."""

from idp.models import Client
from tests.cast import Person
from tests.journeys.story import audited, introspect, sign_in, userinfo
from tests.journeys.visitor import Visitor
from tests.support import device, oauth


def test_from_the_code_on_the_screen_to_taking_it_back(
    visitor: Visitor, acme, notes: Client, employee: Person, later
) -> None:
    tv = device.television(acme)
    codes = device.start(tv).json
    assert device.poll(tv, codes["device_code"]).error == "authorization_pending"

    visitor.open(device.prefilled(codes["user_code"]))
    assert visitor.path == "/accounts/login/"
    sign_in(visitor, employee.email, employee.password)
    visitor.submit("challenge-form", code=employee.totp_code())
    assert visitor.path == "/device/"
    visitor.submit("device-form")
    assert visitor.path == "/device/confirm/"
    assert "Did you start this on another device just now?" in visitor.text
    later(seconds=6)
    assert device.poll(tv, codes["device_code"]).error == "authorization_pending"
    visitor.submit("device-confirm-form", decision="allow")
    assert "You are connected" in visitor.text

    tokens = device.poll(tv, codes["device_code"]).json
    assert userinfo(tokens["access_token"]).json["sub"] == str(employee.user.pk)
    tokens = oauth.refresh(tv, tokens["refresh_token"]).json
    assert introspect(notes, tokens["access_token"])["active"] is True

    visitor.open("/security/applications/")
    assert "Acme Tv" in visitor.text
    visitor.submit("")  # the one form of that page: take back
    assert oauth.refresh(tv, tokens["refresh_token"]).error == "invalid_grant"
    assert introspect(notes, tokens["access_token"]) == {"active": False}

    story = [name for name in audited() if name.startswith("idp.")]
    assert story == [
        "idp.device_authorization.started",
        "idp.consent.granted",
        "idp.device_authorization.approved",
        "idp.device_authorization.redeemed",
        "idp.refresh_token.rotated",
        "idp.consent.revoked",
    ]
