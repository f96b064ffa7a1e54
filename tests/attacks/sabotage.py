"""Takes a defence away and expects the tests of its attack to fail: else they prove nothing.

    make sabotage                    every defence below
    make sabotage ARGS="A024 A030"   all defences against these attacks
    make sabotage ARGS="A073-ciba"   this one

pytest runs with this file as a plugin: each test runs without the defence it is for, and a defence
whose absence no test noticed is reported. A run takes one defence away from a file of tests, so
where a file is for several there are several runs. What is taken away is one thing, where the code
has it; `edit` fails when that place has changed, so that the table follows the code.
"""

import os
import re
import string
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = Path(__file__).resolve().parent
VARIABLE = "SABOTAGE"

Patch = pytest.MonkeyPatch


@dataclass
class Defence:
    """what: the defence, in words. remove: takes it away for one test.

    files: a pattern below tests/ of the files that are for it; those of its attack unless said.
    """

    what: str
    remove: Callable[[Patch], None]
    files: str = ""
    noticed_by: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    tests: int = 0


def claimed(request: Any) -> str:
    """The address that a header names, whoever wrote it."""
    return str(request.META.get("HTTP_X_FORWARDED_FOR") or request.META["REMOTE_ADDR"])


# --- how defences are taken away ------------------------------------------------------------------


def edit(patch: Patch, name: str, old: str, *places: str, new: str = "") -> None:
    """Leave a part out of an SQL statement, or put another there, wherever it was imported.

    places: modules, or classes as "module:Class".
    """
    for place in places:
        module, _, kind = place.partition(":")
        owner = getattr(import_module(module), kind) if kind else import_module(module)
        text = getattr(owner, name)
        assert old in text, f"{place}.{name} has changed: look at the sabotage again"
        patch.setattr(owner, name, text.replace(old, new))


def by_the_cookie_alone(patch: Patch) -> None:
    """A login session counts whatever has become of it."""
    from django.db.models import F

    from core.ids import digest
    from sessions.models import LoginSession

    def find(request: Any) -> Any:
        key_digest = digest(request.session.session_key or "")
        found = LoginSession.unscoped.filter(session_key_digest=key_digest)
        return found.annotate(user_stamp=F("user__security_stamp")).first()

    patch.setattr("sessions.middleware._find", find)
    patch.setattr("sessions.standing.is_good", lambda *_: True)


def redeem_without(condition: str, new: str = "") -> Callable[[Patch], None]:
    return lambda patch: edit(
        patch,
        "REDEEM_CODE",
        condition,
        "idp.storage.codes",
        "idp.grants.authorization_code",
        new=new,
    )


def rotate_without(condition: str) -> Callable[[Patch], None]:
    def remove(patch: Patch) -> None:
        for name in ("ROTATE", "ROTATE_AND_TOUCH"):
            edit(patch, name, condition, "idp.storage.families", "idp.grants.refresh_token")

    return remove


def prove_without(*conditions: str) -> Callable[[Patch], None]:
    def remove(patch: Patch) -> None:
        for condition in conditions:
            edit(patch, "PROVE", condition, "sessions.binding.flows")

    return remove


def redirect_uri_by(is_good: Callable[[str, str], bool]) -> Callable[[Patch], None]:
    def check(params: Any, client: Any) -> None:
        from core.errors import Refusal

        if not any(is_good(known, params.redirect_uri) for known in client.redirect_uris):
            raise Refusal.invalid_request("The redirect_uri is not registered.")

    return replace("idp.authorization.checks:check_redirect_uri", check)


def replace(place: str, value: Any) -> Callable[[Patch], None]:
    """Put something else at `module:attribute`, and wherever else it was imported by name."""
    name, _, attribute = place.partition(":")

    def remove(patch: Patch) -> None:
        owner: Any = import_module(name)
        *path, last = attribute.split(".")
        for step in path:
            owner = getattr(owner, step)
        original = getattr(owner, last)
        patch.setattr(owner, last, value)
        if not path:
            for module in list(sys.modules.values()):
                if getattr(module, last, None) is original:
                    patch.setattr(module, last, value)

    return remove


def wrap(place: str, around: Callable[..., Any]) -> Callable[[Patch], None]:
    """Put `around(original, …)` at `module:attribute`."""
    name, _, attribute = place.partition(":")

    def remove(patch: Patch) -> None:
        original = getattr(import_module(name), attribute)
        replace(place, lambda *args, **how: around(original, *args, **how))(patch)

    return remove


# --- what a careless implementation does instead --------------------------------------------------


def subject_by_address(original: Any, client: Any, user_id: Any) -> str:
    from accounts.models import User

    return str(User.unscoped.get(pk=user_id).email)


def pkce_by_presence(params: Any, client: Any) -> None:
    from core.errors import Refusal

    if params.code_challenge is None:
        raise Refusal.invalid_request("code_challenge is missing.")


def pkce_by(check: Callable[[Any, Any], None]) -> Callable[[Patch], None]:
    def remove(patch: Patch) -> None:
        checks = import_module("idp.authorization.checks")
        careless = tuple(check if c is checks.check_pkce else c for c in checks.CHECKS)
        assert check in careless, "check_pkce has moved: look at the sabotage again"
        patch.setattr(checks, "CHECKS", careless)

    return remove


def spent_tokens_in_the_cache(patch: Patch) -> None:
    """Reuse is remembered by the cache, not by the row."""
    from django.core.cache import cache

    from core.errors import Refusal
    from idp.grants.refresh_token import RefreshTokenGrant
    from idp.machine.server import Refused

    original = RefreshTokenGrant.authenticate_refresh_token

    def careless(self: Any, text: str) -> Any:
        if not cache.add(f"spent:{text}", 1):
            raise Refused(Refusal.invalid_grant("spent"))
        return original(self, text)

    rotate_without("AND current = %(presented)s")(patch)
    patch.setattr("idp.grants.refresh_token.equal", lambda *_: True)
    patch.setattr(RefreshTokenGrant, "authenticate_refresh_token", careless)


def proof_by_the_key_it_brings(text: str, _: Any, expected: Any) -> Any:
    """Verifies a proof as if it were a registration."""
    from sessions.binding.proof import read_registration

    return read_registration(text, expected)


def algorithm_of_the_header(original: Callable[..., Any], text: str, kind: str) -> Any:
    """Verifies by whatever algorithm the token names, over the public key."""
    import base64
    import hashlib
    import hmac
    import json

    from cryptography.hazmat.primitives import serialization

    from idp import keys

    def decode(part: str) -> bytes:
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))

    signed, _, tag = text.rpartition(".")
    header = json.loads(decode(signed.split(".")[0]))
    key = keys.verification_key(header["kid"])
    if header["alg"] == "HS256" and key is not None:
        public = key.key.public_key.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        if hmac.compare_digest(hmac.digest(public, signed.encode(), hashlib.sha256), decode(tag)):
            return json.loads(decode(signed.split(".")[1]))
    return original(text, kind)


def secret_of_the_public_key(original: Any, client: Any, request: Any, text: str) -> None:
    """Verifies an assertion by whatever algorithm it names, over the client's public key."""
    import hashlib
    import hmac

    from cryptography.hazmat.primitives import serialization
    from joserfc.util import json_b64decode, urlsafe_b64decode

    from idp.clients import public_keys

    signed, _, tag = text.rpartition(".")
    if json_b64decode(signed.partition(".")[0].encode()).get("alg") == "HS256":
        for key in public_keys.keys_of(client.client_id, client.metadata):
            public = key.key.public_key.public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            if hmac.digest(public, signed.encode(), hashlib.sha256) == urlsafe_b64decode(
                tag.encode()
            ):
                return
    original(client, request, text)


def keys_of_any_kind(patch: Patch) -> None:
    """Leaves it to the library which key fits which algorithm."""
    from joserfc.jwk import JWKRegistry

    from idp.clients.public_keys import ClientKey

    def imported(jwk: dict[str, Any]) -> ClientKey:
        return ClientKey(JWKRegistry.import_key(jwk), jwk.get("kid", ""), "", "", ())

    replace("idp.clients.public_keys:_import", imported)(patch)
    replace("idp.clients.public_keys:ClientKey.verifies", lambda *_: True)(patch)


def key_of_the_header(original: Callable[..., Any], text: str, kind: str) -> Any:
    """Believes the key that the token brings along."""
    import base64
    import json

    from joserfc import jws
    from joserfc.jwk import ECKey

    head = text.split(".")[0]
    header = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    if "jwk" in header:
        signed = jws.deserialize_compact(text, ECKey.import_key(header["jwk"]))
        return json.loads(signed.payload)
    return original(text, kind)


def header_of_any_size(text: str) -> Any:
    import base64
    import json

    head = text.split(".")[0]
    return json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))


def without_user_verification(patch: Patch) -> None:
    for name in ("verify_authentication_response", "verify_registration_response"):
        wrap(
            f"mfa.passkeys:{name}",
            lambda original, **how: original(**(how | {"require_user_verification": False})),
        )(patch)


def passkey_of_anybody(*, answer: Any, purpose: Any, user: Any) -> Any:
    from mfa.models import PasskeyFactor
    from mfa.passkeys import credential_digest

    return PasskeyFactor.objects.select_related("user__organisation").get(
        credential_digest=credential_digest(answer.credential_id)
    )


def without_associated_data(patch: Patch) -> None:
    for name in ("seal", "unseal"):
        wrap(
            f"protection.envelope:{name}",
            lambda original, value, **how: original(value, **(how | {"context": ""})),
        )(patch)


def without_login_stages(patch: Patch) -> None:
    from django.conf import settings

    patch.setattr(settings, "LOGIN_STAGES", [])


def host_of(uri: str) -> str:
    from urllib.parse import urlsplit

    return urlsplit(uri).hostname or "-"


def expired_codes(patch: Patch) -> None:
    from core.clock import SQL_NOW

    redeem_without(f"AND expires_at > {SQL_NOW}")(patch)


def without_headers(*names: str) -> Callable[..., Any]:
    def around(original: Any, *args: Any, **how: Any) -> Any:
        response = original(*args, **how)
        for name in names:
            del response[name]
        return response

    return around


def any_kind(original: Any, text: str, kind: str) -> Any:
    """A token of ours is a token of ours."""
    from core.errors import Refusal

    for each in ("at+jwt", "JWT", "logout+jwt"):
        try:
            return original(text, each)
        except Refusal:
            continue
    return original(text, kind)


def without_issuer(original: Any, *args: Any, **how: Any) -> Any:
    from dataclasses import replace as changed

    made = original(*args, **how)
    return changed(made, values={n: v for n, v in made.values.items() if n != "iss"})


def token_of_the_query(original: Any, request: Any) -> Any:
    from urllib.parse import parse_qs

    from idp.endpoints.presented import Presented

    named = parse_qs(request.query).get("access_token")
    return Presented("bearer", named[0]) if named else original(request)


def by_name_alone(original: Any, request: Any, fields: Any) -> Any:
    from core.errors import Refusal
    from idp.clients.authentication import find_client

    try:
        return original(request, fields)
    except Refusal:
        return find_client(fields.get("client_id", "")) or original(request, fields)


def posted_on(original: Any, location: str) -> Any:
    response = original(location)
    response.status_code = 307
    return response


def any_name_of_a_key(original: Any, kid: str) -> Any:
    from idp import keys

    return original(kid) or keys.signing_key("ES256")


def plain_json(text: bytes) -> Any:
    import json

    return json.loads(text)


def what_the_form_says(original: Any, request: Any, request_id: str, *, now: Any) -> Any:
    """Believes the parameters beside the handle."""
    from dataclasses import replace as changed

    from idp.authorization import pending

    row = original(request, request_id, now=now)
    said = request.GET.dict() | request.POST.dict()
    params = pending.params_of(row)
    more = {name: said[name] for name in ("state", "redirect_uri") if name in said}
    if "scope" in said:
        more["scope"] = tuple(said["scope"].split())
    row.parameters = changed(params, **more).to_json()
    return row


def following_redirects(original: Any, answer: Any, limit_bytes: int) -> Any:
    from core import outbound

    if 300 <= answer.status < 400:
        target = answer.headers["Location"]
        return outbound._exchange("GET", target, None, {}, limit_bytes, outbound.TIMEOUT_SECONDS)
    return original(answer, limit_bytes)


def what_stands_beside(original: Any, parameters: Any, *, client: Any, now: Any) -> Any:
    """The query goes before the signed request."""
    from dataclasses import replace as changed

    asked = original(parameters, client=client, now=now)
    more = {"scope": tuple(parameters["scope"].split())} if "scope" in parameters else {}
    return changed(asked, params=changed(asked.params, **more))


def writing_what_was_posted(original: Any, request: Any, response: Any) -> bool:
    """Binds a form to the person's row, whatever fields it has."""
    from accounts.models import User

    columns = {"is_staff", "is_superuser", "organisation_id", "security_stamp"}
    posted = {name: request.POST[name] for name in columns & request.POST.keys()}
    if "is_staff" in posted and request.user.is_authenticated:
        flags = {name: value == "on" for name, value in posted.items() if name.startswith("is_")}
        User.unscoped.filter(pk=request.user.pk).update(**(posted | flags))
    return bool(original(request, response))


def of_any_organisation(model: Any, user: Any, *, grant_type: str) -> Any:
    rows = model.unscoped.filter(
        approved_at=None, denied_at=None, client__grant_types__contains=[grant_type]
    )
    return rows.select_related("client__organisation")


def without_freshness(original: Any, level: Any, *, max_age: Any = None) -> Any:
    return original(level)


def only_who_it_is(session: Any) -> None:
    """Signing out forgets the person, and keeps the rest of the browser's session."""
    for name in [name for name, _ in session.items() if name.startswith("_auth")]:
        del session[name]


def named_as_its_address(original: Any, client_id: str, members: Any, organisation: Any) -> Any:
    return original(client_id, {**members, "client_id": client_id}, organisation)


def person_of_any_organisation(client: Any, named: Any) -> Any:
    from accounts.models import User

    return User.unscoped.filter(email=named.get("email", "").lower()).first()


def with_the_right(original: Any, request: Any) -> Any:
    """Whoever authenticates may sign people out."""
    from dataclasses import replace as changed

    client = original(request)
    return changed(client, metadata=changed(client.metadata, may_sign_people_out=True))


def waved_through() -> Any:
    from uuid import UUID

    from policy.decision import Decision, Outcome

    return Decision(Outcome.ALLOW, (), "none", UUID(int=0))


def whatever_it_is(original: Any, *_: Any) -> Any:
    return waved_through()


_answers: dict[str, Any] = {}


def the_first_answer(original: Any, facts: Any) -> Any:
    """Keeps decisions by what was asked for and how strongly somebody has signed in."""
    key = f"{facts.trigger}:{facts.session.level}:{','.join(facts.role_tiers)}"
    return _answers.setdefault(key, original(facts))


def what_the_token_says(original: Any, client: Any, text: str) -> Any:
    from idp.tokens import verify

    told = dict(original(client, text))
    if told["active"]:
        told |= {k: v for k, v in verify.access_token(text).items() if k in {"roles", "scope"}}
    return told


def without_locks(original: Any, *args: Any) -> Any:
    from dataclasses import replace as changed

    return changed(original(*args), locks=())


def in_the_highest_tier(original: Any, *args: Any) -> Any:
    from dataclasses import replace as changed

    facts = original(*args)
    return changed(facts, device=changed(facts.device, tier=4))


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


class Unpaused(dict[str, float]):
    def __bool__(self) -> bool:
        return False


DEFENCES = {
    "A003": Defence(
        "a registered address is no pattern",
        redirect_uri_by(lambda known, given: re.match(known, given) is not None),
    ),
    "A005": Defence(
        "ports and hosts of the loopback are compared as well",
        redirect_uri_by(lambda known, given: host_of(known)[:3] == host_of(given)[:3]),
    ),
    "A007": Defence(
        "the token endpoint compares redirect_uri again",
        redeem_without("AND redirect_uri = %(redirect_uri)s"),
    ),
    "A009": Defence("only registered addresses are gone to", redirect_uri_by(lambda _, __: True)),
    "A010": Defence("redirects do not repeat a POST", wrap("idp.answers:see_other", posted_on)),
    "A011": Defence(
        "forms carry a token of the session",
        replace("django.middleware.csrf:CsrfViewMiddleware.process_view", lambda *_: None),
    ),
    "A013": Defence(
        "every answer forbids frames",
        replace(
            "django.middleware.clickjacking:XFrameOptionsMiddleware.process_response",
            lambda _, __, response: response,
        ),
    ),
    "A012": Defence(
        "what is allowed comes from the stored request",
        wrap("idp.journey:find_pending", what_the_form_says),
    ),
    "A014": Defence(
        "names hold no signs that fake",
        replace("idp.registration.rules:check_name", lambda name: name),
        "attacks/test_a014_markup_in_registrations.py",
    ),
    "A014-logos": Defence(
        "a logo is a picture by its bytes",
        replace(
            "idp.clients.pictures:recognise", lambda _: SimpleNamespace(media_type="image/png")
        ),
        "attacks/test_a014_logos.py",
    ),
    "A014-swap": Defence(
        "who registered themselves keep their face",
        lambda patch: patch.setattr("idp.models.Client.is_by_itself", False),
        "attacks/test_a014_logos.py",
    ),
    "A014-pages": Defence(
        "pages show text as text",
        replace("django.utils.html:conditional_escape", str),
        "attacks/test_a014_markup_in_names.py",
    ),
    "A017": Defence(
        "every answer names its issuer", wrap("idp.authorization.reply:make", without_issuer)
    ),
    "A018": Defence(
        "no origin is allowed with credentials",
        replace(
            "idp.machine.door:ANYWHERE",
            [
                ("Access-Control-Allow-Origin", "https://evil.example"),
                ("Access-Control-Allow-Credentials", "true"),
            ],
        ),
    ),
    "A027": Defence("a code ends after a minute", expired_codes),
    "A029": Defence(
        "answers with codes send no referrer",
        wrap("idp.answers:see_other", without_headers("Referrer-Policy")),
    ),
    "A031": Defence(
        "a spent token ends its family",
        replace("idp.grants.refresh_token:_trace_replay", lambda *_: None),
    ),
    "A035": Defence(
        "a token shown by another client has leaked",
        replace("idp.grants.refresh_token:_trace_replay", lambda *_: None),
    ),
    "A036": Defence(
        "scope does not grow on refresh",
        replace(
            "idp.grants.refresh_token:RefreshTokenGrant._validate_token_scope", lambda *_: None
        ),
    ),
    "A039": Defence(
        "the type of a token is compared", wrap("idp.tokens.verify:_verified", any_kind)
    ),
    "A040": Defence(
        "an API exchanges what is for it",
        replace("idp.grants.token_exchange:_is_for", lambda *_: True),
    ),
    "A041": Defence(
        "a time is a whole number",
        replace("idp.tokens.verify:_is_whole", lambda value: isinstance(value, int | float)),
    ),
    "A042": Defence(
        "a refresh token has one spelling",
        replace(
            "idp.tokens.refresh_token:LAST", frozenset(string.ascii_letters + string.digits + "-_")
        ),
    ),
    "A043": Defence(
        "a token in the query is no token", wrap("idp.endpoints.presented:read", token_of_the_query)
    ),
    "A044": Defence(
        "rows decide, not the signature", wrap("idp.endpoints.standing:judge", whatever_it_is)
    ),
    "A044-lists": Defence(
        "a status list asks the rows that its tokens stand on",
        lambda patch: edit(
            patch, "FIND_STATUS_LIST", ") IS NOT TRUE", "idp.tokens.status_lists", new=") IS NULL"
        ),
        "specs/token_status_list/test_*.py",
    ),
    "A044-revoked": Defence(
        "and which of them were revoked one by one",
        lambda patch: edit(
            patch,
            "FIND_STATUS_LIST",
            "r.jti = t.jti",
            "idp.tokens.status_lists",
            new="r.jti IS NULL",
        ),
        "specs/token_status_list/test_*.py",
    ),
    "A051": Defence(
        "unknown members of a header are refused",
        replace(
            "idp.requests.request_objects:HEADERS",
            frozenset({"alg", "kid", "typ", "crit", "b64", "zip", "cty", "exp"}),
        ),
    ),
    "A052": Defence("a key has one name", wrap("idp.keys:verification_key", any_name_of_a_key)),
    "A056": Defence("JSON is read strictly", replace("core.strict_json:parse", plain_json)),
    "A062": Defence(
        "beyond the limit nothing is judged", replace("idp.endpoints.callers:_paused", Unpaused())
    ),
    "A063": Defence(
        "a confidential client proves itself",
        wrap("idp.clients.authentication:authenticate", by_name_alone),
    ),
    "A067": Defence(
        "an address holds no braces",
        replace("idp.registration.addresses:CHARACTERS", re.compile(".*")),
    ),
    "A069": Defence(
        "who must sign is held to it",
        wrap(
            "idp.authorization.sources:signed",
            lambda original, text, **how: original(text, **how) if text is not None else None,
        ),
    ),
    "A069-query": Defence(
        "beside a signed request nothing counts",
        wrap("idp.authorization.sources:read", what_stands_beside),
    ),
    "A070": Defence(
        "the administration names no secret",
        replace("idp.admin:ClientAdmin.list_display", ("name", "secret_digest")),
    ),
    "A072": Defence(
        "machines have no scopes of people",
        replace("idp.grants.client_credentials:USER_SCOPES", set()),
        "attacks/test_a072_scopes_of_machines.py",
    ),
    "A072-people": Defence(
        "a client signs people out if an administrator lets it",
        wrap("idp.endpoints.global_revocation:authenticated_by_header", with_the_right),
        "attacks/test_a072_signing_people_out.py",
    ),
    "A072-elsewhere": Defence(
        "and people of its own organisation only",
        replace("idp.endpoints.global_revocation:_find", person_of_any_organisation),
        "attacks/test_a072_signing_people_out.py",
    ),
    "A072-again": Defence(
        "an assertion signs people out once",
        replace("idp.clients.assertions:_claim", lambda *_: None),
        "attacks/test_a072_signing_people_out.py",
    ),
    "A072-often": Defence(
        "nobody is searched for without end",
        replace("core.limits:spend", lambda *_, **__: None),
        "attacks/test_a072_signing_people_out.py",
    ),
    "A072-size": Defence(
        "the body that names somebody is small",
        replace("idp.endpoints.global_revocation:MAX_BODY_SIZE_BYTES", 2**30),
        "attacks/test_a072_signing_people_out.py",
    ),
    "A073": Defence(
        "what a device was allowed is redeemed once",
        lambda patch: edit(
            patch, "REDEEM", "AND used_at IS NULL", "idp.grants.device_code:DeviceCodeGrant"
        ),
        "attacks/test_a073_device_code_reuse.py",
    ),
    "A073-ciba": Defence(
        "what a person allowed a client that asked is redeemed once",
        lambda patch: edit(patch, "REDEEM", "AND used_at IS NULL", "idp.grants.ciba:CibaGrant"),
        "attacks/test_a073_auth_req_id_reuse.py",
    ),
    "A074": Defence(
        "who allows a device has signed in just now",
        wrap("core.http:require_assurance", without_freshness),
        "attacks/test_a074_device_phishing.py",
    ),
    "A074-ciba": Defence(
        "nobody is asked again and again",
        replace("idp.backchannel:_check_peace", lambda *_: None),
        "attacks/test_a074_authentication_request_fatigue.py",
    ),
    "A075": Defence(
        "tries at user codes are paid for", replace("core.limits:spend", lambda *_, **__: None)
    ),
    "A076": Defence(
        "a device is allowed by people of its client's organisation",
        replace("idp.polled_requests:waiting", of_any_organisation),
    ),
    "A077": Defence(
        "an API exchanges what is for it",
        replace("idp.grants.token_exchange:_is_for", lambda *_: True),
    ),
    "A077-rows": Defence(
        "what is exchanged still stands",
        wrap("idp.grants.token_exchange:judge", whatever_it_is),
    ),
    "A077-scope": Defence(
        "scope does not grow by an exchange",
        replace("idp.grants.token_exchange:_scope", lambda _, __, asked: asked or ""),
    ),
    "A078": Defence("redemption is judged", replace("idp.grants.proof:judge", lambda *_: None)),
    "A079": Defence(
        "a sign-in brings a new cookie",
        replace("django.contrib.sessions.backends.base:SessionBase.cycle_key", lambda _: None),
    ),
    "A080": Defence(
        "signing out empties the browser's session",
        replace("django.contrib.sessions.backends.base:SessionBase.flush", only_who_it_is),
    ),
    "A081": Defence(
        "a session is judged at each request",
        by_the_cookie_alone,
    ),
    "A082": Defence(
        "what polls by itself is no use of a session",
        replace("sessions.middleware:_is_activity", lambda *_: True),
    ),
    "A089": Defence(
        "each purpose signs by a key of its own",
        wrap(
            "django.core.signing:base64_hmac",
            lambda original, _salt, *args, **how: original("one for all", *args, **how),
        ),
    ),
    "A089-reset": Defence(
        "so does the token of a password reset",
        wrap(
            "django.contrib.auth.tokens:salted_hmac",
            lambda original, _salt, *args, **how: original("one for all", *args, **how),
        ),
    ),
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
    "A142": Defence(
        "what a form does not show is not written",
        wrap("sessions.middleware:_is_activity", writing_what_was_posted),
    ),
    "A142-registration": Defence(
        "an application decides nothing of ours about itself",
        replace("idp.dynamic_registration.document:KEPT_FROM_CLIENTS", set()),
    ),
    "A145": Defence(
        "a policy that cannot answer denies",
        replace("policy.engine:decide", lambda _: waved_through()),
    ),
    "A147": Defence("each use is decided anew", wrap("policy.engine:decide", the_first_answer)),
    "A152": Defence(
        "introspection tells which roles are live, not which the token names",
        wrap("idp.endpoints.introspection:_of_access_token", what_the_token_says),
    ),
    "A001": Defence(
        "redirect_uri is compared byte for byte, not by the host's name in it",
        redirect_uri_by(lambda known, given: host_of(known) in given),
    ),
    "A002": Defence(
        "redirect_uri is compared to its end, not by its beginning",
        redirect_uri_by(lambda known, given: given.startswith(known)),
    ),
    "A006": Defence(
        "redirect_uri is compared before anything that redirects",
        redirect_uri_by(lambda _, __: True),
    ),
    "A019": Defence(
        "code_challenge is required at the authorization endpoint", pkce_by(lambda *_: None)
    ),
    "A020": Defence("S256 is the only method", pkce_by(pkce_by_presence)),
    "A021": Defence(
        "the verifier is compared with the challenge",
        redeem_without("challenge = %(challenge)s", "true"),
    ),
    "A022": Defence(
        "a few wrong verifiers end the code", redeem_without("AND wrong_verifiers < 3")
    ),
    "A024": Defence("a code is used once", redeem_without("AND used_at IS NULL")),
    "A025": Defence(
        "the statement that claims a code is the one that looks",
        redeem_without("AND used_at IS NULL"),
    ),
    "A026": Defence("a code belongs to its client", redeem_without("AND client_id = %(client)s")),
    "A030": Defence(
        "only the current token rotates", rotate_without("AND current = %(presented)s")
    ),
    "A033": Defence("what is spent stands in the row, not in the cache", spent_tokens_in_the_cache),
    "A034": Defence("a revoked family does not rotate", rotate_without("AND revoked_at IS NULL")),
    "A037": Defence(
        "every fact is judged again at every refresh",
        wrap("idp.grants.proof:judge", lambda *_: waved_through()),
    ),
    "A037-locks": Defence(
        "locks are facts of every use",
        wrap("sessions.evaluation:facts_of", without_locks),
        "sessions/test_locks.py",
    ),
    "A037-locked-out": Defence(
        "whoever is locked out does not sign in",
        replace("accounts.flows.locks:is_locked_out", lambda **_: False),
        "sessions/test_locking_oneself.py",
    ),
    "A037-response": Defence(
        "rules answer a lost device, a replay and a takeover at once",
        replace("sessions.response:respond", lambda *_, **__: None),
        "sessions/test_response.py",
    ),
    "A037-tiers": Defence(
        "what demands a trusted device is withheld on others",
        wrap("sessions.evaluation:facts_of", in_the_highest_tier),
        "idp/test_withheld.py",
    ),
    "A046": Defence(
        "the subject is made of the user's id, never of the address",
        wrap("idp.tokens.subject:subject_of", subject_by_address),
    ),
    "A049": Defence(
        "the key brings its algorithm along",
        wrap("idp.tokens.verify:_verified", algorithm_of_the_header),
        "attacks/test_a049_algorithm_confusion.py",
    ),
    "A049-assertion": Defence(
        "a public key is no secret of its client",
        wrap("idp.clients.assertions:authenticate", secret_of_the_public_key),
        "attacks/test_a049_assertion_confusion.py",
    ),
    "A049-kinds": Defence(
        "a key verifies by the algorithms of its kind",
        keys_of_any_kind,
        "attacks/test_a049_ed25519_confusion.py",
    ),
    "A050": Defence(
        "keys come from our own ring", wrap("idp.tokens.verify:_verified", key_of_the_header)
    ),
    "A054": Defence(
        "only algorithms of a short list can be registered",
        replace("idp.registration.responses:completed", lambda known: known),
    ),
    "A055": Defence(
        "headers have a greatest length, and errors are caught",
        replace("idp.tokens.verify:_header", header_of_any_size),
    ),
    "A084-cookie": Defence(
        "a bound session needs its bound cookie",
        replace("sessions.binding.guard:judge", lambda *_: None),
        "attacks/test_a084_copied_cookies.py",
    ),
    "A084-privileged": Defence(
        "privileged pages want a proof of now",
        replace("sessions.binding.guard:_demand", lambda *_: None),
        "attacks/test_a084_copied_cookies.py",
    ),
    "A084-elsewhere": Defence(
        "a cookie counts only from where it was first shown",
        replace("sessions.binding.guard:whence", lambda _: b""),
        "attacks/test_a084_copied_cookies.py",
    ),
    "A084-rotation": Defence(
        "a cookie ends with the next proof",
        replace("sessions.binding.flows:ON_ITS_WAY", timedelta(hours=1)),
        "attacks/test_a084_copied_cookies.py",
    ),
    "A089-challenge": Defence("a challenge is good once", prove_without("AND c.used_at IS NULL")),
    "A089-session": Defence(
        "a challenge is good for one session",
        prove_without("AND c.session_id = %(session)s", "AND k.session_id = claimed.session_id"),
    ),
    "A089-purpose": Defence(
        "a challenge is good for one purpose", prove_without("AND c.purpose = 'proof'")
    ),
    "A089-key": Defence(
        "a proof is by the key that was registered",
        replace("sessions.binding.flows:read_proof", proof_by_the_key_it_brings),
    ),
    "A089-authorization": Defence(
        "a registration answers an offer to the browser",
        replace("sessions.binding.flows:_check_authorization", lambda *_: None),
    ),
    "A089-site": Defence(
        "no other site asks for a proof",
        replace("sessions.binding.views:_check_origin", lambda _: None),
    ),
    "A086": Defence(
        "post_logout_redirect_uri is one that is registered",
        replace("idp.logout:_return_to", lambda params, _: params.post_logout_redirect_uri or ""),
    ),
    "A087": Defence(
        "a logout address inside is not asked", replace("core.outbound:is_open", lambda _: True)
    ),
    "A060": Defence(
        "an assertion is claimed in the database",
        replace("idp.clients.assertions:_claim", lambda *_: None),
    ),
    "A061": Defence(
        "an assertion is for this server",
        replace("idp.clients.assertions:_is_for_us", lambda *_, **__: True),
    ),
    "A065": Defence(
        "addresses inside are closed",
        replace("core.outbound:is_open", lambda _: True),
        "attacks/test_a065_ssrf.py",
    ),
    "A065-registered": Defence(
        "an address inside is not registered",
        replace("idp.registration.addresses:_is_inside", lambda _: False),
        "attacks/test_a065_registration_points_inside.py",
    ),
    "A065-logo": Defence(
        "nor asked for a logo",
        replace("core.outbound:is_open", lambda _: True),
        "attacks/test_a065_logos.py",
    ),
    "A065-document": Defence(
        "a client document speaks for its own address",
        wrap("idp.client_documents.document:read", named_as_its_address),
        "attacks/test_a065_client_documents.py",
    ),
    "A065-host": Defence(
        "a client document leads to its own host",
        replace("idp.client_documents.document:_check_place", lambda *_: None),
        "attacks/test_a065_client_documents.py",
    ),
    "A066": Defence("redirects are not followed", wrap("core.outbound:_read", following_redirects)),
    "A066-logo": Defence(
        "nor where a logo is fetched",
        wrap("core.outbound:_read", following_redirects),
        "attacks/test_a065_logos.py",
    ),
    "A066-document": Defence(
        "nor where a client document is fetched",
        wrap("core.outbound:_read", following_redirects),
        "attacks/test_a065_client_documents.py",
    ),
    "A093": Defence(
        "spellings of an address are one account",
        wrap(
            "risk.history:digests_of_attempt",
            lambda original, **what: original(**what) | {"account": os.urandom(16)},
        ),
    ),
    "A098": Defence(
        "what a header claims is no address", replace("risk.receivers:client_address", claimed)
    ),
    "A099": Defence(
        "tries on many accounts count by where they come from",
        replace("risk.evidence:spray", lambda **_: None),
    ),
    "A104": Defence(
        "a step that was used is not accepted again",
        wrap("mfa.totp:matching_step", lambda original, **how: original(**(how | {"after": -1}))),
    ),
    "A105": Defence(
        "guesses are paid for", replace("accounts.budget:reserve", lambda *_, **__: None)
    ),
    "A108": Defence(
        "who owes a second factor is stopped",
        replace("mfa.stages:SecondFactorStage.handle", lambda self: (None, True)),
    ),
    "A109": Defence("every path of allauth's walks our stage", without_login_stages),
    "A116": Defence("user verification is required", without_user_verification),
    "A119": Defence(
        "a passkey belongs to its user", replace("mfa.passkeys:find_factor", passkey_of_anybody)
    ),
    "A128": Defence(
        "links are built from our own address",
        replace("accounts.adapter:_our_url", lambda name, value: value),
    ),
    "A154": Defence(
        "a report is signed by the key that was enrolled",
        replace("devices.posture:_signed", unverified),
    ),
    "A154-device": Defence(
        "a report is for the device that it names",
        wrap("devices.posture:_signed", issued_by_whoever),
    ),
    "A154-nonce": Defence(
        "a report carries a nonce that this device was given just now",
        replace("devices.flows.reports:_claim_nonce", lambda *_: None),
    ),
    "A154-seq": Defence(
        "reports count in order", replace("devices.flows.reports:_claim_seq", lambda *_: None)
    ),
    "A154-clock": Defence(
        "a report is of this minute", replace("devices.posture:MAX_SKEW", timedelta(days=99))
    ),
    "A154-stage": Defence(
        "trust is that of the device which the session's browser runs on, now",
        wrap("sessions.evaluation:facts_of", in_the_highest_tier),
    ),
    "A154-enrolment": Defence(
        "who enrols a device has proven themselves by a passkey just now",
        wrap("core.http:require_assurance", without_freshness),
    ),
    "A162": Defence("what is sealed is bound to its place", without_associated_data),
}


# --- the plugin -----------------------------------------------------------------------------------


def files_of(name: str) -> list[Path]:
    """The tests that have to notice when this defence is missing."""
    pattern = DEFENCES[name].files or f"attacks/test_{name.partition('-')[0].lower()}_*.py"
    return sorted((ROOT / "tests").glob(pattern))


@cache
def _chosen() -> dict[str, Defence]:
    return {name: DEFENCES[name] for name in os.environ.get(VARIABLE, "").split()}


@cache
def _by_file() -> dict[Path, Defence]:
    return {path: defence for name, defence in _chosen().items() for path in files_of(name)}


def _of(item: pytest.Item) -> Defence | None:
    return _by_file().get(item.path)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Run a test without its defence; once one test has noticed, the others are left out."""
    defence = _of(item)
    if defence is None:
        return (yield)
    defence.tests += 1
    if defence.noticed_by:
        item.add_marker(pytest.mark.skip(reason="noticed already"))
        return (yield)
    with pytest.MonkeyPatch.context() as patch:
        defence.remove(patch)
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[Any]:
    report = yield
    defence = _of(item)
    if defence is not None and report.failed:
        (defence.noticed_by if report.when == "call" else defence.broken).append(item.name)
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    if _chosen() and session.exitstatus in {0, 1}:
        session.exitstatus = 0 if all(d.noticed_by for d in _chosen().values()) else 1


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for name, defence in _chosen().items():
        if defence.noticed_by:
            result = f"noticed by {defence.noticed_by[0]}"
        elif defence.broken:
            result = f"BROKEN: {defence.broken[0]} could not begin"
        else:
            result = f"NOT NOTICED by any of {defence.tests} tests"
        terminalreporter.write_line(f"{name:<16} {defence.what:<68}  {result}")


def _rounds(names: list[str]) -> list[list[str]]:
    """These defences in as few runs as can be: in each of them a file is for one defence."""
    rounds: list[dict[Path, str]] = []
    for name in names:
        files = files_of(name)
        free = next((taken for taken in rounds if taken.keys().isdisjoint(files)), None)
        if free is None:
            rounds.append(free := {})
        free.update(dict.fromkeys(files, name))
    return [list(dict.fromkeys(taken.values())) for taken in rounds]


def _run(names: list[str]) -> int:
    """One run without these defences."""
    files = [str(path) for name in names for path in files_of(name)]
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "tests.attacks.sabotage", "-n0", "-q"),
            *("--tb=no", "--no-header", "-r", "N", "--disable-warnings", *files),
        ],
        cwd=ROOT,
        env=os.environ | {VARIABLE: " ".join(names)},
        check=False,
    ).returncode


def main(names: list[str]) -> int:
    """Run the tests of these, of all without any; 0 if every sabotage was noticed."""
    chosen = [
        defence
        for defence in DEFENCES
        if not names or {defence, defence.partition("-")[0]} & set(names)
    ]
    unknown = set(names) - set(chosen) - {name.partition("-")[0] for name in chosen}
    if unknown:
        print(f"no sabotage is known for {', '.join(sorted(unknown))}")
        return 2
    return max([_run(part) for part in _rounds(chosen)])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
