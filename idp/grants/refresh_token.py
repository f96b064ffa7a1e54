"""grant_type=refresh_token (RFC 6749 §6), with rotation and families (RFC 9700 §4.14.2).

The family is read and judged, then rotated by one conditional update: whoever comes second finds
the token spent. One that this process has seen before is judged by what was seen, and rotated only
if that is so still (`idp.grants.seen`). The immediate predecessor within the retry window gets the
same successor again (a lost answer must not sign anybody out); any other spent token means theft:
the family is revoked.
"""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from authlib.oauth2.rfc6749 import grants
from django.conf import settings

from audit import recorder
from audit.events import Event
from core import clock
from core.errors import Refusal
from core.ids import equal
from core.prepared import Cursor, Row
from idp.clients.authentication import MachineClient, demand_params
from idp.grants import proof, seen, sender, wanted
from idp.machine.server import AUTH_METHODS, Refused, TokenRequest
from idp.models.token import RevokeReason
from idp.storage import database
from idp.storage.families import (
    FIND_FAMILY,
    KEEP,
    KEEP_AND_TOUCH,
    LEEWAY,
    ROTATE,
    ROTATE_AND_TOUCH,
    ROTATE_AS_SEEN,
    ROTATE_AS_SEEN_AND_TOUCH,
)
from idp.storage.parts import is_touch_due
from idp.tokens import refresh_token
from idp.tokens.claims import Authorization
from idp.tokens.mint import mint
from idp.tokens.refresh_token import RefreshToken
from policy.decision import Decision, Outcome
from policy.facts import Trigger
from protection import envelope
from risk.replays import note_replay
from sessions import evaluation

UNUSABLE = "The refresh token is unknown, spent, expired or not yours."


class RefreshTokenGrant(grants.RefreshTokenGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS
    INCLUDE_NEW_REFRESH_TOKEN = True
    request: TokenRequest

    def authenticate_refresh_token(self, text: str) -> "_Proven":
        """Look at the family, and at what this token is in it; nothing is spent yet."""
        presented = refresh_token.parse(text)
        if presented is None:
            raise Refused(Refusal.invalid_grant(UNUSABLE))
        return self._recall(presented) or self._look(presented)

    def _recall(self, presented: RefreshToken) -> "_Proven | None":
        """The family as it was seen, where policy plainly allows that; the rotation compares it.

        Whoever asks for another scope is compared with the family itself, before anything else is
        said: a token that is spent is noticed whatever is asked for.
        """
        client: MachineClient = self.request.client
        if "scope" in self.request.fields or _keeps_its_tokens(client):
            return None
        row = seen.recall(presented.family_id, client)
        if row is None or not sender.fits(row["terms"], self.request.cnf):
            return None
        decision = proof.look(client, row | {"now": row["now"] + LEEWAY}, Trigger.REFRESH)
        if decision.outcome is not Outcome.ALLOW:
            return None
        return _Proven(row, presented, None, is_recalled=True, decision=decision)

    def _look(self, presented: RefreshToken) -> "_Proven":
        client: MachineClient = self.request.client
        row = database.one(
            FIND_FAMILY,
            {
                "family": presented.family_id,
                **demand_params(client),
                **evaluation.fact_params(),
            },
        )
        if row is None or row["family_expires_at"] <= row["now"]:
            raise Refused(Refusal.invalid_grant(UNUSABLE))
        if row["client_id"] == client.id:
            if equal(bytes(row["current"]), presented.digest):
                self._check_sender(row, presented)
                return _Proven(row, presented, None)
            if _is_within_window(row, presented):
                self._check_sender(row, presented)
                return _Proven(row, presented, _successor(row, presented, client))
        self.request.traces.append(lambda cursor: _trace_replay(cursor, client, row, presented))
        raise Refused(Refusal.invalid_grant(UNUSABLE))

    def _check_sender(self, row: Row, presented: RefreshToken) -> None:
        """A public client's token is worth nothing without its key (RFC 9449 §5)."""
        if sender.fits(row["terms"], self.request.cnf):
            return
        client: MachineClient = self.request.client
        self.request.traces.append(
            lambda cursor: proof.record(
                cursor,
                Event.REFRESH_TOKEN_MISUSED,
                client,
                row,
                self.request.address,
                generation=presented.generation,
            )
        )
        raise Refused(Refusal.invalid_grant("The refresh token is bound to another key."))

    def authenticate_user(self, proven: "_Proven") -> UUID:
        if proven.decision is None:
            proven.decision = proof.judge(
                self.request, self.request.client, proven.row, Trigger.REFRESH
            )
        user_id: UUID = proven.row["user_id"]
        return user_id

    def issue_token(self, user: Any, proven: "_Proven") -> dict[str, Any]:
        client: MachineClient = self.request.client
        try:
            authorization = self._authorize(client, proven)
        except (Refused, Refusal):
            if not proven.is_recalled:
                raise
            return self._issue_anew(user, proven)  # a spent token is noticed first
        if proven.successor is not None:
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
        if _keeps_its_tokens(client):
            return mint(authorization, self._keep(client, proven))
        current = self._as_of_now(proven)
        rotated = self._rotate(client, current) if current is not None else None
        if rotated is None:  # another request was faster, or it is not as it was seen
            return self._issue_anew(user, proven)
        return mint(authorization._replace(now=rotated.at), rotated.successor)

    def _authorize(self, client: MachineClient, proven: "_Proven") -> Authorization:
        return proof.authorize(
            client,
            proven.row,
            decision=proven.judged,
            scope=self.request.fields.get("scope") or proven.row["scope"],
            wanted=wanted.of_grant(self.request, client, proven.row["terms"]),
            cnf=self.request.cnf,
        )

    def _as_of_now(self, proven: "_Proven") -> "_Proven | None":
        """The same, judged once more where somebody else was asked since and took his time."""
        if not proven.is_recalled or clock.now() - proven.row["now"] < LEEWAY / 2:
            return proven
        return self._recall(proven.presented)

    def _issue_anew(self, user: Any, proven: "_Proven") -> dict[str, Any]:
        """Look again at what is there now; who was seen and not found so has not tried yet."""
        seen.forget(proven.presented.family_id)
        again = self._look(proven.presented)
        if again.successor is None and not proven.is_recalled:
            raise Refused(Refusal.invalid_grant(UNUSABLE))
        self.authenticate_user(again)
        return self.issue_token(user, again)

    def _keep(self, client: MachineClient, proven: "_Proven") -> RefreshToken:
        """Use the token and leave it live: FAPI 2.0 Security Profile §5.3.2.1 wants no rotation.

        It is bound to a client that authenticates by a key, and what it buys to a sender.
        """
        params = {
            "family": proven.presented.family_id,
            "presented": proven.presented.digest,
            "client": client.id,
            "clock_offset": clock.offset(),
            **recorder.branch_params(self.request.address),
        }
        statement = KEEP_AND_TOUCH if is_touch_due(proven.row) else KEEP
        if database.one(statement, params) is None:
            raise Refused(Refusal.invalid_grant(UNUSABLE))
        return proven.presented

    def _rotate(self, client: MachineClient, proven: "_Proven") -> "_Rotated | None":
        """Spend the token and put its successor in its place, once; None if that was done."""
        presented, row = proven.presented, proven.row
        successor = refresh_token.make(presented.family_id, presented.generation + 1)
        params = {
            "family": presented.family_id,
            "presented": presented.digest,
            "client": client.id,
            "new": successor.digest,
            "sealed": _seal(successor, client),
            "clock_offset": clock.offset(),
            **recorder.branch_params(self.request.address),
        }
        touches = is_touch_due(row)
        if proven.is_recalled:
            params |= {
                "judged_as_of": row["now"] + LEEWAY,
                "standing": row["standing"],
                "last_used_at": row["last_used_at"],
                "proven_at": row["proven_at"],
                **demand_params(client),
                **evaluation.fact_params(),
            }
            statement = ROTATE_AS_SEEN_AND_TOUCH if touches else ROTATE_AS_SEEN
        else:
            statement = ROTATE_AND_TOUCH if touches else ROTATE
        done = database.one(statement, params)
        if done is None:
            return None
        if proven.judged.outcome is Outcome.ALLOW:
            seen.remember(row, used_at=done["now"] if done["is_touched"] else None)
        return _Rotated(successor, done["now"])

    def revoke_old_credential(self, proven: Any) -> None:
        """The rotation has done it."""


class _Rotated(NamedTuple):
    successor: RefreshToken
    at: datetime


class _Proven:
    """What Authlib asks of a refresh token. successor: known when this is a retry.

    is_recalled: row is what was seen at an earlier use. decision: of the gate, once it was asked.
    """

    def __init__(
        self,
        row: Row,
        presented: RefreshToken,
        successor: RefreshToken | None,
        *,
        is_recalled: bool = False,
        decision: Decision | None = None,
    ) -> None:
        self.row, self.presented, self.successor = row, presented, successor
        self.is_recalled, self.decision = is_recalled, decision

    @property
    def judged(self) -> Decision:
        if self.decision is None:
            raise RuntimeError("nothing is issued that was not judged")
        return self.decision

    def check_client(self, client: MachineClient) -> bool:  # noqa: ARG002
        return True  # compared when it was found

    def get_scope(self) -> str:
        scope: str = self.row["scope"]
        return scope


def _keeps_its_tokens(client: MachineClient) -> bool:
    """Whether its refresh tokens are used without being rotated (FAPI 2.0 §5.3.2.1)."""
    return client.is_confidential and client.metadata.is_fapi2


def _is_within_window(row: Row, presented: RefreshToken) -> bool:
    """Whether this is the immediate predecessor, spent a moment ago, its successor unused."""
    return (
        row["previous"] is not None
        and row["successor_sealed"] is not None
        and equal(bytes(row["previous"]), presented.digest)
        and row["now"] - row["rotated_at"] <= settings.REFRESH_RETRY_WINDOW
    )


def _successor(row: Row, presented: RefreshToken, client: MachineClient) -> RefreshToken:
    """The token that the lost answer carried."""
    sealed = bytes(row["successor_sealed"])
    text = envelope.unseal(sealed, context=_context(presented, client)).decode()
    successor = refresh_token.parse(text)
    if successor is None:
        raise Refused(Refusal.invalid_grant(UNUSABLE))
    return successor


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
        actor=f"idp.Client:{client.id}",
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
    if revoked:
        note_replay(
            cursor,
            user_id=row["user_id"],
            organisation_id=row["organisation_id"],
            now=row["now"],
        )
        proof.respond_to_replay(row, now=row["now"])
