"""grant_type=urn:ietf:params:oauth:grant-type:token-exchange (RFC 8693).

A confidential client that was called with a person's access token gets one of its own to call
further. It stands on the same family: what ends that ends both. A token that is revoked alone, by
its `jti`, ends alone.
"""

from datetime import UTC, datetime
from typing import Any

from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc6749.errors import UnauthorizedClientError

from audit import recorder
from audit.events import Event
from core.assurance import Level
from core.errors import Refusal
from core.prepared import Row
from idp import keys
from idp.clients.authentication import MachineClient, same_client
from idp.endpoints.standing import judge, row_behind
from idp.grants import proof
from idp.grants.wanted import Wanted
from idp.machine.server import AUTH_METHODS, Refused, TokenRequest
from idp.models.client import TOKEN_EXCHANGE
from idp.tokens import verify
from idp.tokens.mint import mint
from policy.decision import Decision, Outcome
from policy.facts import Trigger
from sessions import evaluation
from sessions.evaluation import Resource

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
MAX_ACTORS = 4
NOT_CARRIED_ON = {"openid", "offline_access"}  # for signing in, and for staying so


class TokenExchangeGrant(grants.BaseGrant, grants.TokenEndpointMixin):  # type: ignore[misc]
    GRANT_TYPE = TOKEN_EXCHANGE
    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS
    request: TokenRequest

    def validate_token_request(self) -> None:
        client = self.request.client = self.authenticate_token_endpoint_client()
        if not client.check_grant_type(self.GRANT_TYPE) or not client.is_confidential:
            raise UnauthorizedClientError
        _check_types(self.request.fields)

    def create_token_response(self) -> tuple[int, dict[str, Any], Any]:
        client: MachineClient = self.request.client
        keys.signing_key(client.signing_alg)
        fields = self.request.fields
        subject, row = _standing("subject_token", fields["subject_token"], client)
        if "sid" not in subject or not _is_for(client, subject):
            raise _unusable("subject_token")
        decision = _judge(client, row)
        act = _actors(client, fields, subject)
        scope = _scope(client, subject, fields.get("scope"))
        wanted = Wanted(_target(client, fields))
        authorization = proof.authorize(
            client, row, decision=decision, scope=scope, wanted=wanted, cnf=self.request.cnf
        )
        if decision.outcome is Outcome.RESTRICT:
            proof.note_restriction(self.request.unit.cursor, client, row, Trigger.TOKEN, decision)
        ends_at = min(authorization.ends_at, datetime.fromtimestamp(subject["exp"], UTC))
        answer = mint(authorization._replace(ends_at=ends_at, act=act), None)
        recorder.insert(
            self.request.unit.cursor,
            Event.TOKEN_EXCHANGED,
            organisation_id=client.organisation_id,
            actor=f"idp.Client:{client.id}",
            subject=f"accounts.User:{row['user_id']}",
            session_id=row["session_id"],
            address=self.request.address,
            now=row["now"],
            facts={
                "family": row["family_id"],
                "subject_token": subject["jti"],
                "issued_to": row["client_id"],
                "scope": scope,
                "resource": wanted.resource,
                "act": act,
            },
        )
        return 200, answer | {"issued_token_type": ACCESS_TOKEN}, self.TOKEN_RESPONSE_HEADER


def _check_types(fields: dict[str, str]) -> None:
    """Access tokens of ours are all that is taken and given (RFC 8693 §2.1)."""
    if "subject_token" not in fields:
        raise Refused(Refusal.invalid_request("subject_token is missing."))
    if ("actor_token" in fields) != ("actor_token_type" in fields):
        raise Refused(Refusal.invalid_request("actor_token and actor_token_type go together."))
    named = [fields.get("subject_token_type"), fields.get("actor_token_type", ACCESS_TOKEN)]
    named.append(fields.get("requested_token_type", ACCESS_TOKEN))
    if set(named) != {ACCESS_TOKEN}:
        raise Refused(Refusal.invalid_request(f"Every token type has to be {ACCESS_TOKEN}."))


def _standing(name: str, text: str, client: MachineClient) -> tuple[dict[str, Any], Row]:
    """A token's claims and the rows that it stands on; refuses one that is not live and ours.

    One that is bound to a key or a certificate is refused: the sender here is not who holds it.
    """
    try:
        claims = verify.access_token(text)
    except Refusal as refusal:
        raise _unusable(name) from refusal
    row = row_behind(claims, caller=client)
    if row is None or row["organisation_id"] != client.organisation_id or "cnf" in claims:
        raise _unusable(name)
    decision = judge(claims, row, Trigger.TOKEN)
    if not decision.is_allowed:
        raise _unusable(name)
    same_client(client, row["caller_changed_at"])
    return claims | {"scope": decision.scope_of(claims["scope"])}, row


def _is_for(client: MachineClient, claims: dict[str, Any]) -> bool:
    """Whether the token was issued to this client, or names it as who it is for."""
    audience = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    return client.client_id in {claims["client_id"], *audience}


def _judge(client: MachineClient, row: Row) -> Decision:
    """What this client itself asks of people; the rest was judged for whom the token is.

    What either of the two withholds is withheld.
    """
    resource = Resource(
        required_level=Level.from_acr(client.required_acr),
        required_tier=client.required_tier,
        scope_tiers={
            scope: max(row["scope_tiers"].get(scope, 0), client.scope_tiers.get(scope, 0))
            for scope in {*row["scope_tiers"], *client.scope_tiers}
        },
    )
    decision = evaluation.judge(row, trigger=Trigger.TOKEN, resource=resource)
    if not decision.is_allowed:
        raise _unusable("subject_token")
    return decision


def _actors(
    client: MachineClient, fields: dict[str, str], subject: dict[str, Any]
) -> dict[str, Any] | None:
    """Who acts for the subject, the latest outside (RFC 8693 §4.1). Nobody before is left out."""
    before: dict[str, Any] | None = subject.get("act")
    if "actor_token" not in fields:
        return before
    actor, _ = _standing("actor_token", fields["actor_token"], client)
    if actor["client_id"] != client.client_id:
        raise _unusable("actor_token")
    act: dict[str, Any] = {"sub": actor["sub"]}
    if before is not None:
        act["act"] = before
    if _depth(act) > MAX_ACTORS:
        raise Refused(Refusal.invalid_request("Too many act for one another."))
    return act


def _depth(act: dict[str, Any] | None) -> int:
    return 0 if act is None else 1 + _depth(act.get("act"))


def _scope(client: MachineClient, subject: dict[str, Any], asked: str | None) -> str:
    """No more than the subject token has, nor than the client may have (RFC 8693 §2.1)."""
    held = [
        scope
        for scope in subject["scope"].split()
        if scope in client.scopes and scope not in NOT_CARRIED_ON
    ]
    if asked is None:
        return " ".join(held)
    wanted = list(dict.fromkeys(asked.split()))
    if not set(wanted) <= set(held):
        raise Refused(Refusal.invalid_scope("The scope is more than the subject token carries on."))
    return " ".join(wanted)


def _target(client: MachineClient, fields: dict[str, str]) -> tuple[str, ...]:
    """Where the new token may be shown: what is registered for the client (RFC 8693 §2.1)."""
    named = [*fields.get("resource", "").split(), *fields.get("audience", "").split()]
    known = {*client.metadata.resources, client.audience} - {""}
    if not set(named) <= known:
        raise Refused(Refusal("invalid_target", "A target is not registered for this client."))
    return tuple(dict.fromkeys(named))


def _unusable(name: str) -> Refused:
    """RFC 8693 §2.2.2: invalid_request, whatever is wrong with the token."""
    return Refused(Refusal.invalid_request(f"The {name} is not usable by this client."))
