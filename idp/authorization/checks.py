"""May this client make this request? An ordered tuple of named checks.

`find_client` and `check_redirect_uri` come first and alone: until both have passed there is nobody
to redirect to, so what they refuse ends as a page (RFC 9700 §4.11.2). `CHECKS` refuse by redirect.
RFC 6749 §4.1.2.1; RFC 7636 §4.4.1; OpenID Connect Core 1.0 §3.1.2.2, §3.1.2.6.
"""

import json
import re
from collections.abc import Callable
from dataclasses import replace

from core.errors import Refusal
from idp.authorization import reply
from idp.models import Client
from idp.registration.metadata import ClientMetadata
from idp.requests import authorization_details, claims_request, resources, response_types
from idp.requests.parameters import AuthorizationParams
from idp.tokens import verify

CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")  # base64url of 32 bytes (RFC 7636 §4.2)
MAX_NONCE_LENGTH = 512
MAX_SCOPE_LENGTH = 500
MAX_AGE = re.compile(r"[0-9]{1,9}")
PROMPTS = frozenset({"none", "login", "consent", "select_account", "create"})

Check = Callable[[AuthorizationParams, Client], None]


def find_client(client_id: str) -> Client:
    """The active client of an active organisation; refuses INVALID_CLIENT for any other."""
    client = (
        Client.unscoped.select_related("organisation")
        .filter(client_id=client_id, is_active=True, organisation__is_active=True)
        .first()
    )
    if client is None:
        raise Refusal("invalid_client", "We do not know this application.")
    return client


def check_redirect_uri(params: AuthorizationParams, client: Client) -> None:
    """Compare byte for byte with what is registered; nothing is parsed, nothing is normalised."""
    if params.redirect_uri not in client.redirect_uris:
        raise Refusal.invalid_request(
            "The redirect_uri is not one that is registered for this application."
        )


def check_pushed(params: AuthorizationParams, client: Client) -> None:
    """Clients that must push their requests have nothing to say in a browser (RFC 9126 §6)."""
    registered = ClientMetadata.from_json(client.metadata)
    must_push = registered.require_pushed_authorization_requests or registered.is_fapi2
    if must_push and params.pushed is None:
        raise Refusal.invalid_request("This client must push its requests (RFC 9126).")


def check_profile(params: AuthorizationParams, client: Client) -> None:
    """FAPI 2.0 Security Profile §5.3.2.2: code, PKCE and https, whatever else is registered."""
    if not ClientMetadata.from_json(client.metadata).is_fapi2:
        return
    if params.response_type != "code":
        raise Refusal.unsupported_response_type("The only response_type is code.")
    if params.code_challenge is None or params.code_challenge_method != "S256":
        raise Refusal.invalid_request("PKCE with S256 is required.")
    if not params.redirect_uri.startswith("https://"):
        raise Refusal.invalid_request("The redirect_uri must be https.")


def check_response_type(params: AuthorizationParams, client: Client) -> None:
    if params.response_type is None:
        raise Refusal.invalid_request("response_type is missing.")
    wanted = response_types.canonical(params.response_type)
    if wanted not in response_types.RESPONSE_TYPES:
        raise Refusal.unsupported_response_type("The response_type is not one of this server.")
    registered = ClientMetadata.from_json(client.metadata)
    if wanted not in {response_types.canonical(name) for name in registered.response_types}:
        raise Refusal.unauthorized_client("This client may not use this response_type.")
    if "code" in params.response_words and "authorization_code" not in client.grant_types:
        raise Refusal.unauthorized_client("This client may not use the authorization code.")
    if "token" in params.response_words and response_types.is_bound(registered):
        raise Refusal.unauthorized_client("Access tokens of this client are bound to a key.")


def check_response_mode(params: AuthorizationParams, client: Client) -> None:  # noqa: ARG001
    """Tokens never stand in a query, and a form needs a web address to go to."""
    if params.response_mode is not None and not reply.may_have(params):
        raise Refusal.invalid_request("The response_mode is unknown, or not possible here.")


def check_pkce(params: AuthorizationParams, client: Client) -> None:
    """S256 and nothing else: an absent method would mean plain.

    Only confidential clients that have registered so may do without; what is sent is enforced.
    """
    if "code" not in params.response_words:
        return
    is_absent = params.code_challenge is None and params.code_challenge_method is None
    registered = ClientMetadata.from_json(client.metadata)
    is_confidential = client.kind == Client.Kind.CONFIDENTIAL
    if is_absent and registered.may_omit_pkce(is_confidential=is_confidential):
        return
    if params.code_challenge is None:
        raise Refusal.invalid_request("code_challenge is missing (PKCE is required).")
    if params.code_challenge_method != "S256":
        raise Refusal.invalid_request("code_challenge_method must be S256.")
    if not CHALLENGE.fullmatch(params.code_challenge):
        raise Refusal.invalid_request("code_challenge must be 43 base64url characters.")


def check_scope(params: AuthorizationParams, client: Client) -> None:
    """Each word must be registered for the client; openid is not demanded (RFC 6749 §3.3)."""
    if not params.scope:
        raise Refusal.invalid_scope("scope is missing.")
    if not set(params.scope) <= set(client.scopes):
        raise Refusal.invalid_scope("A scope is unknown, or not one that this client may ask for.")
    if len(" ".join(params.scope)) > MAX_SCOPE_LENGTH:
        raise Refusal.invalid_scope("scope is too long.")
    if "id_token" in params.response_words and "openid" not in params.scope:
        raise Refusal.invalid_scope("An ID token needs the scope openid.")


def check_nonce(params: AuthorizationParams, client: Client) -> None:  # noqa: ARG001
    """Without one an ID token of the browser could be another's (Core §3.2.2.1, §3.3.2.11)."""
    if params.nonce is None and "id_token" in params.response_words:
        raise Refusal.invalid_request("nonce is missing.")
    if params.nonce is not None and len(params.nonce) > MAX_NONCE_LENGTH:
        raise Refusal.invalid_request(f"nonce is longer than {MAX_NONCE_LENGTH} characters.")


def check_prompt(params: AuthorizationParams, client: Client) -> None:  # noqa: ARG001
    if not set(params.prompt) <= PROMPTS:
        raise Refusal.invalid_request("A value of prompt is unknown.")
    if "none" in params.prompt and len(params.prompt) > 1:
        raise Refusal.invalid_request("prompt=none cannot be combined with another value.")


def check_max_age(params: AuthorizationParams, client: Client) -> None:  # noqa: ARG001
    if params.max_age is not None and not MAX_AGE.fullmatch(params.max_age):
        raise Refusal.invalid_request("max_age must be a whole number of seconds.")


def check_dpop_jkt(params: AuthorizationParams, client: Client) -> None:  # noqa: ARG001
    """The thumbprint of the key that the code will be bound to (RFC 9449 §10)."""
    if params.dpop_jkt is not None and not CHALLENGE.fullmatch(params.dpop_jkt):
        raise Refusal.invalid_request("dpop_jkt must be 43 base64url characters.")


def check_resource(params: AuthorizationParams, client: Client) -> None:
    if params.resource:
        registered = ClientMetadata.from_json(client.metadata)
        resources.check(params.resource, registered=registered.resources, audience=client.audience)


def check_authorization_details(params: AuthorizationParams, client: Client) -> None:
    if params.authorization_details is not None:
        types = ClientMetadata.from_json(client.metadata).authorization_details_types
        authorization_details.parse(params.authorization_details, types=types)


CHECKS: tuple[Check, ...] = (
    check_pushed,
    check_profile,
    check_response_type,
    check_response_mode,
    check_pkce,
    check_scope,
    check_nonce,
    check_prompt,
    check_max_age,
    check_dpop_jkt,
    check_resource,
    check_authorization_details,
)


def run_checks(params: AuthorizationParams, client: Client) -> AuthorizationParams:
    """Run every check in order; returns the request as it will be answered.

    Its hint is verified, its `claims` are read, and what the client registered as its defaults
    stands where nothing was sent. To run them again changes nothing.
    """
    for check in CHECKS:
        check(params, client)
    params = params.with_subject(_hinted_subject(params, client))
    return _with_claims(_with_defaults(params, client), client)


def _with_defaults(params: AuthorizationParams, client: Client) -> AuthorizationParams:
    """OpenID Connect Dynamic Client Registration 1.0 §2."""
    registered = ClientMetadata.from_json(client.metadata)
    if params.max_age is None and registered.default_max_age is not None:
        params = replace(params, max_age=str(registered.default_max_age))
    if not params.acr_values and registered.default_acr_values:
        params = replace(params, acr_values=registered.default_acr_values)
    return params


def _with_claims(params: AuthorizationParams, client: Client) -> AuthorizationParams:
    if params.claims is None:
        return params
    asked = claims_request.parse(params.claims, scopes=client.scopes)
    subject = claims_request.subject_of(asked)
    if params.hinted_subject not in {None, subject} and subject is not None:
        subject = ""  # the hint and the claims expect two people
    demanded = claims_request.acr_values(asked, essential=True)
    wished = claims_request.acr_values(asked, essential=False)
    return replace(
        params,
        claims=json.dumps(asked) if asked else None,
        hinted_subject=params.hinted_subject if subject is None else subject,
        required_acr=demanded,
        acr_values=wished or params.acr_values,
    )


def _hinted_subject(params: AuthorizationParams, client: Client) -> str | None:
    """Whom an ID token of ours names; it may be expired, but not made for another client.

    The hint of a pushed request was verified when it was pushed.
    """
    if params.id_token_hint is None:
        return params.hinted_subject
    claims = verify.id_token_hint(params.id_token_hint)
    audience = claims.get("aud")
    if client.client_id not in (audience if isinstance(audience, list) else [audience]):
        raise Refusal.invalid_request("The id_token_hint was made for another client.")
    return str(claims.get("sub", ""))
