"""grant_type=authorization_code (RFC 6749 §4.1.3, RFC 7636 §4.5)."""

import base64
import hashlib
import json
import re
from typing import Any

from authlib.oauth2.rfc6749 import grants
from django.conf import settings

from audit import recorder
from audit.events import Event
from core import clock
from core.errors import Refusal
from core.ids import digest, new_id
from core.prepared import Cursor, Row
from idp import keys
from idp.clients.authentication import MachineClient, demand_params
from idp.grants import proof, sender, wanted
from idp.machine.server import AUTH_METHODS, Refused, TokenRequest
from idp.models.token import RevokeReason
from idp.storage.codes import FIND_CODE, REDEEM_CODE
from idp.tokens import refresh_token
from idp.tokens.encryption import id_token_recipient
from idp.tokens.mint import mint
from policy.decision import Decision
from policy.facts import Trigger
from risk.replays import note_replay
from sessions import evaluation

VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}")  # RFC 7636 §4.1


class AuthorizationCodeGrant(grants.AuthorizationCodeGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS
    request: TokenRequest

    @classmethod
    def check_authorization_endpoint(cls, request: Any) -> bool:  # noqa: ARG003
        """The authorization endpoint is ours alone: `idp.authorization`."""
        return False

    def query_authorization_code(self, code: str, client: MachineClient) -> "_Redeemed":
        """Claim the code, its client, redirect_uri and verifier in one statement."""
        fields = self.request.fields
        redirect_uri, verifier = fields.get("redirect_uri"), fields.get("code_verifier")
        if redirect_uri is None:
            raise Refused(Refusal.invalid_request("redirect_uri is needed."))
        issues_refresh = client.check_grant_type("refresh_token")
        token = refresh_token.make(new_id(), 0)
        keys.signing_key(client.signing_alg)  # made before the transaction begins, if at all
        id_token_recipient(client)  # asked for before it, too
        params = {
            "digest": digest(code),
            "client": client.id,
            "redirect_uri": redirect_uri,
            "challenge": _challenge(verifier, client),
            "family": token.family_id,
            "current": token.digest,
            "issues_refresh": issues_refresh,
            "bound_to": json.dumps(sender.family_terms(client, self.request.cnf)),
            "lifetime": settings.REFRESH_TOKEN_LIFETIME,
            **demand_params(client),
            **evaluation.fact_params(),
            **recorder.branch_params(self.request.address),
        }
        row = self.request.unit.cursor.one(REDEEM_CODE, params)
        if row is None:
            self.request.traces.append(lambda cursor: _trace_failure(cursor, code, client))
            # Nothing was written but how often a wrong verifier was shown, and that is to stay.
            raise Refused(
                Refusal.invalid_grant("The code is unknown, used, expired or not yours."),
                undoes=False,
            )
        if not sender.fits(row["terms"], self.request.cnf):  # RFC 9449 §10
            self.request.traces.append(lambda cursor: _trace_failure(cursor, code, client))
            raise Refused(Refusal.invalid_grant("The code is bound to another key."))
        return _Redeemed(row, token if issues_refresh else None, redirect_uri)

    def authenticate_user(self, authorization_code: "_Redeemed") -> str:
        authorization_code.decision = proof.judge(
            self.request, self.request.client, authorization_code.row, Trigger.TOKEN
        )
        return str(authorization_code.row["user_id"])

    def generate_token(self, **_: Any) -> dict[str, Any]:
        client: MachineClient = self.request.client
        redeemed: _Redeemed = self.request.authorization_code
        row = redeemed.row
        asked = wanted.of_grant(self.request, client, row["terms"])
        authorization = proof.authorize(
            client,
            row,
            decision=redeemed.judged,
            scope=row["scope"],
            wanted=asked,
            cnf=self.request.cnf,
            nonce=row["nonce"],
        )
        return mint(authorization, redeemed.refresh_token)

    def delete_authorization_code(self, authorization_code: Any) -> None:
        """The row is kept: a replay must find what the code produced."""


class _Redeemed:
    """What Authlib asks of a code, after it has been claimed.

    decision: of the gate, once it was asked.
    """

    def __init__(
        self, row: Row, token: refresh_token.RefreshToken | None, redirect_uri: str
    ) -> None:
        self.row, self.refresh_token, self._redirect_uri = row, token, redirect_uri
        self.decision: Decision | None = None

    @property
    def judged(self) -> Decision:
        if self.decision is None:
            raise RuntimeError("nothing is issued that was not judged")
        return self.decision

    def get_redirect_uri(self) -> str:
        return self._redirect_uri

    def get_scope(self) -> str:
        scope: str = self.row["scope"]
        return scope


def s256(verifier: str) -> str:
    """The S256 code challenge of a verifier (RFC 7636 §4.2)."""
    hashed = hashlib.sha256(verifier.encode("ascii")).digest()
    return base64.urlsafe_b64encode(hashed).rstrip(b"=").decode()


def _challenge(verifier: str | None, client: MachineClient) -> str | None:
    """The challenge that the code must carry; none fits None.

    Without a verifier that is a code without a challenge, of a client that may do so (RFC 9700
    §4.8.2: a verifier without a challenge is a downgrade, too).
    """
    if verifier is None:
        may_omit = client.metadata.may_omit_pkce(is_confidential=client.is_confidential)
        return "" if may_omit else None
    return s256(verifier) if VERIFIER.fullmatch(verifier) else None


def _trace_failure(cursor: Cursor, code: str, client: MachineClient) -> None:
    """Tell a replay from a mistake: a used code means that somebody else has it, too."""
    row = cursor.one(FIND_CODE, {"digest": digest(code)})
    if row is None:
        return
    if row["used_at"] is not None and row["client_id"] == client.id:
        event = Event.CODE_REPLAYED
        revoked = proof.revoke_family(
            cursor,
            row["family_id"],
            RevokeReason.CODE_REPLAYED,
            actor=f"idp.Client:{client.id}",
        )
        if revoked:
            note_replay(
                cursor,
                user_id=row["user_id"],
                organisation_id=row["organisation_id"],
                now=clock.now(),
            )
            proof.respond_to_replay(row, now=clock.now())
    else:
        event = Event.CODE_MISUSED
    recorder.insert(
        cursor,
        event,
        organisation_id=row["organisation_id"],
        actor=f"idp.Client:{client.id}",
        subject=f"accounts.User:{row['user_id']}",
        session_id=row["session_id"],
        now=clock.now(),
        facts={
            "family": row["family_id"],
            "issued_to": row["client_id"],
            "wrong_verifiers": row["wrong_verifiers"],
        },
    )
