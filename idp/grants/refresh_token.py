"""grant_type=refresh_token (RFC 6749 §6), with rotation and families (RFC 9700 §4.14.2).

Rotation is one conditional update. A token that it does not take is looked at: the immediate
predecessor within the retry window gets the same successor again (a lost answer must not sign
anybody out); any other spent token means theft, and the family is revoked.
"""

from typing import Any

from authlib.oauth2.rfc6749 import grants
from django.conf import settings

from audit import recorder
from audit.events import Event
from core import clock
from core.errors import Refusal
from core.ids import equal
from idp import keys
from idp.client_auth import MachineClient
from idp.grants import proof
from idp.models.token import RevokeReason
from idp.server import AUTH_METHODS, Refused, TokenRequest
from idp.storage import FIND_FAMILY, ROTATE, Cursor, Row
from idp.tokens import refresh_token
from idp.tokens.mint import mint
from idp.tokens.refresh_token import RefreshToken
from policy.facts import Trigger
from protection import envelope

UNUSABLE = "The refresh token is unknown, spent, expired or not yours."


class RefreshTokenGrant(grants.RefreshTokenGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS
    INCLUDE_NEW_REFRESH_TOKEN = True
    request: TokenRequest

    def authenticate_refresh_token(self, text: str) -> "_Proven":
        """Rotate, or find out why not."""
        client: MachineClient = self.request.client
        presented = refresh_token.parse(text)
        if presented is None:
            raise Refused(Refusal.invalid_grant(UNUSABLE))
        successor = refresh_token.make(presented.family_id, presented.generation + 1)
        keys.signing_key(client.signing_alg)  # made before the transaction begins, if at all
        params = {
            "family": presented.family_id,
            "presented": presented.digest,
            "client": client.id,
            "new": successor.digest,
            "sealed": _seal(successor, client),
            "clock_offset": clock.offset(),
            **recorder.branch_params(self.request.address),
        }
        row = self.request.unit.cursor.one(ROTATE, params)
        if row is None:
            return self._retry(client, presented)
        return _Proven(row, successor, is_retry=False)

    def authenticate_user(self, proven: "_Proven") -> str:
        proof.judge(self.request, self.request.client, proven.row, Trigger.REFRESH)
        return str(proven.row["user_id"])

    def issue_token(self, user: Any, proven: "_Proven") -> dict[str, Any]:  # noqa: ARG002
        client: MachineClient = self.request.client
        scope = self.request.fields.get("scope") or proven.row["scope"]
        authorization = proof.authorize(client, proven.row, scope=scope)
        if proven.is_retry:  # the rotation itself was written by its own statement
            proof.record(
                self.request.unit.cursor,
                Event.REFRESH_TOKEN_ROTATED,
                client,
                proven.row,
                self.request.address,
                generation=proven.successor.generation,
                is_retry=True,
            )
        return mint(authorization, proven.successor)

    def revoke_old_credential(self, proven: Any) -> None:
        """The rotation has done it."""

    def _retry(self, client: MachineClient, presented: RefreshToken) -> "_Proven":
        row = self.request.unit.cursor.one(
            FIND_FAMILY, {"family": presented.family_id, "clock_offset": clock.offset()}
        )
        if row is None or row["revoked_at"] is not None or row["family_expires_at"] <= row["now"]:
            raise Refused(Refusal.invalid_grant(UNUSABLE))
        if row["client_id"] == client.id and _is_within_window(row, presented):
            text = envelope.unseal(
                bytes(row["successor_sealed"]), context=_context(presented, client)
            ).decode()
            successor = refresh_token.parse(text)
            if successor is not None:
                return _Proven(row, successor, is_retry=True)
        self.request.traces.append(lambda cursor: _trace_replay(cursor, client, row, presented))
        raise Refused(Refusal.invalid_grant(UNUSABLE))


class _Proven:
    """What Authlib asks of a refresh token, after it has been rotated."""

    def __init__(self, row: Row, successor: RefreshToken, *, is_retry: bool) -> None:
        self.row, self.successor, self.is_retry = row, successor, is_retry

    def check_client(self, client: MachineClient) -> bool:  # noqa: ARG002
        return True  # the statement compared it

    def get_scope(self) -> str:
        scope: str = self.row["scope"]
        return scope


def _is_within_window(row: Row, presented: RefreshToken) -> bool:
    """Whether this is the immediate predecessor, spent a moment ago, its successor unused."""
    return (
        row["previous"] is not None
        and row["successor_sealed"] is not None
        and equal(bytes(row["previous"]), presented.digest)
        and row["now"] - row["rotated_at"] <= settings.REFRESH_RETRY_WINDOW
    )


def _context(token: RefreshToken, client: MachineClient) -> str:
    return f"idp.RefreshFamily|successor|{token.family_id}|{client.id}"


def _seal(successor: RefreshToken, client: MachineClient) -> bytes:
    return envelope.seal(
        successor.text.encode(),
        organisation_id=client.organisation_id,
        context=_context(successor, client),
    )


def _trace_replay(cursor: Cursor, client: MachineClient, row: Row, presented: RefreshToken) -> None:
    """A genuine token of this family that is spent, or shown by another client: it has leaked."""
    revoked = proof.revoke_family(
        cursor,
        presented.family_id,
        RevokeReason.REPLAYED,
        Event.REFRESH_FAMILY_REVOKED,
        generation=presented.generation,
    )
    recorder.insert(
        cursor,
        Event.REFRESH_TOKEN_REPLAYED,
        organisation_id=row["organisation_id"],
        actor=f"idp.Client:{client.id}",
        subject=f"accounts.User:{row['user_id']}",
        session_id=row["session_id"],
        now=row["now"],
        facts={
            "family": presented.family_id,
            "generation": presented.generation,
            "live_generation": row["generation"],
            "revoked": revoked,
        },
    )
