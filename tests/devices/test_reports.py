"""A report counts once, in order, by the device's own key, while it is fresh; it is kept as it came."""

import base64
import json
from datetime import timedelta

import pytest
from joserfc.jwk import ECKey, OctKey, RSAKey

from audit.events import Event
from audit.models import AuditEvent
from core import clock
from core.ids import digest
from devices import flows
from devices.models import CheckResult, Device, DeviceUser, Nonce, PostureReport, RefusedReport
from devices.posture import Found
from devices.score import Evidence, Status
from devices.signals import device_changed
from tests.support.machine import Machine, instant, passing, seconds, tampered
from tests.support.racing import race

pytestmark = pytest.mark.django_db


@pytest.fixture
def laptop(employee):
    machine = Machine()
    machine.enrolled_by(employee.user)
    return machine


def device_of(machine: Machine) -> Device:
    return Device.unscoped.get(pk=machine.device_id)


def refused(answer, status: int, error: str) -> None:
    """An error in the protocol's own form, and nothing of the report is left."""
    assert answer.status_code == status, answer.content
    assert answer.json().keys() == {"error", "error_description"}
    assert answer.json()["error"] == error
    assert answer["Cache-Control"] == "no-store"


def untouched(machine: Machine) -> None:
    device = device_of(machine)
    assert (device.report_seq, device.reported_at, device.score) == (0, None, 0)
    assert not PostureReport.unscoped.exists()
    assert not CheckResult.unscoped.exists()


class TestAReport:
    def test_it_is_scored_and_answered(self, client, laptop):
        answer = laptop.report(client)

        assert answer.status_code == 200
        assert answer["Cache-Control"] == "no-store"
        body = answer.json()
        assert body["score"] == 60, "everything but a key in hardware, at 0.8"
        assert body.keys() == {"score", "tier", "next_report_in", "nonce", "checks"}
        by_id = {check["id"]: check for check in body["checks"]}
        assert by_id["disk_encryption"] == {"id": "disk_encryption", "status": "pass"}
        assert by_id["hardware_key"]["status"] == "fail"
        assert "TPM" in by_id["hardware_key"]["remedy"]

    def test_it_is_kept_as_it_came(self, client, laptop):
        text = laptop.signed(laptop.claims(laptop.nonce(client)))
        laptop.send(client, text)

        kept = PostureReport.unscoped.get()
        assert kept.raw == text
        assert (kept.seq, kept.score, kept.reported_tier, kept.tier) == (1, 60, 2, 0)
        assert kept.score_version == 1
        event = AuditEvent.objects.get(event=Event.POSTURE_REPORTED)
        assert str(event.device_id) == laptop.device_id
        assert event.facts["sha256"] == digest(text).hex()
        assert event.facts["score"] == 60

    def test_the_answer_brings_the_next_nonce(self, client, laptop):
        nonce = laptop.report(client).json()["nonce"]

        answer = laptop.send(client, laptop.signed(laptop.claims(nonce)))

        assert answer.status_code == 200

    def test_what_is_not_passed_is_told_with_a_remedy(self, client, laptop):
        checks = passing(disk_encryption="fail", firewall="missing", os_patch_age=None)
        body = laptop.report(client, checks=checks).json()

        by_id = {check["id"]: check for check in body["checks"]}
        assert by_id["disk_encryption"]["status"] == "fail"
        assert "LUKS" in by_id["disk_encryption"]["remedy"]
        assert by_id["firewall"]["status"] == "missing"
        assert by_id["os_patch_age"]["status"] == "missing"

    def test_a_key_in_a_file_is_not_in_hardware_whatever_it_says(self, client, laptop):
        laptop.report(client, checks=passing())

        assert CheckResult.unscoped.get(check_id="hardware_key").status == Status.FAIL

    def test_a_key_that_was_enrolled_as_the_tpms_counts_as_reported(self, client, employee):
        machine = Machine(key_storage="tpm")
        machine.enrolled_by(employee.user)

        assert machine.report(client).json()["score"] == 80

    def test_a_browsers_key_counts_half(self, client, employee):
        browser = Machine(key_storage="browser")
        browser.enrolled_by(employee.user)

        assert browser.report(client).json()["score"] == 38  # 75 · 0.5, halves go up
        assert PostureReport.unscoped.get().source == "browser"

    def test_a_rooted_machine_is_held_at_ten(self, client, laptop):
        rooted = {"id": "rooted", "status": "fail", "observed_at": instant()}

        assert laptop.report(client, checks=[*passing(), rooted]).json()["score"] == 10

    def test_a_check_that_is_not_reported_again_fades_on(self, client, laptop, later):
        laptop.report(client)
        later(hours=12)
        body = laptop.report(client, checks=passing(disk_encryption=None)).json()

        assert {c["id"]: c["status"] for c in body["checks"]}["disk_encryption"] == "pass"
        assert body["score"] == 54  # 60 - 12 · (11 / 23)

    def test_old_observations_count_for_their_age(self, client, laptop):
        old = [check | {"observed_at": instant(timedelta(days=8))} for check in passing()]

        assert laptop.report(client, checks=old).json()["score"] == 0


class TestHysteresis:
    def test_a_tier_is_gained_by_two_reports_and_lost_by_one(self, client, laptop):
        first = laptop.report(client).json()
        second = laptop.report(client).json()
        third = laptop.report(
            client, checks=passing(disk_encryption="fail", os_patch_age="fail")
        ).json()
        fourth = laptop.report(client).json()
        fifth = laptop.report(client).json()

        assert [one["tier"] for one in (first, second, third, fourth, fifth)] == [0, 2, 1, 1, 2]
        assert [one["score"] for one in (first, third)] == [60, 32]
        assert first["next_report_in"] == 10
        assert second["next_report_in"] == 900

    @pytest.mark.parametrize(("hours", "tier"), [(1, 2), (30, 1), (200, 0)])
    def test_an_earlier_report_confirms_what_it_still_says(
        self, client, laptop, later, hours, tier
    ):
        laptop.report(client)
        later(hours=hours)

        assert laptop.report(client).json()["tier"] == tier

    def test_it_fades_to_the_second_without_anybody_working(self, client, laptop, later):
        for _ in range(2):
            laptop.report(client)
        device = device_of(laptop)
        assert len(device.tier_ends_at) == 2

        for tier, end in reversed(list(enumerate(device.tier_ends_at, start=1))):
            assert device.tier_at(end - timedelta(microseconds=1)) == tier
            assert device.tier_at(end) == tier - 1
            assert flows.judge(device, now=end).tier == tier - 1

    def test_a_change_is_written_down_and_told(
        self, client, laptop, django_capture_on_commit_callbacks
    ):
        news = []

        def hear(sender, **facts):
            news.append((facts["previous_tier"], facts["tier"], facts["device"].pk))

        device_changed.connect(hear)
        try:
            with django_capture_on_commit_callbacks(execute=True):
                for _ in range(3):
                    laptop.report(client)
        finally:
            device_changed.disconnect(hear)

        event = AuditEvent.objects.get(event=Event.DEVICE_TIER_CHANGED)
        assert event.facts == {"previous": 0, "current": 2, "cause": "report of agent"}
        assert news == [(0, 2, device_of(laptop).pk)]

    def test_fading_is_noted_once_by_the_worker(self, client, laptop, later):
        for _ in range(2):
            laptop.report(client)

        noted = [flows.note_faded(now=now) for now in (clock.now(), later(hours=25), later(days=9))]

        assert noted == [0, 1, 1]
        assert flows.note_faded(now=clock.now()) == 0
        events = AuditEvent.objects.filter(event=Event.DEVICE_TIER_CHANGED).order_by("at", "id")
        assert [(e.facts["previous"], e.facts["current"]) for e in events] == [
            (0, 2),
            (2, 1),
            (1, 0),
        ]
        assert events.last().facts["cause"] == "nothing was reported"


class TestReplay:
    def test_the_same_report_is_refused(self, client, laptop):
        text = laptop.signed(laptop.claims(laptop.nonce(client)))
        assert laptop.send(client, text).status_code == 200

        refused(laptop.send(client, text), 400, "replayed")
        assert PostureReport.unscoped.count() == 1

    def test_a_used_nonce_is_refused(self, client, laptop):
        nonce = laptop.nonce(client)
        laptop.send(client, laptop.signed(laptop.claims(nonce)))

        refused(laptop.send(client, laptop.signed(laptop.claims(nonce))), 400, "replayed")

    @pytest.mark.parametrize("seq", [1, 2], ids=["lower", "the same"])
    def test_a_report_out_of_order_is_refused(self, client, laptop, seq):
        laptop.report(client, seq=2)

        refused(laptop.report(client, seq=seq), 400, "replayed")
        assert device_of(laptop).report_seq == 2

    def test_two_reports_sent_in_the_wrong_order_count_once(self, client, laptop):
        earlier = laptop.signed(laptop.claims(laptop.nonce(client)))
        later = laptop.signed(laptop.claims(laptop.nonce(client)))

        assert laptop.send(client, later).status_code == 200
        refused(laptop.send(client, earlier), 400, "replayed")

    def test_a_used_jti_is_refused_and_leaves_the_nonce_good(self, client, laptop):
        laptop.report(client, jti="one")
        nonce = laptop.nonce(client)

        refused(
            laptop.send(client, laptop.signed(laptop.claims(nonce, jti="one"))), 400, "replayed"
        )
        assert laptop.send(client, laptop.signed(laptop.claims(nonce))).status_code == 200

    @pytest.mark.django_db(transaction=True)
    def test_of_the_same_report_sent_many_times_at_once_one_counts(self, client, laptop):
        text = laptop.signed(laptop.claims(laptop.nonce(client)))

        def send(_):
            return laptop.send(type(client)(), text).status_code

        assert sorted(race(send, runners=4)) == [200, 400, 400, 400]
        assert PostureReport.unscoped.count() == 1

    @pytest.mark.django_db(transaction=True)
    def test_of_many_reports_with_one_nonce_one_counts(self, client, laptop):
        nonce = laptop.nonce(client)
        texts = [laptop.signed(laptop.claims(nonce)) for _ in range(4)]

        answers = race(lambda n: laptop.send(type(client)(), texts[n]).status_code, runners=4)

        assert sorted(answers) == [200, 400, 400, 400]
        assert Nonce.unscoped.filter(used_at__isnull=False).count() == 1


class TestStale:
    @pytest.mark.parametrize("off", [-61, -300, 62, 300, 10**9], ids=str)
    def test_a_clock_that_is_off_is_told_by_how_much(self, client, laptop, off):
        answer = laptop.report(client, iat=seconds() + off)

        refused(answer, 400, "stale")
        assert "seconds" in answer.json()["error_description"]
        untouched(laptop)

    @pytest.mark.parametrize("off", [-58, 58])
    def test_within_a_minute_it_counts(self, client, laptop, off):
        assert laptop.report(client, iat=seconds() + off).status_code == 200

    def test_a_nonce_that_has_run_out_is_refused(self, client, laptop, later):
        nonce = laptop.nonce(client)
        later(minutes=5, seconds=1)

        refused(laptop.send(client, laptop.signed(laptop.claims(nonce))), 400, "stale")
        untouched(laptop)

    def test_a_nonce_of_ones_own_making_is_refused(self, client, laptop):
        refused(laptop.send(client, laptop.signed(laptop.claims("made-up"))), 400, "stale")
        untouched(laptop)

    def test_a_nonce_of_another_device_is_refused(self, client, laptop, employee):
        other = Machine(name="other")
        other.enrolled_by(employee.user)

        refused(
            laptop.send(client, laptop.signed(laptop.claims(other.nonce(client)))), 400, "stale"
        )
        untouched(laptop)


class TestTheKey:
    def test_a_signature_by_another_key_is_refused(self, client, laptop):
        thief = ECKey.generate_key("P-256")
        text = laptop.signed(laptop.claims(laptop.nonce(client)), key=thief)

        refused(laptop.send(client, text), 400, "wrong_key")
        untouched(laptop)

    def test_another_devices_report_does_not_pass_for_mine(self, client, laptop, employee):
        other = Machine(name="other")
        other.enrolled_by(employee.user)
        text = other.signed(other.claims(laptop.nonce(client), iss=laptop.device_id))

        refused(laptop.send(client, text), 400, "wrong_key")
        untouched(laptop)

    def test_my_report_does_not_pass_for_another_devices(self, client, laptop, employee):
        other = Machine(name="other")
        other.enrolled_by(employee.user)
        text = laptop.signed(laptop.claims(other.nonce(client)))

        refused(other.send(client, text), 400, "wrong_key")
        untouched(other)

    def test_what_was_changed_on_the_way_is_refused(self, client, laptop):
        checks = passing(disk_encryption="fail")
        text = laptop.signed(laptop.claims(laptop.nonce(client), checks=checks))

        refused(laptop.send(client, tampered(text, checks=passing())), 400, "wrong_key")
        untouched(laptop)

    def test_a_foreign_kid_is_refused(self, client, laptop):
        text = laptop.signed(laptop.claims(laptop.nonce(client)), kid="x" * 43)

        refused(laptop.send(client, text), 400, "wrong_key")

    @pytest.mark.parametrize(
        ("alg", "key"),
        [
            ("none", OctKey.import_key("x" * 32)),
            ("HS256", OctKey.import_key("x" * 32)),
            ("RS256", RSAKey.generate_key(2048)),
            ("ES384", ECKey.generate_key("P-384")),
        ],
        ids=["none", "HS256", "RS256", "ES384"],
    )
    def test_another_algorithm_is_refused(self, client, laptop, alg, key):
        claims = laptop.claims(laptop.nonce(client))
        if alg == "none":
            head = base64.urlsafe_b64encode(
                json.dumps({"alg": "none", "typ": "posture+jwt", "kid": laptop.thumbprint}).encode()
            )
            body = base64.urlsafe_b64encode(json.dumps(claims).encode())
            texts = [
                f"{head.decode().rstrip('=')}.{body.decode().rstrip('=')}.{end}"
                for end in ("", "AA")
            ]
        else:
            texts = [laptop.signed(claims, alg=alg, key=key)]

        for text in texts:
            refused(laptop.send(client, text), 400, "invalid_report")
        untouched(laptop)

    def test_the_public_key_is_no_secret_to_sign_with(self, client, laptop):
        secret = OctKey.import_key(json.dumps(laptop.public_jwk))
        text = laptop.signed(laptop.claims(laptop.nonce(client)), alg="HS256", key=secret)

        refused(laptop.send(client, text), 400, "invalid_report")

    @pytest.mark.parametrize(
        "extra",
        [
            {"jwk": {"kty": "EC"}}, {"jku": "https://evil.example/"}, {"x5u": "https://evil.example/"},
            {"crit": ["b64"], "b64": True}, {"typ": "JWT"}, {"typ": "enrolment+jwt"}, {"zip": "DEF"},
        ],
        ids="-".join,
    )  # fmt: skip
    def test_a_header_that_leads_elsewhere_is_refused(self, client, laptop, extra):
        text = laptop.signed(laptop.claims(laptop.nonce(client)), **extra)

        refused(laptop.send(client, text), 400, "invalid_report")

    def test_a_kid_is_needed(self, client, laptop):
        text = laptop.sign(laptop.claims(laptop.nonce(client)), typ="posture+jwt")

        refused(laptop.send(client, text), 400, "wrong_key")


class TestBadReports:
    @pytest.mark.parametrize(
        "changes",
        [
            {"iss": "somebody"}, {"aud": "https://evil.example"}, {"aud": ["http://localhost:8000"]},
            {"schema": 2}, {"schema": True}, {"schema": None}, {"seq": 0}, {"seq": -1}, {"seq": "1"},
            {"seq": True}, {"seq": 1.5}, {"seq": 2**60}, {"jti": ""}, {"jti": "x" * 129}, {"jti": 5},
            {"jti": "a\u202eb"}, {"jti": None}, {"nonce": None}, {"nonce": 5}, {"nonce": "x" * 65},
            {"iat": "now"}, {"iat": True}, {"iat": 1.5}, {"iat": None}, {"iat": -1},
            {"os": None}, {"os": "Linux"}, {"os": {"name": "Linux"}}, {"os": {"name": 1, "version": 2}},
            {"os": {"name": "x" * 101, "version": "1"}}, {"os": {"name": "a", "version": "1", "x": "y"}},
            {"checks": []}, {"checks": {}}, {"checks": None}, {"checks": ["firewall"]},
            {"checks": [{"id": "firewall"}]}, {"extra": 1}, {"exp": 1},
        ],
        ids=lambda changes: "-".join(f"{k}={str(v)[:30]}" for k, v in changes.items()),
    )  # fmt: skip
    def test_each_member_is_checked(self, client, laptop, changes):
        refused(laptop.report(client, **changes), 400, "invalid_report")
        untouched(laptop)

    @pytest.mark.parametrize(
        "changes",
        [
            {"id": "antivirus"}, {"id": ["firewall"]}, {"id": None}, {"status": "ok"}, {"status": []},
            {"status": True}, {"observed_at": 5}, {"observed_at": "yesterday"},
            {"observed_at": "2026-13-30T09:00:00Z"}, {"observed_at": "2026-11-30T09:00:00+00:00"},
            {"observed_at": "9999-12-31T23:59:59Z"}, {"value": [1]}, {"value": "x" * 101}, {"why": "so"},
        ],
        ids=lambda changes: "-".join(f"{k}={str(v)[:30]}" for k, v in changes.items()),
    )  # fmt: skip
    def test_each_member_of_a_check_is_checked(self, client, laptop, changes):
        check = {"id": "firewall", "status": "pass", "observed_at": instant()} | changes

        refused(laptop.report(client, checks=[check]), 400, "invalid_report")
        untouched(laptop)

    @pytest.mark.parametrize("value", [None, -1, "3", 3.5, True, 10**9])
    def test_the_age_of_patches_is_whole_days(self, client, laptop, value):
        check = {"id": "os_patch_age", "status": "pass", "observed_at": instant(), "value": value}

        refused(laptop.report(client, checks=[check]), 400, "invalid_report")

    def test_a_check_cannot_be_reported_twice(self, client, laptop):
        refused(laptop.report(client, checks=[*passing(), *passing()]), 400, "invalid_report")

    @pytest.mark.parametrize(
        "payload",
        [b"", b"[]", b"5", b'{"a":1,"a":2}', b'{"a":NaN}', b"{" * 400, b'{"a":' * 900 + b"1" + b"}" * 900,
         b'{"a":"\xff"}', b'{"a":"\\u0000"}', b"[" * 3000],
        ids=range(10),
    )  # fmt: skip
    def test_what_is_no_plain_json_is_refused(self, client, laptop, payload):
        refused(laptop.send(client, laptop.signed(payload)), 400, "invalid_report")

    @pytest.mark.parametrize(
        "body",
        [b"", b".", b"..", b"a.b", b"a.b.c.d", b"a.b.c", b"\xff\xfe", "é.é.é".encode(), b" a.b.c"],
    )
    def test_what_is_no_jws_is_refused(self, client, laptop, body):
        refused(laptop.send(client, body), 400, "invalid_report")

    def test_base64url_has_one_spelling(self, client, laptop):
        head, payload, signature = laptop.signed(laptop.claims(laptop.nonce(client))).split(".")
        last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        other = last[last.index(signature[-1]) | 1 if not last.index(signature[-1]) & 1 else 0]

        for text in (
            f"{head}.{payload}.{signature}==",
            f"{head}.{payload}.{signature[:-1]}{other}",
        ):
            assert laptop.send(client, text).status_code == 400

    def test_more_than_16_kib_is_refused(self, client, laptop):
        checks = [check | {"value": "x" * 100} for check in passing()] * 200

        refused(laptop.report(client, checks=checks), 413, "too_large")
        refused(laptop.send(client, "a" * 16_385), 413, "too_large")
        refused(laptop.send(client, "a" * 300_000), 413, "too_large")
        untouched(laptop)

    def test_it_says_what_it_is(self, client, laptop):
        text = laptop.signed(laptop.claims(laptop.nonce(client)))
        url = f"/devices/api/{laptop.device_id}/reports"

        refused(client.post(url, text, content_type="application/json"), 400, "invalid_report")
        refused(client.post(url, {"report": text}), 400, "invalid_report")

    def test_only_a_post_is_answered(self, client, laptop):
        answer = client.get(f"/devices/api/{laptop.device_id}/reports")

        assert (answer.status_code, answer["Allow"]) == (405, "POST")


class TestWhoMayReport:
    def test_a_device_that_nobody_knows(self, client, laptop):
        laptop.device_id = "00000000-0000-7000-8000-000000000000"

        refused(laptop.send(client, laptop.signed(laptop.claims("n"))), 401, "unknown_device")
        refused(client.post(f"/devices/api/{laptop.device_id}/nonce"), 401, "unknown_device")

    @pytest.mark.parametrize("state", ["pending", "suspended", "lost", "revoked", "retired"])
    def test_one_that_is_not_enrolled(self, client, laptop, state):
        text = laptop.signed(laptop.claims(laptop.nonce(client)))
        Device.unscoped.update(state=state)

        refused(laptop.send(client, text), 403, "not_enrolled")
        refused(client.post(f"/devices/api/{laptop.device_id}/nonce"), 403, "not_enrolled")
        untouched(laptop)

    def test_a_cookie_is_no_key(self, client, employee, laptop):
        from tests import cast

        cast.sign_in(client, employee, acr="phr")

        refused(laptop.send(client, "a.b.c"), 400, "invalid_report")


class TestTheTrace:
    def test_a_cause_is_written_down_once_a_day_and_counted(self, client, laptop, later):
        for _ in range(3):
            laptop.report(client, schema=9)
        laptop.send(client, laptop.signed(laptop.claims("made-up")))

        events = AuditEvent.objects.filter(event=Event.POSTURE_REFUSED).order_by("at", "id")
        assert [event.facts["cause"] for event in events] == ["invalid_report", "stale"]
        assert dict(RefusedReport.unscoped.values_list("cause", "count")) == {
            "invalid_report": 3,
            "stale": 1,
        }

        later(days=1)
        laptop.report(client, schema=9)
        assert AuditEvent.objects.filter(event=Event.POSTURE_REFUSED).count() == 3

    @pytest.mark.usefixtures("early_in_a_window")
    def test_reports_are_limited(self, client, laptop):
        answers = [laptop.send(client, "a.b.c") for _ in range(31)]

        refused(answers[-1], 429, "too_many_attempts")
        assert answers[-1]["Retry-After"]
        assert answers[-2].status_code == 400

    @pytest.mark.usefixtures("early_in_a_window")
    def test_nonces_are_limited(self, client, laptop):
        answers = [client.post(f"/devices/api/{laptop.device_id}/nonce") for _ in range(31)]

        refused(answers[-1], 429, "too_many_attempts")

    def test_old_reports_and_nonces_are_forgotten(self, client, laptop, later):
        laptop.report(client)
        laptop.report(client, schema=9)
        now = later(days=91)

        assert flows.purge_reports(now=now) == 1 + 3 + 1  # report, nonces, refusal
        assert not PostureReport.unscoped.exists()
        assert CheckResult.unscoped.exists(), "what was last found stays known"


class TestOtherProducts:
    def say(self, device, status=Status.PASS, name="disk_encryption", source="fleet"):
        found = [Found(name, status, clock.now())]
        return flows.take_results(
            device=device, source=source, evidence=Evidence.SERVER, found=found, raw="{}",
            checks=[{"id": name}], now=clock.now(),
        )  # fmt: skip

    def test_their_word_counts_beside_the_machines(self, client, laptop):
        laptop.report(client)

        assert self.say(device_of(laptop)).score.value == 62  # 15 · 0.9 for 15 · 0.8: 61.5
        kept = PostureReport.unscoped.get(source="fleet")
        assert (kept.jti, kept.seq, kept.evidence) == (None, None, "server")

    def test_what_they_found_is_not_talked_away(self, client, laptop):
        self.say(device_of(laptop), Status.FAIL)

        assert laptop.report(client).json()["score"] == 48

    def test_they_may_change_their_mind(self, client, laptop):
        self.say(device_of(laptop), Status.FAIL)
        self.say(device_of(laptop))

        assert laptop.report(client).json()["score"] == 62

    def test_a_product_that_is_gone_is_forgotten(self, client, laptop):
        laptop.report(client)
        self.say(device_of(laptop), Status.FAIL)

        flows.forget_source(device=device_of(laptop), source="fleet", now=clock.now())

        assert device_of(laptop).score == 60

    def test_a_device_that_is_not_enrolled_gets_none(self, laptop):
        from core.errors import Refusal

        Device.unscoped.update(state="lost")

        with pytest.raises(Refusal, match="not_enrolled"):
            self.say(device_of(laptop))

    def test_a_device_of_nobody_is_capped(self, client, laptop):
        DeviceUser.unscoped.all().delete()

        assert laptop.report(client).json()["score"] == 30
