"""An application that knows nothing of sign-ins, behind real proxies by our shipped configurations.

The browser is a Python program with cookies and forms; proxy, product and application are processes
of their own. What the application received is what counts.
"""

import json
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from core.ids import new_token
from tests.browser.people import Person
from tests.interop.visitor import Visitor, trusting
from tests.support import proxies
from tests.support.elsewhere import Elsewhere
from tests.support.instance import Instance, free_port
from tests.support.proxies import HOST, KINDS, Proxy

pytestmark = pytest.mark.instance
IDENTITY = {
    "Remote-User", "Remote-Email", "Remote-Name", "Remote-Groups", "Remote-Roles",
    "Remote-Assertion",
}  # fmt: skip
RULES = [{"prefix": "/vault", "roles": ["db-admin"]}]
FLOWS = """
from accounts import flows; from accounts.models import Role, RoleAssignment, User
from core import clock
user = User.unscoped.get(email="alice@acme.example")
role = Role.unscoped.get(name="db-admin", organisation=user.organisation)
"""
GIVE = FLOWS + "flows.assign_role(user=user, role=role, now=clock.now())"
TAKE = (
    FLOWS + "[flows.end_role_assignment(assignment=each, now=clock.now())"
    " for each in RoleAssignment.unscoped.filter(user=user, role=role, ended_at=None)]"
)


@dataclass
class Stage:
    """visitors: by address. They stay signed in with us while the proxies take turns."""

    instance: Instance
    proxy: Proxy
    behind: Elsewhere
    client_id: str
    visitors: dict[str, Visitor]

    def known(self, email: str) -> Visitor:
        """One browser for all proxies: a code of an authenticator app is good once."""
        return self.visitors.setdefault(email, self.visitor(email))

    def visitor(self, email: str = "alice@acme.example") -> Visitor:
        (found,) = (user for user in self.instance.demo["users"] if user["email"] == email)
        visitor = Visitor(Person(email, found["password"], found["totp_secret"], session=""))
        visitor.http.headers.update({"Accept": "text/html", "Sec-Fetch-Mode": "navigate"})
        return visitor

    def received(self) -> tuple[str, httpx.Headers]:
        """Path and headers of what reached the application last."""
        (_, path, headers, _) = self.behind.requests[-1]
        return path, httpx.Headers(headers)


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    settings = {"SALLYPORT_FORWARD_AUTH__PROXIES": '["127.0.0.0/8"]'}
    with Instance(with_demo=True, environment=settings) as running:
        yield running


@pytest.fixture(scope="module")
def visitors() -> dict[str, Visitor]:
    return {}


@pytest.fixture(scope="module", params=KINDS)
def stage(
    request: pytest.FixtureRequest,
    instance: Instance,
    visitors: dict[str, Visitor],
    tmp_path_factory: Any,
) -> Any:
    if proxies.why_not(request.param):
        pytest.skip(proxies.why_not(request.param))
    rules = tmp_path_factory.mktemp("rules") / "rules.json"
    rules.write_text(json.dumps(RULES))
    with Elsewhere(is_tls=False, host=HOST) as behind:
        for path in ("/", "/page", "/vault", "/public"):
            behind.serve(path, b"the pages", content_type="text/plain")
        proxy = Proxy(
            request.param, port=free_port(), sallyport=instance.port, application=behind.port
        )
        # A name has one application: the proxies take turns.
        with instance.connect() as connection:
            connection.execute("DELETE FROM idp_proxiedhost")
        said = instance.manage(
            "register_proxied_application", "acme", "Wiki", "--origin", proxy.origin,
            "--rules", str(rules),
        )  # fmt: skip
        with proxy:
            yield Stage(instance, proxy, behind, said.split()[1], visitors)


@pytest.fixture(scope="module")
def alice(stage: Stage) -> Visitor:
    visitor = stage.known("alice@acme.example")
    page = visitor.visit(f"{stage.proxy.origin}/page?x=1")
    assert page.text == "the pages", (page.status_code, page.text, stage.proxy.logs())
    return visitor


class TestBehindAProxy:
    def test_a_stranger_reaches_nothing(self, stage: Stage) -> None:
        before = len(stage.behind.requests)
        for method in ("GET", "POST", "PUT", "OPTIONS", "HEAD"):
            answer = httpx.request(method, f"{stage.proxy.origin}/page", verify=trusting())
            assert answer.status_code == 401, method

        assert len(stage.behind.requests) == before

    def test_a_browser_signs_in_and_comes_back_to_where_it_wanted(
        self, stage: Stage, alice: Visitor
    ) -> None:
        page = alice.visit(f"{stage.proxy.origin}/page?x=1&y=%2F")

        assert (page.status_code, page.text) == (200, "the pages")
        path, told = stage.received()
        assert path == "/page?x=1&y=%2F"
        assert told["Remote-Email"] == "alice@acme.example"
        assert told["Remote-Name"] == "Alice Arden"
        assert told["Remote-Roles"] == "employee"

    def test_the_assertion_is_ours_for_this_application(self, stage: Stage, alice: Visitor) -> None:
        alice.visit(f"{stage.proxy.origin}/page")

        _, told = stage.received()
        published = httpx.get(f"{stage.instance.base_url}/oauth/jwks").json()
        token = jwt.decode(told["Remote-Assertion"], KeySet.import_key_set(published))
        assert token.header["typ"] == "forward-auth+jwt"
        assert token.claims["aud"] == stage.client_id
        assert token.claims["origin"] == stage.proxy.origin
        assert token.claims["sub"] == told["Remote-User"]

    def test_what_a_browser_says_of_itself_does_not_pass(
        self, stage: Stage, alice: Visitor
    ) -> None:
        forged = dict.fromkeys(IDENTITY, "root")
        answer = alice.http.get(f"{stage.proxy.origin}/page", headers=forged)

        assert answer.status_code == 200
        _, told = stage.received()
        assert told["Remote-Email"] == "alice@acme.example"
        assert "root" not in told.values()

    def test_nor_in_other_letters(self, stage: Stage, alice: Visitor) -> None:
        """Servers that speak CGI or WSGI cannot tell Remote_User from Remote-User."""
        forged = {name.replace("-", "_").upper(): "root" for name in IDENTITY}
        forged |= {name.lower(): "root" for name in IDENTITY}
        before = len(stage.behind.requests)

        answer = alice.http.get(f"{stage.proxy.origin}/page", headers=forged)

        if answer.status_code == 200:
            assert "root" not in stage.received()[1].values()
        else:  # Envoy refuses the request
            assert (answer.status_code, len(stage.behind.requests)) == (400, before)

    def test_nor_where_it_is(self, stage: Stage, alice: Visitor) -> None:
        """No header of a browser moves the question to another place, or another address."""
        elsewhere = "https://other.acme.example"
        before = len(stage.behind.requests)
        for forged in (
            {"X-Forwarded-Uri": "/public"},
            {"X_Forwarded_Uri": "/public"},
            {"X-Original-URL": f"{stage.proxy.origin}/public"},
            {"X_Original_URL": f"{stage.proxy.origin}/public"},
            {"X-Forwarded-Host": "other.acme.example", "X-Forwarded-Proto": "https"},
            {"X-Forwarded-Method": "OPTIONS", "X-Original-Method": "OPTIONS"},
            {"Forwarded": f"host=other.acme.example;proto=https;for={elsewhere}"},
            {"X-HTTP-Method-Override": "OPTIONS"},
        ):
            answer = alice.http.get(f"{stage.proxy.origin}/vault", headers=forged)
            assert answer.status_code in {302, 400, 403}, forged
            assert "sign-in" not in answer.headers.get("Location", ""), forged

        assert len(stage.behind.requests) == before

    def test_a_forged_address_is_not_believed(self, stage: Stage, alice: Visitor) -> None:
        alice.visit(f"{stage.proxy.origin}/.sallyport/sign-out", until=stage.instance.base_url)
        alice.http.headers["X-Forwarded-For"] = "203.0.113.66"
        try:
            alice.visit(f"{stage.proxy.origin}/page")
        finally:
            del alice.http.headers["X-Forwarded-For"]

        with stage.instance.connect() as connection:
            rows = connection.execute(
                "SELECT host(address) FROM audit_auditevent"
                " WHERE event = 'idp.forward_auth.signed_in' ORDER BY at DESC LIMIT 1"
            ).fetchone()
        assert rows is not None
        assert rows[0] != "203.0.113.66"

    def test_a_path_asks_for_a_role_and_the_next_request_knows(
        self, stage: Stage, alice: Visitor
    ) -> None:
        address = f"{stage.proxy.origin}/vault"
        refused = alice.visit(address)
        assert refused.status_code in {200, 403}
        assert "You may not open this" in refused.text
        program = {"Accept": "application/json", "Sec-Fetch-Mode": "cors"}
        assert alice.http.get(address, headers=program).status_code == 403

        stage.instance.manage("shell", "-c", GIVE)
        assert alice.http.get(address, headers=program).status_code == 200
        assert stage.received()[1]["Remote-Roles"] == "db-admin,employee"

        stage.instance.manage("shell", "-c", TAKE)
        assert alice.http.get(address, headers=program).status_code == 403

    @pytest.mark.parametrize(
        "target",
        [
            "//vault", "/./vault", "/public/../vault", "/public/%2e%2e/vault", "/%76ault", "/VAULT",
            "/public%2f..%2fvault", "/public/..;/vault", "/vault;x", "/%2576ault", "/public/..%5cvault",
            "https://other.acme.example/vault", "https://{here}/vault", "https://root@{here}/vault",
        ],
    )  # fmt: skip
    def test_no_way_of_writing_a_path_passes_by_its_rule(
        self, stage: Stage, alice: Visitor, target: str
    ) -> None:
        before = len(stage.behind.requests)

        status = raw(stage, alice, target.format(here=f"{HOST}:{stage.proxy.port}"))

        # What reached the application is judged as what it was sent, and is not the vault.
        for _, path, _, _ in stage.behind.requests[before:]:
            assert "vault" not in path.lower()
        assert status in {200, 302, 301, 307, 308, 400, 403, 404, 421}

    def test_another_host_in_the_request_is_no_way_in(self, stage: Stage, alice: Visitor) -> None:
        here = f"{HOST}:{stage.proxy.port}"
        before = len(stage.behind.requests)
        for host in ("other.acme.example", f"root@{here}", f"{HOST}.:{stage.proxy.port}"):
            raw(stage, alice, "/vault", host=host)

        assert len(stage.behind.requests) == before

    def test_a_broken_cookie_or_a_health_check_is_nobody(self, stage: Stage) -> None:
        for headers in (
            {"Cookie": "__Host-sallyport="},
            {"Cookie": f"__Host-sallyport={new_token()}; __Host-sallyport={new_token()}"},
            {"Cookie": "__Host-sallyport=" + "x" * 4000},
            {"Cookie": '__Host-sallyport="\\"; =;;,'},
            {"User-Agent": "kube-probe/1.31"},
            {"User-Agent": "GoogleHC/1.0"},
            {"Authorization": "Basic cm9vdDpyb290"},
        ):
            answer = httpx.get(f"{stage.proxy.origin}/page", headers=headers, verify=trusting())
            assert answer.status_code == 401, headers

    def test_a_code_is_good_in_the_browser_that_asked(self, stage: Stage, alice: Visitor) -> None:
        thief = stage.visitor()
        callback = f"{stage.proxy.origin}/.sallyport/callback"
        alice.http.cookies.delete("__Host-sallyport", domain=HOST)
        answer = alice.visit(f"{stage.proxy.origin}/page", until=callback)

        stolen = thief.http.get(answer.extensions["leads_to"])

        assert stolen.status_code == 400
        assert "__Host-sallyport" not in thief.http.cookies
        assert alice.visit(answer.extensions["leads_to"]).text == "the pages"

    def test_when_the_session_ends_the_next_request_signs_in_again(self, stage: Stage) -> None:
        bob = stage.known("bob@acme.example")
        assert bob.visit(f"{stage.proxy.origin}/page").text == "the pages"
        with stage.instance.connect() as connection:
            connection.execute(
                "UPDATE idp_sessions_loginsession s SET ended_at = now(), end_reason = 'revoked'"
                " FROM accounts_user u WHERE u.id = s.user_id AND u.email = 'bob@acme.example'"
            )

        answer = bob.http.get(f"{stage.proxy.origin}/page")

        assert answer.status_code == 302
        assert answer.headers["Location"].startswith(f"{stage.proxy.origin}/.sallyport/sign-in?")
        there = bob.http.get(bob.http.get(answer.headers["Location"]).headers["Location"])
        assert there.headers["Location"].startswith("/accounts/login/?next=")

    def test_signing_out_at_the_application_leads_to_where_all_ends(
        self, stage: Stage, alice: Visitor
    ) -> None:
        page = alice.visit(f"{stage.proxy.origin}/.sallyport/sign-out")

        assert str(page.url) == f"{stage.instance.base_url}/accounts/logout/"
        program = {"Accept": "application/json", "Sec-Fetch-Mode": "cors"}
        answer = alice.http.get(f"{stage.proxy.origin}/page", headers=program)
        assert answer.status_code == 401
        assert alice.visit(f"{stage.proxy.origin}/page").text == "the pages"

    def test_while_we_are_away_nobody_passes(self, stage: Stage, alice: Visitor) -> None:
        before = len(stage.behind.requests)
        stage.instance.stop("web")
        try:
            answer = alice.http.get(f"{stage.proxy.origin}/page")
            assert answer.status_code >= 400
        finally:
            stage.instance.start()

        assert len(stage.behind.requests) == before


def raw(stage: Stage, visitor: Visitor, target: str, *, host: str = "") -> int:
    """The status of a request whose first line no library has mended."""
    cookies = "; ".join(
        f"{cookie.name}={cookie.value}"
        for cookie in visitor.http.cookies.jar
        if cookie.domain == HOST
    )
    assert "__Host-sallyport=" in cookies
    request = (
        f"GET {target} HTTP/1.1\r\nHost: {host or f'{HOST}:{stage.proxy.port}'}\r\n"
        f"Cookie: {cookies}\r\nAccept: application/json\r\nConnection: close\r\n\r\n"
    )
    context = trusting()
    context.check_hostname = False
    with (
        socket.create_connection((HOST, stage.proxy.port), 10) as plain,
        context.wrap_socket(plain, server_hostname=HOST) as line,
    ):
        line.sendall(request.encode())
        answer = b""
        while chunk := line.recv(65_536):
            answer += chunk
    found = re.match(rb"HTTP/1\.[01] (\d{3})", answer)
    assert found, answer[:200]
    return int(found[1])
