"""What import contracts cannot say: who holds rows, and who may look across organisations."""

import ast
from pathlib import Path

import pytest
from django.apps import apps

ROOT = Path(__file__).resolve().parent.parent.parent
ROOMS = [
    "access", "accounts", "audit", "config", "console", "core", "devices", "risk", "idp", "mfa", "policy",
    "protection", "sessions",
]  # fmt: skip

# Who asks `Model.unscoped`, and why no organisation is known or meant there.
UNSCOPED = {
    "access/administering.py": "an administrator's own account, by its id",
    "access/alerts.py": "assignments and eligibilities of the organisation at hand",
    "access/asking.py": "grants and eligibilities of the user at hand",
    "access/cases.py": "stages of the grants at hand",
    "access/chat/delivery.py": "messages of all rooms, and of the rooms at hand",
    "access/chat/notes.py": "rooms of the grant, the review or the organisation at hand",
    "access/approvers.py": "assignments, locks and eligibilities of the organisation at hand",
    "access/explaining.py": "open grants of the user at hand",
    "access/flows/emergency.py": "grants of the user at hand",
    "access/flows/entitlements.py": "lines and grants of the entitlement at hand",
    "access/flows/requests.py": "grants of the user at hand",
    "access/flows/reviews.py": "sweeps over all, and rows of the review at hand",
    "access/flows/sweeps.py": "sweeps over all",
    "access/flows/workloads.py": "open grants of the workload at hand",
    "access/limited.py": "assignments of the grants at hand",
    "access/reading.py": "rows of the organisation at hand",
    "access/receivers.py": "grants of the person, the lock or the session at hand",
    "access/workloads.py": "roles of the grant at hand",
    "accounts/admin.py": "the administration of an installation, narrowed for staff of one",
    "accounts/backends.py": "whom a session is of, by the id in it",
    "accounts/flows/credentials.py": "a user's own row, by its id",
    "accounts/flows/invitations.py": "a link is looked up by its digest",
    "accounts/flows/permissions.py": "rows of a role or a user at hand",
    "accounts/flows/people.py": "signing up begins by an address alone",
    "accounts/flows/elevation.py": "by the id of a grant, or of the person asked about",
    "accounts/flows/roles.py": "rows of a user or a group at hand, and the sweep over all",
    "accounts/management/commands/make_administrator.py": "a person names an address",
    "accounts/management/commands/unlock_account.py": "a person names an address",
    "accounts/receivers.py": "a failed sign-in knows an address alone",
    "accounts/tasks.py": "tidying over all",
    "console/admin/decisions.py": "a person by address, narrowed for staff of one organisation",
    "console/admin/entitlements/form.py": "choices of the organisation at hand",
    "console/admin/entitlements/pages.py": "live eligibilities, of entitlements within reach",
    "console/admin/policies.py": "one's own account, and people whose answers would be others",
    "console/admin/reviews.py": "items of reviews within reach",
    "console/admin/sign_ins.py": "a person by id, narrowed for staff of one organisation",
    "console/api/grants.py": "which of the grants at hand go on",
    "console/api/lookup.py": "rows of all, read by who administers every organisation",
    "console/api/offers.py": "open grants of the workload at hand",
    "console/api/sessions.py": "live sessions, narrowed to whose the call is about",
    "console/api/users.py": "live locks, narrowed to whose the call is about",
    "console/api/workloads.py": "eligibilities of the workload at hand",
    "console/decisions.py": "people and clients by id, narrowed to an organisation",
    "console/management/commands/load_demo.py": "it makes both organisations of the demo",
    "console/previewing.py": "eligibilities of the entitlement at hand",
    "console/reading.py": "events of the user at hand",
    "console/tiers.py": "the administration of an installation, narrowed for staff of one",
    "devices/connectors/delivery.py": "a call begins by a connector's id alone",
    "devices/flows/browsers.py": "a browser is looked up by user and the digest of its cookie",
    "devices/flows/enrolment.py": "a key is enrolled once, wherever",
    "devices/flows/inventory.py": "the count of all, and tidying over all",
    "devices/flows/reports.py": "a machine names its id alone; sweeps over all",
    "devices/management/commands/identify_device.py": "a person names a device's id",
    "devices/management/commands/import_posture.py": "a person names a connector's id",
    "idp/authorization/checks.py": "a request begins by a client id alone",
    "idp/authorization/pending.py": "a request is looked up by its id and its browser",
    "idp/client_documents/flows.py": "a request begins by a client id alone",
    "idp/clients/reviews.py": "roles of the organisation whose review it is",
    "idp/clients/roles.py": "roles of the client at hand",
    "idp/clients/rows.py": "the client that has authenticated, by its id",
    "idp/dynamic_registration/flows.py": "a registration access token names a client id",
    "idp/dynamic_registration/permission.py": "an initial access token is looked up by its digest",
    "idp/clients/logos.py": "logos of all that are due, and a picture by its digest",
    "idp/forward_auth/sign_in.py": "a browser wants to go to an origin, whosever it is",
    "idp/logout.py": "signing out begins by a token or a client id",
    "idp/delivery/logout_tokens.py": "ended sessions of all, and of one at hand",
    "idp/management/commands/rotate_client_secret.py": "a person names a client id",
    "idp/management/commands/change_proxied_host.py": "a person names an origin",
    "core/outbox.py": "deliveries of all",
    "idp/receivers.py": "families of the session at hand",
    "idp/tasks.py": "sweeps over all",
    "accounts/flows/locks.py": "locks of the organisation at hand, and one by its id",
    "mfa/flows/change.py": "factors of the user at hand",
    "mfa/flows/standing.py": "roles of the user at hand",
    "risk/links.py": "a mail names a sign-in by its id, signed",
    "risk/flows/retention.py": "tidying over all",
    "risk/flows/sign_ins.py": "a sign-in by the id of its session",
    "risk/flows/watching.py": "the sign-ins of the last half hour, of all",
    "sessions/admin.py": "live sessions, narrowed for staff of one organisation",
    "sessions/binding/challenges.py": "challenges of the session at hand",
    "sessions/binding/flows.py": "the session at hand, and its key by the identifier that it names",
    "sessions/evaluation.py": "a session by its id",
    "sessions/flows.py": "sessions of the user at hand, by id or by cookie",
    "sessions/middleware.py": "a session is looked up by the digest of its cookie",
    "sessions/receivers.py": "sessions of the user at hand",
    "sessions/tasks.py": "sweeps over all",
    "sessions/views.py": "sessions of the user at hand",
}


def sources() -> dict[str, ast.Module]:
    return {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text())
        for room in ROOMS
        for path in sorted((ROOT / room).rglob("*.py"))
        if "migrations" not in path.parts
    }


@pytest.mark.parametrize("room", ["core", "config", "console"])
def test_rooms_without_rows_have_none(room):
    assert not list((ROOT / room).rglob("models.py"))
    assert not list((ROOT / room).rglob("models/"))
    assert not list((ROOT / room).rglob("migrations/"))
    if apps.is_installed(room):
        assert not list(apps.get_app_config(room).get_models())


def test_the_label_of_an_app_is_its_folder_unless_django_owns_it():
    labels = {
        config.name: config.label for config in apps.get_app_configs() if config.name in ROOMS
    }

    assert labels.pop("sessions") == "idp_sessions"
    assert all(name == label for name, label in labels.items())


def test_only_those_who_say_why_look_across_organisations():
    users = {
        name
        for name, module in sources().items()
        for node in ast.walk(module)
        if isinstance(node, ast.Attribute) and node.attr in {"unscoped", "_base_manager"}
    }

    assert sorted(users - UNSCOPED.keys()) == [], "say why in UNSCOPED, or use .within(…)"
    assert sorted(UNSCOPED.keys() - users) == [], "no longer needed"


def test_one_module_reads_the_clock():
    """ruff bans the calls it knows by name; this finds the modules that could be asked."""
    reading = {"now", "time", "time_ns", "utcnow", "today", "localtime", "gmtime"}
    allowed = {"core/clock.py", "core/ids.py"}
    found = [
        f"{name}:{node.lineno}"
        for name, module in sources().items()
        for node in ast.walk(module)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in reading
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in {"time", "datetime", "timezone", "date"}
        and name not in allowed
    ]

    assert found == []


def test_nothing_random_but_from_the_system():
    found = [
        name
        for name, module in sources().items()
        for node in ast.walk(module)
        if isinstance(node, ast.Import | ast.ImportFrom)
        and "random" in {getattr(node, "module", None), *(alias.name for alias in node.names)}
    ]

    assert found == []


# One verifier for each kind of token, since `jwt.decode` checks neither expiry nor type.
VERIFIERS = {
    "devices/connectors/access_token.py": "tokens of Cloudflare Access",
    "devices/posture.py": "what devices sign",
    "idp/tokens/verify.py": "what we signed ourselves",
    "idp/tokens/dpop.py": "proofs of possession",
    "policy/signing.py": "published versions of policy",
    "sessions/binding/proof.py": "proofs by the key of a session",
    "idp/clients/assertions.py": "clients' assertions",
    "idp/clients/public_keys.py": "what clients sign, by their keys",
    "idp/requests/request_objects.py": "request objects",
    "idp/dynamic_registration/statements.py": "software statements",
}


def test_each_kind_of_token_is_verified_in_one_place():
    found = [
        f"{name}:{node.lineno}"
        for name, module in sources().items()
        for node in ast.walk(module)
        if isinstance(node, ast.Attribute)
        and node.attr in {"decode", "deserialize_compact"}
        and isinstance(node.value, ast.Name)
        and node.value.id in {"jwt", "jws"}
    ]

    assert {where.partition(":")[0] for where in found} <= VERIFIERS.keys()


def test_one_module_calls_out():
    """Addresses that others choose are asked by the guarded client alone (SSRF).

    `policy/opa.py` asks the server of the settings, by the same exchange.
    """
    clients = {"httpx", "requests", "urllib3", "aiohttp", "urllib.request", "http.client"}
    found = {
        name
        for name, module in sources().items()
        for node in ast.walk(module)
        if isinstance(node, ast.Import | ast.ImportFrom)
        and clients & {getattr(node, "module", None), *(alias.name for alias in node.names)}
    }

    speaking = {
        name
        for name, module in sources().items()
        for node in ast.walk(module)
        if isinstance(node, ast.Import | ast.ImportFrom)
        and (getattr(node, "module", None) or "").startswith("core")
        and ("exchange" in {alias.name for alias in node.names} or node.module == "core.exchange")
    }

    assert found == {"core/exchange.py", "core/outbound.py", "policy/opa.py"}
    assert speaking == {"core/outbound.py", "policy/opa.py"}
