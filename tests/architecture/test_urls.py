"""Every path of the product: who may see it, how it answers strangers, with which headers."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import URLPattern, URLResolver, get_resolver

from core.ids import new_id
from tests import cast
from tests.support import api

pytestmark = pytest.mark.django_db

# What answers people who are not signed in. Every other path sends them to the sign-in page.
OPEN = {
    "account_login", "account_logout", "account_signup", "account_inactive",
    "account_confirm_email", "account_email_verification_sent",
    "account_reset_password", "account_reset_password_done",
    "account_reset_password_from_key", "account_reset_password_from_key_done",
    "accounts:invitation", "accounts:locked", "risk:was_it_you",
    "mfa:challenge", "mfa:passkey_challenge", "mfa:passkey_challenge_options",
    "mfa:passkey_login", "mfa:passkey_login_options",
    "idp:authorize", "idp:resume", "idp:account", "idp:consent", "idp:end_session",
    "idp:check_session",
    "idp:token", "idp:userinfo", "idp:introspect", "idp:revoke", "idp:jwks", "idp:discovery",
    "idp:authorization_server_metadata", "idp:pushed_request", "idp:device_authorization",
    "idp:backchannel_authentication",
    "idp:register", "idp:registered_client", "idp:resource_metadata", "idp:userinfo_metadata",
    "idp:api_metadata",
    "idp:status_lists", "idp:status_list", "idp:client_logo",
    "idp:global_token_revocation",
    "idp:authzen_evaluation", "idp:authzen_evaluations", "idp:authzen_search_subject",
    "idp:authzen_search_resource", "idp:authzen_search_action", "idp:authzen_metadata",
    "idp:policy_bundle",
    "idp:forward_nginx", "idp:forward_traefik", "idp:forward_caddy", "idp:forward_envoy",
    "idp:forward_envoy_path", "idp:forward_start", "idp:forward_resume",
    "devices:api_enrolments", "devices:api_enrolment", "devices:api_nonce", "devices:api_reports",
    "devices:api_connector",
    "sessions:binding_challenge", "sessions:binding_registration", "sessions:binding_proof",
    "sessions:binding_leave", "sessions:dbsc_register", "sessions:dbsc_refresh",
    "healthz", "readyz",
    *api.PUBLISHED, *api.NOTHING, *api.PEOPLE, *api.OF_AN_ACCOUNT, *api.APPLICATIONS,
    *api.ADMINISTRATORS,
    *api.OF_EVERY_ORGANISATION,
}  # fmt: skip
VALUES = {
    "<str:client_id>": "app_made_up", "<str:list_id>": "made-up", "<str:digest>": "00" * 32,
    "<uuid:": str(new_id()), "<uuidstr:": str(new_id()), "<slug:": "made-up", "<str:token>": "t" * 43, "(?P<key>[-:\\w]+)": "made:up",
    "(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)": "1a-made-up", "(?P<url>.*)": "no/such/page",
    "<path:object_id>": "1", "<path:": "1", "<id>": "1", "<int:content_type_id>": "1",
    "<int:identifier_id>": "1",
}  # fmt: skip


def patterns(
    resolver: URLResolver | None = None, prefix: str = "", namespace: str = ""
) -> Iterator[tuple[str, str, Any]]:
    """Path, name and view of everything in the URL map."""
    for pattern in (resolver or get_resolver()).url_patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            inner = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            yield from patterns(pattern, path, inner)
        elif isinstance(pattern, URLPattern):
            yield path, namespace + (pattern.name or path), pattern.callback


def concrete(path: str) -> str:
    """A path that a browser may ask for: its parameters filled in."""
    filled = re.sub(r"\(\?P<app_label>\w+[^)]*\)", "accounts", path)
    filled = filled.replace("^", "")
    for placeholder, value in VALUES.items():
        if placeholder.endswith(":"):
            filled = re.sub(rf"{re.escape(placeholder)}\w+>", value, filled)
        else:
            filled = filled.replace(placeholder, value)
    filled = filled.removesuffix("$")
    assert not re.search(r"[<(^$]", filled), f"say in VALUES how to fill in {path}"
    return f"/{filled}"


ALL = {name: (concrete(path), view) for path, name, view in patterns()}
PATHS = [pytest.param(name, path, id=name) for name, (path, _) in ALL.items()]
MACHINES = {
    name
    for name in OPEN
    if name.startswith("idp:")
    and name
    not in {
        "idp:authorize",
        "idp:resume",
        "idp:account",
        "idp:consent",
        "idp:end_session",
        "idp:check_session",
        "idp:forward_start",
        "idp:forward_resume",
    }
}


def test_the_list_of_open_paths_names_paths():
    assert ALL.keys() >= OPEN


@pytest.mark.parametrize(("name", "path"), PATHS)
def test_every_view_has_a_decision_about_signing_in(name, path):
    _, view = ALL[name]

    if name in OPEN:
        assert getattr(view, "login_required", True) is False
    elif not name.startswith("admin:"):
        assert getattr(view, "login_required", True) is True


@pytest.fixture
def stranger() -> Browser:
    return Browser(raise_request_exception=False)


@pytest.mark.parametrize(("name", "path"), PATHS)
def test_a_stranger_is_answered_without_a_fault_and_with_every_header(stranger, name, path):
    answer = stranger.get(path)

    assert answer.status_code < 500
    assert answer["X-Content-Type-Options"] == "nosniff"
    check_policy(answer["Content-Security-Policy"], is_admin=name.startswith("admin:"))
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["Referrer-Policy"] in {"same-origin", "no-referrer"}
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin-allow-popups"
    assert not is_debug_page(answer)
    if name not in OPEN:
        assert answer.status_code == 302
        # The administration has a door of its own, which sends on to the same page.
        assert answer["Location"].partition("?")[0] in {"/accounts/login/", "/admin/login/"}


def test_somebody_who_is_signed_in_is_answered_without_a_fault(client, newcomer):
    client.raise_request_exception = False
    cast.sign_in(client, newcomer, acr="aal1")

    answers = {name: client.get(path) for name, (path, _) in ALL.items()}

    assert [name for name, answer in answers.items() if answer.status_code >= 500] == []
    assert [name for name, answer in answers.items() if is_debug_page(answer)] == []
    administration = {name: a for name, a in answers.items() if name.startswith("admin:")}
    assert {answer.status_code for answer in administration.values()} <= {302, 404}
    assert client.get("/sessions/").status_code == 200, "looking around signs nobody out"


@pytest.mark.parametrize(("name", "path"), PATHS)
def test_no_method_breaks_it(stranger, name, path):
    for method in ("post", "put", "delete", "patch", "options", "trace"):
        answer = getattr(stranger, method)(path)
        assert answer.status_code < 500, method
        assert b"TRACE" not in answer.content


@pytest.mark.parametrize(
    "path", [param.values[1] for param in PATHS if param.values[0] in MACHINES]
)
def test_a_machine_endpoint_has_its_headers_at_its_own_door(path):
    from tests.support import oauth

    reply = oauth.send("GET", path)

    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["Content-Type"].startswith("application/")


@pytest.mark.parametrize(
    "path",
    [
        "/.git/config", "/.env", "/__debug__/", "/admin/doc/", "/metrics", "/schema", "/api/",
        "/static/../config/settings.py", "/static/%2e%2e/manage.py", "/var/demo.json",
        "/demo.json", "/static/js/passkeys.js.map", "/server-status", "/robots.txt~", "/..;/admin/",
    ],
)  # fmt: skip
def test_nothing_else_is_open(stranger, path):
    answer = stranger.get(path)

    assert answer.status_code in {302, 404}
    assert not is_debug_page(answer)


def is_debug_page(answer: Any) -> bool:
    return b"Traceback" in answer.content or b"DJANGO_SETTINGS_MODULE" in answer.content


def check_policy(policy: str, *, is_admin: bool) -> None:
    """nonce scripts only, nothing inline, nowhere to be framed, no other base."""
    directives = {words[0]: words[1:] for words in (part.split() for part in policy.split(";"))}
    assert directives["default-src"] == ["'none'"]
    assert directives["frame-ancestors"] == ["'none'"]
    assert directives["base-uri"] == ["'none'"]
    assert directives["form-action"] == ["'self'"]
    assert not re.search(r"unsafe-|data:[^;]*script|\*|http:", policy)
    scripts = {source for source in directives["script-src"] if not source.startswith("'nonce-")}
    assert scripts <= ({"'self'"} if is_admin else set())
