"""A machine asks with its key, a person who has just proven themselves says that it is theirs."""

import pytest
from django.conf import settings
from joserfc.jwk import ECKey, OKPKey

from audit.events import Event
from audit.models import AuditEvent
from core.errors import Refusal
from devices import flows
from devices.models import Device, DeviceUser, Enrolment
from devices.signals import device_enrolled
from tests import cast
from tests.support.machine import Machine, seconds
from tests.support.racing import race

pytestmark = pytest.mark.django_db


@pytest.fixture
def machine():
    return Machine()


@pytest.fixture
def person(client, employee):
    """Alice's browser, just signed in by a passkey."""
    browser = type(client)(enforce_csrf_checks=False)
    browser.session_row = cast.sign_in(browser, employee, acr="phr")
    return browser


def entered(browser, code: str):
    return browser.post("/devices/enrol/", {"user_code": code})


def decide(browser, code: str, decision="allow", **extra):
    answer = entered(browser, code)
    assert answer.status_code == 302, answer.content
    return browser.post(answer["Location"], {"decision": decision} | extra)


class TestAsking:
    def test_it_gets_a_code_for_a_person(self, client, machine):
        answer = machine.ask(client)

        assert answer.status_code == 201
        body = answer.json()
        code = body["user_code"]
        assert len(code) == 9
        assert code[4] == "-"
        assert body["verification_uri"] == f"{settings.ISSUER}/devices/enrol/"
        assert (
            body["verification_uri_complete"]
            == f"{settings.ISSUER}/devices/enrol/?user_code={code}"
        )
        assert (body["expires_in"], body["interval"]) == (600, 5)
        assert answer["Cache-Control"] == "no-store"
        row = Enrolment.objects.get(pk=body["enrolment_id"])
        assert (row.key_thumbprint, row.address) == (machine.thumbprint, "127.0.0.1")
        assert code.encode() not in bytes(row.user_code_digest)

    @pytest.mark.parametrize(
        "changes",
        [
            {"public_jwk": None}, {"public_jwk": "key"}, {"public_jwk": {}}, {"name": ""}, {"name": 5},
            {"name": "x" * 101}, {"name": "a\u202eb"}, {"platform": "amiga"}, {"platform": []},
            {"key_storage": "browser"}, {"key_storage": "cloud"}, {"extra": 1},
        ],
        ids=lambda changes: "-".join(f"{k}={str(v)[:20]}" for k, v in changes.items()),
    )  # fmt: skip
    def test_what_it_says_is_checked(self, client, machine, changes):
        answer = machine.ask(client, **changes)

        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
        assert not Enrolment.objects.exists()

    @pytest.mark.parametrize(
        "jwk",
        [
            ECKey.generate_key("P-384").as_dict(private=False),
            ECKey.generate_key("P-256").as_dict(private=True),
            OKPKey.generate_key("Ed25519").as_dict(private=False),
            {"kty": "EC", "crv": "P-256", "x": "A" * 43, "y": "A" * 43},
            {"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA"},
            {"kty": "oct", "k": "AAAA"},
        ],
        ids=["P-384", "private", "Ed25519", "off the curve", "short", "secret"],
    )
    def test_only_a_public_key_on_the_curve_will_do(self, client, machine, jwk):
        answer = machine.ask(client, public_jwk=jwk)

        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")

    @pytest.mark.parametrize(
        "changes",
        [{"aud": "https://evil.example"}, {"jti": ""}, {"iat": "now"}, {"exp": 1}],
        ids=lambda changes: next(iter(changes)),
    )
    def test_a_proof_is_for_us_and_fresh(self, client, machine, changes):
        answer = machine.ask(client, proof=machine.proof(**changes))

        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_proof")

    @pytest.mark.parametrize("off", [-61, 62])
    def test_a_proof_by_a_clock_that_is_off_is_refused(self, client, machine, off):
        answer = machine.ask(client, proof=machine.proof(iat=seconds() + off))

        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_proof")
        assert "seconds" in answer.json()["error_description"]

    @pytest.mark.parametrize("proof", [None, 5, "", "a.b.c", "x" * 5000])
    def test_a_proof_is_needed(self, client, machine, proof):
        assert machine.ask(client, proof=proof).json()["error"] == "invalid_proof"

    def test_anothers_proof_is_none(self, client, machine):
        assert machine.ask(client, proof=Machine().proof()).json()["error"] == "invalid_proof"

    def test_a_report_is_no_proof(self, client, machine):
        claims = {"aud": settings.ISSUER, "iat": seconds(), "jti": "1"}

        answer = machine.ask(client, proof=machine.sign(claims, typ="posture+jwt"))

        assert answer.json()["error"] == "invalid_proof"

    def test_a_key_is_enrolled_once(self, client, machine, employee, now):
        flows.retire(device=machine.enrolled_by(employee.user), actor=employee.user, now=now)

        answer = machine.ask(client)

        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")

    @pytest.mark.parametrize("body", ["", "[]", "{", '{"a":1,"a":2}', "x" * 9000])
    def test_odd_bodies_are_refused(self, client, body):
        answer = client.post("/devices/api/enrolments", body, content_type="application/json")

        assert answer.status_code in {400, 413}
        assert answer.json()["error"] in {"invalid_request", "too_large"}

    @pytest.mark.usefixtures("early_in_a_window")
    def test_asking_is_limited(self, client, machine):
        answers = [machine.ask(client, name="") for _ in range(31)]

        assert answers[-1].status_code == 429


class TestTheWholeWay:
    def test_a_person_allows_it_and_the_machine_learns_where_to_report(
        self, client, machine, person, employee
    ):
        asked = machine.ask(client).json()
        assert (
            machine.poll(
                client, asked["enrolment_id"], proof=machine.proof(iat=seconds() + 1)
            ).status_code
            == 202
        )

        page = person.get(entered(person, asked["user_code"])["Location"])
        assert machine.thumbprint in page.content.decode()
        assert "alice-laptop" in page.content.decode()
        assert "127.0.0.1, as this browser" in page.content.decode()
        done = decide(person, asked["user_code"])
        assert "Your device is enrolled" in done.content.decode()

        answer = machine.poll(client, asked["enrolment_id"], proof=machine.proof(iat=seconds() + 2))
        device = Device.unscoped.get()
        assert answer.status_code == 200
        assert answer.json() == {
            "device_id": str(device.id),
            "posture_uri": f"{settings.ISSUER}/devices/api/{device.id}/reports",
            "nonce_uri": f"{settings.ISSUER}/devices/api/{device.id}/nonce",
            "interval_seconds": 900,
        }
        assert (device.state, device.name, device.platform) == ("enrolled", "alice-laptop", "linux")
        assert device.organisation_id == employee.user.organisation_id
        assert DeviceUser.unscoped.get().user == employee.user
        assert device.tier_at(device.enrolled_at) == 0
        machine.device_id = str(device.id)
        assert machine.report(client).status_code == 200

    def test_it_is_written_down_and_told(
        self, client, machine, person, employee, django_capture_on_commit_callbacks
    ):
        told = []

        def hear(sender, **facts):
            told.append((facts["device"].name, facts["user"].pk))

        device_enrolled.connect(hear)
        try:
            with django_capture_on_commit_callbacks(execute=True):
                decide(person, machine.ask(client).json()["user_code"])
        finally:
            device_enrolled.disconnect(hear)

        event = AuditEvent.objects.get(event=Event.DEVICE_ENROLLED)
        assert event.actor == f"accounts.User:{employee.user.pk}"
        assert event.device_id == Device.unscoped.get().pk
        assert event.session_id == person.session_row.id
        assert event.facts["key_thumbprint"] == machine.thumbprint
        assert told == [("alice-laptop", employee.user.pk)]

    def test_the_browser_runs_on_it_when_its_user_says_so(self, client, machine, person):
        decide(person, machine.ask(client).json()["user_code"], runs_here="on")

        browser = person.session_row.browser
        browser.refresh_from_db()
        assert browser.device == Device.unscoped.get()

    def test_else_the_browser_runs_anywhere(self, client, machine, person):
        decide(person, machine.ask(client).json()["user_code"])

        person.session_row.browser.refresh_from_db()
        assert person.session_row.browser.device is None

    def test_a_refusal_ends_it(self, client, machine, person):
        asked = machine.ask(client).json()
        page = decide(person, asked["user_code"], "deny")

        assert "It was not enrolled" in page.content.decode()
        answer = machine.poll(client, asked["enrolment_id"], proof=machine.proof(iat=seconds() + 1))
        assert (answer.status_code, answer.json()["error"]) == (403, "access_denied")
        assert not Device.unscoped.exists()
        assert AuditEvent.objects.get(event=Event.ENROLMENT_DENIED).facts["name"] == "alice-laptop"

    def test_an_administrator_may_have_to_let_it_in(
        self, client, machine, person, approver, settings
    ):
        settings.DEVICES_ADMINISTRATOR_APPROVES = True
        asked = machine.ask(client).json()
        page = decide(person, asked["user_code"])
        assert "An administrator has to let it in" in page.content.decode()
        device = Device.unscoped.get()
        assert (device.state, device.enrolled_at) == ("pending", None)
        assert (
            machine.poll(
                client, asked["enrolment_id"], proof=machine.proof(iat=seconds() + 1)
            ).status_code
            == 202
        )

        flows.approve(device=device, actor=approver.user, now=device.created_at)

        answer = machine.poll(client, asked["enrolment_id"], proof=machine.proof(iat=seconds() + 2))
        assert answer.status_code == 200
        events = AuditEvent.objects.filter(
            event__in=[Event.DEVICE_REQUESTED, Event.DEVICE_ENROLLED]
        )
        assert events.count() == 2


class TestTheCode:
    def test_it_counts_once(self, client, machine, person):
        code = machine.ask(client).json()["user_code"]
        decide(person, code)

        assert "wrong, or has run out" in entered(person, code).content.decode()

    def test_the_page_counts_once(self, client, machine, person):
        where = entered(person, machine.ask(client).json()["user_code"])["Location"]
        person.post(where, {"decision": "allow"})

        assert person.post(where, {"decision": "allow"}).status_code == 409
        assert Device.unscoped.count() == 1

    def test_it_lives_ten_minutes(self, client, machine, employee, later):
        asked = machine.ask(client).json()
        later(minutes=10, seconds=1)
        person = type(client)()
        cast.sign_in(person, employee, acr="phr")

        assert "wrong, or has run out" in entered(person, asked["user_code"]).content.decode()
        answer = machine.poll(client, asked["enrolment_id"])
        assert (answer.status_code, answer.json()["error"]) == (410, "gone")

    def test_it_may_be_typed_as_people_do(self, client, machine, person):
        code = machine.ask(client).json()["user_code"]

        assert entered(person, f" {code.lower().replace('-', ' ')} ").status_code == 302

    def test_a_link_fills_it_in_and_no_more(self, client, machine, person):
        code = machine.ask(client).json()["user_code"]

        page = person.get(f"/devices/enrol/?user_code={code}").content.decode()

        assert f'value="{code}"' in page
        assert Enrolment.objects.get().approved_at is None

    @pytest.mark.usefixtures("early_in_a_window")
    def test_tries_are_limited(self, person):
        answers = [entered(person, "BCDF-GHJK") for _ in range(11)]

        assert answers[-2].status_code == 200
        assert answers[-1].status_code == 429

    @pytest.mark.usefixtures("early_in_a_window")
    def test_a_code_whose_half_is_known_ends_when_it_is_guessed_at(self, client, machine, person):
        asked = machine.ask(client).json()
        code = asked["user_code"]
        wrong = [letter * 4 for letter in "BCDFGHJ" if letter * 4 != code[5:]]

        for end in wrong[:5]:
            entered(person, code[:5] + end)

        assert "wrong, or has run out" in entered(person, code).content.decode()
        answer = machine.poll(client, asked["enrolment_id"], proof=machine.proof(iat=seconds() + 1))
        assert answer.status_code == 403
        alike = AuditEvent.objects.filter(event=Event.ENROLMENT_CODE_MISTYPED, facts__alike=1)
        assert alike.count() == 5

    def test_the_confirmation_belongs_to_the_browser_that_entered_it(
        self, client, machine, person, approver
    ):
        where = entered(person, machine.ask(client).json()["user_code"])["Location"]
        other = type(client)()
        cast.sign_in(other, approver, acr="phr")

        assert other.post(where, {"decision": "allow"}).status_code == 409
        assert not Device.unscoped.exists()

    @pytest.mark.django_db(transaction=True)
    def test_of_two_who_allow_it_at_once_one_has_it(self, client, machine, employee, now):
        machine.ask(client)
        asked = Enrolment.objects.get()

        def allow(_):
            flows.allow(asked, user=employee.user, browser=None, session_id=None, now=now)
            return True

        assert race(allow, runners=3, tolerate=Refusal) == [True]
        assert Device.unscoped.count() == 1


class TestWhoMayEnrol:
    @pytest.mark.parametrize("acr", ["aal1", "aal2"])
    def test_it_takes_a_passkey(self, client, employee, acr):
        cast.sign_in(client, employee, acr=acr)

        for path in ("/devices/enrol/", "/devices/enrol/confirm/", "/devices/enrol/this-browser/"):
            answer = client.get(path)
            assert answer.status_code == 302
            assert answer["Location"].startswith("/step-up/")
            assert "acr=phr" in answer["Location"]
            assert "max_age=300" in answer["Location"]

    def test_one_of_five_minutes_ago_is_too_old(self, client, employee, later):
        cast.sign_in(client, employee, acr="phr")
        later(minutes=5, seconds=1)

        assert client.get("/devices/enrol/").status_code == 302

    def test_an_installation_may_let_any_two_factors_do(self, client, employee, settings):
        settings.DEVICES_ENROLMENT_ACR = "aal2"
        cast.sign_in(client, employee, acr="aal2")

        assert client.get("/devices/enrol/").status_code == 200

    def test_nor_is_an_answer_taken_from_somebody_weaker(self, client, machine, employee):
        code = machine.ask(client).json()["user_code"]
        cast.sign_in(client, employee, acr="aal2")

        assert entered(client, code).status_code == 302
        assert Enrolment.objects.get().approved_at is None

    def test_nobody_has_devices_without_end(self, employee, now, monkeypatch):
        monkeypatch.setattr("devices.flows.enrolment.MAX_DEVICES_OF_ONE", 2)
        for name in ("one", "two"):
            Machine(name=name).enrolled_by(employee.user)

        with pytest.raises(Refusal, match="too many devices"):
            Machine(name="three").enrolled_by(employee.user)


class TestPolling:
    def test_each_proof_is_younger_than_the_one_before(self, client, machine):
        asked = machine.ask(client).json()
        proof = machine.proof(iat=seconds() + 1)
        assert machine.poll(client, asked["enrolment_id"], proof=proof).status_code == 202

        answer = machine.poll(client, asked["enrolment_id"], proof=proof)

        assert (answer.status_code, answer.json()["error"]) == (400, "replayed")

    def test_another_key_learns_nothing(self, client, machine, person):
        asked = machine.ask(client).json()
        decide(person, asked["user_code"])

        answer = Machine().poll(client, asked["enrolment_id"])

        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_proof")

    def test_what_was_never_asked_is_not_there(self, client, machine):
        answer = machine.poll(client, "00000000-0000-7000-8000-000000000000")

        assert (answer.status_code, answer.json()["error"]) == (404, "not_found")

    @pytest.mark.usefixtures("early_in_a_window")
    def test_whoever_asks_too_often_is_told_to_slow_down(self, client, machine):
        asked = machine.ask(client).json()
        answers = [machine.poll(client, asked["enrolment_id"], proof="x") for _ in range(21)]

        assert (answers[-1].status_code, answers[-1].json()["error"]) == (429, "slow_down")

    def test_a_device_that_is_out_is_told(self, client, machine, person, approver, now):
        asked = machine.ask(client).json()
        decide(person, asked["user_code"])
        flows.revoke(device=Device.unscoped.get(), actor=approver.user, reason="sold", now=now)

        answer = machine.poll(client, asked["enrolment_id"], proof=machine.proof(iat=seconds() + 1))

        assert answer.status_code == 403

    def test_old_requests_are_forgotten(self, client, machine, later):
        machine.ask(client)

        assert flows.purge_enrolments(now=later(days=1)) == 0
        assert flows.purge_enrolments(now=later(minutes=11)) == 1


class TestThisBrowser:
    def body(self, machine, **changes):
        return {
            "public_jwk": machine.public_jwk, "name": "Firefox at work", "platform": "linux",
            "key_storage": "browser", "proof": machine.proof(),
        } | changes  # fmt: skip

    def send(self, browser, body):
        return browser.post("/devices/enrol/this-browser/", body, content_type="application/json")

    def test_it_is_enrolled_and_linked(self, client, machine, person):
        answer = self.send(person, self.body(machine))

        assert answer.status_code == 201
        device = Device.unscoped.get()
        assert answer.json()["page"] == f"/devices/{device.id}/"
        assert (device.key_storage, device.name) == ("browser", "Firefox at work")
        person.session_row.browser.refresh_from_db()
        assert person.session_row.browser.device == device

    @pytest.mark.parametrize(
        ("changes", "error"),
        [({"key_storage": "tpm"}, "invalid_request"), ({"proof": "a.b.c"}, "invalid_proof"),
         ({"platform": "amiga"}, "invalid_request")],
        ids=["storage", "proof", "platform"],
    )  # fmt: skip
    def test_a_bad_request_is_refused_as_json(self, machine, person, changes, error):
        answer = self.send(person, self.body(machine, **changes))

        assert (answer.status_code, answer.json()["error"]) == (400, error)
        assert not Device.unscoped.exists()

    def test_another_site_cannot_do_it(self, client, machine, employee):
        browser = type(client)(enforce_csrf_checks=True)
        cast.sign_in(browser, employee, acr="phr")

        assert self.send(browser, self.body(machine)).status_code == 403

    def test_the_page_says_what_it_needs(self, person):
        page = person.get("/devices/enrol/this-browser/").content.decode()

        assert "<noscript>" in page
        assert f'data-issuer="{settings.ISSUER}"' in page
