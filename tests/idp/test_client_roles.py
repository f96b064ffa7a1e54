"""Roles of workloads: in their tokens, at introspection, as subjects of AuthZEN."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client as Browser
from django.urls import reverse

from accounts import flows
from accounts.models import LockTarget, Organisation, Role
from audit.events import Event
from audit.models import AuditEvent
from core import clock
from core.errors import Refusal
from idp.clients import authentication
from idp.clients.roles import give_role, take_role
from idp.models import Client, ClientRole
from tests import cast
from tests.cast import Person
from tests.support import authzen, oauth
from tests.support.authzen import Asker

pytestmark = pytest.mark.django_db


@pytest.fixture
def role(acme: Organisation) -> Role:
    role = flows.create_role(organisation=acme, name="nightly", now=clock.now())
    flows.give_permission(role=role, resource_type="report", action="write", now=clock.now())
    return role


def claims_of(client: Client, **form) -> dict:
    reply = oauth.token(client, {"grant_type": "client_credentials", **form})
    assert reply.status == 200
    return oauth.claims_of(reply.json["access_token"])


class TestGiving:
    def test_a_role_is_given_and_taken_back(self, acme_machine, role, approver):
        given = give_role(client=acme_machine, role=role, now=clock.now(), actor=approver.user)
        assert take_role(client_role=given, now=clock.now(), actor=approver.user)
        assert not take_role(client_role=given, now=clock.now())

        added, removed = AuditEvent.objects.filter(event__startswith="idp.client.role").order_by(
            "at", "id"
        )
        assert (added.event, removed.event) == (Event.CLIENT_ROLE_ADDED, Event.CLIENT_ROLE_REMOVED)
        assert added.facts["role"] == "nightly"
        assert added.actor.endswith(str(approver.user.pk))

    def test_once(self, acme_machine, role):
        give_role(client=acme_machine, role=role, now=clock.now())
        with pytest.raises(Refusal) as refused:
            give_role(client=acme_machine, role=role, now=clock.now())
        assert refused.value.status == 409

    def test_again_after_its_end(self, acme_machine, role, later):
        give_role(
            client=acme_machine, role=role, now=clock.now(),
            ends_at=clock.now() + timedelta(minutes=5),
        )  # fmt: skip
        later(minutes=5)
        give_role(client=acme_machine, role=role, now=clock.now())

    def test_only_clients_that_act_for_themselves(self, acme_web, acme_spa, role):
        for client in (acme_web, acme_spa):
            with pytest.raises(Refusal, match="never acts for itself"):
                give_role(client=client, role=role, now=clock.now())

    @pytest.mark.parametrize("demand", [{"required_acr": "aal2"}, {"required_tier": 1}], ids=str)
    def test_no_role_that_only_people_can_hold(self, acme, acme_machine, demand):
        role = flows.create_role(organisation=acme, name="x", now=clock.now(), **demand)

        with pytest.raises(Refusal, match="for people"):
            give_role(client=acme_machine, role=role, now=clock.now())

    def test_nobody_gives_what_they_do_not_hold(self, acme_machine, role, newcomer):
        """A143."""
        with pytest.raises(Refusal) as refused:
            give_role(client=acme_machine, role=role, now=clock.now(), actor=newcomer.user)
        assert refused.value.code == "not_allowed"

    def test_not_across_organisations(self, globex, role, acme_machine):
        theirs = cast.client("g", globex, grant_types=["client_credentials"])
        with pytest.raises(Refusal) as refused:
            give_role(client=theirs, role=role, now=clock.now())
        assert refused.value.code == "not_found"
        with pytest.raises(IntegrityError), transaction.atomic():
            ClientRole.objects.create(
                organisation=globex, client=theirs, role=role, starts_at=clock.now()
            )
            connection.check_constraints()

    def test_an_end_lies_ahead(self, acme_machine, role):
        now = clock.now()
        with pytest.raises(Refusal, match="end after"):
            give_role(client=acme_machine, role=role, now=now, ends_at=now)

    def test_administrators_do_it_on_a_page(
        self, client: Browser, approver: Person, acme_machine, role
    ):
        cast.sign_in(client, approver)
        client.post(
            reverse("admin:idp_clientrole_add"),
            {"client": str(acme_machine.pk), "role": str(role.pk)},
        )
        given = ClientRole.objects.within(acme_machine.organisation).get()
        client.post(
            reverse("admin:idp_clientrole_changelist"),
            {"action": "take_back", "_selected_action": [str(given.pk)]},
        )
        given.refresh_from_db()
        assert given.ended_at is not None


class TestTokens:
    def test_they_carry_roles_where_asked(self, acme_machine, role):
        give_role(client=acme_machine, role=role, now=clock.now())

        assert claims_of(acme_machine, scope="roles")["roles"] == ["nightly"]
        Client.unscoped.filter(pk=acme_machine.pk).update(
            scopes=["roles", "api"], changed_at=clock.now()
        )
        authentication.forget()
        assert "roles" not in claims_of(acme_machine, scope="api")

    def test_a_client_without_roles_is_told_so(self, acme_machine):
        assert claims_of(acme_machine)["roles"] == []

    def test_no_token_outlives_a_role_that_it_carries(self, acme_machine, role):
        ends_at = clock.now() + timedelta(minutes=4)
        give_role(client=acme_machine, role=role, now=clock.now(), ends_at=ends_at)

        assert claims_of(acme_machine)["exp"] <= ends_at.timestamp()

    def test_introspection_tells_what_is_held_now(self, acme_machine, acme_web, role):
        given = give_role(client=acme_machine, role=role, now=clock.now())
        token = oauth.token(acme_machine, {"grant_type": "client_credentials"}).json["access_token"]

        def told() -> dict:
            return oauth.send(
                "POST", "/oauth/introspect", form={"token": token},
                authorization=oauth.basic(acme_web.client_id),
            ).json  # fmt: skip

        assert told()["roles"] == ["nightly"]
        take_role(client_role=given, now=clock.now())
        assert (told()["active"], told()["roles"]) == (True, [])


class TestAsSubject:
    @pytest.fixture
    def asker(self, acme: Organisation) -> Asker:
        return Asker(authzen.gateway(acme))

    def may(self, asker: Asker) -> bool:
        return asker.may("client acme-machine", "write", "report q3")

    def test_a_workload_may_what_its_roles_allow(self, asker, acme_machine, role):
        assert not self.may(asker)
        given = give_role(client=acme_machine, role=role, now=clock.now())
        assert self.may(asker)
        take_role(client_role=given, now=clock.now())
        assert not self.may(asker)

    def test_until_the_end(self, asker, acme_machine, role, later):
        ends_at = clock.now() + timedelta(minutes=5)
        give_role(client=acme_machine, role=role, now=clock.now(), ends_at=ends_at)
        later(minutes=4, seconds=59)
        assert self.may(asker)
        later(seconds=1)
        assert not self.may(asker)

    def test_not_by_a_role_that_is_locked(self, asker, acme, acme_machine, role):
        give_role(client=acme_machine, role=role, now=clock.now())
        flows.place_lock(
            organisation_id=acme.pk, target_type=LockTarget.ROLE, target=str(role.pk), reason="x",
            now=clock.now(), actor=None,
        )  # fmt: skip
        assert not self.may(asker)
        assert claims_of(acme_machine)["roles"] == []

    def test_not_by_a_role_that_became_one_for_people(self, asker, acme_machine, role):
        give_role(client=acme_machine, role=role, now=clock.now())
        flows.update_role(role=role, description="", required_acr="phr", now=clock.now())

        assert not self.may(asker)

    def test_it_is_found_by_a_search(self, asker, acme_machine, role):
        give_role(client=acme_machine, role=role, now=clock.now())
        body = {
            "subject": {"type": "client"}, "action": {"name": "write"},
            "resource": {"type": "report", "id": "q3"},
        }  # fmt: skip

        assert asker.search("subject", body)["results"] == [
            {"type": "client", "id": "acme-machine"}
        ]
