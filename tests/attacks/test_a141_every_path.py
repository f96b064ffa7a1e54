"""A141: every path by every method, as a stranger, a person, half an administrator and another's.

`WHO` and `ADMINISTRATION` are the decision who may see what. A path that stands in neither fails
until somebody decides; what nobody decided is denied.
"""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from django.test import Client as Browser
from django.urls import NoReverseMatch, reverse

from access.flows import open_review
from accounts import flows as accounts
from accounts.models import LockTarget
from audit.models import AuditEvent
from core import clock
from core.ids import new_id
from devices.connectors import administration
from devices.connectors.identifiers import Kind
from devices.connectors.models import Authentication, ConnectorKind
from devices.models import DeviceIdentifier, PostureReport
from idp.clients.roles import give_role
from idp.dynamic_registration.flows import make_initial_access_token
from idp.models import BackchannelAuthentication, Client
from policy.models import PolicyVersion
from risk.models import SignIn
from sessions.models import LoginSession
from tests import cast
from tests.architecture.test_urls import ALL
from tests.cast import Person
from tests.support import access, api, ciba, oauth, passkeys
from tests.support.forwarded import host_of, wiki
from tests.support.machine import Machine
from tests.support.rooms import room
from tests.support.rows import changed, snapshot

pytestmark = pytest.mark.django_db

METHODS = ("get", "head", "post", "put", "patch", "delete", "options")
WHO: dict[str, set[str]] = {
    # Signing in, signing up, coming back, and what says how we are.
    "anybody": {
        "account_login", "account_logout", "account_signup", "account_inactive",
        "account_confirm_email", "account_email_verification_sent", "account_reset_password",
        "account_reset_password_done", "account_reset_password_from_key",
        "account_reset_password_from_key_done", "accounts:invitation", "accounts:locked",
        "mfa:challenge", "mfa:passkey_challenge", "mfa:passkey_challenge_options",
        "mfa:passkey_login", "mfa:passkey_login_options",
        "idp:authorize", "idp:resume", "idp:account", "idp:consent", "idp:end_session",
        "idp:check_session", "idp:forward_start", "idp:forward_resume", "risk:was_it_you", "healthz", "readyz",
    },
    # What is published.
    "everybody": {
        "idp:jwks", "idp:discovery", "idp:authorization_server_metadata", "idp:resource_metadata",
        "idp:userinfo_metadata", "idp:api_metadata", "idp:authzen_metadata", *api.PUBLISHED, "idp:status_lists", "idp:status_list", "idp:client_logo",
    },
    # With credentials of their own in the request.
    "machines": {
        "idp:token", "idp:userinfo", "idp:introspect", "idp:revoke", "idp:pushed_request",
        "idp:device_authorization", "idp:backchannel_authentication", "idp:register",
        "idp:registered_client", "idp:global_token_revocation",
        "idp:authzen_evaluation", "idp:authzen_evaluations", "idp:authzen_search_subject",
        "idp:authzen_search_resource", "idp:authzen_search_action", "idp:policy_bundle",
        "idp:forward_nginx", "idp:forward_traefik", "idp:forward_caddy", "idp:forward_envoy",
        "idp:forward_envoy_path",
        "devices:api_enrolments", "devices:api_enrolment", "devices:api_nonce",
        "devices:api_reports", "devices:api_connector",
        *api.NOTHING, *api.PEOPLE, *api.OF_AN_ACCOUNT, *api.APPLICATIONS, *api.ADMINISTRATORS,
        *api.OF_EVERY_ORGANISATION,
    },
    # Browsers, by their cookie and a key of their own.
    "browsers": {
        "sessions:binding_challenge", "sessions:binding_registration", "sessions:binding_proof",
        "sessions:binding_leave", "sessions:dbsc_register", "sessions:dbsc_refresh",
    },
    # Whoever is signed in, about themselves.
    "people": {
        "console:home", "console:security", "console:activity", "console:applications",
        "accounts:profile", "account_reauthenticate", "account_email", "account_change_password",
        "account_set_password", "mfa:totp_enrol", "mfa:totp_remove", "mfa:passkeys",
        "mfa:passkey_add", "mfa:passkey_add_options", "mfa:passkey_add_finish",
        "mfa:passkey_rename", "mfa:passkey_remove", "mfa:recovery_codes", "sessions:step_up",
        "sessions:step_up_passkey_options", "sessions:step_up_passkey", "sessions:list",
        "sessions:end_others", "sessions:lock_account", "sessions:end", "devices:list",
        "devices:enrol", "devices:enrol_confirm", "devices:enrol_browser", "devices:one",
        "devices:score", "devices:rename", "devices:lost", "devices:retire", "idp:device",
        "idp:device_confirm", "idp:authentication_requests", "idp:authentication_request",
        "idp:revoke_consent", "idp:forward_help", "risk:sign_ins", "risk:judge",
        "access:mine", "access:history", "access:ask", "access:emergency", "access:inbox",
        "access:grant", "access:activate", "access:extend", "access:drop", "access:cancel",
        "access:answer", "access:revoke", "access:review",
    },
    # The doors of Django's administration lead to our own.
    "the administration's doors": {
        "admin:login", "admin:logout", "admin:password_change", "admin:password_change_done",
    },
    "administrators": {
        "admin:index", "admin:autocomplete", "admin:jsi18n", "admin:view_on_site", "admin:app_list",
        "admin:admin/(?P<url>.*)$", "admin:risk_judge", "admin:risk_timeline",
        "admin:access_matrix", "admin:access_matrix_csv", "admin:access_alerts",
        "admin:access_open_review", "admin:access_decide_item", "admin:policy_decision",
        "admin:policy_publish", "admin:policy_simulate", "admin:policy_rollback",
        "admin:policy_ask", "admin:policy_agreement",
        "admin:accounts_person",
    },
}  # fmt: skip
# What an administrator may do to rows of the own organisation; nobody deletes anything there.
ADMINISTRATION: dict[str, set[str]] = {
    "access_accessreview": {"changelist", "change", "history"},
    "access_chatwebhook": {"changelist", "add", "change", "history"},
    "access_eligibility": {"changelist", "add", "change", "history"},
    "access_entitlement": {"changelist", "add", "change", "history"},
    "access_grant": {"changelist", "change", "history"},
    "accounts_group": {"changelist", "add", "change", "history"},
    "accounts_invitation": {"changelist", "add", "change", "history"},
    "accounts_lock": {"changelist", "add", "change", "history"},
    "accounts_organisation": {"changelist", "change", "history"},
    "accounts_resource": {"changelist", "add", "change", "history"},
    "accounts_role": {"changelist", "add", "change", "history"},
    "accounts_roleassignment": {"changelist", "add", "change", "history"},
    "accounts_user": {"changelist", "change", "history"},
    "audit_auditevent": {"changelist", "change", "history"},
    "devices_connector": {"changelist", "add", "change", "history", "table"},
    "devices_device": {"changelist", "change", "history"},
    "devices_deviceidentifier": {"changelist", "add", "change", "history"},
    "devices_posturereport": {"changelist", "change", "history"},
    "idp_client": {"changelist", "add", "change", "history"},
    "idp_clientrole": {"changelist", "add", "change", "history"},
    "idp_initialaccesstoken": {"changelist", "add", "change", "history"},
    "idp_proxiedhost": {"changelist", "add", "change", "history"},
    "idp_sessions_loginsession": {"changelist", "change", "history"},
    # Of the answers those about one's own people; of the rules, which count for all, nothing.
    "policy_decisionbatch": {"changelist"},
    "policy_policyversion": set(),
    "risk_signin": {"changelist", "change", "history"},
}
PAGES = ("changelist", "add", "change", "delete", "history")
OWN_PAGES = {"devices_connector": ("table",)}
OF_A_ROW = {"change", "delete", "history", "table"}


def pages_of(model: str) -> tuple[str, ...]:
    return PAGES + OWN_PAGES.get(model, ())


def redirecting(model: str) -> str:
    """Django's old address of a row, which leads to its page."""
    return f"admin:admin/{model.replace('_sessions_', '.').replace('_', '/').replace('.', '_sessions/')}/<path:object_id>/"


def of_the_administration() -> set[str]:
    pages = {f"admin:{model}_{page}" for model in ADMINISTRATION for page in pages_of(model)}
    return pages | {redirecting(model) for model in ADMINISTRATION} | WHO["administrators"]


class Acme:
    """One row of everything, all of acme's and most of it alice's."""

    def __init__(self, alice: Person, client: Client, elsewhere: Browser) -> None:
        now, acme = clock.now(), alice.user.organisation
        self.browser = elsewhere
        self.session: LoginSession = cast.sign_in(elsewhere, alice)
        oauth.redeem(client, oauth.issue_code(client, self.session))
        bank = ciba.asker(acme)
        assert ciba.ask(bank).status == 200
        role = accounts.create_role(organisation=acme, name="auditor", now=now)
        machine = Machine()
        device = machine.enrolled_by(alice.user)
        assert machine.report(Browser()).status_code == 200
        connector = administration.create(
            organisation_id=acme.pk, kind=ConnectorKind.MDM, name="MDM",
            authentication=Authentication.NONE, actor=alice.user, now=now,
        ).connector  # fmt: skip
        boss = cast.person("boss@acme.example", acme)
        entitlement = access.entitlement(acme, by=[boss], eligible=[alice])
        grant = access.ask(entitlement, alice, self.session)
        self.rows: dict[str, Any] = {
            "access_accessreview": open_review(organisation=acme, now=now).pk,
            "access_chatwebhook": room(acme, "https://hooks.chat.example/one").webhook.pk,
            "access_eligibility": entitlement.eligibilities.get().pk,
            "access_entitlement": entitlement.pk,
            "access_grant": grant.pk,
            "sessions": self.session.pk,
            "passkeys": passkeys.register(alice, passkeys.authenticator()).row_id,
            "devices": device.pk,
            "connectors": connector.pk,
            "grants": grant.pk,
            "requests": BackchannelAuthentication.unscoped.get().pk,
            "clients": client.pk,
            "accounts_user": alice.user.pk,
            "accounts_organisation": acme.pk,
            "accounts_role": role.pk,
            "accounts_resource": accounts.register_resource(
                organisation=acme, type="report", name="q3", now=now
            ).pk,
            "accounts_group": accounts.create_group(organisation=acme, name="keepers", now=now).pk,
            "accounts_roleassignment": accounts.assign_role(
                user=alice.user, role=role, now=now
            ).pk,
            "accounts_invitation": accounts.invite(
                organisation=acme, email="ivy@acme.example", now=now
            )[0].pk,
            "accounts_lock": accounts.place_lock(
                organisation_id=acme.pk, target_type=LockTarget.ROLE, target=str(role.pk),
                reason="a test", now=now,
            ).pk,
            "audit_auditevent": AuditEvent.objects.filter(organisation_id=acme.pk).first().pk,
            "devices_connector": connector.pk,
            "devices_device": device.pk,
            "devices_deviceidentifier": DeviceIdentifier.objects.create(
                organisation=acme, device=device, kind=Kind.SERIAL, value="C02XX", added_at=now
            ).pk,
            "devices_posturereport": PostureReport.unscoped.get().pk,
            "idp_client": client.pk,
            "idp_clientrole": give_role(
                client=cast.client("acme-worker", acme, grant_types=["client_credentials"]),
                role=role, now=now,
            ).pk,
            "idp_initialaccesstoken": _initial_access_token(acme),
            "idp_proxiedhost": host_of(wiki(acme)).pk,
            "idp_sessions_loginsession": self.session.pk,
            "policy_decisionbatch": new_id(),  # no page is about a batch
            "policy_policyversion": PolicyVersion.objects.create(
                revision="0" * 12, modules={}, note="A draft", author=alice.user,
                check_result={"faults": [], "tests": []}, created_at=now,
            ).pk,
            "risk_signin": SignIn.unscoped.get(session_id=self.session.pk).pk,
        }  # fmt: skip

    def path(self, name: str) -> str:
        """The path, about a row of acme's where it is about one."""
        page = name.removeprefix("admin:")
        for model in ADMINISTRATION:
            if name == redirecting(model):
                return f"{reverse(f'admin:{model}_changelist')}{self.rows[model]}/"
            if page.startswith(f"{model}_") and page.removeprefix(f"{model}_") in OF_A_ROW:
                return reverse(name, args=[self.rows[model]])
        for prefix, key in ABOUT.items():
            if name.startswith(prefix):
                try:
                    return reverse(name, args=[self.rows[key]])
                except NoReverseMatch:
                    break
        return ALL[name][0]

    @property
    def said(self) -> dict[str, Any]:
        """A form that would do something nearly everywhere."""
        return {
            "decision": "allow", "name": "mine now", "post": "yes", "action": "deactivate",
            "_selected_action": [str(row) for row in self.rows.values()], "reason": "because",
            "email": "mallory@globex.example", "password": cast.PASSWORD,
        }  # fmt: skip


ABOUT = {
    "access:": "grants",
    "devices:api_connector": "connectors", "sessions:end": "sessions", "mfa:passkey_re": "passkeys", "devices:": "devices",
    "idp:authentication_request": "requests", "idp:revoke_consent": "clients",
    "risk:judge": "risk_signin", "admin:risk_judge": "risk_signin",
    "admin:risk_timeline": "accounts_user", "admin:accounts_person": "accounts_user",
}  # fmt: skip


def _initial_access_token(acme: Any) -> UUID:
    from idp.models import InitialAccessToken

    make_initial_access_token(organisation=acme, now=clock.now())
    return InitialAccessToken.unscoped.get().pk


@pytest.fixture
def theirs(employee: Person, acme_web: Client) -> Acme:
    return Acme(employee, acme_web, Browser())


def answers(browser: Browser, theirs: Acme, names: set[str]) -> Iterator[tuple[str, str, Any]]:
    browser.raise_request_exception = False
    for name in sorted(names):
        for method in METHODS:
            data = theirs.said if method == "post" else None
            yield name, method, getattr(browser, method)(theirs.path(name), data)


def leads_to(answer: Any) -> str:
    return answer.headers.get("Location", "").partition("?")[0]


def test_somebody_has_decided_about_every_path() -> None:
    decided = [name for names in WHO.values() for name in names]
    decided += of_the_administration() - WHO["administrators"]

    assert sorted(decided) == sorted(ALL)


def test_a_stranger_sees_and_changes_nothing(theirs: Acme) -> None:
    before = snapshot()
    seen = {
        (name, method, answer.status_code)
        for name, method, answer in answers(
            Browser(), theirs, WHO["people"] | of_the_administration()
        )
        if not (
            answer.status_code == 302 and leads_to(answer) in {"/accounts/login/", "/admin/login/"}
        )
    }

    assert seen == set()
    assert changed(before) == []


def test_without_credentials_a_machine_gets_nothing(theirs: Acme) -> None:
    before = snapshot()
    for name in sorted(WHO["machines"] | WHO["browsers"]):
        path = theirs.path(name)
        for method in METHODS:
            if name.startswith("idp:"):
                reply = oauth.send(method.upper(), path)
                status, body = reply.status, reply.body
            else:
                answer = getattr(Browser(), method)(path)
                status, body = answer.status_code, answer.content
            if name == "devices:api_nonce" and method == "post":
                continue  # a nonce opens nothing; only the device's key does
            if name == "sessions:binding_leave" and method == "post":
                assert status == 302  # back to the page that the browser came from, no more
                continue
            assert 400 <= status < 500 or (method == "options" and not body), (name, method)

    assert [table for table in changed(before) if table != "devices_nonce"] == []


def test_what_is_published_is_only_read(theirs: Acme) -> None:
    before = snapshot()
    for name in sorted(WHO["everybody"]):
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            path = theirs.path(name)
            if name.startswith("idp:"):
                status = oauth.send(method, path).status
            else:
                status = Browser().generic(method, path).status_code
            assert status == 405, (name, method)
    assert changed(before) == []


def test_to_a_person_there_is_no_administration(theirs: Acme, newcomer: Person) -> None:
    nina = Browser()
    cast.sign_in(nina, newcomer, acr="aal1")
    nina.get("/")
    before = snapshot()
    for name, method, answer in answers(nina, theirs, of_the_administration()):
        found = answer
        if answer.status_code == 302:
            assert leads_to(answer) == "/admin/login/", (name, method)
            found = nina.get(answer["Location"])
        assert found.status_code == 404, (name, method)

    assert changed(before) == []


def test_an_administrator_by_one_factor_is_sent_to_prove_two(
    theirs: Acme, approver: Person
) -> None:
    bob = Browser()
    cast.sign_in(bob, approver, acr="aal1")
    bob.get("/")
    before = snapshot()
    for name, method, answer in answers(bob, theirs, of_the_administration()):
        assert (answer.status_code, leads_to(answer)) == (302, "/admin/login/"), (name, method)
        assert leads_to(bob.get(answer["Location"])) == "/step-up/"

    assert changed(before) == []


def test_an_administrator_does_what_was_decided_and_no_more(theirs: Acme, approver: Person) -> None:
    bob = Browser()
    cast.sign_in(bob, approver)
    allowed = {
        model: {
            page
            for page in pages_of(model)
            if bob.get(theirs.path(f"admin:{model}_{page}")).status_code == 200
        }
        for model in ADMINISTRATION
    }
    before = snapshot()
    for model, pages in ADMINISTRATION.items():
        for page in set(pages_of(model)) - pages:
            for method in ("post", "put", "patch", "delete"):
                answer = getattr(bob, method)(theirs.path(f"admin:{model}_{page}"), {"post": "yes"})
                assert answer.status_code in {403, 404, 405}, (model, page, method)

    assert allowed == ADMINISTRATION
    assert changed(before) == []


@pytest.mark.parametrize("is_staff", [False, True], ids=["a person", "an administrator"])
def test_to_another_organisation_none_of_it_is_there(
    theirs: Acme, globex: Any, is_staff: bool
) -> None:
    stranger = cast.person("mallory@globex.example", globex, totp=True, is_staff=is_staff)
    carol = Browser()
    cast.sign_in(carol, stranger)
    carol.get("/")
    refuse_all(carol, theirs, is_staff=is_staff)


def test_a_colleagues_things_are_the_colleagues(theirs: Acme, newcomer: Person) -> None:
    nina = Browser()
    cast.sign_in(nina, newcomer, acr="aal1")
    nina.get("/")
    refuse_all(nina, theirs, is_staff=False)


def refuse_all(browser: Browser, theirs: Acme, *, is_staff: bool) -> None:
    """Whatever is about a row of acme's or alice's is not found, and stays as it is."""
    browser.raise_request_exception = False
    about = {name for name in WHO["people"] if theirs.path(name) != ALL[name][0]}
    rows = {
        f"admin:{model}_{page}"
        for model in ADMINISTRATION
        for page in OF_A_ROW.intersection(pages_of(model))
    }
    lists = {f"admin:{model}_changelist" for model in ADMINISTRATION}
    before = snapshot()

    if is_staff:
        for name, method, answer in answers(browser, theirs, lists):
            names = [str(row) for row in theirs.rows.values() if isinstance(row, UUID)]
            shown = [row for row in names if row.encode() in answer.content]
            assert shown == [], (name, method)
    for name, method, answer in answers(browser, theirs, about | rows):
        if name in rows and method in {"get", "head"} and is_staff:
            # Django says that it is not there, and goes to its index.
            assert (answer.status_code, leads_to(answer)) in {
                (302, "/admin/"), (403, ""), (404, ""),
            }, (name, method)  # fmt: skip
        else:
            # 409: a request that is over, or never was.
            assert answer.status_code in {302, 403, 404, 405, 409}, (name, method)
            assert leads_to(answer) in {
                "",
                "/admin/",
                "/admin/login/",
                "/step-up/",
                "/security/applications/",
            }

    assert changed(before) == []
    assert len(about) >= 9
    assert theirs.browser.get("/sessions/").status_code == 200
