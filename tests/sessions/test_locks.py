"""A lock on whatever a session is made of stops every use of it, in the transaction that places it.

These tests run inside one transaction that never commits: nothing that waits for a commit has run,
so what stops here stops by state that is pulled.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.urls import reverse

from accounts import flows as accounts
from accounts.models import LockTarget, Role, RoleAssignment
from audit.events import Event
from audit.models import AuditEvent
from core import clock
from core.ids import new_id
from devices.models import Browser as SeenBrowser
from devices.models import Device, State
from idp.models import RefreshFamily
from sessions import flows
from sessions.models import EndReason, LoginSession
from tests import cast
from tests.support import authorize, oauth

FACTOR = new_id()
ENDING = [LockTarget.USER, LockTarget.SESSION, LockTarget.DEVICE, LockTarget.CREDENTIAL]
STOPPING = [LockTarget.CLIENT, LockTarget.ADDRESS]
HERE = "127.0.0.0/8"  # where the browser of these tests is


def device_of(user, **changes) -> Device:
    now = clock.now()
    values: dict[str, Any] = {
        "name": "Laptop",
        "state": State.ENROLLED,
        "created_at": now,
        "tier_ends_at": [now + timedelta(hours=hours) for hours in (8, 4, 2)],
    }
    return Device.objects.create(organisation_id=user.organisation_id, **(values | changes))


def put_on(device: Device, session: LoginSession) -> None:
    """Let the session's browser run on this machine."""
    SeenBrowser.unscoped.filter(id=session.browser_id).update(device=device)


@pytest.fixture
def device(employee) -> Device:
    return device_of(employee.user)


@pytest.fixture
def session(client, employee, device) -> LoginSession:
    session = cast.sign_in(client, employee)
    put_on(device, session)
    LoginSession.unscoped.filter(id=session.id).update(credentials=[FACTOR])
    return session


@pytest.fixture
def code(acme_web, session) -> str:
    return oauth.issue_code(acme_web, session)


@pytest.fixture
def tokens(acme_web, session) -> dict:
    return oauth.redeem(acme_web, oauth.issue_code(acme_web, session)).json


@pytest.fixture
def place(employee, session, device, acme) -> Callable[..., Any]:
    targets = {
        LockTarget.USER: str(employee.user.pk),
        LockTarget.SESSION: str(session.id),
        LockTarget.DEVICE: str(device.id),
        LockTarget.CREDENTIAL: str(FACTOR),
        LockTarget.CLIENT: "acme-web",
        LockTarget.ADDRESS: HERE,
        LockTarget.ROLE: "",
    }

    def lock(target_type, **how):
        values = {"organisation_id": acme.id, "target": targets[target_type]} | how
        return accounts.place_lock(
            target_type=target_type, reason="a test", now=clock.now(), **values
        )

    return lock


def is_in(client) -> bool:
    return client.get(reverse("console:security")).status_code == 200


@pytest.mark.django_db
class TestEveryUse:
    @pytest.fixture(params=[*ENDING, *STOPPING], ids=lambda target: target.value)
    def target(self, request):
        return request.param

    def test_a_refresh_is_refused(self, acme_web, tokens, place, target):
        place(target)

        assert oauth.refresh(acme_web, tokens["refresh_token"]).error in {
            "invalid_grant",
            "invalid_client",
        }
        refused = AuditEvent.objects.get(event=Event.TOKEN_REFUSED)
        assert refused.facts["reasons"] == [f"{target.value}_locked"]

    def test_a_code_is_refused(self, acme_web, code, place, target):
        place(target)

        assert oauth.redeem(acme_web, code).error in {"invalid_grant", "invalid_client"}
        assert not RefreshFamily.unscoped.exists()

    def test_the_access_token_is_inactive(self, acme_web, globex_web, tokens, place, target):
        place(target)

        told = oauth.send(
            "POST", "/oauth/introspect", form={"token": tokens["access_token"]},
            authorization=oauth.basic("acme-web"),
        )  # fmt: skip
        assert told.json == {"active": False} or told.error == "invalid_client"

    def test_userinfo_refuses_it(self, tokens, place, target):
        place(target)

        reply = oauth.send(
            "GET", "/oauth/userinfo", authorization=f"Bearer {tokens['access_token']}"
        )
        assert (reply.status, reply.error) == (401, "invalid_token")

    def test_it_gets_no_code(self, client, acme_web, session, place, target):
        place(target)

        reply = client.get(reverse("idp:authorize"), authorize.parameters(acme_web))

        query = parse_qs(urlsplit(reply["Location"]).query)
        assert "code" not in query

    def test_pages_are_closed(self, client, session, place, target):
        assert is_in(client)
        place(target)

        assert is_in(client) is (target is LockTarget.CLIENT)

    def test_it_goes_on_when_the_lock_ends(self, acme_web, tokens, place, target, later):
        place(target, ends_at=clock.now() + timedelta(minutes=10))
        later(minutes=9, seconds=55)
        assert oauth.refresh(acme_web, tokens["refresh_token"]).status >= 400
        RefreshFamily.unscoped.update(revoked_at=None, revoke_reason="")
        later(seconds=6)

        assert oauth.refresh(acme_web, tokens["refresh_token"]).status == 200

    def test_it_goes_on_when_the_lock_is_lifted(self, acme_web, tokens, place, target):
        lock = place(target)
        assert accounts.lift_lock(lock=lock, now=clock.now())

        assert oauth.refresh(acme_web, tokens["refresh_token"]).status == 200

    def test_another_organisations_lock_stops_nothing(
        self, acme_web, globex, tokens, place, target
    ):
        place(target, organisation_id=globex.id)

        assert oauth.refresh(acme_web, tokens["refresh_token"]).status == 200


@pytest.mark.django_db
class TestAddresses:
    def refresh(self, acme_web, tokens, address):
        return oauth.refresh(acme_web, tokens["refresh_token"], REMOTE_ADDR=address)

    def test_what_asks_from_there_is_refused_wherever_the_sign_in_was(
        self, acme_web, tokens, place
    ):
        place(LockTarget.ADDRESS, target="198.51.100.0/24")

        reply = oauth.send(
            "GET", "/oauth/userinfo", authorization=f"Bearer {tokens['access_token']}",
            REMOTE_ADDR="198.51.100.9",
        )  # fmt: skip
        elsewhere = oauth.send(
            "GET", "/oauth/userinfo", authorization=f"Bearer {tokens['access_token']}",
            REMOTE_ADDR="198.51.101.9",
        )  # fmt: skip

        assert (reply.status, elsewhere.status) == (401, 200)

    @pytest.mark.parametrize(
        ("given", "kept"),
        [
            ("198.51.100.7", "198.51.100.7/32"),
            ("198.51.100.7/24", "198.51.100.0/24"),
            ("2001:DB8::1/64", "2001:db8::/64"),
        ],
    )
    def test_a_network_is_kept_in_one_form(self, place, given, kept):
        assert place(LockTarget.ADDRESS, target=given).target == kept


@pytest.mark.django_db
class TestRoles:
    @pytest.fixture
    def vault(self, acme, employee) -> Role:
        role = Role.objects.create(organisation=acme, name="vault", required_acr="phr")
        other = Role.objects.create(organisation=acme, name="plain")
        for each in (role, other):
            RoleAssignment.objects.create(
                organisation=acme, user=employee.user, role=each, starts_at=clock.now()
            )
        LoginSession.unscoped.update(acr="phr")
        return role

    @pytest.fixture
    def tokens(self, acme_web, session, vault) -> dict:
        code = oauth.issue_code(acme_web, session, scope="openid roles")
        return oauth.redeem(acme_web, code).json

    def test_a_locked_role_is_carried_by_no_token_any_more(
        self, acme_web, session, vault, tokens, place
    ):
        assert oauth.claims_of(tokens["access_token"])["roles"] == ["plain", "vault"]

        place(LockTarget.ROLE, target=str(vault.pk))

        told = oauth.send(
            "POST", "/oauth/introspect", form={"token": tokens["access_token"]},
            authorization=oauth.basic("acme-web"),
        )  # fmt: skip
        assert told.json["roles"] == ["plain"]
        refreshed = oauth.refresh(acme_web, tokens["refresh_token"]).json
        assert oauth.claims_of(refreshed["access_token"])["roles"] == ["plain"]

    def test_it_demands_nothing_any_more_either(self, acme_web, session, vault, tokens, place):
        LoginSession.unscoped.update(acr="aal1")
        place(LockTarget.ROLE, target=str(vault.pk))

        assert oauth.refresh(acme_web, tokens["refresh_token"]).status == 200


@pytest.mark.django_db
class TestClients:
    def test_a_locked_client_gets_nothing_in_its_own_name(self, acme_machine, place):
        asked = {"grant_type": "client_credentials"}
        assert oauth.token(acme_machine, asked).status == 200

        place(LockTarget.CLIENT, target=acme_machine.client_id)

        assert oauth.token(acme_machine, asked).error == "invalid_client"

    def test_its_tokens_are_inactive(self, acme_machine, acme_web, place):
        text = oauth.token(acme_machine, {"grant_type": "client_credentials"}).json["access_token"]
        place(LockTarget.CLIENT, target=acme_machine.client_id)

        told = oauth.send(
            "POST", "/oauth/introspect", form={"token": text}, authorization=oauth.basic("acme-web")
        )
        assert told.json == {"active": False}

    def test_it_is_told_nothing(self, acme_web, acme_machine, place):
        text = oauth.token(acme_machine, {"grant_type": "client_credentials"}).json["access_token"]

        def look():
            return oauth.send(
                "POST", "/oauth/introspect", form={"token": text},
                authorization=oauth.basic("acme-web"),
            )  # fmt: skip

        assert look().json["active"] is True
        place(LockTarget.CLIENT)

        assert look().error == "invalid_client"


@pytest.mark.django_db
class TestFlows:
    def test_placing_and_lifting_are_written_down(self, place, approver):
        lock = place(LockTarget.USER, actor=approver.user)
        accounts.lift_lock(lock=lock, now=clock.now(), actor=approver.user)

        placed = AuditEvent.objects.get(event=Event.LOCK_PLACED)
        lifted = AuditEvent.objects.get(event=Event.LOCK_LIFTED)
        assert placed.subject == lifted.subject == f"accounts.User:{lock.target}"
        assert placed.actor == lifted.actor == f"accounts.User:{approver.user.pk}"
        assert placed.facts["reason"] == "a test"

    def test_the_same_again_changes_nothing(self, place):
        first, second = place(LockTarget.USER), place(LockTarget.USER)

        assert first.pk == second.pk
        assert AuditEvent.objects.filter(event=Event.LOCK_PLACED).count() == 1

    def test_of_two_ends_the_later_counts(self, place):
        now = clock.now()
        place(LockTarget.USER, ends_at=now + timedelta(minutes=5))
        longer = place(LockTarget.USER, ends_at=now + timedelta(minutes=9))
        place(LockTarget.USER, ends_at=now + timedelta(minutes=7))
        longer.refresh_from_db()
        assert longer.ends_at == now + timedelta(minutes=9)

        place(LockTarget.USER)
        longer.refresh_from_db()

        assert longer.ends_at is None

    def test_one_that_a_recovery_lifts_does_not_soften_one_that_it_does_not(self, place):
        place(LockTarget.USER)
        lock = place(LockTarget.USER, needs_recovery=True)

        assert not lock.needs_recovery

    def test_one_that_a_recovery_does_not_lift_hardens_one_that_it_does(self, place):
        place(LockTarget.USER, needs_recovery=True)

        assert not place(LockTarget.USER, needs_recovery=False).needs_recovery

    def test_one_that_has_run_out_can_be_placed_again(self, place, later):
        place(LockTarget.USER, ends_at=clock.now() + timedelta(minutes=5))
        later(minutes=6)

        assert place(LockTarget.USER).created_at >= clock.now() - timedelta(seconds=5)

    def test_it_is_lifted_once(self, place):
        lock = place(LockTarget.USER)

        assert accounts.lift_lock(lock=lock, now=clock.now())
        assert not accounts.lift_lock(lock=lock, now=clock.now())

    @pytest.mark.parametrize(
        "wrong",
        [
            {"target": "alice"},
            {"target": ""},
            {"target_type": LockTarget.ADDRESS, "target": "everywhere"},
            {"target_type": LockTarget.ADDRESS, "target": "0.0.0.0/0"},
            {"target_type": LockTarget.ADDRESS, "target": "::/0"},
            {"target_type": LockTarget.CLIENT, "target": ""},
            {"reason": "  "},
            {"reason": "x" * 201},
            {"ends_at": clock.now() - timedelta(days=1)},
        ],
        ids=["name", "nothing", "no network", "every v4", "every v6", "no client", "no reason",
             "long reason", "over"],
    )  # fmt: skip
    def test_what_can_be_no_lock_is_refused(self, acme, wrong):
        from core.errors import Refusal

        values = {
            "target_type": LockTarget.USER, "target": str(new_id()), "reason": "a test"
        } | wrong  # fmt: skip

        with pytest.raises(Refusal, match="invalid_request"):
            accounts.place_lock(organisation_id=acme.id, now=clock.now(), **values)
        assert not AuditEvent.objects.filter(event=Event.LOCK_PLACED).exists()


@pytest.mark.django_db(transaction=True)
class TestSpeed:
    @pytest.mark.parametrize("target", ENDING, ids=lambda target: target.value)
    def test_what_a_lock_ends_is_written_down_as_ended(self, session, place, target):
        place(target)

        session.refresh_from_db()
        assert (session.end_reason, session.ended_at is not None) == (EndReason.LOCKED, True)
        assert AuditEvent.objects.filter(event=Event.SESSION_ENDED).count() == 1

    @pytest.mark.parametrize("target", STOPPING, ids=lambda target: target.value)
    def test_what_a_lock_only_stops_lives_on(self, session, place, target):
        place(target)

        session.refresh_from_db()
        assert session.ended_at is None

    def test_two_who_place_the_same_make_one(self, acme, employee):
        from tests.support.racing import race

        def place(_):
            accounts.place_lock(
                organisation_id=acme.id, target_type=LockTarget.USER,
                target=str(employee.user.pk), reason="a race", now=clock.now(),
            )  # fmt: skip

        race(place, runners=4)

        assert AuditEvent.objects.filter(event=Event.LOCK_PLACED).count() == 1


def test_signing_out_is_no_lock(db, session):
    flows.end_session(session=session, reason=EndReason.SIGNED_OUT, now=clock.now())

    session.refresh_from_db()
    assert session.end_reason == EndReason.SIGNED_OUT
