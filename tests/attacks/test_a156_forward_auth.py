"""A156: a broken cookie, a health check or an odd header at forward-auth lets nobody through.

Whatever a browser, or somebody beside the proxy, writes into a request: it passes as the person whose
cookie it shows, at the application that the proxy means, or it does not pass.
"""

from datetime import timedelta
from itertools import product
from typing import Any
from urllib.parse import unquote

import pytest
from django.test import Client as Browser

from accounts import flows as accounts
from core import clock
from core.errors import Refusal
from core.ids import new_token
from idp.flows import revoke_consent
from idp.forward_auth import identity, registration, rules
from idp.models import Client, ForwardCode, ForwardSession, ProxiedHost
from sessions.models import LoginSession
from tests import cast
from tests.cast import Person
from tests.support import access, forwarded, oauth
from tests.support.forwarded import ORIGIN, PAGE, SHAPES, ask, begin, finish

pytestmark = pytest.mark.django_db
VAULT = [{"prefix": "/vault", "roles": ["keeper"]}]


@pytest.fixture(autouse=True)
def _proxies(settings: Any) -> None:
    settings.FORWARD_AUTH_PROXIES = forwarded.NETWORKS


@pytest.fixture
def wiki(acme: Any) -> Client:
    return forwarded.wiki(acme, rules=VAULT)


@pytest.fixture
def cookie(wiki: Client, session: LoginSession, client: Browser) -> str:
    """Alice's at the wiki, where a vault is closed to her."""
    shown = forwarded.sign_in(client)
    assert ask(cookie=shown).status == 200
    return shown


NAME = "__Host-sallyport"
BROKEN = {
    "empty": f"{NAME}=",
    "without a value": NAME,
    "quoted": f'{NAME}="{{cookie}}"',
    "twice": f"{NAME}={{cookie}}; {NAME}={{other}}",
    "twice the same": f"{NAME}={{cookie}}; {NAME}={{cookie}}",
    "another": f"{NAME}={{other}}",
    "longer": f"{NAME}={{cookie}}x",
    "shorter": f"{NAME}={{shorter}}",
    "huge": f"{NAME}=" + "x" * 100_000,
    "its digest": f"{NAME}=%00%00%00",
    "an injection": f"{NAME}=' OR 1=1 --",
    "a null": f"{NAME}={{cookie}}\0",
    "not ASCII": f"{NAME}=\xff\xfe",
    "a name in other letters": "__host-Sallyport={cookie}",
    "without its prefix": "sallyport={cookie}",
    "commas": f"a=b, {NAME}={{cookie}}",
    "nothing but signs": ";;==;=,;",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_broken_cookie_is_nobody(cookie: str, shape: str) -> None:
    for name, header in BROKEN.items():
        said = header.format(cookie=cookie, shorter=cookie[:-1], other=new_token())
        assert ask(shape=shape, HTTP_COOKIE=said).status == 401, name


IN_PLACE_OF_A_SIGN_IN: list[dict[str, str]] = [
    {"HTTP_USER_AGENT": "kube-probe/1.31"},
    {"HTTP_USER_AGENT": "GoogleHC/1.0"},
    {"HTTP_USER_AGENT": "Go-http-client/1.1"},
    {"HTTP_USER_AGENT": "ELB-HealthChecker/2.0"},
    {"HTTP_USER_AGENT": ""},
    {"HTTP_AUTHORIZATION": "Bearer null"},
    {"HTTP_AUTHORIZATION": "Basic YWxpY2U6"},
    {"HTTP_PROXY_AUTHORIZATION": "Basic YWxpY2U6"},
    {"HTTP_REMOTE_USER": "alice@acme.example", "HTTP_REMOTE_EMAIL": "alice@acme.example"},
    {"REMOTE_USER": "alice@acme.example"},
    {"HTTP_X_HTTP_METHOD_OVERRIDE": "OPTIONS"},
    {"HTTP_UPGRADE": "websocket", "HTTP_CONNECTION": "Upgrade"},
    {"HTTP_ACCESS_CONTROL_REQUEST_METHOD": "GET", "HTTP_ORIGIN": ORIGIN},
    {"HTTP_X_FORWARDED_PREFIX": "/healthz"},
    {"HTTP_RANGE": "bytes=0-"},
]


@pytest.mark.parametrize("shape", SHAPES)
def test_no_header_stands_for_a_sign_in(cookie: str, shape: str) -> None:
    for extra in IN_PLACE_OF_A_SIGN_IN:
        for method in ("GET", "OPTIONS", "HEAD", "TRACE", "CONNECT", "PROPFIND"):
            assert ask(shape=shape, method=method, **extra).status == 401, (extra, method)


def test_nobody_but_a_known_proxy_is_answered(cookie: str, settings: Any) -> None:
    for shape in SHAPES:
        for peer in ("203.0.113.7", "", "unix:", "not an address", "::1", "11.0.0.1"):
            assert ask(cookie=cookie, shape=shape, REMOTE_ADDR=peer).status == 403, (shape, peer)
    settings.FORWARD_AUTH_PROXIES = []

    assert [ask(cookie=cookie, shape=shape).status for shape in SHAPES] == [403] * 4


CONTRADICTING: list[dict[str, Any]] = [
    {"HTTP_X_FORWARDED_HOST": "wiki.acme.example, other.acme.example"},
    {"HTTP_X_FORWARDED_HOST": "other.acme.example"},
    {"HTTP_X_FORWARDED_HOST": "root@wiki.acme.example"},
    {"HTTP_X_FORWARDED_HOST": "wiki.acme.example:8443"},
    {"HTTP_X_FORWARDED_HOST": "wiki.acme.example."},
    {"HTTP_X_FORWARDED_HOST": "wiki.acme.example/"},
    {"HTTP_X_FORWARDED_PROTO": "https,http"},
    {"HTTP_X_FORWARDED_PROTO": "http"},
    {"HTTP_X_FORWARDED_PROTO": "javascript"},
    {"HTTP_X_FORWARDED_URI": "/vault"},
    {"HTTP_X_FORWARDED_URI": "https://wiki.acme.example/page?x=1"},
    {"HTTP_X_FORWARDED_URI": "/page?x=1, /other"},
    {"HTTP_X_ORIGINAL_URL": "https://other.acme.example/page?x=1"},
    {"HTTP_X_ORIGINAL_URL": "https://wiki.acme.example/vault"},
    {"HTTP_X_ORIGINAL_URL": "/page?x=1"},
    {"HTTP_X_FORWARDED_FOR": None},
    {"HTTP_X_FORWARDED_FOR": "unknown"},
    {"HTTP_X_FORWARDED_FOR": "198.51.100.7, for=_hidden"},
]


@pytest.mark.parametrize("shape", SHAPES)
def test_headers_that_contradict_each_other_are_refused(cookie: str, shape: str) -> None:
    for extra in CONTRADICTING:
        assert ask(cookie=cookie, shape=shape, **extra).status == 403, extra


HOSTS = [
    ("wiki.acme.example", True),
    ("WIKI.ACME.EXAMPLE", True),
    ("wiki.acme.example:443", True),
    ("wiki.acme.example.", False),
    ("wiki.acme.example:80", False),
    ("wiki.acme.example:00443", False),
    ("root@wiki.acme.example", False),
    ("wiki.acme.example@evil.example", False),
    ("evil.example#wiki.acme.example", False),
    ("wiki.acme.example\\evil.example", False),
    ("wiki.acme.example%2eevil", False),
    ("wiki.acme.example evil.example", False),
    ("wiki.acme.example\t", True),
    ("w\u0456ki.acme.example", False),
    ("[::1]", False),
    ("", False),
    ("acme.example", False),
]


@pytest.mark.parametrize("shape", ["traefik", "caddy"])
def test_a_host_is_the_registered_one_or_none(cookie: str, shape: str) -> None:
    for host, passes in HOSTS:
        told = ask(cookie=cookie, shape=shape, HTTP_X_FORWARDED_HOST=host)
        assert told.status == (200 if passes else 403), host


WAYS_TO_THE_VAULT = (
    "/vault", "/vault/", "/VAULT/x", "//vault", "/x/../vault", "/x/..;/vault", "/vault;x", "/./vault",
    "/vault?x=/page", "/vault.", "/%76ault", "/x/%2e%2e/vault", "/x%2f..%2fvault", "/%2576ault",
    "/x/..%5cvault",
)  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_no_way_of_writing_a_path_passes_by_its_rule(cookie: str, shape: str) -> None:
    for path in WAYS_TO_THE_VAULT:
        # The server hands on decoded what Envoy asks.
        there = f"/forward-auth/envoy{unquote(path.partition('?')[0])}"
        extra = {"PATH_INFO": there} if shape == "envoy" else {}
        assert ask(path, cookie=cookie, shape=shape, **extra).status == 403, path


def test_every_identity_header_is_set_anew_also_where_there_is_nothing_to_say(
    cookie: str, employee: Person
) -> None:
    """A proxy that copies them leaves none of the browser's."""
    employee.user.name = ""
    employee.user.save()
    forged = {f"HTTP_{name.upper().replace('-', '_')}": "root" for name in identity.NAMES}

    told = ask(cookie=cookie, **forged)

    assert told.status == 200
    found = {name: value for name, value in told.fields if name.startswith("Remote-")}
    assert found.keys() == set(identity.NAMES)
    assert found["Remote-Name"] == found["Remote-Groups"] == found["Remote-Roles"] == ""
    assert "root" not in found.values()


def test_a_group_by_a_clever_name_is_not_two(cookie: str, employee: Person, acme: Any) -> None:
    now = clock.now()
    group = accounts.create_group(organisation=acme, name="readers,admins", now=now)
    accounts.add_group_member(group=group, user=employee.user, now=now)

    assert "admins" not in ask(cookie=cookie)["Remote-Groups"].split(",")


@pytest.mark.parametrize("shape", SHAPES)
def test_what_breaks_is_a_no(cookie: str, shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("idp.forward_auth.judging.rules.demands_of", lambda *_: 1 / 0)

    assert ask(cookie=cookie, shape=shape).status == 503
    assert ask(shape=shape, method="OPTIONS").status == 503


def test_a_cookie_is_good_at_its_own_application(cookie: str, acme: Any) -> None:
    forwarded.wiki(acme, origin="https://books.acme.example")

    assert ask(cookie=cookie, origin="https://books.acme.example").status == 401


def test_a_code_is_good_once_and_in_one_browser(cookie: str, client: Browser) -> None:
    location, secret = begin()
    path = location.partition("/forward-auth/")[2]
    code = forwarded.code_in(client.get(f"/forward-auth/{path}"))
    before = ForwardSession.unscoped.count()

    assert finish(code, new_token()).status == 400
    assert finish(code, "").status == 400
    assert finish(code, secret).status == 302
    assert finish(code, secret).status == 400
    assert ForwardSession.unscoped.count() == before + 1


HEADERS: dict[str, list[Any]] = {
    "REMOTE_ADDR": [forwarded.PROXY, "203.0.113.7"],
    "HTTP_X_ORIGINAL_URL": [
        None, f"{ORIGIN}/page", f"{ORIGIN}/vault", "https://other.acme.example/page",
        "https://root@wiki.acme.example/page",
    ],
    "HTTP_X_FORWARDED_HOST": [
        None, "wiki.acme.example", "other.acme.example", "wiki.acme.example, evil.example",
    ],
    "HTTP_X_FORWARDED_PROTO": [None, "https", "http"],
    "HTTP_X_FORWARDED_URI": [None, "/page", "/vault", "//page"],
    "HTTP_X_FORWARDED_METHOD": [None, "GET", "GET, OPTIONS"],
    "HTTP_HOST": ["wiki.acme.example", "other.acme.example"],
}  # fmt: skip
PLACES = {
    "nginx": ("HTTP_X_ORIGINAL_URL",),
    "traefik": ("HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_URI"),
}


@pytest.mark.parametrize("shape", PLACES)
def test_of_thousands_of_combinations_none_passes_but_those_that_agree(
    cookie: str, shape: str
) -> None:
    """Who passes does so for the open page of this application, as each header that is there says."""
    agreeing = {
        "REMOTE_ADDR": {forwarded.PROXY},
        "HTTP_X_ORIGINAL_URL": {None, f"{ORIGIN}/page"},
        "HTTP_X_FORWARDED_HOST": {None, "wiki.acme.example"},
        "HTTP_X_FORWARDED_PROTO": {None, "https"},
        "HTTP_X_FORWARDED_URI": {None, "/page"},
        "HTTP_X_FORWARDED_METHOD": {None, "GET"},
    }
    tried = passed = 0
    for values in product(*HEADERS.values()):
        said = dict(zip(HEADERS, values, strict=True))
        tried += 1
        told = ask("/page", cookie=cookie, shape=shape, HTTP_X_ORIGINAL_METHOD="GET", **said)
        if told.status != 200:
            assert told.status in {401, 403}
            continue
        passed += 1
        assert all(said[name] in good for name, good in agreeing.items()), said
        assert all(said[name] is not None for name in PLACES[shape]), said

    assert tried >= 2800
    assert passed > 0


def test_a_page_is_led_to_the_registered_host_alone(cookie: str) -> None:
    told = ask("/page", shape="caddy", **PAGE)

    assert told["Location"].startswith(f"{ORIGIN}/.sallyport/sign-in?rd=")


ORDERS = {"type": "database", "id": "orders"}


def test_a_role_for_some_resources_opens_nothing_but_them(
    acme: Any, employee: Person, approver: Person, client: Browser
) -> None:
    """However a path is written, and whatever the rules beside the one that names the resource."""
    signed_in = cast.sign_in(client, employee)
    entitlement = access.entitlement(acme, by=[approver], eligible=[employee], resources=[ORDERS])
    role = entitlement.entitlement_roles.get().role
    accounts.give_permission(role=role, resource_type="*", action="*", now=clock.now())
    named = {"roles": [role.name], "permission": "database:read"}
    forwarded.wiki(
        acme,
        rules=[
            {"prefix": "/orders", "resource": "database:orders", **named},
            {"prefix": "/orders/all", "roles": [role.name]},
            {"prefix": "/orders/sales", "resource": "database:sales", **named},
            {"prefix": "/sales", "resource": "database:sales", "roles": [role.name]},
            {"prefix": "/tables", "resource": "table:orders", "permission": "table:read"},
            {"prefix": "/longer", "resource": "database:orders:1", "roles": [role.name]},
            {"prefix": "/vault", "roles": [role.name]},
            {"prefix": "/read", "permission": "database:read"},
        ],
    )
    shown = forwarded.sign_in(client, "/")
    access.activate(
        access.approve(access.ask(entitlement, employee, signed_in), approver), employee, signed_in
    )
    assert ask("/orders/1", cookie=shown).status == 200

    for path in (
        "/orders/all", "/orders/sales", "/sales", "/tables", "/longer", "/vault", "/read",
        "/vault?resource=database:orders", "/orders/../vault", "/orders;/all",
    ):  # fmt: skip
        assert ask(path, cookie=shown).status == 403, path
    told = ask("/orders/1", cookie=shown)
    assert told["Remote-Roles"] == ""
    assert role.name not in str(oauth.claims_of(told["Remote-Assertion"]))


def test_a_browser_does_not_let_itself_in_again_after_access_was_taken_back(
    cookie: str, client: Browser, wiki: Client, employee: Person
) -> None:
    """The login session that it has is good: neither it nor a code from before opens."""
    location, secret = begin()
    parts = location.partition("/forward-auth/")
    there = f"/forward-auth/{parts[2]}"
    code = forwarded.code_in(client.get(there))
    revoke_consent(user=employee.user, client=wiki, session_id=None, now=clock.now())

    assert ask(cookie=cookie).status == 401
    assert finish(code, secret).status == 400
    # Nor one that is made just now, by whoever was judged a moment before.
    ForwardCode.unscoped.update(expires_at=clock.now() + timedelta(minutes=1))
    assert finish(code, secret).status == 400
    assert "/step-up/" in client.get(there)["Location"]


def test_who_administers_one_organisation_claims_no_host_beside_another(
    acme: Any, globex: Any, approver: Person, outsider: Person
) -> None:
    """The proxy is everybody's: at a host of globex it would let in whom acme says."""
    claim: Any = {"name": "Mail", "origins": ["https://mail.globex.example"], "now": clock.now()}

    with pytest.raises(Refusal, match="not_allowed"):
        registration.register_application(organisation=acme, actor=approver.user, **claim)

    assert not ProxiedHost.unscoped.exists()
    assert ask(origin="https://mail.globex.example").status == 403


def test_rules_that_nobody_has_seen_are_not_put_aside(cookie: str) -> None:
    """Who has a form open since yesterday does not open again what was closed today."""
    host = ProxiedHost.unscoped.get()
    seen = rules.version_of([{"prefix": "/elsewhere", "tier": 1}])

    with pytest.raises(Refusal, match="conflict"):
        registration.change_rules(host=host, rules=[], version=seen, now=clock.now())

    assert ask("/vault/gold", cookie=cookie).status == 403
