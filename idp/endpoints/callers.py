"""Who asks: the form with its Basic credentials, and the client that it authenticates.

Failures are counted by client and address. Beyond the limit this process does not even look at
what is shown until the minute is over, since a guess that is judged is a guess; it asks nobody for
that, so whoever authenticates pays nothing.
"""

import math

from django.http import QueryDict

from core import clock
from core.errors import Refusal
from core.limits import spend
from idp.clients import assertions, authentication
from idp.clients.authentication import MachineClient
from idp.machine.wire import RESOURCE, Request

MAX_PAUSED = 10_000

_paused: dict[str, float] = {}  # until when, in seconds since 1970


def forget() -> None:
    """Let everybody try again."""
    _paused.clear()


def read_fields(request: Request) -> tuple[dict[str, str], tuple[str, str] | None]:
    """The form, and Basic credentials, judged: one way of client authentication, and readable.

    Refuses too_many_attempts while the client is paused at this address.
    """
    fields = request.form()
    basic = authentication.read_basic(request.authorization) if request.authorization else None
    if request.authorization and basic is None:
        raise Refusal.invalid_client("Use HTTP Basic, or parameters in the body.")
    if basic is not None:
        if "client_secret" in fields:
            raise Refusal.invalid_request("Authenticate in one way only.")
        if fields.setdefault("client_id", basic[0]) != basic[0]:
            raise Refusal.invalid_request("client_id contradicts the Authorization header.")
    _check_pause(request, fields)
    return fields, basic


def authenticated(request: Request) -> tuple[MachineClient, dict[str, str]]:
    """The client, by whatever method it has registered, and the form; refuses invalid_client."""
    fields, basic = read_fields(request)
    return _authenticated(request, fields, basic), fields


def authenticated_by_header(request: Request) -> MachineClient:
    """The client where the body is no form: by Basic, or by its assertion as a bearer token.

    Refuses invalid_client, also for every other method.
    """
    basic = authentication.read_basic(request.authorization)
    if basic is not None:
        fields = {"client_id": basic[0]}
    else:
        scheme, _, assertion = request.authorization.partition(" ")
        if scheme.lower() != "bearer" or not assertion:
            raise Refusal.invalid_client("Use HTTP Basic, or an assertion as a bearer token.")
        fields = {
            "client_assertion": assertion.strip(),
            "client_assertion_type": assertions.TYPE,
        }
    _check_pause(request, fields)
    return _authenticated(request, fields, basic)


def _check_pause(request: Request, fields: dict[str, str]) -> None:
    if _paused:
        left = _paused.get(_key(request, fields), 0.0) - clock.now().timestamp()
        if left > 0:
            raise Refusal.too_many_attempts(math.ceil(left))


def _authenticated(
    request: Request, fields: dict[str, str], basic: tuple[str, str] | None
) -> MachineClient:
    try:
        return authentication.authenticate(request, fields, basic)
    except Refusal as refusal:
        if refusal.code == "invalid_client":
            count_failure(request, fields)
        raise


def as_parameters(fields: dict[str, str]) -> QueryDict:
    """A form as the browser-side endpoints read one; `resource` may stand there several times."""
    parameters = QueryDict(mutable=True)
    for name, value in fields.items():
        parameters.setlist(name, value.split() if name == RESOURCE else [value])
    return parameters


def count_failure(request: Request, fields: dict[str, str]) -> None:
    """Count a failed authentication; refuses too_many_attempts, and pauses the client here."""
    key, now = _key(request, fields), clock.now()
    try:
        spend(authentication.FAILURES, key, now=now)
    except Refusal as refusal:
        if "Retry-After" in refusal.headers:
            if len(_paused) >= MAX_PAUSED:
                _paused.clear()
            _paused[key] = now.timestamp() + int(refusal.headers["Retry-After"])
        raise


def _key(request: Request, fields: dict[str, str]) -> str:
    named = fields.get("client_id", "")
    if not named and "client_assertion" in fields:
        try:
            named = assertions.claimed_client(fields["client_assertion"])
        except Refusal:
            named = ""
    return f"{named[:64]}|{request.address}"
