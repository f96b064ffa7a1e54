"""A078: something happens to the account between an approval and what is fetched with it."""

import pytest
from django.test import Client as Browser

from accounts import flows
from audit.events import Event
from audit.models import AuditEvent
from core import clock
from idp.models import RefreshFamily
from mfa.models import TotpFactor
from sessions.current import current_session_id
from sessions.models import LoginSession
from tests.support import device, oauth

pytestmark = pytest.mark.django_db


def close_the_account(user) -> None:
    flows.deactivate_user(user=user, now=clock.now())


def change_the_password(user) -> None:
    current_session_id.set(None)  # elsewhere: the sign-in that makes the change would go on
    flows.rotate_security_stamp(user=user, now=clock.now())


def end_the_session(user) -> None:
    LoginSession.unscoped.filter(user=user).update(ended_at=clock.now(), end_reason="signed_out")


def demand_two_factors(user) -> None:
    TotpFactor.objects.filter(user=user).delete()
    LoginSession.unscoped.filter(user=user).update(acr="aal1", amr=["pwd"])
    role = flows.create_role(
        organisation=user.organisation, name="vault", required_acr="aal2", now=clock.now()
    )
    flows.assign_role(user=user, role=role, now=clock.now())


def take_the_address(user) -> None:
    from allauth.account.models import EmailAddress

    EmailAddress.objects.filter(user=user).update(verified=False)


CHANGES = [
    close_the_account,
    change_the_password,
    end_the_session,
    demand_two_factors,
    take_the_address,
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_device_that_was_allowed_before(client: Browser, session, employee, acme, change):
    tv = device.television(acme)
    codes = device.start(tv).json
    device.decide(client, codes["user_code"])
    change(employee.user)

    reply = device.poll(tv, codes["device_code"])

    assert reply.error == "invalid_grant"
    assert not RefreshFamily.unscoped.exists()
    assert AuditEvent.objects.filter(event=Event.TOKEN_REFUSED).count() == 1
    assert not AuditEvent.objects.filter(event=Event.DEVICE_AUTHORIZATION_REDEEMED).exists()


@pytest.mark.parametrize("change", CHANGES)
def test_a_code_that_was_issued_before(session, employee, acme_web, code, change):
    change(employee.user)

    assert oauth.redeem(acme_web, code).error == "invalid_grant"

    assert not RefreshFamily.unscoped.exists()
    assert AuditEvent.objects.filter(event=Event.TOKEN_REFUSED).count() == 1
