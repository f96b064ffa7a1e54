"""Questions to policy over HTTP: who may ask, about whom, and at which price."""

from datetime import timedelta

import pytest
from django.test import Client as Browser

from accounts import flows
from accounts.models import LockTarget, Organisation, Role, User
from core import clock
from core.ids import new_id
from devices.models import Browser as Browsers
from devices.models import Device, State
from idp.models import Client
from policy import engine
from risk.models import UserRisk
from sessions.models import LoginSession
from tests import cast
from tests.cast import Person
from tests.support import access, authzen, dpop, oauth
from tests.support.authzen import EVALUATION, EVALUATIONS, Asker, question, reasons_of

pytestmark = pytest.mark.django_db

NOBODYS = "01a22632-fc48-7a47-9df7-a9615f9a017c"


@pytest.fixture
def gateway(acme: Organisation) -> Client:
    return authzen.gateway(acme)


@pytest.fixture
def asker(gateway: Client) -> Asker:
    return Asker(gateway)


@pytest.fixture
def reader(acme: Organisation, employee: Person) -> Role:
    """What alice may do: read reports."""
    role = flows.create_role(organisation=acme, name="reader", now=clock.now())
    flows.give_permission(role=role, resource_type="report", action="read", now=clock.now())
    flows.assign_role(user=employee.user, role=role, now=clock.now())
    return role


def register(organisation: Organisation, name: str, classification: str, **more) -> None:
    flows.register_resource(
        organisation=organisation, type="report", name=name, classification=classification,
        now=clock.now(), **more,
    )  # fmt: skip


class TestWhoMayAsk:
    def test_nobody_without_a_token(self):
        reply = Asker().send(EVALUATION, {})

        assert (reply.status, reply.error) == (401, "invalid_token")
        assert reply.headers["WWW-Authenticate"].startswith('Bearer scope="authzen"')

    @pytest.mark.parametrize("token", ["nonsense", "a.b.c"])
    def test_nobody_with_a_bad_one(self, db, token):
        reply = Asker(token=token).send(EVALUATION, {})

        assert reply.status == 401
        assert 'error="invalid_token"' in reply.headers["WWW-Authenticate"]

    def test_a_client_without_the_scope_is_told_so(self, acme_machine):
        reply = Asker(acme_machine).send(EVALUATION, {})

        assert (reply.status, reply.error) == (403, "insufficient_scope")
        assert 'scope="authzen"' in reply.headers["WWW-Authenticate"]

    def test_a_persons_token_is_none_for_asking(self, acme_web, client, employee):
        Client.unscoped.filter(pk=acme_web.pk).update(scopes=["openid", "authzen"])
        code = oauth.issue_code(acme_web, cast.sign_in(client, employee), scope="openid authzen")
        token = oauth.redeem(acme_web, code).json["access_token"]

        assert Asker(token=token).send(EVALUATION, {}).status == 401

    def test_the_scope_is_for_us_whatever_else_the_token_is_for(self, acme, settings):
        audience = "https://api.acme.example"
        client = authzen.gateway(acme, resources=[audience])
        token = authzen.token_of(client, resource=audience)
        assert oauth.claims_of(token)["aud"] == [audience, settings.ISSUER]

        assert Asker(token=token).send(EVALUATION, {}).status == 400  # its body, not its token

    def test_a_token_for_somebody_else_is_none_for_us(self, gateway, monkeypatch):
        monkeypatch.setattr("idp.tokens.claims.OURS", frozenset())
        Client.unscoped.filter(pk=gateway.pk).update(audience="https://api.acme.example")

        assert Asker(gateway).send(EVALUATION, {}).status == 401

    def test_a_bound_token_needs_its_key(self, acme, employee):
        client, key = authzen.gateway(acme), dpop.new_key()
        token = oauth.token(
            client, {"grant_type": "client_credentials"}, HTTP_DPOP=dpop.proof(key)
        ).json["access_token"]
        asked = question(employee.email, "read", "report q3")

        assert Asker(token=token).send(EVALUATION, asked).status == 401
        shown = dpop.proof(key, path=EVALUATION, token=token)
        reply = Asker(token=token).send(
            EVALUATION, asked, HTTP_AUTHORIZATION=f"DPoP {token}", HTTP_DPOP=shown
        )
        assert reply.status == 200

    def test_a_revoked_token_is_over_at_once(self, gateway, employee):
        asker = Asker(gateway)
        asked = question(employee.email, "read", "report q3")
        assert asker.send(EVALUATION, asked).status == 200

        form = {"token": asker.token}
        oauth.send("POST", "/oauth/revoke", form=form, authorization=oauth.basic(gateway.client_id))

        assert asker.send(EVALUATION, asked).status == 401

    @pytest.mark.parametrize("how", ["switched off", "locked", "closed"])
    def test_so_is_that_of_a_client_that_is_stopped(self, gateway, asker, acme, employee, how):
        if how == "switched off":
            Client.unscoped.filter(pk=gateway.pk).update(is_active=False)
        elif how == "locked":
            flows.place_lock(
                organisation_id=acme.pk, target_type=LockTarget.CLIENT, target=gateway.client_id,
                reason="x", now=clock.now(), actor=None,
            )  # fmt: skip
        else:
            flows.deactivate_organisation(organisation=acme, now=clock.now())

        asked = question(employee.email, "read", "report q3")
        assert asker.send(EVALUATION, asked).status == 401

    def test_an_expired_token_is_over(self, asker, later):
        later(minutes=16)

        assert asker.send(EVALUATION, {}).status == 401

    def test_self_registered_clients_do_not_get_the_scope(self, acme):
        from idp.dynamic_registration.permission import DEFAULT_SCOPES

        assert "authzen" not in DEFAULT_SCOPES


class TestAboutWhom:
    def test_by_id_and_by_address(self, asker, reader, employee):
        for name in (str(employee.user.pk), employee.email, employee.email.upper()):
            assert asker.may(name, "read", "report q3")
            assert not asker.may(name, "write", "report q3")

    @pytest.mark.parametrize(
        "name",
        ["alice", "nobody@acme.example", "00000000-0000-0000-0000-000000000000", "'; --", "\u00e9"],
    )
    def test_whom_nobody_knows_is_denied(self, asker, reader, name):
        assert reasons_of(asker.ask(name, "read", "report q3")) == ["subject_unknown"]

    def test_an_id_has_one_form(self, asker, reader, employee):
        for name in (
            employee.user.pk.hex,
            str(employee.user.pk).upper(),
            f"{{{employee.user.pk}}}",
        ):
            assert not asker.may(name, "read", "report q3")

    def test_user_names_where_the_client_knows_people_so(self, acme, reader, employee):
        flows.update_profile(
            user=employee.user, name="Alice", claims={"preferred_username": "Alice"}, address={},
            now=clock.now(),
        )  # fmt: skip
        asker = Asker(authzen.gateway(acme, authzen_subject_id="preferred_username"))

        assert asker.may("alice", "read", "report q3")
        assert not asker.may(employee.email, "read", "report q3")

    def test_a_user_name_that_looks_like_an_id_takes_nobodys_place(
        self, asker, reader, employee, newcomer
    ):
        flows.update_profile(
            user=newcomer.user, name="", claims={"preferred_username": str(employee.user.pk)},
            address={}, now=clock.now(),
        )  # fmt: skip

        assert asker.may(str(employee.user.pk), "read", "report q3")

    def test_another_organisation_does_not_exist(self, globex, outsider, reader, employee, acme):
        """A143, A147: a client asks about its own organisation's people and resources only."""
        theirs = Asker(authzen.gateway(globex))
        register(globex, "q3", "public")

        for name in (employee.email, str(employee.user.pk)):
            assert reasons_of(theirs.ask(name, "read", "report q3")) == ["subject_unknown"]
        register(acme, "q4", "public")
        denied = theirs.ask(outsider.email, "read", "report q4")
        assert reasons_of(denied) == ["permission_missing"]
        assert theirs.may(outsider.email, "read", "report q3")

    def test_workloads(self, asker, acme, acme_machine, globex_web):
        assert reasons_of(asker.ask("client acme-machine", "read", "report q3")) == [
            "permission_missing"
        ]
        assert reasons_of(asker.ask("client globex-web", "read", "report q3")) == [
            "subject_unknown"
        ]
        assert reasons_of(asker.ask("robot r2", "read", "report q3")) == ["subject_unknown"]
        register(acme, "open", "public")
        assert asker.may("client acme-machine", "read", "report open")
        Client.unscoped.filter(pk=acme_machine.pk).update(is_active=False)
        assert not asker.may("client acme-machine", "read", "report open")


class TestRights:
    def test_a_right_is_gone_in_the_transaction_that_takes_it(self, asker, reader, employee):
        assert asker.may(employee.email, "read", "report q3")
        (held,) = flows.held_roles(user=employee.user, now=clock.now())
        flows.end_role_assignment(assignment=held, now=clock.now())

        assert not asker.may(employee.email, "read", "report q3")

    def test_a_dated_role_ends_on_its_second(self, asker, acme, newcomer, later):
        role = flows.create_role(organisation=acme, name="guest", now=clock.now())
        flows.give_permission(role=role, resource_type="*", action="read", now=clock.now())
        ends_at = clock.now() + timedelta(hours=1)
        flows.assign_role(user=newcomer.user, role=role, ends_at=ends_at, now=clock.now())
        assert asker.may(newcomer.email, "read", "report q3")

        later(hours=1)
        assert not Asker(authzen.gateway(acme, name="late")).may(
            newcomer.email, "read", "report q3"
        )

    def test_a_role_of_a_group(self, asker, acme, reader, newcomer):
        group = flows.create_group(organisation=acme, name="readers", now=clock.now())
        flows.give_group_role(group=group, role=reader, now=clock.now())
        assert not asker.may(newcomer.email, "read", "report q3")
        flows.add_group_member(group=group, user=newcomer.user, now=clock.now())
        assert asker.may(newcomer.email, "read", "report q3")

    @pytest.mark.parametrize("target", ["role", "user"])
    def test_locks(self, asker, acme, reader, employee, target):
        row = reader if target == "role" else employee.user
        flows.place_lock(
            organisation_id=acme.pk, target_type=LockTarget(target), target=str(row.pk),
            reason="x", now=clock.now(), actor=None,
        )  # fmt: skip

        assert not asker.may(employee.email, "read", "report q3")

    def test_a_closed_account(self, asker, reader, employee):
        flows.deactivate_user(user=employee.user, now=clock.now())

        assert reasons_of(asker.ask(employee.email, "read", "report q3")) == ["subject_inactive"]

    def test_an_account_at_risk(self, asker, reader, employee, now):
        UserRisk.objects.create(
            organisation=employee.user.organisation, user=employee.user, level=3, raised_at=now,
            ends_at=now + timedelta(days=1), reasons=[],
        )  # fmt: skip

        assert reasons_of(asker.ask(employee.email, "read", "report q3")) == ["account_at_risk"]

    def test_owners(self, asker, acme, newcomer, employee):
        register(acme, "mine", "internal", owner=newcomer.user)

        assert asker.may(newcomer.email, "delete", "report mine")
        assert not asker.may(employee.email, "delete", "report mine")

    def test_what_a_gateway_says_of_a_subject_gives_no_right(self, asker, newcomer, acme):
        asked = question(newcomer.email, "read", "report q3")
        asked["subject"]["properties"] = {"roles": ["reader"], "is_active": True, "id": "x"}
        asked["resource"]["properties"] = {"owner": newcomer.email, "classification": "public"}
        asked |= {"subjects": {}, "roles": {"x": {"*": ["*"]}}}

        assert asker.send(EVALUATION, asked).json["decision"] is False


class TestSessions:
    @pytest.fixture
    def session(self, client: Browser, employee: Person) -> LoginSession:
        return cast.sign_in(client, employee, acr="phr")

    @pytest.fixture
    def on_a_device(self, session: LoginSession, employee: Person) -> LoginSession:
        """The session, on an enrolled machine in tier 3."""
        Browsers.unscoped.filter(pk=session.browser_id).update(device=laptop_of(employee))
        return session

    def test_an_elevated_role_counts_in_its_session_only(
        self, asker, acme, employee, session, client
    ):
        role = flows.create_role(organisation=acme, name="db-admin", now=clock.now())
        flows.give_permission(role=role, resource_type="db", action="*", now=clock.now())
        other = cast.sign_in(Browser(), employee)
        flows.elevate(
            grant_id=new_id(), user=employee.user, roles=[role], conditions=[], now=clock.now(),
            ends_at=clock.now() + timedelta(minutes=30),
            bounds=flows.Bounds(session_id=session.pk),
        )  # fmt: skip

        assert asker.may(employee.email, "drop", "db main", sid=str(session.pk))
        assert not asker.may(employee.email, "drop", "db main")
        assert not asker.may(employee.email, "drop", "db main", sid=str(other.pk))

    def test_a_grant_that_was_revoked_is_refused_at_once(self, asker, acme, employee, session):
        role = flows.create_role(organisation=acme, name="db-admin", now=clock.now())
        flows.give_permission(role=role, resource_type="db", action="*", now=clock.now())
        grant_id = new_id()
        flows.elevate(
            grant_id=grant_id, user=employee.user, roles=[role], conditions=[], now=clock.now(),
            ends_at=clock.now() + timedelta(minutes=30), bounds=flows.Bounds(),
        )  # fmt: skip
        assert asker.may(employee.email, "drop", "db main", sid=str(session.pk))

        flows.end_elevation(grant_id=grant_id, now=clock.now())
        assert not asker.may(employee.email, "drop", "db main", sid=str(session.pk))

    def test_an_ended_session_is_refused(self, asker, reader, employee, session):
        assert asker.may(employee.email, "read", "report q3", sid=str(session.pk))
        LoginSession.unscoped.filter(pk=session.pk).update(ended_at=clock.now())

        told = asker.ask(employee.email, "read", "report q3", sid=str(session.pk))
        assert reasons_of(told) == ["session_refused"]

    def test_changed_credentials_refuse_it(self, asker, reader, employee, session):
        User.unscoped.filter(pk=employee.user.pk).update(security_stamp=new_id())

        told = asker.ask(employee.email, "read", "report q3", sid=str(session.pk))
        assert reasons_of(told) == ["session_refused"]

    @pytest.mark.parametrize("sid", ["", "nonsense", None, 7, [], {"x": 1}, NOBODYS], ids=repr)
    def test_a_session_that_is_none_is_refused(self, asker, reader, employee, sid):
        told = asker.ask(employee.email, "read", "report q3", sid=sid)

        assert "session_unknown" in reasons_of(told)

    def test_another_persons_session_lends_nothing(self, asker, reader, newcomer, session):
        told = asker.ask(newcomer.email, "read", "report q3", sid=str(session.pk))

        assert "session_unknown" in reasons_of(told)

    def test_a_session_of_another_organisation_is_none(self, asker, reader, outsider):
        theirs = cast.sign_in(Browser(), outsider)

        told = asker.ask(outsider.email, "read", "report q3", sid=str(theirs.pk))
        assert reasons_of(told) == ["subject_unknown"]

    def test_what_is_confidential_asks_for_a_device(
        self, asker, acme, reader, employee, on_a_device
    ):
        register(acme, "q4", "confidential")
        sid = str(on_a_device.pk)

        assert reasons_of(asker.ask(employee.email, "read", "report q4")) == ["session_needed"]
        assert asker.may(employee.email, "read", "report q4", sid=sid)
        Device.unscoped.update(tier_ends_at=[])
        told = asker.ask(employee.email, "read", "report q4", sid=sid)
        assert reasons_of(told) == ["device_trusted_too_little"]
        assert told["context"]["required_tier"] == 2

    def test_what_is_restricted_asks_for_a_passkey(
        self, asker, acme, reader, employee, on_a_device
    ):
        register(acme, "q4", "restricted")
        sid = str(on_a_device.pk)

        assert asker.may(employee.email, "read", "report q4", sid=sid)
        LoginSession.unscoped.filter(pk=on_a_device.pk).update(acr="aal2")
        told = asker.ask(employee.email, "read", "report q4", sid=sid)
        assert reasons_of(told) == ["stronger_authentication_needed"]
        assert told["context"]["acr_values"] == "phr"


def laptop_of(owner: Person) -> Device:
    now = clock.now()
    return Device.objects.create(
        organisation=owner.user.organisation, name="Laptop", state=State.ENROLLED, created_at=now,
        tier_ends_at=[now + timedelta(hours=1)] * 3,
    )  # fmt: skip


class TestBodies:
    @pytest.mark.parametrize("path", [EVALUATION, EVALUATIONS, "/access/v1/search/subject"])
    @pytest.mark.parametrize(
        ("body", "said"),
        [
            (b"", "The body is empty."),
            (b"{", "The body is not a plain JSON object."),
            (b"[]", "The body is not a plain JSON object."),
            (b'{"subject": 1, "subject": 2}', "The body is not a plain JSON object."),
            (b'{"x": "\\ud800"}', "The body is not a plain JSON object."),
            (b"\xff\xfe", "The body is not a plain JSON object."),
            (b"[" * 30_000, "The body is not a plain JSON object."),
            (b"{}", "subject is missing."),
        ],
        ids=["empty", "cut", "list", "twice", "surrogate", "bytes", "deep", "nothing"],
    )
    def test_what_is_no_question_is_refused_with_why(self, asker, path, body, said):
        reply = asker.send(path, body)

        assert (reply.status, reply.json["error_description"]) == (400, said)

    def test_another_type_is_refused(self, asker, employee):
        asked = question(employee.email, "read", "report q3")

        for content_type in ("", "text/plain", "application/x-www-form-urlencoded"):
            assert asker.send(EVALUATION, asked, content_type=content_type).status == 400
        for content_type in ("application/json; charset=utf-8", "Application/JSON"):
            assert asker.send(EVALUATION, asked, content_type=content_type).status == 200

    def test_parameters_in_the_address_are_refused(self, asker):
        assert asker.send(EVALUATION, {}, query="x=1").status == 400

    def test_what_is_too_large_is_refused(self, asker):
        assert asker.send(EVALUATION, b" " * 70_000).status == 413

    def test_the_request_id_comes_back(self, asker, employee):
        asked = question(employee.email, "read", "report q3")

        for body, status in ((asked, 200), ({}, 400)):
            reply = asker.send(EVALUATION, body, HTTP_X_REQUEST_ID="bfe9-42")
            assert (reply.status, reply.headers["X-Request-ID"]) == (status, "bfe9-42")
        denied = Asker().send(EVALUATION, asked, HTTP_X_REQUEST_ID="x")
        assert (denied.status, denied.headers["X-Request-ID"]) == (401, "x")
        assert "X-Request-ID" not in asker.send(EVALUATION, asked).headers

    def test_a_request_id_without_end_is_refused(self, asker):
        reply = asker.send(EVALUATION, {}, HTTP_X_REQUEST_ID="x" * 257)

        assert reply.status == 400
        assert "X-Request-ID" not in reply.headers

    def test_an_answer_is_nobody_elses_to_keep(self, asker, employee):
        reply = asker.send(EVALUATION, question(employee.email, "read", "report q3"))

        assert reply.headers["Cache-Control"] == "no-store"
        assert reply.headers["Content-Type"] == "application/json"


class TestBatches:
    def test_each_has_its_answer(self, asker, reader, employee, newcomer):
        reply = asker.send(
            EVALUATIONS,
            {
                "action": {"name": "read"},
                "resource": {"type": "report", "id": "q3"},
                "evaluations": [
                    {"subject": {"type": "user", "id": employee.email}},
                    {"subject": {"type": "user", "id": newcomer.email}},
                    {"subject": "nonsense"},
                    {"subject": {"type": "user", "id": str(employee.user.pk)}},
                ],
            },
        )

        decisions = [one["decision"] for one in reply.json["evaluations"]]
        assert decisions == [True, False, False, True]
        assert reply.json["evaluations"][2]["context"]["error"]["status"] == 400

    def test_one_that_is_not_readable_needs_nobody(self, asker):
        reply = asker.send(EVALUATIONS, {"evaluations": [{}, {}]})

        assert [one["decision"] for one in reply.json["evaluations"]] == [False, False]

    @pytest.mark.parametrize("count", [1, 100])
    def test_a_batch_costs_one_statement_however_many_it_asks(
        self, asker, acme, reader, employee, statements, count
    ):
        people = [
            User.objects.create_user(email=f"p{n}@acme.example", organisation=acme, now=clock.now())
            for n in range(count)
        ]
        asked = [question(who.email, "read", f"report {n}") for n, who in enumerate(people)]
        asker.may(employee.email, "read", "report q3")  # the client's own row is known by now
        statements.clear()

        reply = asker.send(EVALUATIONS, {"evaluations": asked})

        assert len(reply.json["evaluations"]) == count
        assert len(statements) == 1

    def test_sessions_cost_one_more(self, asker, acme, reader, statements):
        asked = []
        for n in range(10):
            person = cast.person(f"p{n}@acme.example", acme)
            session = cast.sign_in(Browser(), person)
            flows.assign_role(user=person.user, role=reader, now=clock.now())
            asked.append(question(person.email, "read", "report q3", sid=str(session.pk)))
        asker.may(
            "nobody@acme.example", "read", "report q3"
        )  # the client's own row is known by now
        statements.clear()

        reply = asker.send(EVALUATIONS, {"evaluations": asked})

        assert [one["decision"] for one in reply.json["evaluations"]] == [True] * 10
        assert len(statements) == 2

    def test_roles_with_an_end_cost_one_more_for_all_sessions(
        self, asker, acme, employee, reader, statements
    ):
        asked = []
        for n in range(10):
            person = cast.person(f"p{n}@acme.example", acme)
            session = cast.sign_in(Browser(), person)
            ends_at = clock.now() + timedelta(hours=1)
            flows.assign_role(user=person.user, role=reader, ends_at=ends_at, now=clock.now())
            asked.append(question(person.email, "read", "report q3", sid=str(session.pk)))
        asker.may(employee.email, "read", "report q3")
        statements.clear()

        told = asker.send(EVALUATIONS, {"evaluations": asked}).json["evaluations"]

        assert all(each["decision"] for each in told)
        assert len(statements) == 3


class TestJustInTime:
    """What may be asked for helps a denial; what was granted counts until it is over."""

    @pytest.fixture
    def entitlement(self, acme, approver, employee):
        made = access.entitlement(acme, by=[approver], eligible=[employee])
        role = Role.objects.within(acme).get(name="db-admin")
        flows.give_permission(role=role, resource_type="db", action="*", now=clock.now())
        return made

    def test_a_denial_leads_to_the_form(self, asker, entitlement, employee, newcomer, settings):
        told = asker.ask(employee.email, "drop", "db main")

        link = told["context"]["access_request"]
        assert link == (
            f"{settings.ISSUER}/access/request/?client_id=acme-gateway&entitlement=db-admin"
        )
        assert "access_request" not in asker.ask(newcomer.email, "drop", "db main")["context"]
        assert "access_request" not in asker.ask(employee.email, "read", "report q3")["context"]

    def test_the_form_opens(self, client, asker, entitlement, employee, settings):
        link = asker.ask(employee.email, "drop", "db main")["context"]["access_request"]
        cast.sign_in(client, employee)

        page = client.get(link.removeprefix(settings.ISSUER))
        assert page.status_code == 200
        assert b"db-admin" in page.content

    def test_by_a_group(self, acme, asker, approver, newcomer):
        made = access.entitlement(acme, by=[approver])
        role = Role.objects.within(acme).get(name="db-admin")
        flows.give_permission(role=role, resource_type="db", action="drop", now=clock.now())
        group = flows.create_group(organisation=acme, name="oncall", now=clock.now())
        flows.add_group_member(group=group, user=newcomer.user, now=clock.now())
        access.flows.add_eligibility(entitlement=made, group=group, now=clock.now())

        assert "access_request" in asker.ask(newcomer.email, "drop", "db main")["context"]

    def test_a_grant_counts_in_its_session_until_it_is_revoked(
        self, client, asker, entitlement, employee, approver
    ):
        session = cast.sign_in(client, employee)
        asked = access.ask(entitlement, employee, session)
        sid = str(session.pk)
        assert not asker.may(employee.email, "drop", "db main", sid=sid)
        grant = access.activate(access.approve(asked, approver), employee, session)
        assert asker.may(employee.email, "drop", "db main", sid=sid)

        access.flows.revoke_grant(
            grant=grant, actor=approver.user, reason="enough", now=clock.now()
        )
        assert not asker.may(employee.email, "drop", "db main", sid=sid)


class TestWhichPolicy:
    def test_it_is_pulled_with_the_facts_and_not_asked_for_again(
        self, asker, reader, employee, django_assert_num_queries
    ):
        asked = question(employee.email, "read", "report q3")
        asker.may(employee.email, "read", "report q3")

        with django_assert_num_queries(0):  # of Django's own cursor; the endpoints have theirs
            assert asker.send(EVALUATIONS, {"evaluations": [asked] * 150}).status == 200

    def test_decisions_are_logged_for_the_client(self, asker, reader, employee, monkeypatch):
        noted = []
        monkeypatch.setattr(engine, "_note", lambda *told: noted.append(told))

        assert asker.may(employee.email, "read", "report q3")

        ((_, asked, about),) = noted
        assert (asked.path, about.client) == ("sallyport/authzen/decisions", "acme-gateway")
