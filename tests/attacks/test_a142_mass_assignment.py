"""A142: fields that a form does not show, and members that a request does not have, change nothing.

`FORMS` has a good answer for every page that takes a POST of a person or a stranger, `WITHOUT` names
the paths that take none. A path that stands in neither fails. Each is sent with everything besides
that an attacker would like to be written.
"""

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from django.apps import apps
from django.core import mail
from django.db import connection
from django.test import Client as Browser
from django.urls import reverse

from access.flows import break_glass
from access.models import Entitlement, Grant
from accounts import flows as accounts
from accounts.models import Role, User
from core import clock
from devices.models import Device, DeviceUser
from idp.models import BackchannelAuthentication, Client, DeviceAuthorization
from mfa.models import TotpFactor
from risk import links
from risk.models import SignIn
from sessions.models import LoginSession
from tests import cast
from tests.attacks.test_a141_every_path import WHO
from tests.cast import PASSWORD, Person
from tests.support import access, authorize, ciba, device, oauth, passkeys, registering
from tests.support.machine import Machine, passing

pytestmark = pytest.mark.django_db

BETTER = "marmalade thistle orbit 77"
FEW = 33  # protocol endpoints read 40 fields, and refuse more
FLAGS = (
    "is_staff", "is_superuser", "verified", "primary", "email_verified", "phone_number_verified",
    "confirmed", "is_first_party", "may_sign_people_out", "is_admin", "admin", "is_confirmed",
)  # fmt: skip


class World:
    def __init__(self, alice: Person, bob: Person, carol: Person, client: Client) -> None:
        self.alice, self.bob, self.carol, self.client = alice, bob, carol, client
        self.role = Role.objects.create(organisation=alice.user.organisation, name="vault")
        self.browser, self.bobs = Browser(), Browser()
        cast.sign_in(self.bobs, bob, acr="phr")
        self.session: LoginSession = cast.sign_in(self.browser, alice, acr="phr")
        self.machine = Machine()
        self.device = self.machine.enrolled_by(alice.user)

    def planted(self, most: int = 1000) -> dict[str, Any]:
        """What an attacker would like to be written, by the names of columns and otherwise."""
        globex, other = str(self.carol.user.organisation_id), str(self.bob.user.pk)
        fields = {
            **dict.fromkeys(FLAGS, "on"),
            "organisation": globex, "organisation_id": globex, "organization": globex,
            "tenant": globex, "user": other, "user_id": other, "owner": other, "pk": other,
            "id": other, "sub": other, "account": other,
            "role": str(self.role.pk), "roles": str(self.role.pk), "groups": str(self.role.pk),
            "user_permissions": "1", "state": "enrolled", "score": "100", "known_tier": "4",
            "tier": "4", "tier_ends_at": "2038-01-01T00:00:00Z", "acr": "phrh", "outcome": "allow",
            "security_stamp": other, "security_profile": "fapi2", "required_acr": "",
            "required_tier": "0", "scope_tiers": "{}", "approver": other, "approved_at": "2020-01-01",
            "expires_at": "2038-01-01T00:00:00Z", "ends_at": "2038-01-01T00:00:00Z",
            "created_at": "2020-01-01T00:00:00Z", "last_step": "-1", "failures": "0",
        }  # fmt: skip
        return dict(list(fields.items())[:most])


# --- what must not change -------------------------------------------------------------------------

# Whole rows, where nothing here may write; or of what columns no form of these may decide.
GUARDED = {
    "accounts_organisation": "*",
    "accounts_role": "*",
    "accounts_roleassignment": "*",
    "accounts_group": "*",
    "accounts_groupmember": "*",
    "accounts_grouprole": "*",
    "accounts_rolepermission": "*",
    "accounts_resource": "*",
    "access_entitlement": "*",
    "access_entitlementrole": "*",
    "access_stage": "*",
    "access_stageapprover": "*",
    "access_eligibility": "*",
    "accounts_user_groups": "*",
    "accounts_user_user_permissions": "*",
    "idp_client": "*",
    "idp_clientrole": "*",
    "idp_initialaccesstoken": "*",
    "devices_device": "id, organisation_id, score, tier_ends_at, known_tier, report_seq, key_thumbprint",
    "devices_deviceuser": "*",
}
PEOPLE = "id, organisation_id, is_active, is_staff, is_superuser, created_at"


def guarded(*, but: tuple[str, ...] = ()) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with connection.cursor() as cursor:

        def rows(statement: str, *values: Any) -> list[Any]:
            cursor.execute(statement, values)
            return sorted(map(str, cursor.fetchall()))

        for table, columns in GUARDED.items():
            if table not in but:
                found[table] = rows(f"SELECT {columns} FROM {table}")
        found["people"] = rows(f"SELECT {PEOPLE} FROM accounts_user WHERE email NOT LIKE 'new-%%'")
        found["staff"] = rows("SELECT id FROM accounts_user WHERE is_staff OR is_superuser")
        found["verified"] = rows(
            "SELECT user_id, email FROM account_emailaddress"
            " WHERE verified AND email <> 'new-ivy@acme.example'"
        )
        for model in apps.get_models():
            names = {field.column for field in model._meta.local_concrete_fields}
            table = model._meta.db_table
            # Nothing becomes another organisation's or another person's.
            if "organisation_id" in names and table != "audit_auditevent":
                found[f"{table} of globex"] = rows(
                    f"SELECT count(*) FROM {table} WHERE organisation_id IN"
                    " (SELECT id FROM accounts_organisation WHERE slug = 'globex')"
                )
            if "user_id" in names and table not in but:
                found[f"{table} of bob"] = rows(
                    f"SELECT count(*) FROM {table} WHERE user_id IN"
                    " (SELECT id FROM accounts_user WHERE email = 'bob@acme.example')"
                )
    return found


# --- a good answer for every form -----------------------------------------------------------------


class Form(NamedTuple):
    """said: what a good browser would send. path: where. is_json: how. by: whose browser.

    done: statuses that show that it was understood. but: guarded tables that it rightly changes.
    """

    said: Callable[[World], dict[str, Any]]
    path: Callable[[World], str] | None = None
    is_json: bool = False
    signed_in: bool = True
    by: str = "alice"
    done: tuple[int, ...] = (302,)
    but: tuple[str, ...] = ()


def nothing(_: World) -> dict[str, Any]:
    return {}


def says(**fields: Any) -> Callable[[World], dict[str, Any]]:
    return lambda _: dict(fields)


def reset_path(world: World) -> str:
    Browser().post(reverse("account_reset_password"), {"email": world.alice.email})
    [link] = [message.body for message in mail.outbox if "/reset/key/" in message.body]
    found = re.search(r"/accounts/password/reset/key/[^/\s]+/", link)
    assert found is not None
    return world.browser.get(found[0])["Location"]


def confirmation(world: World) -> str:
    """Of an address that alice did add: confirming verifies this one, and no other."""
    address = EmailAddress.objects.get(user=world.alice.user)
    key = EmailConfirmationHMAC(address).key
    return reverse("account_confirm_email", args=[key])


def invitation(world: World) -> str:
    _, link = accounts.invite(
        organisation=world.alice.user.organisation, email="new-ivy@acme.example", now=clock.now()
    )
    return urlsplit(link).path


def a_code(world: World) -> dict[str, Any]:
    return {"code": world.alice.totp_code()}


def passkey_path(name: str) -> Callable[[World], str]:
    def path(world: World) -> str:
        made = passkeys.register(world.alice, passkeys.authenticator())
        LoginSession.unscoped.update(
            security_stamp=User.unscoped.get(pk=world.alice.user.pk).security_stamp
        )
        return reverse(name, args=[made.row_id])

    return path


def credential(world: World) -> dict[str, Any]:
    made = passkeys.options(world.browser, passkeys.ADD)
    return {"credential": passkeys.authenticator().create(made), "name": "mine"}


def device_path(name: str) -> Callable[[World], str]:
    return lambda world: reverse(name, args=[world.device.pk])


def asked_path(world: World) -> str:
    bank = ciba.asker(world.alice.user.organisation)
    assert ciba.ask(bank).status == 200
    return ciba.page_of()


def consent(world: World) -> dict[str, Any]:
    stranger = Client.unscoped.get(client_id="acme-spa")
    answer = authorize.authorize(world.browser, stranger)
    [handle] = parse_qs(urlsplit(answer["Location"]).query)["id"]
    return {"request": handle, "decision": "allow"}


def consent_path(world: World) -> str:
    return reverse("idp:revoke_consent", args=[world.client.pk])


def browser_enrolment(_: World) -> dict[str, Any]:
    machine = Machine(key_storage="browser", name="this browser", platform="linux")
    return {
        "public_jwk": machine.public_jwk, "name": machine.name, "platform": machine.platform,
        "key_storage": "browser", "proof": machine.proof(),
    }  # fmt: skip


def sign_in_of(world: World) -> SignIn:
    return SignIn.unscoped.get(session_id=world.session.pk)


def sign_in_path(world: World) -> str:
    return reverse("risk:judge", args=[sign_in_of(world).pk])


def mail_path(world: World) -> str:
    return reverse("risk:was_it_you", args=[links.token_of(sign_in_of(world))])


def offered(world: World, **terms: Any) -> Entitlement:
    """What alice may ask for and bob may give."""
    acme = world.alice.user.organisation
    return access.entitlement(acme, by=[world.bob], eligible=[world.alice], **terms)


def form_path(name: str, **terms: Any) -> Callable[[World], str]:
    def path(world: World) -> str:
        return f"{reverse(name)}?entitlement={offered(world, **terms).name}"

    return path


def grant_path(name: str, state: str) -> Callable[[World], str]:
    """Of a request of alice's, brought into this state by those who may."""

    def path(world: World) -> str:
        if state == "emergency":
            role = access.role(world.alice.user.organisation, "db-admin")
            made = offered(world, break_glass_duration=access.HOUR, break_glass_roles=[role])
            grant = break_glass(
                entitlement=made, requester=world.alice.user, session_id=world.session.pk,
                reason="fire", now=clock.now(),
            )  # fmt: skip
            return reverse(name, args=[grant.pk])
        grant = access.ask(offered(world), world.alice, world.session)
        if state in {"scheduled", "active"}:
            access.approve(grant, world.bob)
        if state == "active":
            access.activate(grant, world.alice, world.session)
        return reverse(name, args=[grant.pk])

    return path


EMERGENCY = {"break_glass_duration": access.HOUR}
WISH = says(minutes="30", reason="to mend it", step="ask")
FORMS: dict[str, Form] = {
    "access:ask": Form(WISH, form_path("access:ask")),
    "access:emergency": Form(
        WISH, form_path("access:emergency", **EMERGENCY), but=("accounts_roleassignment",)
    ),
    "access:extend": Form(WISH, grant_path("access:extend", "active")),
    "access:activate": Form(
        # What it hangs on are the rights of whoever approved it.
        nothing, grant_path("access:activate", "scheduled"),
        but=("accounts_roleassignment", "accounts_assignmentcondition"),
    ),
    "access:drop": Form(
        nothing, grant_path("access:drop", "active"), but=("accounts_roleassignment",)
    ),
    "access:cancel": Form(nothing, grant_path("access:cancel", "waiting")),
    "access:answer": Form(
        says(decision="approve", reason="fine"), grant_path("access:answer", "waiting"), by="bob"
    ),
    "access:revoke": Form(
        says(reason="no longer"), grant_path("access:revoke", "active"), by="bob",
        but=("accounts_roleassignment",),
    ),
    "access:review": Form(
        says(verdict="justified"), grant_path("access:review", "emergency"), by="bob"
    ),
    "account_login": Form(says(login="alice@acme.example", password=PASSWORD), signed_in=False),
    "account_signup": Form(says(email="new-sue@acme.example", password1=BETTER), signed_in=False),
    "account_logout": Form(nothing),
    "account_email": Form(says(action_add="", email="new-alice@acme.example")),
    "account_change_password": Form(says(oldpassword=PASSWORD, password1=BETTER, password2=BETTER)),
    "account_reset_password": Form(says(email="alice@acme.example"), signed_in=False),
    "account_reset_password_from_key": Form(says(password1=BETTER, password2=BETTER), reset_path),
    "account_confirm_email": Form(nothing, confirmation, done=(200, 302, 404)),
    "accounts:invitation": Form(
        says(name="Ivy", password1=BETTER, password2=BETTER), invitation, signed_in=False
    ),
    "accounts:profile": Form(says(name="Alice A", nickname="al")),
    "mfa:totp_remove": Form(nothing),
    "mfa:recovery_codes": Form(nothing, done=(200, 302)),
    "mfa:passkey_add_options": Form(nothing, is_json=True, done=(200,)),
    "mfa:passkey_add_finish": Form(credential, is_json=True, done=(200,)),
    "mfa:passkey_rename": Form(says(name="mine"), passkey_path("mfa:passkey_rename")),
    "mfa:passkey_remove": Form(nothing, passkey_path("mfa:passkey_remove")),
    "mfa:passkey_login_options": Form(nothing, is_json=True, signed_in=False, done=(200,)),
    "sessions:step_up": Form(lambda world: {"password": PASSWORD, **a_code(world)}),
    "sessions:end_others": Form(nothing),
    "sessions:lock_account": Form(nothing),
    "sessions:end": Form(
        nothing, lambda world: reverse("sessions:end", args=[world.session.pk])
    ),
    "devices:enrol": Form(says(user_code="BCDF-GHJK"), done=(200,)),
    # One strict reader: what it does not know it refuses.
    "devices:enrol_browser": Form(browser_enrolment, is_json=True, done=(400,)),
    "devices:rename": Form(says(name="mine"), device_path("devices:rename")),
    "devices:lost": Form(nothing, device_path("devices:lost")),
    "devices:retire": Form(nothing, device_path("devices:retire")),
    "risk:judge": Form(says(verdict="safe"), sign_in_path),
    "risk:was_it_you": Form(nothing, mail_path, signed_in=False, done=(200, 302)),
    "idp:device": Form(says(user_code="BCDF-GHJK"), done=(200,)),
    "idp:authentication_request": Form(says(decision="allow"), asked_path, done=(200,)),
    "idp:consent": Form(consent, done=(302, 303)),
    "idp:revoke_consent": Form(nothing, consent_path, done=(302, 404)),
    "idp:end_session": Form(says(decision="logout"), done=(200, 302, 303)),
}  # fmt: skip
# Pages that are only read, that lead elsewhere, or whose POST is the second half of one above.
WITHOUT = {
    "access:mine", "access:history", "access:inbox", "access:grant",
    "account_inactive", "account_email_verification_sent", "account_reset_password_done",
    "account_reset_password_from_key_done", "account_reauthenticate", "account_set_password",
    "accounts:locked", "console:home", "console:security", "console:activity",
    "console:applications", "mfa:passkeys", "mfa:passkey_add", "mfa:challenge",
    "mfa:passkey_challenge", "mfa:passkey_challenge_options", "mfa:passkey_login", "mfa:totp_enrol",
    "sessions:list", "sessions:step_up_passkey", "sessions:step_up_passkey_options",
    "devices:list", "devices:one", "devices:score", "devices:enrol_confirm", "idp:device_confirm",
    "idp:authentication_requests", "idp:authorize", "idp:resume", "idp:account",
    "idp:check_session", "idp:forward_start", "idp:forward_resume", "idp:forward_help",
    "risk:sign_ins", "healthz", "readyz",
}  # fmt: skip


@pytest.fixture
def world(
    employee: Person, approver: Person, outsider: Person, acme_web: Client, acme_spa: Client,
    settings: Any,
) -> World:  # fmt: skip
    settings.SIGNUP, settings.SIGNUP_ORGANISATION = "open", "acme"
    return World(employee, approver, outsider, acme_web)


def test_every_path_is_tried_or_takes_no_form() -> None:
    assert FORMS.keys() | WITHOUT == WHO["people"] | WHO["anybody"]
    assert not FORMS.keys() & WITHOUT


@pytest.mark.parametrize("name", sorted(WITHOUT))
def test_what_takes_no_form_writes_nothing_of_one(world: World, name: str) -> None:
    from tests.architecture.test_urls import ALL

    before = guarded()
    world.browser.post(ALL[name][0], world.planted())
    assert guarded() == before


@pytest.mark.parametrize(("name", "form"), FORMS.items(), ids=FORMS)
def test_what_a_form_does_not_show_is_not_written(world: World, name: str, form: Form) -> None:
    path = form.path(world) if form.path else reverse(name)
    said = form.said(world)
    whose = {"alice": world.browser, "bob": world.bobs}[form.by]
    browser = whose if form.signed_in else Browser()
    before = guarded(but=form.but)

    sent = world.planted() | said
    if form.is_json:
        answer = browser.post(path, json.dumps(sent), content_type="application/json")
    else:
        answer = browser.post(
            path, urlencode(sent), content_type="application/x-www-form-urlencoded"
        )

    assert answer.status_code in form.done, answer.content
    assert guarded(but=form.but) == before
    for made in User.unscoped.filter(email__startswith="new-"):
        assert (made.organisation.slug, made.is_staff, made.is_superuser) == ("acme", False, False)
    assert not EmailAddress.objects.filter(email="new-alice@acme.example", verified=True).exists()


def test_a_request_is_whoevers_asks_and_decides_nothing(world: World) -> None:
    path = form_path("access:ask")(world)
    planted = world.planted() | {
        "requester": str(world.bob.user.pk), "beneficiary": str(world.bob.user.pk),
        "state": "active", "entitlement": "vault", "duration": "999999", "terms": "{}",
        "is_break_glass": "on", "activated_at": "2020-01-01", "session_id": str(world.bob.user.pk),
        "pending_until": "2038-01-01", "stage": "9",
    }  # fmt: skip

    world.browser.post(path, planted | {"minutes": "30", "reason": "to mend it", "step": "ask"})

    made = Grant.unscoped.get()
    assert made.requester == world.alice.user
    assert (made.state, made.stage, made.is_break_glass) == ("approval_awaited", 0, False)
    assert made.approved_at is made.activated_at is made.ends_at is made.session_id is None
    assert made.duration.total_seconds() == 1800
    assert made.pending_until == made.requested_at + made.entitlement.max_pending


def test_a_report_says_what_it_may_say(world: World) -> None:
    claims = world.planted() | world.machine.claims(
        world.machine.nonce(Browser()), checks=passing(disk_encryption="fail")
    )

    world.machine.send(Browser(), world.machine.signed(claims))

    kept = Device.unscoped.get(pk=world.device.pk)
    assert kept.score < 100
    assert kept.known_tier == 0
    assert kept.organisation == world.alice.user.organisation
    assert DeviceUser.unscoped.get(device=kept).user == world.alice.user


def test_a_machine_that_asks_to_be_enrolled_is_nobodys(world: World) -> None:
    before = guarded()

    assert Machine().ask(Browser(), **world.planted()).status_code in {201, 400}

    assert guarded() == before


OURS = {
    "is_first_party": True, "may_sign_people_out": True, "security_profile": "fapi2",
    "require_pkce": False, "is_active": True, "required_acr": "aal1", "required_tier": 4,
    "scope_tiers": {"openid": 0}, "audience": "https://api.globex.example", "kind": "confidential",
    "client_id": "acme-web", "client_secret": "chosen", "secret_digest": "00", "resources": ["x"],
    "access_token_status_list": True, "created_at": "2020-01-01T00:00:00Z",
    "registration_access_token": "chosen", "organisation_name": "Globex",
}  # fmt: skip


def of_the_registration() -> dict[str, Any]:
    made = Client.unscoped.exclude(client_id__in=["acme-web", "acme-spa"]).get()
    ours = {"may_sign_people_out", "security_profile", "require_pkce", "resources",
            "access_token_status_list", "organisation", "organisation_id"}  # fmt: skip
    return {
        "organisation": made.organisation.slug, "is_first_party": made.is_first_party,
        "required": (made.required_acr, made.required_tier, made.scope_tiers, made.audience),
        "metadata": sorted(ours & made.metadata.keys()),
    }  # fmt: skip


def test_a_registration_decides_nothing_of_ours(world: World) -> None:
    token = registering.initial_token(world.alice.user.organisation)
    members = {name: value for name, value in world.planted().items() if name not in OURS} | OURS
    plain = {"organisation": "acme", "is_first_party": False, "required": ("", 0, {}, "")}

    reply = registering.register(token, **members)

    assert reply.status == 201, reply.body
    assert reply.json["client_id"] != "acme-web"
    assert reply.json.get("client_secret") != "chosen"
    assert reply.json["registration_access_token"] != "chosen"
    kept = of_the_registration()
    assert {name: kept[name] for name in plain} == plain
    assert set(kept["metadata"]) <= {"require_pkce"}
    assert (
        Client.unscoped.get(client_id=reply.json["client_id"]).metadata.get("require_pkce")
        is not False
    )

    changes = {
        name: value
        for name, value in members.items()
        if name not in {"client_id", "client_secret", "registration_access_token"}
    }
    again = registering.manage(
        "PUT", reply.json, client_id=reply.json["client_id"], redirect_uris=[cast.REDIRECT_URI],
        **changes,
    )  # fmt: skip
    assert again.status in {200, 400}, again.body
    assert of_the_registration() == kept


def test_machine_requests_belong_to_who_authenticates(world: World) -> None:
    """Fields beside those of the specification choose no other client, person or organisation."""
    bank = ciba.asker(world.alice.user.organisation)
    before = guarded()
    planted = world.planted(FEW)

    assert ciba.ask(bank, **planted).status == 200
    asked = BackchannelAuthentication.unscoped.get()
    assert (asked.user, asked.approved_at) == (world.alice.user, None)

    television = device.television(world.alice.user.organisation)
    before = guarded()
    assert device.start(television, **planted).status == 200
    waiting = DeviceAuthorization.unscoped.get()
    assert (waiting.user, waiting.approved_at) == (None, None)
    session = cast.sign_in(Browser(), world.alice)
    reply = oauth.redeem(
        world.client, oauth.issue_code(world.client, session, scope="openid roles"), **planted
    )
    assert reply.status == 200, reply.body
    claims = oauth.claims_of(reply.json["access_token"])
    assert (claims["sub"], claims["roles"]) == (str(world.alice.user.pk), [])
    assert guarded() == before


def test_the_authenticator_app_of_another_is_not_replaced(world: World) -> None:
    kept = bytes(TotpFactor.objects.get(user=world.bob.user).seed)

    world.browser.post("/mfa/totp/", world.planted() | a_code(world))

    assert bytes(TotpFactor.objects.get(user=world.bob.user).seed) == kept
