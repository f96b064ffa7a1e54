"""F13: the clock of one web process is wrong, from its start or from one moment to the next.

Beside it runs another whose clock is right, on the same database. Rights end by the database's
clock, and a process that is off it by more than five seconds signs nothing and is not ready.
"""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from accounts.reset_tokens import PasswordResetTokens
from config.children import PROJECT, tethered, web_command
from core import clock
from core.errors import Refusal
from idp.models import AuthorizationCode, RefreshFamily
from idp.tokens import mint
from mfa.models import TotpFactor
from tests import cast
from tests.support import oauth
from tests.support.arrange import arrange
from tests.support.instance import Instance, free_port
from tests.support.wrong_clock import WrongClock

HOUR, DAY = 3600, 24 * 3600
TO_2038 = 12 * 366 * DAY
OFFSETS = {
    "an hour ahead": HOUR, "an hour behind": -HOUR, "a day ahead": DAY, "past 2038": TO_2038,
    "a minute ahead": 60, "ten seconds behind": -10,
}  # fmt: skip
READY_SECONDS = 90


def system_clock_off_by(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    real = clock.time.time
    monkeypatch.setattr(clock.time, "time", lambda: real() + seconds)


@pytest.mark.django_db
class TestInOneProcess:
    @pytest.fixture
    def session(self, client, employee):
        return cast.sign_in(client, employee)

    @pytest.mark.parametrize("seconds", OFFSETS.values(), ids=OFFSETS)
    def test_it_signs_nothing(self, acme_web, session, monkeypatch, seconds):
        code = oauth.issue_code(acme_web, session)
        system_clock_off_by(monkeypatch, seconds)

        reply = oauth.redeem(acme_web, code)

        assert (reply.status, reply.error) == (503, "temporarily_unavailable")
        assert AuthorizationCode.unscoped.get().used_at is None
        assert not RefreshFamily.unscoped.exists()
        with pytest.raises(Refusal):
            mint.sign({}, typ="JWT", alg="ES256")

    @pytest.mark.parametrize("seconds", OFFSETS.values(), ids=OFFSETS)
    def test_it_serves_no_page_and_signs_nobody_out(self, client, session, monkeypatch, seconds):
        with monkeypatch.context() as patch:
            system_clock_off_by(patch, seconds)
            answer = client.get("/sessions/")
            assert (answer.status_code, answer["Retry-After"]) == (503, "5")
            assert not answer.cookies
            assert client.get("/readyz").status_code == 503
            assert client.get("/healthz").status_code == 200
            assert oauth.send("GET", "/oauth/jwks").status == 200

        assert client.get("/sessions/").status_code == 200, "set right, it goes on by itself"

    @pytest.mark.parametrize("seconds", OFFSETS.values(), ids=OFFSETS)
    def test_its_now_is_the_databases_all_the_same(self, acme, monkeypatch, seconds):
        before = clock.now()
        system_clock_off_by(monkeypatch, seconds)

        assert abs(clock.now() - before) < timedelta(seconds=5)

    def test_it_is_so_when_the_database_cannot_be_asked(self, acme, monkeypatch):
        assert not clock.is_off()
        before = clock.now()
        monkeypatch.setattr(clock, "_measure", lambda: False)
        system_clock_off_by(monkeypatch, DAY)

        assert abs(clock.now() - before) < timedelta(seconds=5)
        assert clock.is_off(), "what cannot be measured is not trusted"

    def test_it_is_measured_again_until_it_is_right(self, acme):
        """By and by (NTP slews), or because the process stood still while it was measured."""
        clock.synchronise(clock.now() + timedelta(minutes=1))
        assert clock.skew() > timedelta(seconds=50)

        assert not clock.is_off()
        assert abs(clock.skew()) < timedelta(seconds=5)

    @pytest.mark.parametrize("seconds", OFFSETS.values(), ids=OFFSETS)
    def test_codes_of_authenticators_count_by_the_database(self, employee, monkeypatch, seconds):
        code = employee.totp_code()
        system_clock_off_by(monkeypatch, seconds)

        assert TotpFactor.objects.get().verify_token(code)

    @pytest.mark.parametrize("seconds", [-HOUR, DAY], ids=["an hour behind", "a day ahead"])
    def test_links_of_password_resets_end_by_the_database(
        self, newcomer, monkeypatch, later, seconds
    ):
        tokens = PasswordResetTokens()
        link = tokens.make_token(newcomer.user)
        system_clock_off_by(monkeypatch, seconds)
        later(minutes=59)
        assert tokens.check_token(newcomer.user, link)
        later(minutes=2)

        assert not tokens.check_token(newcomer.user, link)

    def test_a_little_off_is_nothing(self, acme_web, session, monkeypatch):
        system_clock_off_by(monkeypatch, 3)

        assert oauth.redeem(acme_web, oauth.issue_code(acme_web, session)).status == 200


@contextmanager
def another_web(instance: Instance, clock_of_it: WrongClock) -> Iterator[str]:
    """One more web process on the instance's database, with a clock of its own."""
    port = free_port()
    environment = instance.environment() | clock_of_it.environment
    with (instance.var / "log" / "other.log").open("ab") as log:
        process = subprocess.Popen(
            tethered(web_command(port=port, workers=1, threads=2)),
            cwd=PROJECT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        base_url = f"http://localhost:{port}"
        deadline = time.monotonic() + READY_SECONDS
        while True:
            assert process.poll() is None, instance.logs("other")[-3000:]
            assert time.monotonic() < deadline, instance.logs("other")[-3000:]
            try:
                httpx.get(f"{base_url}/healthz", timeout=5)
                break
            except httpx.TransportError:
                time.sleep(0.2)
        yield base_url
    finally:
        process.terminate()
        process.wait(20)


class Web:
    def __init__(self, base_url: str) -> None:
        self.http = httpx.Client(base_url=base_url, timeout=30)

    def redeem(self, code: str) -> httpx.Response:
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": cast.REDIRECT_URI,
            "code_verifier": oauth.VERIFIER,
        }  # fmt: skip
        return self.http.post("/oauth/token", data=form, auth=("acme-web", cast.SECRET))

    def refresh(self, token: str) -> httpx.Response:
        form = {"grant_type": "refresh_token", "refresh_token": token}
        return self.http.post("/oauth/token", data=form, auth=("acme-web", cast.SECRET))

    def userinfo(self, token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        return self.http.get("/oauth/userinfo", headers=headers).status_code

    def page(self, cookie: str) -> int:
        headers = {"Cookie": f"session={cookie}"}
        return self.http.get("/sessions/", headers=headers).status_code

    def status(self, path: str) -> int:
        return self.http.get(path).status_code


@pytest.mark.instance
def test_with_real_processes(tmp_path: Path):
    wrong = WrongClock(tmp_path, HOUR)
    with Instance(workers=1) as instance, another_web(instance, wrong) as other_url:
        right, other = Web(instance.base_url), Web(other_url)
        alice = arrange(instance, "signed_in", email="alice@acme.example", codes=2, families=1)
        token = alice["tokens"][0]
        said_by_keys = right.http.get("/oauth/jwks").json()

        for seconds in (HOUR, -HOUR, DAY, TO_2038, -60):
            wrong.set(seconds)
            assert other.status("/readyz") == 503, seconds
            assert other.status("/healthz") == 200
            assert other.http.get("/oauth/jwks").json() == said_by_keys
            assert other.redeem(alice["codes"][0]).status_code == 503
            assert other.refresh(token["refresh_token"]).status_code == 503
            assert other.userinfo(token["access_token"]) == 503
            assert other.page(alice["cookie"]) == 503
            assert other.status("/accounts/login/") == 503
        assert "the clock is off the database's" in instance.logs("other"), (
            "whom it concerns is told"
        )

        # Nobody has lost anything by it, and the others never noticed.
        assert right.status("/readyz") == 200
        assert right.page(alice["cookie"]) == 200
        assert right.redeem(alice["codes"][0]).status_code == 200
        assert right.refresh(token["refresh_token"]).status_code == 200

        wrong.set(0)
        assert other.status("/readyz") == 200, "set right, it needs no restart"
        assert other.userinfo(token["access_token"]) == 200
        assert other.page(alice["cookie"]) == 200
        assert other.redeem(alice["codes"][1]).status_code == 200

        # A jump during a session, between two requests of one connection.
        wrong.set(-2 * HOUR)
        assert other.userinfo(token["access_token"]) == 503
        assert other.page(alice["cookie"]) == 503
