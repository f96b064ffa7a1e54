"""A141: every operation of administration in the API, by everybody who may not use it.

`SAID` has what would do something, about rows of acme's. An operation that changes something and
stands not there fails.
"""

import json
import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest
from django.conf import settings
from django.test import Client as Browser

from access import flows as access_flows
from access.models import AccessReviewItem
from accounts import flows as accounts
from accounts.models import LockTarget, Organisation
from audit.models import AuditEvent
from console.api import limits
from console.api.site import document
from core import clock
from core.ids import new_id
from core.limits import Limit
from devices.connectors import administration
from devices.connectors.identifiers import Kind
from devices.models import Device
from idp import flows as idp
from idp.clients.roles import give_role
from idp.dynamic_registration.flows import make_initial_access_token
from risk.models import SignIn
from tests import cast
from tests.support import access, exchange, oauth
from tests.support.api import (
    ADMINISTRATORS,
    OF_AN_ACCOUNT,
    OF_EVERY_ORGANISATION,
    PEOPLE,
    ROOT,
    Api,
    code_of,
    token_of,
)
from tests.support.decisions import write_batch
from tests.support.forwarded import host_of, wiki
from tests.support.machine import Machine
from tests.support.rooms import room
from tests.support.rows import changed, snapshot

pytestmark = pytest.mark.django_db
CLIENT: dict[str, Any] = {
    "name": "changed", "redirect_uris": [], "post_logout_redirect_uris": [],
    "grant_types": ["client_credentials"], "scopes": [], "is_first_party": False,
    "required_acr": "", "required_tier": 0, "scope_tiers": {}, "audience": "",
    "signing_alg": "ES256", "token_endpoint_auth_method": None, "metadata": {},
}  # fmt: skip


class Acme:
    """One row of everything that the API administers, by the name of the part of a path."""

    def __init__(self, alice: cast.Person, bob: cast.Person) -> None:
        now, acme = clock.now(), alice.user.organisation
        role = accounts.create_role(organisation=acme, name="auditor", now=now)
        group = accounts.create_group(organisation=acme, name="keepers", now=now)
        offered = access.entitlement(acme, by=[bob], eligible=[alice])
        self.session = access.session_of(alice)
        grant = access.activate(
            access.approve(access.ask(offered, alice, self.session), bob), alice, self.session
        )
        assignment = accounts.assign_role(user=alice.user, role=role, now=now)
        review = access_flows.open_review(organisation=acme, now=now)
        self.ids: dict[str, UUID | int] = {
            "user_id": alice.user.pk, "role_id": role.pk, "group_id": group.pk,
            "permission_id": accounts.give_permission(
                role=role, resource_type="report", action="read", now=now
            ).pk,
            "entitlement_id": offered.pk, "eligibility_id": offered.eligibilities.get().pk,
            "grant_id": grant.pk, "assignment_id": assignment.pk, "review_id": review.pk,
            "item_id": AccessReviewItem.unscoped.filter(review=review).first().pk,
            "resource_id": accounts.register_resource(
                organisation=acme, type="report", name="q3", now=now
            ).pk,
            "device_id": Machine().enrolled_by(alice.user).pk, "session_id": self.session.pk,
            "lock_id": accounts.place_lock(
                organisation_id=acme.pk, target_type=LockTarget.ROLE, target=str(role.pk),
                reason="a test", now=now,
            ).pk,
            "version_id": new_id(),
        }  # fmt: skip
        self._connect(alice, bob)

    def _connect(self, alice: cast.Person, bob: cast.Person) -> None:
        """What other products and applications have of acme's."""
        now, acme = clock.now(), alice.user.organisation
        client = idp.register_client(
            organisation=acme, name="acme-worker", kind="confidential", now=now,
            grant_types=["client_credentials"],
        ).client  # fmt: skip
        made: dict[str, Any] = {
            "organisation_id": acme.pk, "actor": bob.user, "now": now,
        }  # fmt: skip
        host = host_of(wiki(acme))
        worker = accounts.create_role(organisation=acme, name="worker", now=now)
        self.ids |= {
            "client": client.pk, "worker_role_id": worker.pk,
            "client_role_id": give_role(
                client=client, role=accounts.create_role(organisation=acme, name="w2", now=now),
                now=now,
            ).pk,
            "sign_in_id": SignIn.unscoped.get(session_id=self.session.pk).pk,
            "organisation_id": acme.pk,
            "decision_id": UUID(write_batch(alice.user.pk, now - timedelta(minutes=1))[0]),
            "token_id": make_initial_access_token(organisation=acme, now=now).token.pk,
            "invitation_id": accounts.invite(
                organisation=acme, email="vera@acme.example", now=now
            )[0].pk,
            "host_id": host.pk, "proxied_id": host.client_id,
            "room_id": room(acme, "https://hooks.chat.example/one").webhook.pk,
            "connector_id": administration.create(
                kind="fleet", name="acme-fleet", authentication="secret", **made
            ).connector.pk,
            "mdm_id": administration.create(
                kind="mdm", name="acme-mdm", authentication="none", **made
            ).connector.pk,
            "identifier_id": administration.identify(
                device=Device.unscoped.get(pk=self.ids["device_id"]), kind=Kind.SERIAL,
                value="ACME-1", actor=bob.user, now=now,
            ).pk,
        }  # fmt: skip

    def path(self, template: str) -> str:
        known = {**self.ids}
        if template.endswith("/table"):
            known["connector_id"] = known["mdm_id"]
        return re.sub(r"{(\w+)}", lambda found: str(known[found.group(1)]), template)

    def said(self, name: str) -> Any:
        """What the operation takes; None for nothing."""
        ids = {key: str(value) for key, value in self.ids.items()}
        terms = {"roles": [ids["role_id"]]}
        said: dict[str, Any] = {
            "create_entitlement": terms | {"name": "another"}, "update_entitlement": terms,
            "preview_new_entitlement": terms | {"name": "one-more"},
            "preview_entitlement": terms,
            "add_eligibility": {"entitlement": ids["entitlement_id"], "group": ids["group_id"]},
            "revoke_grant": {}, "open_review": {}, "decide_review_item": {"decision": "remove"},
            "lock_user": {"reason": "because"}, "link_user": {"other": ids["user_id"]},
            "preview_link": {"other": ids["user_id"]},
            "create_role": {"name": "boss"}, "update_role": {"description": "changed"},
            "give_permission": {"resource_type": "*", "action": "*"},
            "assign_role": {"user": ids["user_id"], "role": ids["role_id"]},
            "create_group": {"name": "others"},
            "register_resource": {"type": "report", "name": "q4"},
            "update_resource": {"classification": "public"}, "suspend_device": {},
            "revoke_device": {"reason": "because"},
            "create_lock": {
                "target_type": "user", "target": ids["user_id"], "reason": "because",
            },
            "add_room": {
                "name": "#ops", "format": "slack", "url": "https://hooks.chat.example/two",
                "happenings": ["requested"],
            },
            "add_proxied_host": {
                "client": ids["proxied_id"], "origin": "https://other.acme.test",
            },
            "change_proxied_host": {"rules": []},
            "update_room": {"name": "#sec", "happenings": ["denied"]},
            "invite": {"email": "val@acme.example", "role": ids["role_id"]},
            "judge_sign_in": {"verdict": "compromised"},
            "register_client": {"kind": "confidential", "name": "another",
                                "redirect_uris": ["https://a.example/"]},
            "update_client": CLIENT, "rotate_client_secret": {},
            "give_client_role": {"role": ids["worker_role_id"]}, "make_initial_token": {},
            "create_connector": {
                "kind": "fleet", "name": "another", "authentication": "secret",
            },
            "map_connector_checks": {"checks": {}},
            "bring_table": {"table": "serial,observed_at,disk_encryption\n"},
            "identify_device": {
                "device": ids["device_id"], "kind": "serial", "value": "ACME-2",
            },
            "write_policy_version": {"modules": {"x.rego": "package x"}, "note": "mine"},
            "test_policy": {"modules": {"x.rego": "package x"}}, "simulate_policy": {},
            "request_publication": {}, "publish_policy": {"grant": ids["user_id"]},
            "roll_policy_back": {"reason": "because"},
        }  # fmt: skip
        return said.get(name)


def operations(names: set[str]) -> list[tuple[str, str, str]]:
    """Name, method and path below the root, of these."""
    return [
        (operation["operationId"], method.upper(), path.removeprefix(ROOT))
        for path, methods in json.loads(document())["paths"].items()
        for method, operation in methods.items()
        if f"api:{operation['operationId']}" in names
    ]


@pytest.fixture
def theirs(employee, approver) -> Acme:
    return Acme(employee, approver)


def outcomes(api: Api, theirs: Acme, names: set[str]) -> set[tuple[int, str]]:
    return {
        code_of(api.send(method, theirs.path(path), theirs.said(name)))
        for name, method, path in operations(names)
    }


EVERYTHING = ADMINISTRATORS | OF_EVERY_ORGANISATION


@pytest.fixture(autouse=True)
def _as_often_as_it_takes(monkeypatch):
    for name in ("BY_A_PERSON", "CHANGES_BY_A_PERSON"):
        monkeypatch.setattr(limits, name, Limit(f"api-{name}", 10**6, timedelta(minutes=1), "-"))


def test_nobody_administers_by_a_token_for_access(theirs, approver):
    bob = Api.of(approver, scope="access")
    before = snapshot()

    assert outcomes(bob, theirs, EVERYTHING) == {(403, "insufficient_scope")}
    assert changed(before) == []


def test_nobody_administers_who_is_no_administrator(theirs, employee, newcomer):
    nina = Api.of(newcomer, acr="phr")
    before = snapshot()

    assert outcomes(nina, theirs, EVERYTHING) == {(403, "not_allowed")}
    assert changed(before) == []


def test_nobody_administers_by_a_role_that_was_won(theirs, acme, employee):
    admin = access.role(acme, "admin")
    lent = access.entitlement(acme, name="lent", roles=[admin], eligible=[employee])
    session = access.session_of(employee, acr="phr")
    access.activate(access.ask(lent, employee, session), employee, session)
    alice = Api(token_of(session), session)
    before = snapshot()

    assert outcomes(alice, theirs, EVERYTHING) == {(403, "not_allowed")}
    assert changed(before) == []


def test_an_administrator_by_one_factor_is_told_to_prove_two(theirs, approver):
    bob = Api.of(approver, acr="aal1")
    before = snapshot()

    found = outcomes(bob, theirs, EVERYTHING)

    assert found == {(401, "insufficient_user_authentication")}
    assert changed(before) == []


def test_an_administrator_of_yesterday_is_told_to_prove_it_again(theirs, approver, later):
    bob = Api.of(approver)
    later(hours=8, seconds=1)
    bob = bob.again()
    before = snapshot()

    found = outcomes(bob, theirs, EVERYTHING)

    assert found == {(401, "insufficient_user_authentication")}
    assert changed(before) == []


def test_nobody_administers_in_anothers_name(theirs, acme, approver):
    gateway = exchange.api(
        acme, "acme-gateway", audience=f"{settings.ISSUER}{ROOT}", scopes=["access", "admin"]
    )
    caller = cast.client("acme-caller", acme, audience=gateway.client_id, scopes=["admin"])
    session = cast.sign_in(Browser(), approver)
    code = oauth.issue_code(caller, session, scope="admin")
    subject = oauth.redeem(caller, code).json["access_token"]
    handed = Api(exchange.exchange(gateway, subject).json["access_token"])
    before = snapshot()

    assert outcomes(handed, theirs, EVERYTHING) == {(403, "not_allowed")}
    assert changed(before) == []


def test_an_administrator_of_one_organisation_reaches_no_other(theirs, outsider):
    """About rows of acme's there is nothing, and lists are empty of them."""
    outsider.user.is_staff = True
    outsider.user.save(update_fields=["is_staff"])
    carol = Api.of(outsider)
    acmes = {str(each) for each in theirs.ids.values() if isinstance(each, UUID)} | {
        "@acme.example",
        "auditor",
        "keepers",
    }

    for name, method, path in operations(ADMINISTRATORS):
        answer = carol.send(method, theirs.path(path), theirs.said(name))
        told = answer.content.decode()
        if "{" in path or name in {
            "add_eligibility",
            "add_proxied_host",
            "assign_role",
            "create_entitlement",
            "invite",
            "identify_device",
            "preview_new_entitlement",
        }:
            assert answer.status_code == 404, (name, told)
        else:
            assert answer.status_code in {200, 201, 400}, (name, told)
        assert not [each for each in acmes if each in told and name != "create_lock"], name


def about(path: str, organisation: str) -> str:
    return f"{path}?{urlencode({'organisation': organisation})}"


def test_an_administrator_of_one_organisation_names_no_other(theirs, acme, outsider):
    """To them there is none: neither one that is there, nor one that is not, nor all of them."""
    outsider.user.is_staff = True
    outsider.user.save(update_fields=["is_staff"])
    carol = Api.of(outsider)
    before = snapshot()
    nothing = carol.get(f"/users/{new_id()}")
    assert code_of(nothing) == (404, "not_found")

    for name, method, path in operations(ADMINISTRATORS):
        for said in (acme.slug, str(acme.pk), "nowhere", str(new_id()), "*", ""):
            answer = carol.send(method, about(theirs.path(path), said), theirs.said(name))

            assert answer.status_code == 404, (name, said)
            assert answer.content == nothing.content, (name, said)

    assert changed(before) == []


def test_nobody_else_names_an_organisation(theirs, acme, approver, globex):
    """What is no administration is about one's own, whoever asks; policy is of all."""
    approver.user.is_superuser = True
    approver.user.save(update_fields=["is_superuser"])
    root = Api.of(approver)
    before = snapshot()

    for _, method, path in operations(PEOPLE | OF_AN_ACCOUNT | OF_EVERY_ORGANISATION):
        path = re.sub(r"{(name|client)}", lambda _: str(new_id()), path)  # noqa: PLW2901
        answer = root.send(method, about(theirs.path(path), globex.slug))

        assert code_of(answer) == (400, "invalid_request"), path
        assert answer.json()["detail"] == "There is no parameter organisation."

    assert changed(before) == []


@pytest.fixture
def root(outsider) -> Api:
    """Carol of globex, who administers every organisation."""
    outsider.user.is_staff = outsider.user.is_superuser = True
    outsider.user.save(update_fields=["is_staff", "is_superuser"])
    return Api.of(outsider)


def test_whoever_administers_all_has_to_say_that_it_is_about_another(theirs, root, globex):
    """Naming none, or their own, they reach what others of theirs do."""
    before = snapshot()

    for name, method, path in operations(ADMINISTRATORS):
        if "{" in path:
            for where in (theirs.path(path), about(theirs.path(path), globex.slug)):
                answer = root.send(method, where, theirs.said(name))
                assert code_of(answer) == (404, "not_found"), name

    assert changed(before) == []


def test_nothing_is_changed_of_all_organisations_at_once(theirs, root):
    before = snapshot()

    for name, method, path in operations(ADMINISTRATORS):
        if method != "GET":
            answer = root.send(method, about(theirs.path(path), "*"), theirs.said(name))
            assert code_of(answer) == (400, "invalid_request"), name

    assert changed(before) == []


def test_whoever_administers_all_does_all_of_it_elsewhere(theirs, root, acme, globex, outsider):
    """Each act stands in the trail of the organisation that it was about, under their name."""
    rows = {table: mine(rows, globex) for table, rows in snapshot().items()}
    seen = set(AuditEvent.objects.values_list("pk", flat=True))

    refused = {
        name: answer.content
        for name, method, path in in_order(operations(ADMINISTRATORS))
        if (
            answer := root.send(method, about(theirs.path(path), acme.slug), theirs.said(name))
        ).status_code
        not in {200, 201, 202, 409}
    }

    assert refused == {}
    written = AuditEvent.objects.exclude(pk__in=seen)
    own = written.filter(actor=f"accounts.User:{outsider.user.pk}")
    assert own.count() > 30
    assert set(written.values_list("organisation_id", flat=True)) == {acme.pk}
    assert {table: mine(rows, globex) for table, rows in snapshot().items()} == rows


def mine(rows: set[str], organisation: Organisation) -> set[str]:
    return {row for row in rows if str(organisation.pk) in row}


def test_policy_is_for_administrators_of_every_organisation(theirs, approver):
    bob = Api.of(approver)
    before = snapshot()

    assert outcomes(bob, theirs, OF_EVERY_ORGANISATION) == {(403, "not_allowed")}
    assert changed(before) == []


def test_an_administrator_does_all_of_it(theirs, approver):
    """So that what is refused above is refused for who asks, and not for what was asked."""
    bob = Api.of(approver)

    refused = {
        name: answer.content
        for name, method, path in in_order(operations(ADMINISTRATORS))
        if (answer := bob.send(method, theirs.path(path), theirs.said(name))).status_code
        not in {200, 201, 202, 409}
    }

    assert refused == {}


def in_order(asked: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """What ends something that others are about comes last."""
    last = {
        "end_one_session", "deactivate_user", "retire_device", "sign_user_out",
        "judge_sign_in", "deactivate_client", "switch_connector_off", "withdraw_invitation",
    }  # fmt: skip
    return sorted(asked, key=lambda each: (each[0] in last, each[1] == "DELETE"))
