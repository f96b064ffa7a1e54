"""How an access token is shown at a resource of ours, and by whom (RFC 6750, RFC 9449 §7).

A token that is bound to a key comes by the scheme DPoP with a proof of that key, one that is bound
to a certificate over a connection with that certificate (RFC 8705 §3). Alone it is worth nothing.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from core.errors import Refusal
from core.ids import equal
from idp.clients import certificates
from idp.machine import protected_resource
from idp.machine.wire import FORM, Request
from idp.tokens import dpop

BEARER, DPOP = "bearer", "dpop"


class Presented(NamedTuple):
    """scheme: `bearer` or `dpop`, whatever case it was written in."""

    scheme: str
    text: str


def read(request: Request) -> Presented:
    """The token of the Authorization header, or of a form body (RFC 6750 §2.1, §2.2).

    Refuses invalid_token, and invalid_request for both at once. A token in the query is no token.
    """
    in_body = _in_body(request)
    if request.authorization and in_body:
        raise Refusal.invalid_request("Show the access token in one way only.")
    if in_body:
        return Presented(BEARER, in_body)
    scheme, _, text = request.authorization.partition(" ")
    if scheme.lower() not in {BEARER, DPOP} or not text.strip():
        challenge = f"Bearer {protected_resource.pointer(request)}, {dpop.challenge()}"
        headers = {"WWW-Authenticate": challenge}
        raise Refusal("invalid_token", "An access token is needed.", 401, headers)
    return Presented(scheme.lower(), text.strip())


def check_sender(
    request: Request,
    presented: Presented,
    token_claims: Mapping[str, Any],
    *,
    is_fapi2: bool,
) -> None:
    """Compare the sender with the token's `cnf`; the request's proof is spent.

    Refuses invalid_token, invalid_dpop_proof and use_dpop_nonce, each with status 401.
    """
    cnf = token_claims.get("cnf") or {}
    if "jkt" in cnf or presented.scheme == DPOP:
        _check_key(request, presented, str(cnf.get("jkt", "")), is_fapi2=is_fapi2)
    if "x5t#S256" in cnf and (
        request.certificate is None
        or not equal(certificates.thumbprint(request.certificate), cnf["x5t#S256"])
    ):
        raise Refusal.invalid_token("The access token is bound to another certificate.")


def _check_key(request: Request, presented: Presented, jkt: str, *, is_fapi2: bool) -> None:
    if presented.scheme != DPOP or not jkt:
        raise _unbound("The access token is shown by the wrong scheme.", is_fapi2=is_fapi2)
    try:
        shown = dpop.prove(request, is_fapi2=is_fapi2, access_token=presented.text)
    except Refusal as refusal:
        challenge = dpop.challenge(error=refusal.code, is_fapi2=is_fapi2)
        headers = {**refusal.headers, "WWW-Authenticate": challenge}
        raise Refusal(refusal.code, refusal.detail, 401, headers) from refusal
    if not equal(shown, jkt):
        raise _unbound("The access token is bound to another key.", is_fapi2=is_fapi2)


def _unbound(detail: str, *, is_fapi2: bool) -> Refusal:
    challenge = dpop.challenge(error="invalid_token", is_fapi2=is_fapi2)
    return Refusal("invalid_token", detail, 401, {"WWW-Authenticate": challenge})


def _in_body(request: Request) -> str | None:
    is_form = request.content_type.partition(";")[0].strip().lower() == FORM
    if request.method != "POST" or not request.body or not is_form:
        return None
    return request.form().get("access_token")
