"""Signing in to an application behind a proxy, at our own host.

A browser comes with the address that it wants and an image of the secret that it keeps at the
application's host. It goes back with a code, good once, for a minute, there and for that secret.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from audit.events import Event
from audit.recorder import record
from core.assurance import Level
from core.errors import Refusal
from core.ids import digest, new_token
from idp.forward_auth import judging, rules
from idp.forward_auth.asked import TOKEN, Asked, Shape, read_url
from idp.forward_auth.judging import Verdict
from idp.forward_auth.rules import Demands
from idp.forward_auth.withdrawal import last_withdrawal
from idp.models import ForwardCode, ProxiedHost
from idp.storage import database
from idp.storage.forward_auth import FIND_FOR_SIGN_IN
from policy.decision import Decision
from policy.facts import Trigger
from sessions import evaluation
from sessions.models import LoginSession
from sessions.rights import merged, rights_of

CODE_LIFETIME = timedelta(seconds=60)
MAX_PATH_LENGTH = 2000


@dataclass(frozen=True)
class Wish:
    """Where a browser wants to go. host: of the application, with its client."""

    host: ProxiedHost
    path: str

    @property
    def url(self) -> str:
        return self.host.origin + self.path


@dataclass(frozen=True)
class Standing:
    """Whether a session may go there. reasons: why not. helpful_roles: what would change that.

    resources: those that rules of the path name: a role that is limited to them is enough there.
    """

    verdict: Verdict
    decision: Decision
    reasons: tuple[str, ...] = ()
    helpful_roles: frozenset[str] = frozenset()
    resources: tuple[Mapping[str, str], ...] = ()

    def is_helped_by(self, roles: Iterable[str], resources: Sequence[Mapping[str, str]]) -> bool:
        """Whether these roles would help, limited to these resources; to none if there are none."""
        fits = not resources or any(each in self.resources for each in resources)
        return fits and not self.helpful_roles.isdisjoint(roles)


def challenge_of(secret: str) -> str:
    """43 base64url characters: SHA-256 of the secret, as PKCE has it (RFC 7636 §4.2)."""
    image = hashlib.sha256(secret.encode()).digest()
    return base64.urlsafe_b64encode(image).rstrip(b"=").decode()


def find_wish(url: str) -> Wish:
    """What is registered at exactly this scheme, host and port; refuses not_found."""
    try:
        origin, path = read_url(url)
    except Refusal as refusal:
        raise Refusal.not_found("There is no such application.") from refusal
    found = ProxiedHost.unscoped.filter(
        origin=origin, client__is_active=True, organisation__is_active=True
    )
    host = found.select_related("client", "organisation").first()
    if host is None:
        raise Refusal.not_found("There is no such application.")
    return Wish(host, path if len(path) <= MAX_PATH_LENGTH else "/")


def check_challenge(challenge: str) -> str:
    """Refuses invalid_request for what is no image of a secret."""
    if not TOKEN.fullmatch(challenge):
        raise Refusal.invalid_request("The address of this page is not whole.")
    return challenge


def stand(
    wish: Wish, *, session: LoginSession, trigger: Trigger, address: str, now: datetime
) -> Standing:
    """Judge a session for where it wants to go, as each request there will be judged.

    trigger: AUTHORIZE on the way there, which may end the session, else FORWARD_AUTH.
    """
    row = database.one(
        FIND_FOR_SIGN_IN,
        {"host": wish.host.id, "session": session.id, **evaluation.fact_params()},
    )
    if row is None:
        raise Refusal.not_allowed("This application belongs to another organisation.")
    row["rights"] = merged(row, row)
    asked = _as_asked(wish, address)
    demands = rules.demands_of(row["rules"], wish.path)
    resource = judging.resource_of(row, demands)
    decision = evaluation.judge(row, trigger=Trigger.FORWARD_AUTH, resource=resource)
    if decision.is_allowed and trigger is Trigger.AUTHORIZE:
        decision = evaluation.evaluate(
            session_id=session.id, trigger=trigger, resource=resource, now=now
        )
    if not decision.is_allowed:
        verdict = judging.verdict_of(decision)
        return Standing(verdict, decision, decision.reasons)
    held = rights_of(row).without(decision.withheld_roles)
    reasons = judging.against(asked, row, demands, held)
    withdrawn_at = last_withdrawal(client=wish.host.client, session=session)
    if not reasons and trigger is Trigger.AUTHORIZE and withdrawn_at is not None:
        # To whole seconds: of that age no proof counts, and one that is made now does.
        wanted = decision._replace(
            required_level=max(decision.required_level, Level.from_acr(row["acr"])),
            max_age=max(1, int((now - withdrawn_at).total_seconds())),
        )
        return Standing(Verdict.STEP_UP, wanted, ("authentication_too_old",))
    if not reasons:
        return Standing(Verdict.ALLOW, decision)
    helpful = _helpful(demands, row["permissions"] or {}) - set(held.roles)
    named = tuple(rule["resource"] for rule in demands.rules if rule["resource"])
    return Standing(Verdict.DENY, decision, reasons, helpful, named)


def _helpful(
    demands: Demands, permissions: Mapping[str, Mapping[str, list[str]]]
) -> frozenset[str]:
    """Roles that a rule names, or that have a permission which a rule names."""
    roles = {role for rule in demands.rules for role in rule["roles"]}
    for wanted in (rule["permission"] for rule in demands.rules if rule["permission"]):
        roles |= {
            role
            for role, by_type in permissions.items()
            for type_ in (wanted["type"], "*")
            if {wanted["action"], "*"} & set(by_type.get(type_, ()))
        }
    return frozenset(roles)


@transaction.atomic
def issue_code(wish: Wish, *, session: LoginSession, challenge: str, now: datetime) -> str:
    """A code of 256 bits that makes one browser known at the application's host."""
    code = new_token()
    ForwardCode.objects.create(
        digest=digest(code),
        organisation_id=wish.host.organisation_id,
        client_id=wish.host.client_id,
        session=session,
        origin=wish.host.origin,
        challenge=challenge,
        return_path=wish.path,
        created_at=now,
        expires_at=now + CODE_LIFETIME,
    )
    record(
        Event.FORWARD_AUTH_CODE_ISSUED,
        organisation_id=wish.host.organisation_id,
        actor=f"accounts.User:{session.user_id}",
        subject=wish.host.client,
        session_id=session.id,
        now=now,
        origin=wish.host.origin,
    )
    return code


def _as_asked(wish: Wish, address: str) -> Asked:
    """The request that the browser will make there."""
    return Asked(
        shape=Shape.HOST,
        origin=wish.host.origin,
        path=wish.path,
        method="GET",
        address=address,
        user_agent="",
        cookie="",
        state="",
        is_navigation=True,
        is_activity=True,
        is_from_elsewhere=False,
    )
