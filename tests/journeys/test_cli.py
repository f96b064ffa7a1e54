"""The command line against a running product: somebody asks, somebody answers, and it begins."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest

from tests.browser.people import Person
from tests.interop.visitor import Visitor, forms
from tests.support.instance import PROJECT, Instance

pytestmark = pytest.mark.instance

OFFER = """
from accounts.models import Organisation, User
from access import flows
from access.offers import ApproverLine, Offer, StageLine
from accounts.flows import create_role
from core import clock
now = clock.now()
acme = Organisation.objects.get(slug="acme")
alice = User.unscoped.get(email="alice@acme.example")
bob = User.unscoped.get(email="bob@acme.example")
role = create_role(organisation=acme, name="vault", now=now)
offered = flows.create_entitlement(organisation=acme, name="vault", now=now, offer=Offer(
    roles=[role], stages=[StageLine([ApproverLine(user=bob)])], description="The vault"))
flows.add_eligibility(entitlement=offered, user=alice, now=now)
drawer = flows.create_entitlement(organisation=acme, name="drawer", now=now, offer=Offer(
    roles=[create_role(organisation=acme, name="clerk", now=now)], reason_required=False,
    resources=[{"type": "drawer", "id": "17"}, {"type": "drawer", "id": "18"}]))
flows.add_eligibility(entitlement=drawer, user=alice, now=now)

from idp.clients.workloads import make_workload
from idp.flows import register_client
nightly = register_client(
    organisation=acme, name="Nightly", kind="confidential", grant_types=["client_credentials"],
    scopes=["roles"], now=now).client
workload = make_workload(client=nightly, responsible=alice, now=now)
shift = flows.create_entitlement(organisation=acme, name="shift", now=now, offer=Offer(
    roles=[create_role(organisation=acme, name="mover", now=now)],
    stages=[StageLine([ApproverLine(user=bob)])], binds_session=False, binds_device=False))
flows.add_eligibility(entitlement=shift, workload=workload, now=now)
print(nightly.client_id)
"""
PEOPLE: dict[tuple[str, str], Person] = {}


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with Instance(with_demo=True) as running:
        running.demo["nightly"] = running.inside(OFFER).strip()
        yield running


class Terminal:
    """Somebody's terminal, with a folder of their own, and their browser beside it."""

    def __init__(self, instance: Instance, email: str, home: Path) -> None:
        (told,) = (each for each in instance.demo["users"] if each["email"] == email)
        self.instance, self.home = instance, home
        # One authenticator app for all terminals of a person: it shows each code once.
        person = Person(told["email"], told["password"], told["totp_secret"], session="")
        self.visitor = Visitor(PEOPLE.setdefault((instance.mark, email), person))
        self.asked_to_prove: list[str] = []

    def start(self, *words: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "sallyport_cli", *words],
            cwd=PROJECT,
            env={"PATH": os.environ["PATH"], "SALLYPORT_HOME": str(self.home)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str) -> tuple[int, str, str]:
        process = self.start(*words)
        out, error = process.communicate(timeout=60)
        return process.returncode, out, error

    def told(self, *words: str) -> Any:
        code, out, error = self.run("--json", *words)
        assert code == 0, error
        return json.loads(out)

    def login(self) -> str:
        """Sign in as a person does: by the page that the command names."""
        client_id = self.instance.demo["command_line"]["client_id"]
        process = self.start("login", self.instance.base_url, "--client-id", client_id)
        assert process.stderr is not None
        address = re.search(r"http\S+", process.stderr.readline())
        assert address is not None
        self.allow(address.group())
        out, error = process.communicate(timeout=60)
        assert process.returncode == 0, error
        return out

    def proved_long_ago(self) -> None:
        email = self.visitor.person.email
        with self.instance.connect() as database:
            database.execute(
                "UPDATE idp_sessions_loginsession SET auth_time = auth_time - interval '1 hour'"
                " WHERE user_id = (SELECT id FROM accounts_user WHERE email = %s)",
                [email],
            )

    def activated(self, grant: str) -> Any:
        """Begin, and prove it again in the browser where the command asks for that."""
        process = self.start("--json", "activate", grant, "--wait")
        assert process.stderr is not None
        asked = process.stderr.readline()
        if asked:
            self.asked_to_prove.append(asked)
            self.visitor.visit(f"{self.instance.base_url}/step-up/?acr=aal2&max_age=0&next=/")
        out, error = process.communicate(timeout=60)
        assert process.returncode == 0, asked + error
        return json.loads(out)

    def allow(self, address: str) -> None:
        page = self.visitor.visit(address)
        (form,) = (each for each in forms(page.text) if "user_code" in each.fields)
        sent = self.visitor.http.send(self.visitor.fill_in(page, form))
        done = self.visitor.visit(urljoin(self.instance.base_url, sent.headers["Location"]))
        assert "You are connected" in done.text, done.text[-2000:]


@pytest.fixture(scope="module")
def alice(instance: Instance, tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    terminal = Terminal(instance, "alice@acme.example", tmp_path_factory.mktemp("alice"))
    assert "alice@acme.example of acme" in terminal.login()
    return terminal


@pytest.fixture(scope="module")
def bob(instance: Instance, tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    terminal = Terminal(instance, "bob@acme.example", tmp_path_factory.mktemp("bob"))
    terminal.login()
    return terminal


def test_before_anybody_has_signed_in(instance: Instance, tmp_path: Path) -> None:
    stranger = Terminal(instance, "alice@acme.example", tmp_path / "nobody")

    code, out, error = stranger.run("list")

    assert (code, out) == (3, "")
    assert "Sign in first" in error


def test_tokens_are_kept_from_others(alice: Terminal) -> None:
    kept = alice.home / "session.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    token = json.loads(kept.read_text())["access_token"]
    _, out, error = alice.run("whoami")
    assert token not in out + error


def test_from_the_request_to_the_end(alice: Terminal, bob: Terminal) -> None:
    offered = alice.told("list")
    assert "vault" in [each["name"] for each in offered["entitlements"]]

    code, out, _ = alice.run("explain", "vault")
    assert code == 0
    assert out.startswith("vault: you may ask, and have to say more\n")
    assert "todo   Please give a reason." in out
    assert "approval 1: 1 of bob@acme.example" in out

    code, out, _ = alice.run("request", "vault", "--minutes", "30", "--reason", "x", "--dry-run")
    assert code == 0
    assert "waits for approval" in out
    assert alice.told("history") == []

    waits = alice.start(
        "--json", "request", "vault", "--minutes", "30", "--reason", "to mend it", "--wait"
    )
    try:
        grant = _until(lambda: bob.told("inbox"))[0]["grant"]
        assert (grant["requester"]["email"], grant["reason"]) == (
            "alice@acme.example",
            "to mend it",
        )
        assert "to mend it" in bob.run("inbox")[1]
        code, out, error = bob.run("approve", grant["id"], "--reason", "fine")
        assert (code, "approved" in out) == (0, True), error
        answered, error = waits.communicate(timeout=60)
    finally:
        waits.kill()
    assert waits.returncode == 0, error
    assert json.loads(answered)["state"] == "scheduled"

    alice.proved_long_ago()
    begun = alice.activated(grant["id"])
    assert len(alice.asked_to_prove) == 1
    assert (begun["state"], begun["is_here"]) == ("active", True)
    assert "vault" in [role["name"] for role in alice.told("whoami")["roles"]]
    assert "activated" in alice.run("show", grant["id"])[1]

    assert alice.told("drop", grant["id"])["did"] is True
    assert "vault" not in [role["name"] for role in alice.told("whoami")["roles"]]
    assert [each["state"] for each in alice.told("history")] == ["ended"]


def test_what_is_limited_to_resources_says_so_wherever_it_stands(alice: Terminal) -> None:
    assert "  only for drawer 17, drawer 18\n" in alice.run("explain", "drawer")[1]
    grant = alice.told("request", "drawer")
    alice.activated(grant["id"])

    assert "clerk (only for drawer 17, drawer 18)" in alice.run("whoami")[1]
    held, opened, offered = alice.run("list")[1].split("\n\n")
    for table, name in ((held, "clerk"), (opened, "drawer"), (offered, "drawer")):
        (line,) = (each for each in table.splitlines() if name in each)
        assert "drawer 17, drawer 18" in line
        assert "ONLY FOR" in table
    assert "roles: clerk, only for drawer 17, drawer 18;" in alice.run("show", grant["id"])[1]
    assert alice.told("drop", grant["id"])["did"] is True


def test_for_an_application_that_one_answers_for(alice: Terminal, bob: Terminal) -> None:
    nightly = alice.instance.demo["nightly"]
    assert "shift" not in [each["name"] for each in alice.told("list")["entitlements"]]
    wish = ("request", "shift", "--workload", nightly, "--minutes", "20", "--reason", "to move it")

    code, out, error = alice.run(*wish, "--dry-run")
    assert (code, "so it would be; nothing was asked" in out) == (0, True), error
    grant = alice.told(*wish)
    assert (grant["workload"], grant["state"]) == (nightly, "approval_awaited")
    assert f"for the application {nightly}; Alice" in alice.run("show", grant["id"])[1]

    (waits,) = (each["grant"] for each in bob.told("inbox") if each["grant"]["id"] == grant["id"])
    assert waits["workload"] == nightly
    assert f"application {nightly} (alice@acme.example)" in bob.run("inbox")[1]
    code, _, error = bob.run("approve", grant["id"], "--reason", "fine", "--wait")
    assert code == 0, error
    begun = alice.activated(grant["id"])
    assert (begun["state"], begun["workload"]) == ("active", nightly)
    assert "mover" not in [role["name"] for role in alice.told("whoami")["roles"]]
    assert f"application {nightly}" in alice.run("list")[1]
    (held,) = (each for each in alice.told("list")["grants"] if each["id"] == grant["id"])
    assert (held["workload"], held["state"]) == (nightly, "active")

    assert alice.told("drop", grant["id"])["did"] is True


def test_what_is_not_for_that_application_does_not_exist(alice: Terminal) -> None:
    nightly = alice.instance.demo["nightly"]

    for words in (
        ("request", "shift", "--workload", "no-such-client"),
        ("request", "vault", "--workload", nightly),
        ("request", "shift"),
    ):
        code, out, error = alice.run(*words, "--reason", "x")
        assert (code, out, error.strip()) == (1, "", "There is nothing here."), words


def test_a_refusal_has_an_exit_code_and_says_why(alice: Terminal) -> None:
    code, out, error = alice.run("request", "no-such-thing", "--reason", "x")
    assert (code, out) == (1, "")
    assert "There is nothing here." in error

    code, _, error = alice.run("explain", "no-such-thing")
    assert (code, error.strip()) == (1, "There is nothing here.")

    code, _, error = alice.run("break-glass", "vault", "--reason", "fire")
    assert code == 1
    assert "emergency" in error.lower() or "without asking" in error.lower()

    code, _, error = alice.run("request", "vault")
    assert code == 1
    assert "Please give a reason." in error

    assert alice.run("nonsense")[0] == 2


def test_a_request_is_withdrawn(alice: Terminal) -> None:
    grant = alice.told("request", "vault", "--reason", "by mistake")
    assert alice.told("cancel", grant["id"])["did"] is True
    assert alice.told("cancel", grant["id"])["did"] is False


def test_a_request_is_denied(alice: Terminal, bob: Terminal) -> None:
    grant = alice.told("request", "vault", "--reason", "out of habit")

    code, out, error = bob.run("deny", grant["id"], "--reason", "not today", "--wait")
    assert code == 0, error
    assert out.strip() == "vault: denied"

    code, _, error = bob.run("revoke", grant["id"], "--reason", "again")
    assert code in {0, 1, 4}, error
    assert "denied" in alice.run("history")[1]
    code, _, error = alice.run("activate", grant["id"])
    assert code in {1, 4}, error


def test_tokens_are_renewed_and_rotated(alice: Terminal) -> None:
    kept = alice.home / "session.json"
    before = json.loads(kept.read_text())
    kept.write_text(json.dumps(before | {"expires_at": 0}))

    several = [alice.start("--json", "whoami") for _ in range(3)]
    for process in several:
        out, error = process.communicate(timeout=60)
        assert process.returncode == 0, error
        assert json.loads(out)["email"] == "alice@acme.example"

    after = json.loads(kept.read_text())
    assert after["refresh_token"] != before["refresh_token"]


def test_signing_out_gives_the_tokens_back(instance: Instance, tmp_path: Path) -> None:
    terminal = Terminal(instance, "bob@acme.example", tmp_path / "again")
    terminal.login()
    kept = (terminal.home / "session.json").read_text()

    assert terminal.run("logout")[0] == 0
    assert not (terminal.home / "session.json").exists()

    (terminal.home / "session.json").touch(mode=0o600)
    (terminal.home / "session.json").write_text(kept)
    code, _, error = terminal.run("whoami")
    assert code == 3
    assert "signed out" in error


def test_a_server_that_does_not_answer(alice: Terminal, tmp_path: Path) -> None:
    terminal = Terminal(alice.instance, "alice@acme.example", tmp_path)
    told = json.loads((alice.home / "session.json").read_text())
    path = tmp_path / "session.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(told | {"issuer": "http://localhost:9"}))

    code, _, error = terminal.run("whoami")

    assert code == 5
    assert "does not answer" in error


def _until(answer: Any) -> Any:
    for _ in range(30):
        found = answer()
        if found:
            return found
    raise AssertionError("nothing came")
