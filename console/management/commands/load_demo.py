"""Fills an empty installation with two organisations to try it out with.

Every credential is random and written once to <var>/demo.json (0600), never printed. Run again, it
changes nothing but what is missing, and the addresses of the demo application if the port changed.
"""

import base64
import json
import os
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from access.flows import add_eligibility, create_entitlement
from access.models import Entitlement
from access.offers import ApproverLine, Offer, StageLine
from accounts import flows
from accounts.models import Group, Organisation, Role, RoleAssignment, User
from core import clock
from core.ids import new_token
from idp.flows import register_client, update_client
from idp.machine import protected_resource
from idp.models import Client
from idp.models.client import ACCESS, DEVICE_CODE
from mfa.models import TotpFactor

FILE_NAME = "demo.json"
DEMO_CLIENT_DISTANCE = 10  # ports above our own; config.run starts it there
TOTP_SEED_BYTES = 20
LOOPBACK = ip_address("127.0.0.1")  # where the demo application is; `make run` allows it


@dataclass(frozen=True)
class DemoUser:
    email: str
    name: str
    organisation: str
    roles: tuple[str, ...]
    has_totp: bool = True
    is_staff: bool = False
    is_everywhere: bool = False


@dataclass(frozen=True)
class DemoClient:
    """name: in demo.json. title: what people read on the consent page."""

    name: str
    title: str
    organisation: str
    grant_types: tuple[str, ...]
    scopes: tuple[str, ...]
    is_first_party: bool = False

    @property
    def signs_people_in(self) -> bool:
        return "authorization_code" in self.grant_types


ORGANISATIONS = {"acme": "Acme", "globex": "Globex"}
ROLES = {
    "acme": {
        "employee": ("Works here", ""),
        "admin": ("Administers Acme", "aal2"),
        "db-admin": ("Looks after the crew's database", "aal2"),
    },
    "globex": {"employee": ("Works here", "")},
}
USERS = (
    DemoUser("alice@acme.example", "Alice Arden", "acme", ("employee",)),
    DemoUser("bob@acme.example", "Bob Baker", "acme", ("employee", "admin"), is_staff=True),
    DemoUser("carol@globex.example", "Carol Cole", "globex", ("employee",), has_totp=False),
    # They administer the installation: one writes rules of policy, the other agrees.
    DemoUser("dora@acme.example", "Dora Dahl", "acme", ("employee",), is_everywhere=True),
    DemoUser("emil@acme.example", "Emil Eng", "acme", ("employee",), is_everywhere=True),
)
# Nobody holds it: whoever is in the crew asks, and an administrator answers.
CREW = ("alice@acme.example",)
SIGN_IN = ("authorization_code", "refresh_token")
# Every standard claim of one person (OpenID Connect Core 1.0 §5.1), so that clients see them all.
PROFILES = {
    "alice@acme.example": {
        "given_name": "Alice",
        "middle_name": "Ann",
        "family_name": "Arden",
        "nickname": "Al",
        "preferred_username": "alice",
        "profile": "https://acme.example/people/alice",
        "picture": "https://acme.example/people/alice.png",
        "website": "https://alice.example/",
        "gender": "female",
        "birthdate": "1990-04-30",
        "zoneinfo": "Europe/Berlin",
        "locale": "en-GB",
        "phone_number": "+49301234567",
    }
}
ADDRESS = {
    "street_address": "Hafenweg 1",
    "postal_code": "20457",
    "locality": "Hamburg",
    "region": "Hamburg",
    "country": "Germany",
}
SCOPES = ("openid", "profile", "email", "address", "phone", "roles", "offline_access")
CLIENTS = (
    DemoClient("demo", "Harbour Notes", "acme", SIGN_IN, SCOPES),
    DemoClient("demo-machine", "Demo machine", "acme", ("client_credentials",), ("roles",)),
    DemoClient("globex-app", "Globex app", "globex", SIGN_IN, SCOPES),
)


class Command(BaseCommand):
    help = "Create the demo organisations, people and applications (not in production)."

    def handle(self, **_: Any) -> None:
        if settings.IS_PRODUCTION:
            raise CommandError("load_demo is for trying things out: it refuses in production")
        path: Path = settings.VAR_DIR / FILE_NAME
        known = _read(path)
        now = clock.now()
        with transaction.atomic():
            organisations = {slug: _organisation(slug, now) for slug in ORGANISATIONS}
            for slug, organisation in organisations.items():
                _make_roles(slug, organisation, now)
            demo = {
                "base_url": settings.ISSUER,
                "users": [_user(user, organisations, known, now) for user in USERS],
                "clients": [_client(client, organisations, known, now) for client in CLIENTS],
                "command_line": _command_line(organisations["acme"], known, now),
            }
            _offer_the_database(organisations["acme"], now)
        if demo != known:
            _write(path, demo)
        self.stdout.write(f"The demo is ready: sign in with what {path} says.")


def _organisation(slug: str, now: datetime) -> Organisation:
    found = Organisation.objects.filter(slug=slug).first()
    return found or flows.create_organisation(slug=slug, name=ORGANISATIONS[slug], now=now)


def _make_roles(slug: str, organisation: Organisation, now: datetime) -> None:
    for name, (description, required_acr) in ROLES[slug].items():
        if not Role.objects.within(organisation).filter(name=name).exists():
            flows.create_role(
                organisation=organisation,
                name=name,
                description=description,
                required_acr=required_acr,
                now=now,
            )


def _offer_the_database(acme: Organisation, now: datetime) -> None:
    """What the demo application's page for db-admin leads to."""
    if Entitlement.objects.within(acme).filter(name="db-admin").exists():
        return
    crew = Group.objects.within(acme).filter(name="crew").first()
    if crew is None:
        crew = flows.create_group(organisation=acme, name="crew", now=now)
        for user in User.objects.within(acme).filter(email__in=CREW):
            flows.add_group_member(group=crew, user=user, now=now)
    roles = Role.objects.within(acme)
    keeper, admin = roles.get(name="db-admin"), roles.get(name="admin")
    entitlement = create_entitlement(
        organisation=acme,
        name="db-admin",
        offer=Offer(
            roles=[keeper],
            description="Look after the crew's database",
            stages=[StageLine([ApproverLine(role=admin)])],
            max_duration=timedelta(hours=1),
            required_acr="aal2",
            max_age=timedelta(minutes=15),
            ticket_pattern="OPS-[0-9]{1,6}",
            break_glass_duration=timedelta(minutes=30),
            break_glass_roles=[keeper],
        ),
        now=now,
    )
    add_eligibility(entitlement=entitlement, group=crew, now=now)


def _user(
    demo: DemoUser, organisations: dict[str, Organisation], known: dict[str, Any], now: datetime
) -> dict[str, Any]:
    """One person as the file tells of them. A password that the file no longer has is replaced."""
    organisation = organisations[demo.organisation]
    entry = _entry(known, "users", "email", demo.email)
    password = entry.get("password") or new_token(15)
    user = User.objects.within(organisation).filter(email=demo.email).first()
    if user is None:
        user = User.objects.create_user(
            email=demo.email, organisation=organisation, now=now, password=password, name=demo.name
        )
        flows.note_registration(user=user, now=now, how="demo")
    elif not entry:
        flows.change_password(user=user, password=password, now=now)
    EmailAddress.objects.get_or_create(
        user=user, email=demo.email, defaults={"verified": True, "primary": True}
    )
    if (demo.is_staff or demo.is_everywhere) and not user.is_staff:
        flows.make_administrator(user=user, is_everywhere=demo.is_everywhere, now=now)
    if demo.email in PROFILES and not hasattr(user, "profile"):
        flows.update_profile(
            user=user, name=user.name, claims=PROFILES[demo.email], address=ADDRESS, now=now
        )
    for name in demo.roles:
        role = Role.objects.within(organisation).get(name=name)
        if not RoleAssignment.unscoped.live(now).filter(user=user, role=role).exists():
            flows.assign_role(user=user, role=role, now=now)
    return {
        "email": demo.email,
        "password": password,
        "totp_secret": _totp(user, entry) if demo.has_totp else None,
        "organisation": demo.organisation,
        "name": demo.name,
        "roles": list(demo.roles),
    }


def _totp(user: User, entry: dict[str, Any]) -> str:
    """The secret of the user's authenticator app, base32; enrols one if there is none."""
    factor = TotpFactor.objects.filter(user=user, confirmed=True).first()
    if factor is None:
        told = entry.get("totp_secret")
        factor = TotpFactor.objects.create(
            user=user,
            organisation=user.organisation,
            name="Authenticator app",
            seed=base64.b32decode(told) if told else secrets.token_bytes(TOTP_SEED_BYTES),
            confirmed=True,
        )
    return base64.b32encode(factor.seed).decode()


def _client(
    demo: DemoClient, organisations: dict[str, Organisation], known: dict[str, Any], now: datetime
) -> dict[str, Any]:
    """One application as the file tells of it. One whose secret is not known is registered anew."""
    organisation = organisations[demo.organisation]
    home = f"http://localhost:{settings.ENV.port + DEMO_CLIENT_DISTANCE}/"
    redirect_uris = [f"{home}callback"] if demo.signs_people_in else []
    post_logout_redirect_uris = [home] if demo.signs_people_in else []
    metadata = {}
    if demo.name == "demo" and any(LOOPBACK in each for each in settings.OUTBOUND_ALLOWED_NETWORKS):
        metadata["backchannel_logout_uri"] = f"{home}backchannel-logout"
    entry = _entry(known, "clients", "name", demo.name)
    client = (
        Client.objects.within(organisation)
        .filter(client_id=entry.get("client_id", ""), is_active=True)
        .first()
    )
    secret = entry.get("client_secret")
    if client is None or not secret or not client.has_secret(secret):
        registered = register_client(
            organisation=organisation,
            name=demo.title,
            kind=Client.Kind.CONFIDENTIAL,
            redirect_uris=redirect_uris,
            post_logout_redirect_uris=post_logout_redirect_uris,
            grant_types=demo.grant_types,
            scopes=demo.scopes,
            is_first_party=demo.is_first_party,
            metadata=metadata,
            now=now,
        )
        client, secret = registered.client, registered.secret
    elif client.redirect_uris != redirect_uris or client.metadata != metadata:
        update_client(
            client=client,
            redirect_uris=redirect_uris,
            post_logout_redirect_uris=post_logout_redirect_uris,
            metadata=metadata,
            now=now,
        )
    return {
        "name": demo.name,
        "client_id": client.client_id,
        "client_secret": secret,
        "redirect_uris": redirect_uris,
        "organisation": demo.organisation,
        "post_logout_redirect_uris": post_logout_redirect_uris,
    }


def _command_line(
    organisation: Organisation, known: dict[str, Any], now: datetime
) -> dict[str, Any]:
    """The client of `sallyport`, the command line: public, for the API at the address of now."""
    client = (
        Client.objects.within(organisation)
        .filter(client_id=known.get("command_line", {}).get("client_id", ""), is_active=True)
        .first()
    )
    if client is None:
        client = register_client(
            organisation=organisation,
            name="Sallyport command line",
            kind=Client.Kind.PUBLIC,
            grant_types=(DEVICE_CODE, "refresh_token"),
            scopes=(ACCESS,),
            audience=protected_resource.api(),
            is_first_party=True,
            now=now,
        ).client
    elif client.audience != protected_resource.api():
        update_client(client=client, audience=protected_resource.api(), now=now)
    return {"client_id": client.client_id, "organisation": organisation.slug}


def _entry(known: dict[str, Any], kind: str, key: str, value: str) -> dict[str, Any]:
    return next((entry for entry in known.get(kind, []) if entry.get(key) == value), {})


def _read(path: Path) -> dict[str, Any]:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _write(path: Path, demo: dict[str, Any]) -> None:
    """Replace the file at once, readable by its owner alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(demo, file, indent=2)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
