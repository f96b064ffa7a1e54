"""F22: every worker and beat is dead for a day and for eight. Each right ends on time all the same.

Nothing here runs a task: every check looks at the clock itself. Only what nobody's right hangs on
stays behind: mail, and rows that say how something ended.
"""

import re
from datetime import timedelta

import httpx
import pytest

from accounts import budget, flows
from accounts.models import Lock, LockTarget, RoleAssignment
from core import clock
from core.errors import Refusal
from devices.flows import enrolment as devices
from devices.models import Browser as SeenBrowser
from devices.models import Device, State
from idp.models import RefreshFamily
from policy.decision import Outcome
from policy.facts import Trigger
from risk.models import RiskLevel, UserRisk
from sessions.evaluation import evaluate
from sessions.models import LoginSession
from tests import cast
from tests.support import oauth
from tests.support.arrange import arrange
from tests.support.instance import Instance
from tests.support.machine import Machine

DAY = 24 * 3600


@pytest.mark.django_db
class TestInOneProcess:
    @pytest.fixture
    def session(self, client, employee):
        return cast.sign_in(client, employee)

    def test_a_code_ends_after_a_minute(self, acme_web, session, later):
        in_time, too_late = oauth.issue_code(acme_web, session), oauth.issue_code(acme_web, session)
        later(seconds=58)
        assert oauth.redeem(acme_web, in_time).status == 200
        later(seconds=2)

        assert oauth.redeem(acme_web, too_late).error == "invalid_grant"

    def test_an_access_token_ends_after_fifteen_minutes(self, acme_web, session, later):
        token = oauth.redeem(acme_web, oauth.issue_code(acme_web, session)).json["access_token"]

        def ask():
            return oauth.send("GET", "/oauth/userinfo", authorization=f"Bearer {token}").status

        later(minutes=14, seconds=50)
        assert ask() == 200
        later(seconds=11)
        assert ask() == 401

    def test_a_session_that_nobody_uses_ends_after_a_day(self, client, session, later):
        later(hours=23, minutes=59, seconds=50)
        assert client.get("/sessions/").status_code == 200
        later(days=1, seconds=1)

        assert client.get("/sessions/").status_code == 302

    def test_a_refresh_family_ends_on_the_seventh_day_however_busy(self, acme_web, session, later):
        token = oauth.redeem(acme_web, oauth.issue_code(acme_web, session)).json["refresh_token"]
        # So that the family's own end is what is seen.
        LoginSession.unscoped.update(expires_at=clock.now() + timedelta(days=30))
        for _ in range(13):
            later(hours=12)
            token = oauth.refresh(acme_web, token).json["refresh_token"]
        later(hours=11, minutes=59)
        token = oauth.refresh(acme_web, token).json["refresh_token"]
        later(minutes=2)

        assert oauth.refresh(acme_web, token).error == "invalid_grant"
        assert RefreshFamily.unscoped.get().revoked_at is None, "no worker has written it down"

    def test_so_does_the_session_behind_it(self, client, session, later):
        for _ in range(8):
            later(hours=20)
            assert client.get("/sessions/").status_code == 200
        later(hours=8, seconds=1)

        assert client.get("/sessions/").status_code == 302

    def test_an_invitation_ends_after_seven_days(self, client, acme, later):
        _, link = flows.invite(organisation=acme, email="ivy@acme.example", now=clock.now())
        token = link.rstrip("/").rpartition("/")[2]
        later(days=6, hours=23, minutes=59)
        assert flows.find_invitation(token=token) is not None
        later(minutes=1)

        assert flows.find_invitation(token=token) is None
        with pytest.raises(Refusal):
            flows.accept_invitation(
                token=token, name="Ivy", password=cast.PASSWORD, now=clock.now()
            )

    def test_a_role_ends_when_it_was_to_end(self, acme, acme_web, employee, session, later):
        role = flows.create_role(organisation=acme, name="auditor", now=clock.now())
        flows.assign_role(
            user=employee.user, role=role, now=clock.now(), ends_at=clock.now() + timedelta(hours=1)
        )
        code = oauth.issue_code(acme_web, session, scope="openid roles")
        tokens = oauth.redeem(acme_web, code).json
        assert oauth.claims_of(tokens["access_token"])["roles"] == ["auditor"]
        later(hours=1)

        tokens = oauth.refresh(acme_web, tokens["refresh_token"]).json

        assert oauth.claims_of(tokens["access_token"])["roles"] == []
        assert RoleAssignment.unscoped.get().ended_at is None

    def test_a_role_does_not_begin_before_its_time(self, acme, acme_web, employee, session, later):
        role = flows.create_role(organisation=acme, name="auditor", now=clock.now())
        flows.assign_role(
            user=employee.user, role=role, now=clock.now(),
            starts_at=clock.now() + timedelta(hours=1),
        )  # fmt: skip
        code = oauth.issue_code(acme_web, session, scope="openid roles")
        tokens = oauth.redeem(acme_web, code).json
        assert oauth.claims_of(tokens["access_token"])["roles"] == []
        later(hours=1)

        tokens = oauth.refresh(acme_web, tokens["refresh_token"]).json

        assert oauth.claims_of(tokens["access_token"])["roles"] == ["auditor"]

    def test_trust_in_a_silent_device_fades(self, acme, acme_web, employee, session, later):
        now = clock.now()
        device = Device.objects.create(
            organisation=acme, name="Laptop", state=State.ENROLLED, created_at=now,
            tier_ends_at=[now + timedelta(hours=2), now + timedelta(hours=1)],
        )  # fmt: skip
        SeenBrowser.unscoped.update(device=device)
        for name, tier in (("reader", 1), ("vault", 2)):
            role = flows.create_role(organisation=acme, name=name, required_tier=tier, now=now)
            flows.assign_role(user=employee.user, role=role, now=now)
        code = oauth.issue_code(acme_web, session, scope="openid roles")
        token = oauth.redeem(acme_web, code).json["refresh_token"]
        seen = []
        for _ in range(3):
            answer = oauth.refresh(acme_web, token).json
            token = answer["refresh_token"]
            seen.append(oauth.claims_of(answer["access_token"])["roles"])
            later(hours=1)

        assert seen == [["reader", "vault"], ["reader"], []]

    def test_a_lock_that_was_placed_ends_on_its_second(self, client, employee, session, later):
        flows.place_lock(
            organisation_id=session.organisation_id, target_type=LockTarget.ADDRESS,
            target="127.0.0.0/8", reason="F22", now=clock.now(),
            ends_at=clock.now() + timedelta(minutes=5),
        )  # fmt: skip
        assert flows.is_locked_out(user=employee.user, address="127.0.0.1", now=clock.now())
        later(minutes=4, seconds=55)
        assert flows.is_locked_out(user=employee.user, address="127.0.0.1", now=clock.now())
        later(seconds=6)

        assert not flows.is_locked_out(user=employee.user, address="127.0.0.1", now=clock.now())
        assert client.get("/sessions/").status_code == 200

    def test_a_lock_ends_after_a_quarter_of_an_hour(self, newcomer, later):
        for _ in range(budget.WINDOW_FAILURES):
            budget.spend(newcomer.email, now=clock.now())
        later(minutes=14, seconds=50)
        with pytest.raises(Refusal):
            budget.check(newcomer.email, now=clock.now())
        later(seconds=11)

        budget.check(newcomer.email, now=clock.now())

    def test_a_nonce_ends_after_five_minutes(self, client, employee, later):
        machine = Machine()
        machine.enrolled_by(employee.user)
        in_time, too_late = machine.nonce(client), machine.nonce(client)
        later(minutes=4, seconds=55)
        assert machine.send(client, machine.signed(machine.claims(in_time))).status_code == 200
        later(seconds=6)

        answer = machine.send(client, machine.signed(machine.claims(too_late)))

        assert (answer.status_code, answer.json()["error"]) == (400, "stale")

    def test_a_code_of_an_enrolment_ends_after_ten_minutes(self, client, employee, session, later):
        asked = Machine().ask(client).json()

        def find():
            return devices.find_by_code(
                asked["user_code"], user=employee.user, session_id=session.id,
                address="127.0.0.1", now=clock.now(),
            )  # fmt: skip

        later(minutes=9, seconds=55)
        found = find()
        assert found is not None
        later(seconds=6)

        assert find() is None
        with pytest.raises(Refusal):
            devices.allow(
                found, user=employee.user, browser=None, session_id=session.id, now=clock.now()
            )

    @pytest.mark.parametrize("what", ["client", "user"])
    def test_a_lock_ends_when_it_was_to_end(
        self, acme, acme_web, employee, session, client, later, what
    ):
        token = oauth.redeem(acme_web, oauth.issue_code(acme_web, session)).json["refresh_token"]
        flows.place_lock(
            organisation_id=acme.pk, target_type=LockTarget(what), reason="a test",
            target=acme_web.client_id if what == "client" else str(employee.user.pk),
            now=clock.now(), ends_at=clock.now() + timedelta(hours=1),
        )  # fmt: skip
        later(minutes=59, seconds=55)
        assert oauth.refresh(acme_web, token).status in {400, 401}
        later(seconds=6)

        if what == "user":  # the session ended with the lock's first use; a new one is let in
            session = cast.sign_in(client, employee)
            token = oauth.redeem(acme_web, oauth.issue_code(acme_web, session)).json[
                "refresh_token"
            ]

        assert oauth.refresh(acme_web, token).status == 200
        assert Lock.unscoped.get().lifted_at is None

    def test_a_lock_that_is_over_is_gone_from_the_sign_in_page(self, acme, client, newcomer, later):
        flows.place_lock(
            organisation_id=acme.pk, target_type=LockTarget.USER, target=str(newcomer.user.pk),
            reason="a test", now=clock.now(), ends_at=clock.now() + timedelta(hours=1),
        )  # fmt: skip
        form = {"login": newcomer.email, "password": newcomer.password}
        later(minutes=59, seconds=55)
        client.post("/accounts/login/", form)
        assert "_auth_user_id" not in client.session
        later(seconds=6)

        client.post("/accounts/login/", form)

        assert client.session["_auth_user_id"] == str(newcomer.user.pk)

    def test_an_accounts_risk_ends_when_it_was_to_end(self, acme, employee, session, later):
        UserRisk.objects.create(
            user=employee.user, organisation=acme, level=RiskLevel.HIGH, reasons=["a test"],
            raised_at=clock.now(), ends_at=clock.now() + timedelta(hours=1),
        )  # fmt: skip

        def outcome():
            judged = evaluate(session_id=session.id, trigger=Trigger.REFRESH, now=clock.now())
            return judged.outcome

        later(minutes=59, seconds=55)
        assert outcome() is Outcome.STEP_UP
        later(seconds=6)

        assert outcome() is Outcome.ALLOW
        assert UserRisk.unscoped.exists(), "nobody has tidied it away"


def token_request(instance: Instance, **form: str) -> httpx.Response:
    return httpx.post(
        f"{instance.base_url}/oauth/token", data=form, auth=("acme-web", cast.SECRET), timeout=30
    )


def redeem(instance: Instance, code: str) -> httpx.Response:
    return token_request(
        instance,
        grant_type="authorization_code",
        code=code,
        redirect_uri=cast.REDIRECT_URI,
        code_verifier=oauth.VERIFIER,
    )


def refresh(instance: Instance, token: str) -> httpx.Response:
    return token_request(instance, grant_type="refresh_token", refresh_token=token)


def page(instance: Instance, path: str, cookie: str = "") -> int:
    cookies = {"session": cookie} if cookie else {}
    return httpx.get(f"{instance.base_url}{path}", cookies=cookies, timeout=30).status_code


def sign_in(instance: Instance, email: str) -> int:
    """What the sign-in page answers to the right password."""
    with httpx.Client(base_url=instance.base_url, timeout=30) as browser:
        form = browser.get("/accounts/login/").text
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
        assert found is not None
        return browser.post(
            "/accounts/login/",
            data={"login": email, "password": cast.PASSWORD, "csrfmiddlewaretoken": found[1]},
            headers={"Origin": instance.base_url},
        ).status_code


@pytest.mark.instance
def test_with_real_processes_and_no_worker():
    with Instance(workers=1) as instance:
        alice = arrange(
            instance, "signed_in", email="alice@acme.example", role="auditor", role_hours=12,
            codes=2, families=2,
        )  # fmt: skip
        invitation = arrange(instance, "invited", email="ivy@acme.example")
        arrange(instance, "locked_out", email="lena@acme.example")
        tokens = redeem(instance, alice["codes"][0]).json()
        assert oauth.claims_of(tokens["access_token"])["roles"] == ["auditor"]
        assert refresh(instance, alice["tokens"][0]["refresh_token"]).status_code == 200
        assert page(instance, "/sessions/", alice["cookie"]) == 200
        assert page(instance, invitation) == 200
        assert sign_in(instance, "lena@acme.example") == 429

        move(instance, DAY + 60)
        assert redeem(instance, alice["codes"][1]).json()["error"] == "invalid_grant"
        for family in (tokens, alice["tokens"][1]):
            assert refresh(instance, family["refresh_token"]).json()["error"] == "invalid_grant"
        assert userinfo(instance, tokens["access_token"]) == 401
        assert page(instance, "/sessions/", alice["cookie"]) == 302
        assert page(instance, invitation) == 200
        assert sign_in(instance, "lena@acme.example") == 302
        again = arrange(instance, "signed_in", email="alice@acme.example")
        fresh = redeem(instance, again["codes"][0]).json()
        assert oauth.claims_of(fresh["access_token"])["roles"] == []
        assert userinfo(instance, fresh["access_token"]) == 200

        move(instance, 8 * DAY + 120)
        assert refresh(instance, fresh["refresh_token"]).json()["error"] == "invalid_grant"
        assert page(instance, "/sessions/", again["cookie"]) == 302
        assert page(instance, invitation) in {404, 410}
        assert sign_in(instance, "alice@acme.example") == 302

        with instance.connect() as database:
            lagging = database.execute(
                "SELECT (SELECT count(*) FROM accounts_outgoingmail WHERE sent_at IS NULL),"
                " (SELECT count(*) FROM accounts_roleassignment WHERE ended_at IS NULL)"
            ).fetchone()
        assert lagging is not None
        assert min(lagging) > 0, "mail and notes wait for a worker; no right does"


def move(instance: Instance, seconds: int) -> None:
    instance.extra["SALLYPORT_CLOCK_OFFSET_SECONDS"] = str(seconds)
    instance.restart()


def userinfo(instance: Instance, token: str) -> int:
    return httpx.get(
        f"{instance.base_url}/oauth/userinfo",
        headers={"Authorization": f"Bearer {token}"},
        timeout=30,
    ).status_code
