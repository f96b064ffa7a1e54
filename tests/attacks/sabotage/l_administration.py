"""Administration, devices, risk and policy (A141 to A159)."""

from collections.abc import Callable
from datetime import timedelta
from fractions import Fraction
from importlib import import_module
from typing import Any

from tests.attacks.sabotage.defence import (
    Defence,
    Patch,
    edit,
    however_old,
    in_the_highest_tier,
    replace,
    waved_through,
    wrap,
)


def writing_what_was_posted(original: Any, request: Any, response: Any) -> bool:
    """Binds a form to the person's row, whatever fields it has."""
    from accounts.models import User

    columns = {"is_staff", "is_superuser", "organisation_id", "security_stamp"}
    posted = {name: request.POST[name] for name in columns & request.POST.keys()}
    if "is_staff" in posted and request.user.is_authenticated:
        flags = {name: value == "on" for name, value in posted.items() if name.startswith("is_")}
        User.unscoped.filter(pk=request.user.pk).update(**(posted | flags))
    return bool(original(request, response))


def as_anybody(original: Any, door: Any, request: Any) -> Any:
    """Lets whoever has no token call as the first person there is."""
    from accounts.models import User
    from console.api.door import Caller
    from core import clock
    from core.assurance import Assurance, Level
    from core.errors import Refusal
    from core.ids import new_id

    try:
        return original(door, request)
    except Refusal:
        now = clock.now()
        proven = Assurance(Level.PHR, ("hwk",), now)
        user = User.unscoped.select_related("organisation").first()
        assert user is not None
        return Caller(user, "app", new_id(), ("access", "admin"), proven, False, now)


def forward_without(patch: Patch, condition: str) -> None:
    edit(
        patch, "FIND_PROXIED", condition, "idp.storage.forward_auth", "idp.forward_auth.judging"
    )  # fmt: skip


def redeem_forwarded_without(patch: Patch, condition: str) -> None:
    edit(
        patch, "REDEEM_FORWARD_CODE", condition, "idp.storage.forward_auth",
        "idp.forward_auth.hosts",
    )  # fmt: skip


def whatever_comes_first(header: str, origin: str) -> dict[str, str]:
    """Reads cookies as most libraries do: quotes are dropped, and of two the last one counts."""
    from http.cookies import CookieError, SimpleCookie

    from idp.forward_auth.asked import COOKIE, STATE_COOKIE, cookie_name

    try:
        read = SimpleCookie(header)
    except CookieError:
        read = SimpleCookie()
    names = {name: cookie_name(name, origin) for name in (COOKIE, STATE_COOKIE)}
    return {name: read[shown].value if shown in read else "" for name, shown in names.items()}


def as_browsers_forgive(scheme: str, authority: str) -> str:
    """Takes what a URL parser makes of a host."""
    from urllib.parse import urlsplit

    host = urlsplit(f"{scheme}://{authority}").hostname or ""
    return f"{scheme}://{host.rstrip('.')}"


def waving_options_through(original: Any, environ: Any) -> Any:
    from idp.machine.wire import Answer

    is_preflight = environ["REQUEST_METHOD"] == "OPTIONS"
    return Answer(204, b"", []) if is_preflight else original(environ)


def as_if_nothing_were(original: Any, refusal: Any) -> Any:
    from idp.machine.wire import Answer

    return Answer(200, b"", []) if refusal.status == 503 else original(refusal)


def where_there_is_something_to_say(original: Any, *args: Any) -> Any:
    return [(name, value) for name, value in original(*args) if value]


def in_any_organisation(model: Any, _: Any, pk: Any, *related: str) -> Any:
    from core.errors import Refusal

    found = model.unscoped.filter(pk=pk).select_related(*related).first()
    if found is None:
        raise Refusal.not_found()
    return found


def what_is_known(original: Any, parser: Any, request: Any) -> Any:
    """Overlooks members that the operation does not take."""
    members = original(parser, request)
    for model in request.operation.models:
        if model.__ninja_param_source__ == "body":
            (body,) = model.model_fields.values()
            members = {k: v for k, v in members.items() if k in body.annotation.model_fields}
    return members


def by_the_person(original: Any, *args: Any) -> Any:
    from dataclasses import replace as changed

    return changed(original(*args), is_handed_on=False)


class Unsigned:
    """Signs nothing, and believes everything."""

    def sign(self, text: str) -> str:
        return f"{text}:unsigned"

    def unsign(self, text: str) -> str:
        return text.rpartition(":")[0]


def counted_without(condition: str, new: str = "") -> Callable[[Patch], None]:
    """Leaves a part of `accounts.rights.counts` out where it is asked for."""
    return lambda patch: edit(patch, "FIND_DATED", condition, "sessions.rights", new=new)


_answers: dict[str, Any] = {}
_revisions: dict[str, str] = {}


def the_first_revision(original: Any, known: Any) -> Any:
    return _revisions.setdefault("", original(known))


def read_leniently(kind: Any, answer: Any, revision: str) -> Any:
    """Takes what it knows out of an answer, and overlooks the rest."""
    from core.assurance import Level
    from core.ids import new_id
    from policy.decision import Outcome

    try:
        outcome = Outcome(answer["outcome"])
    except (TypeError, KeyError, ValueError):
        return kind.denied("policy_undefined", revision)
    level = Level(int(answer.get("required_level") or 0))
    return kind(outcome, tuple(answer.get("reasons") or ()), revision, new_id(), level)


def whatever_it_says(self: Any, response: Any) -> Any:
    import json

    from policy.opa import OpaAnswer

    return OpaAnswer(json.loads(response.body)["result"], self.settings.bundle)


def a_kept_one(self: Any) -> Any:
    return getattr(self._local, "kept", (0, None))[1]


def the_active_one(*_: Any) -> str:
    from policy import engine

    return engine.revision()


def a_second_more(original: Any, deadline: float) -> Any:
    return original(deadline + 1)


def the_first_answer(original: Any, facts: Any, **how: Any) -> Any:
    """Keeps decisions by what was asked for and how strongly somebody has signed in."""
    key = f"{facts.trigger}:{facts.session.level}:{','.join(facts.role_tiers)}"
    return _answers.setdefault(key, original(facts, **how))


def what_the_token_says(original: Any, client: Any, text: str) -> Any:
    from idp.tokens import verify

    told = dict(original(client, text))
    if told["active"]:
        told |= {k: v for k, v in verify.access_token(text).items() if k in {"roles", "scope"}}
    return told


def unverified(text: str, **_: Any) -> Any:
    import base64
    import json

    return json.loads(base64.urlsafe_b64decode(text.split(".")[1] + "=="))


def issued_by_whoever(original: Any, *args: Any, **how: Any) -> Any:
    """Believes that whatever an enrolled device has signed is about the device asked for."""
    from devices.models import Device

    for device in Device.unscoped.all():
        key = type(how["key"])(device.public_jwk, device.key_thumbprint)
        try:
            claims = original(*args, **(how | {"key": key}))
        except Exception:
            continue
        others = Device.unscoped.exclude(pk=device.pk).first()
        return claims | ({"iss": str(others.pk)} if others else {})
    return original(*args, **how)


def devices_named(*, within: bool) -> Callable[..., Any]:
    """Finds devices by any name, whoever has said that they have it. within: one organisation."""

    def find(organisation_id: Any, names: Any) -> Any:
        from devices.connectors.identifiers import Identifier, Kind
        from devices.models import DeviceIdentifier

        rows = DeviceIdentifier.unscoped.filter(value__in={name.value for name in names})
        if within:
            rows = rows.filter(organisation_id=organisation_id)
        return {Identifier(Kind(row.kind), row.value): row.device for row in rows}

    return find


def for_any_application(original: Any, token: str, **how: Any) -> bool:
    """Believes whom a token says that it is for."""
    from core import strict_json

    try:
        claims = strict_json.parse_part(token.split(".")[1])
    except (ValueError, IndexError):
        return False
    said = claims.get("aud")
    audience = said[0] if isinstance(said, list) and said else said
    return bool(original(token, **(how | {"audience": audience})))


def unasked(*rules: str) -> Callable[[Patch], None]:
    """Lets whatever fails by these rules of access alone."""

    def permit(original: Any, facts: Any, **how: Any) -> Any:
        from dataclasses import replace as changed

        verdict = original(facts, **how)
        left = tuple(rule for rule in verdict.reasons if rule not in rules)
        return changed(verdict, reasons=left, allowed=not left, is_final=bool(left))

    return wrap("policy.engine:permit", permit)


def unguarded(original: Any, self: Any, *args: Any, **how: Any) -> Any:
    """Writes an answer into a table that lets anybody's be written."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE access_approval DISABLE TRIGGER access_check_persons")
        for name in ("access_not_ones_own", "access_not_the_same_person"):
            cursor.execute(f"ALTER TABLE access_approval DROP CONSTRAINT IF EXISTS {name}")
    return original(self, *args, **how)


def alone(self: Any, **_: Any) -> None:
    """Lets whoever asks publish, whatever others have said."""


class Alone:
    demand_administrator = consume = alone


def as_they_said(original: Any, version: Any) -> str:
    """Takes a version for the one that was agreed to."""
    from access.models import Grant

    grant = Grant.unscoped.filter(policy_version=version).first()
    said: str = original(version) if grant is None else grant.terms["publication"]["digest"]
    return said


def everywhere(original: Any, *args: Any, **how: Any) -> Any:
    """Takes everybody for an administrator of every organisation."""
    from dataclasses import replace as changed

    return changed(original(*args, **how), administers_everywhere=True)


def unlocked(grant: Any, now: Any) -> Any:
    """Reads a grant that others may be moving."""
    import time

    from access.flows.timeline import Locked
    from access.models import Grant

    rows = Grant.unscoped.select_related("entitlement", "requester")
    found = rows.get(pk=grant.pk)
    time.sleep(0.2)  # so that all have read before one of them writes
    return Locked(found, now)


def whatever_is_live(*, user: Any, now: Any) -> Any:
    """Counts what a grant lends among what somebody holds."""
    from accounts.models import Role, RoleAssignment

    live = RoleAssignment.unscoped.live(now).filter(user=user)
    return list(Role.objects.within_id(user.organisation_id).filter(assignments__in=live))


FORWARD = "attacks/test_a156_forward_auth.py"
OF_ONES_OWN = "attacks/test_a148_policy_of_ones_own.py"
ANOTHER_POLICY = "attacks/test_a150_another_policy.py"
POSTURE = "attacks/test_a154_posture.py"
TAKEN_BACK = "attacks/test_a152_grant_taken_back.py"
CONNECTORS = "attacks/test_a154_connectors.py"


OF_WORKLOADS = "attacks/test_a151_workload_grant.py"
OF_CONDITIONS = "attacks/test_a151_conditions.py"


def or_else_yes(original: Any, body: str, document: Any) -> bool:
    """Takes what cannot be judged for something that holds."""
    try:
        told: bool = original(body, document)
    except RuntimeError:
        return True
    return told


def under_no_condition(original: Any, conditional: Any, address: Any) -> Any:
    free = {"conditions": [], "request": {}, "workload": "", "address": ""}
    return original([{**each, "rules": free} for each in conditional], address)


def as_the_entitlement_is_today(_: Any, grant: Any) -> None:
    """Keeps of the conditions of live access those alone that are asked for now."""
    from access.conditions import rules_of
    from accounts.models import RoleAssignment

    rules = rules_of(grant, [grant.entitlement.condition])
    RoleAssignment.unscoped.filter(grant_id=grant.pk).update(rules=rules)


def of_workloads_without(old: str, new: str = "") -> Callable[[Patch], None]:
    """The statements that tell what grants give to applications, with a part left out."""
    places = {
        "ISSUE_TO_CLIENT": "idp.grants.client_credentials",
        "FIND_MACHINE_TOKEN": "idp.endpoints.standing",
        "FACTS": "idp.storage.authzen",
    }

    def remove(patch: Patch) -> None:
        for name, place in places.items():
            if old in getattr(import_module(place), name):
                edit(patch, name, old, place, new=new)

    return remove


class Unsealed:
    """Writes down what it should seal, and reads back whatever it is given."""

    def __init__(self, _: bytes) -> None:
        pass

    def encrypt(self, _: bytes, text: bytes, about: bytes) -> bytes:
        return about + text

    def decrypt(self, _: bytes, text: bytes, about: bytes) -> bytes:
        from cryptography.exceptions import InvalidTag

        start = text.find(b"{")
        if start < 0 or text[:start] not in {about, b""}:
            raise InvalidTag
        return text[start:]


def as_the_installation(original: Any, *, user: Any, now: Any, actor: Any = None) -> None:
    """Unlinks for whoever asks as if a command did."""
    original(user=user, now=now)


DEFENCES = {
    "A141": Defence(
        "whoever is not signed in goes to the sign-in page",
        replace(
            "django.contrib.auth.middleware:LoginRequiredMiddleware.process_view",
            lambda *_, **__: None,
        ),
    ),
    "A141-administration": Defence(
        "the administration is for administrators by two factors",
        replace("console.admin_site:AdminSite.has_permission", lambda *_: True),
    ),
    "A141-organisations": Defence(
        "an administrator reaches one organisation",
        replace("accounts.admin:_within_reach", lambda rows, _: rows),
    ),
    "A141-api": Defence(
        "the API asks for a token",
        wrap("console.api.door:Token.__call__", as_anybody),
        files="attacks/test_a141_every_path.py",
    ),
    "A141-api-administrators": Defence(
        "the API's administration is for administrators by two factors",
        replace("console.api.door:Administrator.judge", lambda *_: None),
        files="attacks/test_a141_api.py",
    ),
    "A141-api-organisations": Defence(
        "an administrator reaches one organisation by the API",
        replace("console.api.lookup:one", in_any_organisation),
        files="attacks/test_a141_api.py",
    ),
    "A142": Defence(
        "what a form does not show is not written",
        wrap("sessions.middleware:_is_activity", writing_what_was_posted),
    ),
    "A142-api": Defence(
        "the API refuses members that it does not know",
        wrap("console.api.site:StrictParser.parse_body", what_is_known),
        files="attacks/test_a142_api.py",
    ),
    "A142-registration": Defence(
        "an application decides nothing of ours about itself",
        replace("idp.dynamic_registration.document:KEPT_FROM_CLIENTS", set()),
    ),
    "A143": Defence(
        "nobody gives a right that they do not hold",
        replace("accounts.flows.permissions:check_may_give", lambda **_: None),
    ),
    "A143-standing": Defence(
        "who administers is read when they act",
        wrap(
            "accounts.flows.permissions:is_administrator",
            lambda original, actor, organisation: (
                getattr(actor, "is_staff", False) or original(actor, organisation)
            ),
        ),
    ),
    "A143-organisation": Defence(
        "a client asks policy about its own organisation's people",
        lambda patch: edit(
            patch,
            "FACTS",
            "u.organisation_id = c.organisation_id",
            "idp.storage.authzen",
            new="true",
        ),
        "idp/test_authzen.py",
    ),
    "A143-session": Defence(
        "a session lends its rights to whose it is",
        lambda patch: edit(
            patch,
            "FIND_SESSIONS",
            "u.id AS person_id",
            "idp.storage.authzen",
            new="(SELECT n.id FROM accounts_user n"
            " WHERE n.email = 'nina@acme.example') AS person_id",
        ),
        "idp/test_authzen.py",
    ),
    "A144": Defence(
        "asking policy is a right of its own",
        wrap("idp.authzen.caller:read", lambda original, request: original(request, "roles")),
        "idp/test_authzen.py",
    ),
    "A144-trying": Defence(
        "whoever tries rules may set them",
        replace(
            "console.admin.policies:_is_of_the_installation", lambda request: request.user.is_staff
        ),
    ),
    "A145": Defence(
        "a policy that cannot answer denies",
        replace("policy.engine:decide", lambda *_, **__: waved_through()),
    ),
    "A146": Defence(
        "a policy server's answer has exactly the members that it should",
        replace("policy.decision:Decision.from_answer", classmethod(read_leniently)),
    ),
    "A146-server": Defence(
        "what a policy server says is read strictly",
        replace("policy.opa:OpaServer._read", whatever_it_says),
    ),
    "A146-time": Defence(
        "a policy server has half a second", wrap("core.exchange:left", a_second_more)
    ),
    "A146-connection": Defence(
        "a connection over which something came by itself is not used again",
        replace("policy.opa:OpaServer._kept", a_kept_one),
    ),
    "A146-revision": Defence(
        "an answer by another revision than the active one does not count",
        replace("policy.opa:_revision", the_active_one),
    ),
    "A145-signature": Defence(
        "a published policy is verified before it counts",
        replace("policy.signing:verify", lambda *_: None),
        files="policy/test_versions.py",
    ),
    "A147-revision": Defence(
        "which policy counts is looked up at each use",
        wrap("policy.engine:_active", the_first_revision),
    ),
    "A147": Defence("each use is decided anew", wrap("policy.engine:decide", the_first_answer)),
    "A148": Defence(
        "nobody answers a request of their own, and is told so",
        unasked("approver_is_another", "approver_is_another_person"),
    ),
    "A148-person": Defence(
        "accounts of one person count as one", unasked("approver_is_another_person")
    ),
    "A148-behalf": Defence(
        "nobody answers on behalf of whoever asks", unasked("approver_acts_for_nobody")
    ),
    "A148-database": Defence(
        "the database takes no answer of whoever asked",
        wrap("access.models:Approval.save", unguarded),
    ),
    "A148-third": Defence(
        "all accounts of a person are judged when two are linked",
        replace("access.receivers:_accounts_of_the_same", lambda person: [person]),
    ),
    "A148-unlinked": Defence(
        "nobody takes an account from themselves",
        wrap("accounts.flows.people:unlink_account", as_the_installation),
    ),
    "A148-beginning": Defence(
        "who approved is judged again when it begins", unasked("approvers_are_others")
    ),
    "A148-workload": Defence(
        "nobody answers what an application of theirs asks for",
        replace("access.judging:answers_for", lambda *_: False),
        files="attacks/test_a148_own_workload.py",
    ),
    "A149-workload": Defence(
        "one transaction at a time moves an application's grant",
        replace("access.flows.timeline:lock", unlocked),
        files="attacks/test_a149_racing_workload.py",
    ),
    "A148-policy": Defence(
        "nothing is published but by what others agreed to",
        replace("policy.approval:approvals", Alone),
        OF_ONES_OWN,
    ),
    "A148-author": Defence(
        "who wrote a policy does not agree to it",
        replace("access.models:Grant.author", property(lambda _: None)),
        OF_ONES_OWN,
    ),
    "A148-agreed": Defence(
        "the terms of publishing always ask somebody",
        replace("access.offers:check_offer", lambda *_: None),
        OF_ONES_OWN,
    ),
    "A149-policy": Defence(
        "publishing uses up what was agreed to, in its transaction",
        replace("access.flows.publications:Approvals.consume", alone),
        "attacks/test_a149_racing_publications.py",
    ),
    "A150-policy": Defence(
        "what is published is what was digested",
        wrap("access.flows.publications:digest_of_version", as_they_said),
        ANOTHER_POLICY,
    ),
    "A150-replaced": Defence(
        "what was agreed to is held against what counts",
        replace("access.terms:still_replaces", lambda _: True),
        ANOTHER_POLICY,
    ),
    "A153-policy": Defence(
        "who agrees to a policy administers every organisation by what they are",
        wrap("access.approvers:standing_of", everywhere),
    ),
    "A149": Defence(
        "one transaction at a time moves a grant",
        replace("access.flows.timeline:lock", unlocked),
    ),
    "A150": Defence(
        "what begins is what was digested", replace("access.judging:are_intact", lambda _: True)
    ),
    "A150-duration": Defence(
        "nothing lasts longer than it is offered for", unasked("duration_within")
    ),
    "A150-start": Defence("nothing starts in the past", unasked("start_ahead")),
    "A150-resources": Defence(
        "what begins is limited as it was approved",
        replace(
            "access.flows.activation:resources_left",
            lambda grant: grant.entitlement.resources or None,
        ),
    ),
    "A150-edited": Defence(
        "terms that change withdraw what waits",
        replace("access.flows.entitlements:_take_open", lambda *_, **__: None),
    ),
    "A148-api": Defence(
        "a token that was handed on answers nothing",
        wrap("console.api.door:_admit", by_the_person),
        files="attacks/test_a148_approving_by_the_api.py",
    ),
    "A151-claims": Defence(
        "no token lives longer than the roles that it carries",
        replace("sessions.rights:Rights.ends_at", property(lambda _: None)),
    ),
    "A151-token": Defence(
        "a token that carries a grant is dead once the grant is",
        replace("idp.tokens.claims:grants_of", lambda _: set()),
    ),
    "A151-conditions": Defence(
        "a grant counts only while its approvers may approve",
        counted_without("ac.assignment_id = ra.id", new="false"),
    ),
    "A151-suspended": Defence(
        "a suspended grant does not count", counted_without("AND ra.suspended_at IS NULL")
    ),
    "A151-lock": Defence(
        "a locked grant does not count",
        counted_without("l.target_type = 'grant'", new="false"),
    ),
    "A151-device": Defence(
        "a grant of one machine does not count on another",
        counted_without("ra.device_id = b.device_id", new="true"),
    ),
    "A151-rules": Defence(
        "what a grant gives counts only where its conditions hold",
        replace("sessions.conditions:hold", lambda *_: True),
        OF_CONDITIONS,
    ),
    "A151-rules-broken": Defence(
        "a condition that breaks does not hold",
        wrap("policy.bodies:_evaluate", or_else_yes),
        OF_CONDITIONS,
    ),
    "A151-rules-kept": Defence(
        "a condition of live access is never taken away",
        wrap("access.conditions:keep_up", as_the_entitlement_is_today),
        OF_CONDITIONS,
    ),
    "A151-rules-added": Defence(
        "a condition that is added counts for live access",
        replace("access.conditions:keep_up", lambda _: None),
        OF_CONDITIONS,
    ),
    "A151-workload-rules": Defence(
        "what a grant gives to an application counts only while its conditions hold",
        wrap("idp.clients.elevated:_holding", under_no_condition),
        OF_CONDITIONS,
    ),
    "A151-workload-token": Defence(
        "no token of an application lives longer than its grant",
        of_workloads_without("held.ends_at AS roles_end_at", new="NULL AS roles_end_at"),
        OF_WORKLOADS,
    ),
    "A151-workload-conditions": Defence(
        "an application's grant counts only while those whom it rests on stand",
        of_workloads_without("ac.workload_role_id = wr.id", new="false"),
        OF_WORKLOADS,
    ),
    "A151-workload-suspended": Defence(
        "an application's grant that is suspended does not count",
        of_workloads_without("AND wr.suspended_at IS NULL"),
        OF_WORKLOADS,
    ),
    "A151-workload-lock": Defence(
        "an application's grant that is locked does not count",
        of_workloads_without("l.target_type = 'grant'", new="false"),
        OF_WORKLOADS,
    ),
    "A152": Defence(
        "introspection tells which roles are live, not which the token names",
        wrap("idp.endpoints.introspection:_of_access_token", what_the_token_says),
    ),
    "A152-grant": Defence(
        "what is taken back ends in that transaction",
        replace("access.flows.timeline:end_elevation", lambda **_: 0),
        TAKEN_BACK,
    ),
    "A153": Defence(
        "what was won for a time gives no right to approve",
        replace("accounts.flows.elevation:standing_roles", whatever_is_live),
    ),
    "A153-rules": Defence(
        "only administrators set the rules of access",
        replace("access.administering:demand_administrator", lambda *_, **__: None),
    ),
    "A154": Defence(
        "a report is signed by the key that was enrolled",
        replace("devices.posture:_signed", unverified),
        POSTURE,
    ),
    "A154-device": Defence(
        "a report is for the device that it names",
        wrap("devices.posture:_signed", issued_by_whoever),
        POSTURE,
    ),
    "A154-nonce": Defence(
        "a report carries a nonce that this device was given just now",
        replace("devices.flows.reports:_claim_nonce", lambda *_: None),
        POSTURE,
    ),
    "A154-seq": Defence(
        "reports count in order",
        replace("devices.flows.reports:_claim_seq", lambda *_: None),
        POSTURE,
    ),
    "A154-clock": Defence(
        "a report is of this minute",
        replace("devices.posture:MAX_SKEW", timedelta(days=99)),
        POSTURE,
    ),
    "A154-stage": Defence(
        "trust is that of the device which the session's browser runs on, now",
        wrap("sessions.evaluation:facts_of", in_the_highest_tier),
        POSTURE,
    ),
    "A154-enrolment": Defence(
        "who enrols a device has proven themselves by a passkey just now",
        wrap("core.assurance:Assurance.satisfies", however_old),
        POSTURE,
    ),
    "A154-webhook": Defence(
        "a call of another product is proven to be of it",
        replace("devices.connectors.delivery:_is_signed", lambda *_: True),
        CONNECTORS,
    ),
    "A154-webhook-secret": Defence(
        "so is one that shows a secret",
        replace("devices.connectors.models:Connector.has_secret", lambda *_: True),
        CONNECTORS,
    ),
    "A154-webhook-age": Defence(
        "a signed call is of these minutes",
        replace("devices.connectors.delivery:SIGNATURE_LIFETIME", timedelta(days=99)),
        CONNECTORS,
    ),
    "A154-webhook-replay": Defence(
        "what was seen before undoes nothing that was seen after it",
        replace("devices.connectors.delivery:_is_news", lambda *_: True),
        CONNECTORS,
    ),
    "A154-webhook-future": Defence(
        "nothing is seen before it is so",
        replace("devices.connectors.delivery:MAX_CLOCK_LEAD", timedelta(days=99)),
        CONNECTORS,
    ),
    "A154-webhook-organisation": Defence(
        "a connector reaches the devices of its organisation",
        replace("devices.connectors.delivery:devices_called", devices_named(within=False)),
        CONNECTORS,
    ),
    "A154-webhook-names": Defence(
        "a device has the names that an administrator has confirmed",
        replace("devices.connectors.delivery:devices_called", devices_named(within=True)),
        CONNECTORS,
    ),
    "A154-webhook-size": Defence(
        "a call is small",
        replace("devices.connectors.views:MAX_BODY_BYTES", 2**30),
        CONNECTORS,
    ),
    "A154-webhook-many": Defence(
        "a call names few hosts", replace("devices.connectors.fleet:MAX_HOSTS", 10**9), CONNECTORS
    ),
    "A154-freshness": Defence(
        "what was found counts for as long as it is fresh",
        replace("devices.score:_freshness", lambda *_: Fraction(1)),
        CONNECTORS,
    ),
    "A154-access-token": Defence(
        "a token of Cloudflare Access is for this application",
        wrap("devices.connectors.access_token:is_good", for_any_application),
        "devices/test_connectors_cloudflare.py",
    ),
    "A156": Defence(
        "who passes shows the cookie of a live sign-in at this application",
        lambda patch: forward_without(patch, "f.digest = %(digest)s AND "),
        FORWARD,
    ),
    "A156-application": Defence(
        "a cookie is good at its own application",
        lambda patch: forward_without(patch, " AND f.client_id = c.id AND f.origin = c.origin"),
        FORWARD,
    ),
    "A156-cookie": Defence(
        "a cookie that comes twice, or is no token, is none",
        replace("idp.forward_auth.asked:_cookies", whatever_comes_first),
        FORWARD,
    ),
    "A156-proxy": Defence(
        "only known proxies are believed",
        replace("core.http:is_from", lambda *_: True),
        FORWARD,
    ),
    "A156-conflict": Defence(
        "headers that name two places are refused",
        replace("idp.forward_auth.asked:_Said.check", lambda *_: None),
        FORWARD,
    ),
    "A156-address": Defence(
        "a proxy says who asks",
        replace("core.http:address_of_hop", lambda _: "192.0.2.1"),
        FORWARD,
    ),
    "A156-host": Defence(
        "a host is host and port, and nothing else",
        replace("idp.forward_auth.asked:origin_of", as_browsers_forgive),
        FORWARD,
    ),
    "A156-path": Defence(
        "a path that can be read in two ways is refused where rules tell paths apart",
        replace("idp.forward_auth.rules:_segments", lambda path: path[1:].rstrip("/").split("/")),
        FORWARD,
    ),
    "A156-method": Defence(
        "no method passes without being judged",
        wrap("idp.forward_auth.door:answer", waving_options_through),
        FORWARD,
    ),
    "A156-failure": Defence(
        "what breaks is a no",
        wrap("idp.forward_auth.replies:refused", as_if_nothing_were),
        FORWARD,
    ),
    "A156-identity": Defence(
        "every identity header is set anew",
        wrap("idp.forward_auth.identity:headers", where_there_is_something_to_say),
        FORWARD,
    ),
    "A156-names": Defence(
        "a name that holds a comma is left out of lists",
        replace("idp.forward_auth.identity:_list", ",".join),
        FORWARD,
    ),
    "A156-browser": Defence(
        "a code is good in the browser that began",
        lambda patch: redeem_forwarded_without(patch, " AND challenge = %(challenge)s"),
        FORWARD,
    ),
    "A156-once": Defence(
        "a code is good once",
        lambda patch: redeem_forwarded_without(patch, "used_at IS NULL AND "),
        FORWARD,
    ),
    "A156-claim": Defence(
        "who administers one organisation names no host beside another",
        replace("idp.forward_auth.registration:_check_claim", lambda _: None),
        FORWARD,
    ),
    "A156-unseen": Defence(
        "rules take the place of those that were seen",
        replace("idp.forward_auth.rules:version_of", lambda _: "the same"),
        FORWARD,
    ),
    "A159": Defence(
        "a cursor is signed by the installation's own key",
        replace("console.api.paging:_signer", Unsigned),
    ),
    "A159-parameters": Defence(
        "a parameter that an operation does not take is refused",
        replace("console.api.door:_check_shape", lambda _: None),
    ),
    "A159-pages": Defence(
        "a token of a page is for one client and one search",
        replace("policy.authzen.paging:_bound_to", lambda *_: b""),
        "attacks/test_a159_page_tokens.py",
    ),
    "A159-sealed": Defence(
        "a token of a page is sealed by a key of this installation",
        lambda patch: patch.setattr("policy.authzen.paging.AESGCM", Unsealed),
        "attacks/test_a159_page_tokens.py",
    ),
}
