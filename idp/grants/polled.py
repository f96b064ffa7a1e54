"""Grant types whose client polls until a person has answered (RFC 8628 §3.4; CIBA Core 1.0 §10.1).

A grant type says which of its fields names the request and by which statements it is kept.
"""

import json
from datetime import timedelta
from typing import Any, ClassVar

from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc6749.errors import UnauthorizedClientError
from django.conf import settings

from audit import recorder
from audit.events import Event
from core import clock
from core.errors import Refusal
from core.ids import digest, new_id
from core.prepared import Cursor, Row
from idp import keys, polled_requests
from idp.clients.authentication import MachineClient, demand_params
from idp.grants import proof, sender, wanted
from idp.machine.server import Refused, TokenRequest
from idp.models.token import RevokeReason
from idp.storage import database
from idp.tokens import refresh_token
from idp.tokens.encryption import id_token_recipient
from idp.tokens.mint import mint
from policy.facts import Trigger
from risk.replays import note_replay
from sessions import evaluation


class PolledGrant(grants.BaseGrant, grants.TokenEndpointMixin):  # type: ignore[misc]
    """Each poll is one statement; the one that finds an approval claims it by another."""

    FIELD: ClassVar[str]
    POLL: ClassVar[str]
    REDEEM: ClassVar[str]
    FIND: ClassVar[str]
    MISUSED: ClassVar[Event]
    REPLAYED: ClassVar[Event]
    request: TokenRequest

    def validate_token_request(self) -> None:
        client = self.request.client = self.authenticate_token_endpoint_client()
        if not client.check_grant_type(self.GRANT_TYPE):
            raise UnauthorizedClientError
        code = self.request.fields.get(self.FIELD)
        if code is None:
            raise Refused(Refusal.invalid_request(f"{self.FIELD} is missing."))
        self._check(self._poll(client, code))

    def create_token_response(self) -> tuple[int, dict[str, Any], Any]:
        client: MachineClient = self.request.client
        token = refresh_token.make(new_id(), 0)
        issues_refresh = client.check_grant_type("refresh_token")
        row = self._redeem(client, token, issues_refresh=issues_refresh)
        decision = proof.judge(self.request, client, row, Trigger.TOKEN)
        authorization = proof.authorize(
            client,
            row,
            decision=decision,
            scope=row["scope"],
            wanted=wanted.of_grant(self.request, client, row["terms"]),
            cnf=self.request.cnf,
        )
        answer = mint(authorization, token if issues_refresh else None)
        return 200, answer, self.TOKEN_RESPONSE_HEADER

    def _poll(self, client: MachineClient, code: str) -> Row:
        """What has become of the request; how often is asked counts while nobody has answered."""
        params = {
            "digest": digest(code),
            "client": client.id,
            "slow_down": polled_requests.SLOW_DOWN_SECONDS,
            "clock_offset": clock.offset(),
        }
        row = database.one(self.POLL, params)
        if row is None or row["used_at"] is not None:
            raise self._unusable(client, code)
        return row

    def _check(self, row: Row) -> None:
        """Refuses as RFC 8628 §3.5 says, unless the request is approved and may be redeemed."""
        if row["expires_at"] <= row["now"]:
            detail = f"The {self.FIELD} has run out. Start again."
            raise Refused(Refusal("expired_token", detail))
        if row["denied_at"] is not None:
            raise Refused(Refusal("access_denied", "The request was not allowed."))
        if row["approved_at"] is not None:
            return
        polled = row["polled_before"]
        if polled is not None and row["now"] - polled < timedelta(seconds=row["asked_interval"]):
            raise Refused(Refusal("slow_down", "Wait five seconds longer between two polls."))
        raise Refused(Refusal("authorization_pending", "Nobody has answered yet."))

    def _redeem(
        self, client: MachineClient, token: refresh_token.RefreshToken, *, issues_refresh: bool
    ) -> Row:
        """Claim the approval and found the family, in one statement."""
        code = self.request.fields[self.FIELD]
        keys.signing_key(client.signing_alg)  # made before the transaction begins, if at all
        id_token_recipient(client)  # asked for before it, too
        params = {
            "digest": digest(code),
            "client": client.id,
            "family": token.family_id,
            "current": token.digest,
            "issues_refresh": issues_refresh,
            "bound_to": json.dumps(sender.family_terms(client, self.request.cnf)),
            "lifetime": settings.REFRESH_TOKEN_LIFETIME,
            **demand_params(client),
            **evaluation.fact_params(),
            **recorder.branch_params(self.request.address),
        }
        row = self.request.unit.cursor.one(self.REDEEM, params)
        if row is None:  # somebody was faster
            raise self._unusable(client, code)
        return row

    def _unusable(self, client: MachineClient, code: str) -> Refused:
        self.request.traces.append(lambda cursor: self._trace_failure(cursor, client, code))
        return Refused(Refusal.invalid_grant(f"The {self.FIELD} is unknown, used or not yours."))

    def _trace_failure(self, cursor: Cursor, client: MachineClient, code: str) -> None:
        """One that was used and is shown again means that two have it: its tokens are revoked."""
        row = cursor.one(self.FIND, {"digest": digest(code)})
        if row is None:
            return
        event = self.MISUSED
        if row["used_at"] is not None and row["client_id"] == client.id:
            event = self.REPLAYED
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
                    address=self.request.address,
                    now=clock.now(),
                )
                proof.respond_to_replay(row, now=clock.now())
        recorder.insert(
            cursor,
            event,
            organisation_id=row["organisation_id"],
            actor=f"idp.Client:{client.id}",
            subject=f"accounts.User:{row['user_id']}" if row["user_id"] else "",
            session_id=row["session_id"],
            address=self.request.address,
            now=clock.now(),
            facts={"family": row["family_id"], "issued_to": row["client_id"]},
        )
