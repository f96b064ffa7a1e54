"""Connectors: who may call, which devices they reach, and what it does to a score."""

import json
from datetime import timedelta

import pytest

from audit.models import AuditEvent
from core import clock
from core.errors import Refusal
from core.ids import new_id
from devices import flows
from devices.connectors import administration, delivery
from devices.connectors.identifiers import Kind
from devices.models import CheckResult, Connector, Device, DeviceIdentifier, PostureReport
from devices.score import Cap
from tests.support.connectors import (
    CHECKS,
    UUID,
    call,
    connector,
    failing,
    laptop,
    report,
    result,
    said,
    signed,
)

pytestmark = pytest.mark.django_db


def judged(device: Device) -> int:
    device.refresh_from_db()
    return flows.judge(device, now=clock.now()).value


def audited(event: str) -> list[dict]:
    return [row.facts for row in AuditEvent.objects.filter(event=event).order_by("id")]


class TestWhoCalls:
    @pytest.fixture
    def fleet(self, acme):
        return connector(acme)

    def test_a_secret_is_kept_as_its_digest_alone(self, fleet) -> None:
        row = Connector.unscoped.get(pk=fleet.connector.pk)

        assert fleet.secret not in str(row.__dict__)
        assert len(bytes(row.secret_digest)) == 32
        assert row.secret_sealed is None

    def test_it_may_stand_in_the_header_or_in_the_address(self, fleet) -> None:
        assert call(fleet.connector, [], secret=fleet.secret).status_code == 200
        assert call(fleet.connector, [], query=f"?secret={fleet.secret}").status_code == 200

    @pytest.mark.parametrize("secret", ["", "x" * 43, "é", "x" * 10_000], ids=lambda s: str(len(s)))
    def test_another_secret_is_none(self, fleet, secret: str) -> None:
        answer = call(fleet.connector, [], query=f"?secret={secret}")

        assert answer.status_code == 401
        assert answer.json()["error"] == "invalid_client"

    def test_an_unknown_connector_answers_like_a_wrong_secret(self, fleet) -> None:
        unknown = call(str(new_id()), [], secret=fleet.secret)
        wrong = call(fleet.connector, [], secret="x" * 43)

        assert (unknown.status_code, unknown.json()) == (wrong.status_code, wrong.json())
        assert unknown["Cache-Control"] == wrong["Cache-Control"]

    def test_the_body_of_a_stranger_is_not_looked_at(self, fleet) -> None:
        assert call(fleet.connector, b"{", secret="x" * 43).status_code == 401
        assert call(fleet.connector, b"{", secret=fleet.secret).status_code == 400

    def test_guessing_is_stopped(self, fleet, early_in_a_window) -> None:
        answers = [call(fleet.connector, [], secret="x" * 43).status_code for _ in range(31)]

        assert answers == [401] * 30 + [429]

    def test_after_a_rotation_the_old_secret_is_worth_nothing(self, fleet) -> None:
        renewed = administration.rotate_secret(
            connector=fleet.connector, actor="tests", now=clock.now()
        )

        assert call(fleet.connector, [], secret=fleet.secret).status_code == 401
        assert call(fleet.connector, [], secret=renewed.secret).status_code == 200

    def test_one_that_is_switched_off_is_not_heard(self, fleet) -> None:
        administration.switch_off(connector=fleet.connector, actor="tests", now=clock.now())

        assert call(fleet.connector, [], secret=fleet.secret).status_code == 401
        with pytest.raises(Refusal, match="switched off"):
            administration.switch_off(connector=fleet.connector, actor="tests", now=clock.now())

    def test_a_call_that_arrives_while_it_is_switched_off_changes_nothing(
        self, acme, fleet
    ) -> None:
        heard = Connector.unscoped.get(pk=fleet.connector.pk)
        administration.switch_off(connector=fleet.connector, actor="tests", now=clock.now())

        with pytest.raises(Refusal, match="switched off"):
            delivery.take_call(heard, [], body=b"[]", now=clock.now())

    def test_only_posts_are_answered(self, client, fleet) -> None:
        assert client.get(f"/devices/api/connectors/{fleet.connector.pk}/").status_code == 405

    def test_a_large_body_is_refused(self, fleet) -> None:
        assert (
            call(fleet.connector, b"[" + b" " * (1 << 20) + b"]", secret=fleet.secret).status_code
            == 413
        )


class TestSignatures:
    @pytest.fixture
    def fleet(self, acme):
        return connector(acme, authentication="signature")

    def test_the_key_is_sealed(self, fleet) -> None:
        stored = Connector.unscoped.values_list("secret_sealed", flat=True).get()

        assert fleet.secret.encode() not in bytes(stored)

    def test_a_signature_over_time_and_body_is_good(self, fleet) -> None:
        body = json.dumps([]).encode()

        answer = call(fleet.connector, body, X_Sallyport_Signature=signed(body, fleet.secret))

        assert answer.status_code == 200

    @pytest.mark.parametrize(
        "change",
        [
            lambda body, key: signed(body + b" ", key),
            lambda body, key: signed(body, key + "x"),
            lambda body, key: signed(body, key, int(clock.now().timestamp()) - 301),
            lambda body, key: signed(body, key, int(clock.now().timestamp()) + 301),
            lambda body, key: signed(body, key).replace("t=", "t=1"),
            lambda body, key: "",
            lambda body, key: "t=,v1=",
            lambda body, key: "t=" + "9" * 40 + ",v1=é",
        ],
        ids=["body", "key", "old", "early", "time", "none", "empty", "rubbish"],
    )
    def test_any_other_is_not(self, fleet, change) -> None:
        body = json.dumps([]).encode()
        signature = change(body, fleet.secret).encode().decode("latin-1")

        assert call(fleet.connector, body, X_Sallyport_Signature=signature).status_code == 401

    def test_the_secret_itself_opens_nothing(self, fleet) -> None:
        assert call(fleet.connector, [], secret=fleet.secret).status_code == 401


class TestWhatFleetSays:
    @pytest.fixture
    def fleet(self, acme):
        return connector(acme)

    @pytest.fixture
    def device(self, acme, employee) -> Device:
        return laptop(acme, employee.user, uuid=UUID, fleet_host="17")

    def test_a_failing_policy_lowers_the_score_whatever_the_agent_says(self, fleet, device) -> None:
        before = report(device)

        answer = call(fleet.connector, failing(), secret=fleet.secret)

        assert answer.json() == {"devices": 1, "checks": 2, "unknown": [], "ignored": {}}
        assert said(device, fleet.connector.source) == {
            "disk_encryption": ("fail", None),
            "managed": ("pass", None),
        }
        assert judged(device) < before
        assert report(device) < before

    def test_a_result_mends_it_again(self, fleet, device, later) -> None:
        report(device)
        call(fleet.connector, failing(), secret=fleet.secret)
        lowered = judged(device)
        later(minutes=1)

        call(fleet.connector, [result([{"encrypted": "1"}])], secret=fleet.secret)

        assert said(device, fleet.connector.source)["disk_encryption"] == ("pass", None)
        assert judged(device) > lowered

    def test_it_counts_as_one_server_telling_another(self, fleet, device) -> None:
        call(fleet.connector, [result([{"days": "3"}], query="patches")], secret=fleet.secret)

        row = CheckResult.unscoped.get(check_id="os_patch_age")
        assert (row.evidence, row.status, row.value) == ("server", "pass", 3)

    def test_what_was_said_is_kept_as_evidence(self, fleet, device) -> None:
        call(fleet.connector, failing(), secret=fleet.secret)

        kept = PostureReport.unscoped.get(source=fleet.connector.source)
        assert json.loads(kept.raw)[0]["status"] == "fail"
        [facts] = audited("devices.connector.delivered")
        assert (facts["devices"], facts["checks"], facts["unknown"]) == (1, 2, 0)

    def test_a_call_that_comes_twice_changes_nothing(self, fleet, device) -> None:
        payload = failing()
        call(fleet.connector, payload, secret=fleet.secret)

        again = call(fleet.connector, payload, secret=fleet.secret)

        assert again.json()["checks"] == 0
        assert PostureReport.unscoped.count() == 1

    def test_a_call_that_comes_late_does_not_undo_a_newer_one(self, fleet, device) -> None:
        call(fleet.connector, [result([])], secret=fleet.secret)

        call(fleet.connector, [result([{"encrypted": "1"}], age_seconds=60)], secret=fleet.secret)

        assert said(device, fleet.connector.source)["disk_encryption"] == ("fail", None)

    def test_of_two_at_one_moment_the_failure_counts(self, fleet, device) -> None:
        rows = [result([]), result([{"encrypted": "1"}])]
        rows[1]["details"]["unixTime"] = rows[0]["details"]["unixTime"]

        call(fleet.connector, rows, secret=fleet.secret)

        assert said(device, fleet.connector.source)["disk_encryption"] == ("fail", None)

    def test_nothing_is_fresh_for_ever(self, fleet, device) -> None:
        """A time that lies ahead would never grow old."""
        call(
            fleet.connector,
            [result([{"encrypted": "1"}], age_seconds=-86_400)],
            secret=fleet.secret,
        )
        assert said(device, fleet.connector.source) == {}

        call(fleet.connector, [result([{"encrypted": "1"}], age_seconds=-60)], secret=fleet.secret)
        row = CheckResult.unscoped.get(check_id="disk_encryption")
        assert row.observed_at <= clock.now()

    def test_what_it_says_grows_old_like_all_else(self, fleet, device, later) -> None:
        call(fleet.connector, [result([{"encrypted": "1"}])], secret=fleet.secret)
        fresh = judged(device)

        later(hours=25)

        assert judged(device) < fresh

    def test_what_was_seen_days_ago_is_no_sign_of_life(self, fleet, device, later) -> None:
        report(device)
        later(days=3)
        row = result([{"days": "1"}], query="patches", age_seconds=2 * 86_400)

        call(fleet.connector, [row], secret=fleet.secret)

        device.refresh_from_db()
        assert Cap.REPORT_EXPIRED in flows.judge(device, now=clock.now()).caps

    def test_hosts_that_nobody_wrote_down_are_told_and_reach_nobody(self, fleet, device) -> None:
        answer = call(fleet.connector, failing(host=99), secret=fleet.secret)

        assert answer.json()["unknown"] == ["fleet_host 99"]
        assert CheckResult.unscoped.count() == 0

    def test_names_that_lead_to_two_devices_lead_to_none(self, acme, fleet, device) -> None:
        laptop(acme, name="another", serial="5CD1234")
        row = result([{"encrypted": "1"}])
        row["details"]["decorations"]["hardware_serial"] = "5CD1234"

        answer = call(fleet.connector, [row], secret=fleet.secret)

        assert answer.json()["devices"] == 0
        assert CheckResult.unscoped.count() == 0

    @pytest.mark.parametrize("end", [flows.report_lost, flows.retire], ids=["lost", "retired"])
    def test_a_device_that_is_out_of_use_is_not_reached(self, fleet, device, end) -> None:
        end(device=device, actor="tests", now=clock.now())

        answer = call(fleet.connector, [result([{"encrypted": "1"}])], secret=fleet.secret)

        assert answer.json()["devices"] == 0
        assert CheckResult.unscoped.count() == 0

    def test_another_organisations_devices_do_not_exist_for_it(self, globex, device) -> None:
        theirs = connector(globex)

        answer = call(theirs.connector, [result([])], secret=theirs.secret)

        assert answer.json()["unknown"] == [f"uuid {UUID}"]
        assert CheckResult.unscoped.count() == 0

    def test_a_fault_in_one_host_leaves_nothing_of_the_others(self, fleet, device) -> None:
        payload = failing()
        payload["hosts"].append({"hostname": "no id"})

        assert call(fleet.connector, payload, secret=fleet.secret).status_code == 400
        assert CheckResult.unscoped.count() == 0

    def test_switching_it_off_takes_back_what_it_said(self, fleet, device, later) -> None:
        before = report(device)
        call(fleet.connector, [result([{"encrypted": "1"}])], secret=fleet.secret)
        assert judged(device) > before

        administration.switch_off(connector=fleet.connector, actor="tests", now=clock.now())

        assert said(device, fleet.connector.source) == {}
        assert judged(device) == before
        assert audited("devices.connector.switched_off")[0]["devices"] == 1

    def test_a_policy_that_never_calls_again_can_be_forgotten(self, fleet, device) -> None:
        before = report(device)
        call(fleet.connector, failing(), secret=fleet.secret)

        administration.forget(connector=fleet.connector, actor="tests", now=clock.now())

        assert judged(device) == before
        assert call(fleet.connector, [], secret=fleet.secret).status_code == 200


class TestCreating:
    @pytest.mark.parametrize(
        "how",
        [
            {"kind": "fleet", "authentication": "access_token"},
            {"kind": "fleet", "authentication": "none"},
            {"kind": "mdm", "authentication": "secret"},
            {"kind": "shoe", "authentication": "secret"},
            {"name": " "},
            {"name": "x" * 101},
            {"checks": {"a": "shoe_size"}},
            {"checks": {"a": "hardware_key"}},
            {"checks": {"": "firewall"}},
            {"checks": {str(n): "firewall" for n in range(201)}},
        ],
        ids=[
            "wrong proof", "no proof", "needless proof", "kind", "blank", "long", "check",
            "our own key", "nameless", "many",
        ],
    )  # fmt: skip
    def test_what_does_not_fit_is_refused(self, acme, how: dict) -> None:
        with pytest.raises(Refusal) as refused:
            connector(acme, **how)

        assert refused.value.code == "invalid_request"
        assert Connector.unscoped.count() == 0

    @pytest.mark.parametrize(
        "issuer",
        ["http://acme.cloudflareaccess.com", "https://", "https://a.example/path", "acme", ""],
        ids=repr,
    )
    def test_a_team_is_a_plain_https_address(self, acme, issuer: str) -> None:
        with pytest.raises(Refusal, match="team"):
            connector(acme, "cloudflare", "access_token", access_issuer=issuer, access_audience="a")

    def test_two_of_one_name_are_refused(self, acme, globex) -> None:
        connector(acme, name="Fleet")
        connector(globex, name="Fleet")

        with pytest.raises(Refusal, match="there already"):
            connector(acme, name="Fleet")

    def test_audit_says_who_did_what_and_no_secret(self, acme) -> None:
        made = connector(acme)
        administration.map_checks(
            connector=made.connector, checks=CHECKS, actor="tests", now=clock.now()
        )
        renewed = administration.rotate_secret(
            connector=made.connector, actor="tests", now=clock.now()
        )

        rows = AuditEvent.objects.filter(event__startswith="devices.connector.").order_by("id")
        assert [row.event for row in rows] == [
            "devices.connector.created",
            "devices.connector.updated",
            "devices.connector.secret_rotated",
        ]
        assert not any(
            secret in str(row.facts) for row in rows for secret in (made.secret, renewed.secret)
        )


class TestIdentifying:
    def test_a_name_belongs_to_one_device_in_use(self, acme) -> None:
        laptop(acme, serial="5CD1234")
        other = laptop(acme, name="other")

        with pytest.raises(Refusal, match="Another device"):
            administration.identify(
                device=other, kind=Kind.SERIAL, value="5cd1234", actor="tests", now=clock.now()
            )

    def test_it_moves_over_from_one_that_is_out_of_use(self, acme) -> None:
        old = laptop(acme, serial="5CD1234")
        flows.retire(device=old, actor="tests", now=clock.now())
        new = laptop(acme, name="enrolled anew", serial="5CD1234")

        assert DeviceIdentifier.unscoped.get().device == new

    def test_another_organisation_may_call_its_own_so(self, acme, globex) -> None:
        laptop(acme, serial="5CD1234")
        laptop(globex, serial="5CD1234")

        assert DeviceIdentifier.unscoped.count() == 2

    def test_what_makers_leave_in_the_field_is_refused(self, acme) -> None:
        with pytest.raises(Refusal, match="no serial"):
            laptop(acme, serial="To be filled by O.E.M.")

    def test_naming_it_again_is_no_event(self, acme) -> None:
        device = laptop(acme, serial="5CD1234")
        administration.identify(
            device=device, kind=Kind.SERIAL, value="5CD1234", actor="tests", now=clock.now()
        )

        assert len(audited("devices.device.identified")) == 1

    def test_a_name_taken_away_leads_nowhere(self, acme) -> None:
        fleet = connector(acme)
        laptop(acme, uuid=UUID)
        administration.unidentify(
            identifier=DeviceIdentifier.unscoped.get(), actor="tests", now=clock.now()
        )

        answer = call(fleet.connector, [result([])], secret=fleet.secret)

        assert answer.json()["devices"] == 0
        assert audited("devices.device.identifier_removed") == [{"kind": "uuid", "value": UUID}]


class TestTables:
    @pytest.fixture
    def mdm(self, acme) -> Connector:
        return connector(acme, "mdm", "none").connector

    def table(self, *lines: str) -> bytes:
        at = (clock.now() - timedelta(minutes=5)).isoformat()
        heading = "serial,observed_at,disk_encryption,managed"
        return "\n".join([heading, *(line.replace("AT", at) for line in lines)]).encode()

    def take(self, mdm: Connector, content: bytes, *, is_dry: bool = False):
        return delivery.take_table(mdm, content, actor="tests", is_dry=is_dry, now=clock.now())

    def test_it_reaches_the_devices_it_names(self, acme, mdm) -> None:
        device = laptop(acme, serial="5CD1234")

        outcome = self.take(mdm, self.table("5CD1234,AT,pass,pass", "5CD9999,AT,pass,pass"))

        assert (outcome.devices, outcome.checks, outcome.unknown) == (1, 2, ("serial 5CD9999",))
        assert said(device, mdm.source)["managed"] == ("pass", None)

    def test_a_dry_run_says_so_and_writes_nothing(self, acme, mdm) -> None:
        laptop(acme, serial="5CD1234")
        events = AuditEvent.objects.count()

        outcome = self.take(mdm, self.table("5CD1234,AT,pass,"), is_dry=True)

        assert (outcome.devices, outcome.checks) == (1, 1)
        assert CheckResult.unscoped.count() == 0
        assert AuditEvent.objects.count() == events

    def test_one_bad_line_leaves_nothing_of_the_others(self, acme, mdm) -> None:
        laptop(acme, serial="5CD1234")

        outcome = self.take(mdm, self.table("5CD1234,AT,pass,pass", "5CD9999,AT,perhaps,"))

        assert outcome.faults == ("line 3: disk_encryption is pass, fail or missing",)
        assert CheckResult.unscoped.count() == 0

    def test_a_fleet_takes_no_tables_and_a_table_no_calls(self, acme, mdm) -> None:
        fleet = connector(acme)

        with pytest.raises(Refusal, match="no tables"):
            self.take(fleet.connector, b"")
        with pytest.raises(Refusal, match="no calls"):
            delivery.take_call(mdm, [], body=b"", now=clock.now())

    def test_nobody_can_call_it(self, mdm) -> None:
        assert call(mdm, []).status_code == 401
