"""Chat rooms: who adds them, what is kept of them, and what they are told."""

import base64
import hashlib
import hmac
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection, transaction

from access import flows
from access.alerts import OFTEN
from access.chat.models import ChatDelivery, ChatWebhook
from access.flows.rooms import MAX_ROOMS
from access.models import Grant
from access.tasks import tell_of_alerts
from accounts import flows as accounts
from audit.models import AuditEvent
from core import clock
from core.errors import Refusal
from policy.flows import write_version
from tests import cast
from tests.support import access
from tests.support.publishing import agreed, publish_by
from tests.support.rooms import PATH, room, told, types

pytestmark = pytest.mark.django_db
URL = f"https://hooks.chat.example{PATH}"


def refused(code, call):
    with pytest.raises(Refusal) as refusal:
        call()
    assert refusal.value.code == code


class TestAdding:
    def test_where_it_is_stands_sealed_in_the_database(self, acme, approver):
        made = room(acme, URL, form="slack", actor=approver.user)

        assert bytes(ChatWebhook.unscoped.get().url).decode() == URL
        assert (made.webhook.host, made.secret) == ("hooks.chat.example", None)
        with connection.cursor() as cursor:
            cursor.execute("SELECT row_to_json(r)::text, url FROM access_chatwebhook r")
            row, sealed = cursor.fetchone()
        assert "very-secret" not in row
        assert b"very-secret" not in bytes(sealed)
        event = AuditEvent.objects.get(event="access.chat.added")
        assert (event.facts["host"], event.facts["format"]) == ("hooks.chat.example", "slack")
        assert "very-secret" not in str(event.facts)
        assert event.actor == f"accounts.User:{approver.user.pk}"

    def test_only_administrators_add_change_try_and_remove(self, acme, employee, outsider_admin):
        made = room(acme, URL)
        for who in (employee.user, outsider_admin.user):
            common = {"now": clock.now(), "actor": who}
            refused("not_allowed", lambda who=who: room(acme, URL, name="other", actor=who))
            for act in (flows.send_test, flows.remove_room):
                refused("not_allowed", lambda act=act, how=common: act(webhook=made.webhook, **how))
            refused(
                "not_allowed",
                lambda how=common: flows.update_room(
                    webhook=made.webhook, name="x", happenings=["alert"], **how
                ),
            )
        assert ChatWebhook.unscoped.count() == 1
        assert ChatDelivery.unscoped.count() == 0

    @pytest.mark.parametrize(
        "changes",
        [
            {"url": "http://hooks.chat.example/x"},
            {"url": "ftp://hooks.chat.example/x"},
            {"url": "https://"},
            {"url": "https://user:password@hooks.chat.example/"},
            {"url": "https://hooks.chat.example/a b"},
            {"url": "https://hooks.chat.example/\u00e4"},
            {"url": "https://hooks.chat.example/#x"},
            {"url": "https://hooks.chat.example:99999/"},
            {"url": "https://[::1"},
            {"url": "https://hooks.chat.example/" + "x" * 2048},
            {"form": "irc"},
            {"happenings": []},
            {"happenings": ["requested", "everything"]},
            {"name": "  "},
            {"name": "x" * 101},
            {"name": "bell\x07"},
        ],
        ids=[
            "plain", "scheme", "no host", "password", "space", "letters", "fragment", "port",
            "bracket", "long", "format", "nothing", "unknown", "nameless", "name", "control",
        ],
    )  # fmt: skip
    def test_what_does_not_fit_is_refused(self, acme, changes, settings):
        settings.OUTBOUND_PLAIN_HTTP = False
        said = {"url": URL, "form": "slack"} | changes

        refused("invalid_request", lambda: room(acme, said.pop("url"), **said))

        assert ChatWebhook.unscoped.count() == 0

    def test_a_name_is_taken_once_and_rooms_are_counted(self, acme, globex):
        for number in range(MAX_ROOMS):
            room(acme, URL, name=f"room {number}")

        refused("conflict", lambda: room(acme, URL, name="one more"))
        room(globex, URL, name="room 1")
        refused("conflict", lambda: room(globex, URL, name="room 1"))

    def test_what_it_is_told_of_can_be_changed_and_its_address_not(self, acme):
        made = room(acme, URL, form="teams")

        flows.update_room(
            webhook=made.webhook, name="ops", happenings=["alert", "denied"], now=clock.now()
        )

        kept = ChatWebhook.unscoped.get()
        assert (kept.name, kept.happenings) == ("ops", ["denied", "alert"])
        assert bytes(kept.url).decode() == URL
        assert AuditEvent.objects.filter(event="access.chat.updated").count() == 1

    def test_what_is_removed_is_forgotten_with_what_it_would_have_been_told(self, acme, request_):
        made = room(acme, URL)
        flows.send_test(webhook=made.webhook, now=clock.now())

        flows.remove_room(webhook=made.webhook, now=clock.now())

        assert (ChatWebhook.unscoped.count(), ChatDelivery.unscoped.count()) == (0, 0)
        assert AuditEvent.objects.filter(event="access.chat.removed").count() == 1
        refused("not_found", lambda: flows.remove_room(webhook=made.webhook, now=clock.now()))


@pytest.fixture
def outsider_admin(globex):
    return cast.person("boss@globex.example", globex, totp=True, is_staff=True)


class TestWhatItIsTold:
    def test_a_request_from_its_beginning_to_its_end(
        self, acme, entitlement, employee, approver, session, elsewhere
    ):
        room(acme, elsewhere.serve(PATH, b"ok"))
        grant = access.ask(entitlement, employee, session, reason="to mend it")
        asked = told(elsewhere)
        access.approve(grant, approver)
        access.activate(grant, employee, session)
        began = told(elsewhere)
        flows.suspend_grant(grant=grant, actor=approver.user, reason="a look", now=clock.now())
        flows.resume_grant(grant=grant, actor=approver.user, now=clock.now())
        flows.revoke_grant(grant=grant, actor=approver.user, reason="enough", now=clock.now())
        ended = told(elsewhere)

        assert [each["type"] for each in asked + began + ended] == [
            "access.grant.requested", "access.grant.approved", "access.grant.activated",
            "access.grant.suspended", "access.grant.revoked",
        ]  # fmt: skip
        data = asked[0]["data"]
        assert data["requester"]["email"] == employee.email
        assert (data["entitlement"], data["roles"]) == ("db-admin", ["db-admin"])
        assert (data["reason"], data["duration"]) == ("to mend it", 3600)
        assert data["link"] == f"{settings.ISSUER}/access/grants/{grant.pk}/"
        assert began[0]["data"]["by"]["email"] == approver.email
        ends_at = Grant.unscoped.get(pk=grant.pk).ends_at
        assert began[1]["data"]["ends_at"] == ends_at.isoformat()
        assert ended[1]["data"]["because"] == "enough"

    def test_a_policy_until_it_counts(self, acme, employee, elsewhere):
        room(acme, elsewhere.serve(PATH, b"ok"))
        rules = {
            path.name: path.read_text()
            for path in settings.POLICY_DIR.glob("*.rego")
            if "_test" not in path.name
        }
        rules["session.rego"] += "# Nights\n"
        version = write_version(author=employee.user, modules=rules, note="Nights", now=clock.now())
        grant, session = agreed(version, employee.user)
        asked = told(elsewhere)
        publish_by(version, grant, employee, session)
        (published,) = told(elsewhere)

        assert [each["type"] for each in asked] == [
            "access.grant.requested", "access.grant.approved",
        ]  # fmt: skip
        assert published["type"] == "access.grant.published"
        data = published["data"]
        assert (data["roles"], data["policy_revision"]) == ([], version.revision)

    def test_a_denial(self, acme, request_, approver, elsewhere):
        room(acme, elsewhere.serve(PATH, b"ok"))
        access.deny(request_, approver, reason="not today")

        assert types(elsewhere) == ["access.grant.denied"]

    def test_an_emergency_is_told_once_and_as_one(
        self, acme, employee, approver, session, elsewhere
    ):
        room(acme, elsewhere.serve(PATH, b"ok"))
        offered = access.entitlement(
            acme, by=[approver], eligible=[employee], break_glass_duration=timedelta(minutes=30)
        )
        flows.break_glass(
            entitlement=offered, requester=employee.user, session_id=session.pk,
            reason="it is on fire", now=clock.now(),
        )  # fmt: skip

        (message,) = told(elsewhere)
        assert message["type"] == "access.grant.break_glass"
        assert message["data"]["title"].startswith("EMERGENCY")

    def test_only_what_it_wants(self, acme, request_, approver, elsewhere):
        room(acme, elsewhere.serve(PATH, b"ok"), happenings=["denied"])
        access.approve(request_, approver)

        assert told(elsewhere) == []

    def test_nothing_of_another_organisation(self, globex, request_, approver, elsewhere):
        room(globex, elsewhere.serve(PATH, b"ok"))
        access.approve(request_, approver)

        assert told(elsewhere) == []

    def test_nothing_of_what_was_undone(self, acme, entitlement, employee, session, elsewhere):
        room(acme, elsewhere.serve(PATH, b"ok"))
        access.ask(entitlement, employee, session, dry_run=True)
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            access.ask(entitlement, employee, session)
            raise ZeroDivisionError

        assert told(elsewhere) == []
        assert ChatDelivery.unscoped.count() == 0

    def test_each_room_in_its_own_form(self, acme, entitlement, employee, session, elsewhere):
        for form in ("slack", "teams", "generic"):
            room(acme, elsewhere.serve(f"/{form}", b"ok"), form=form)
        access.ask(entitlement, employee, session, reason="to mend it")
        told(elsewhere)

        sent = {path: (headers, body) for _, path, headers, body in elsewhere.requests}
        assert set(sent) == {"/slack", "/teams", "/generic"}
        assert b'"blocks"' in sent["/slack"][1]
        assert b"application/vnd.microsoft.card.adaptive" in sent["/teams"][1]
        assert all(headers["Content-Type"] == "application/json" for headers, _ in sent.values())
        signed = {path for path, (headers, _) in sent.items() if "webhook-signature" in headers}
        assert signed == {"/generic"}

    def test_it_is_signed_as_standard_webhooks_are(self, acme, request_, approver, elsewhere):
        secret = room(acme, elsewhere.serve(PATH, b"ok")).secret
        access.deny(request_, approver)
        told(elsewhere)

        _, _, headers, body = elsewhere.requests[0]
        key = base64.b64decode(secret.removeprefix("whsec_"))
        content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        digest = hmac.new(key, content, hashlib.sha256).digest()
        assert headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
        assert len(key) >= 24
        assert abs(int(headers["webhook-timestamp"]) - clock.now().timestamp()) < 60
        assert headers["webhook-id"] == str(ChatDelivery.unscoped.get().pk)

    def test_a_review_when_it_opens_and_when_it_is_nearly_over(
        self, acme, entitlement, elsewhere, later
    ):
        room(acme, elsewhere.serve(PATH, b"ok"))
        flows.open_review(organisation=acme, now=clock.now())
        assert types(elsewhere) == ["access.review.due"]
        later(days=12)
        flows.open_due_reviews(now=clock.now())

        (message,) = told(elsewhere)
        assert message["type"] == "access.review.due"
        assert "/admin/access/accessreview/" in message["data"]["link"]

    def test_a_test_message_and_the_next_one_a_little_later(self, acme, elsewhere, later):
        made = room(acme, elsewhere.serve(PATH, b"ok"), happenings=["alert"])
        flows.send_test(webhook=made.webhook, now=clock.now())

        refused("conflict", lambda: flows.send_test(webhook=made.webhook, now=clock.now()))
        assert types(elsewhere) == ["test"]
        later(seconds=11)
        flows.send_test(webhook=made.webhook, now=clock.now())
        assert AuditEvent.objects.filter(event="access.chat.tested").count() == 2


class TestAlerts:
    @pytest.fixture
    def standing(self, acme, entitlement, newcomer):
        role = access.role(acme, "db-admin")
        return accounts.assign_role(user=newcomer.user, role=role, now=clock.now())

    def test_a_new_one_is_told_once(self, acme, standing, newcomer, elsewhere):
        room(acme, elsewhere.serve(PATH, b"ok"))
        tell_of_alerts()
        (message,) = told(elsewhere)
        tell_of_alerts()

        assert told(elsewhere) == []
        assert (message["type"], message["data"]["count"]) == ("access.alert", 1)
        (alert,) = message["data"]["alerts"]
        assert alert == {"kind": "standing", "user": str(newcomer.user.pk), "what": "db-admin"}
        assert message["data"]["link"].endswith("/admin/access/accessreview/alerts/")

    def test_one_that_has_passed_and_comes_again_is_told_again(
        self, acme, standing, newcomer, elsewhere, later
    ):
        room(acme, elsewhere.serve(PATH, b"ok"))
        tell_of_alerts()
        accounts.end_role_assignment(assignment=standing, now=clock.now())
        tell_of_alerts()
        assert len(told(elsewhere)) == 1
        later(minutes=1)
        accounts.assign_role(
            user=newcomer.user, role=access.role(acme, "db-admin"), now=clock.now()
        )
        tell_of_alerts()

        assert len(told(elsewhere)) == 1

    def test_many_are_one_message(self, acme, entitlement, elsewhere):
        role = access.role(acme, "db-admin")
        for number in range(12):
            person = cast.person(f"p{number}@acme.example", acme, name=f"P {number}")
            accounts.assign_role(user=person.user, role=role, now=clock.now())
        room(acme, elsewhere.serve("/slack", b"ok"), form="slack")
        tell_of_alerts()

        (message,) = told(elsewhere)
        assert message["text"].startswith("12 new alerts about access\n")
        assert "And: `3 more`" in message["text"]
        assert len(message["blocks"][1]["fields"]) == 10

    def test_what_is_counted_back_from_now_is_the_same_an_hour_later(
        self, acme, entitlement, employee, approver, session, elsewhere, later
    ):
        for _ in range(OFTEN):
            grant = access.ask(entitlement, employee, session)
            access.approve(grant, approver)
            access.activate(grant, employee, session)
            flows.drop_grant(grant=grant, requester=employee.user, now=clock.now())
        room(acme, elsewhere.serve(PATH, b"ok"), happenings=["alert"])
        tell_of_alerts()
        later(hours=1)
        tell_of_alerts()

        assert len(told(elsewhere)) == 1
