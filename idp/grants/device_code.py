"""grant_type=urn:ietf:params:oauth:grant-type:device_code (RFC 8628 §3.4)."""

import json
from datetime import timedelta
from typing import Any

from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc6749.errors import UnauthorizedClientError
from django.conf import settings

from audit import recorder
from audit.events import Event
from core import clock
from core.errors import Refusal
from core.ids import digest, new_id
from core.prepared import Cursor, Row
from idp import device, keys, storage
from idp.client_auth import MachineClient
from idp.grants import proof, sender, wanted
from idp.models.token import RevokeReason
from idp.server import AUTH_METHODS, Refused, TokenRequest
from idp.storage import FIND_DEVICE, POLL_DEVICE, REDEEM_DEVICE
from idp.tokens import refresh_token
from idp.tokens.mint import mint
from policy.facts import Trigger

UNUSABLE = "The device code is unknown, used or not yours."


class DeviceCodeGrant(grants.BaseGrant, grants.TokenEndpointMixin):  # type: ignore[misc]
    """Each poll is one statement; the one that finds an approval claims it by another."""

    GRANT_TYPE = device.GRANT_TYPE
    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS
    request: TokenRequest

    def validate_token_request(self) -> None:
        client = self.request.client = self.authenticate_token_endpoint_client()
        if not client.check_grant_type(self.GRANT_TYPE):
            raise UnauthorizedClientError
        code = self.request.fields.get("device_code")
        if code is None:
            raise Refused(Refusal.invalid_request("device_code is missing."))
        _check(self._poll(client, code))

    def create_token_response(self) -> tuple[int, dict[str, Any], Any]:
        client: MachineClient = self.request.client
        token = refresh_token.make(new_id(), 0)
        issues_refresh = client.check_grant_type("refresh_token")
        row = self._redeem(client, token, issues_refresh=issues_refresh)
        proof.judge(self.request, client, row, Trigger.TOKEN)
        authorization = proof.authorize(
            client,
            row,
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
            "slow_down": device.SLOW_DOWN_SECONDS,
            "clock_offset": clock.offset(),
        }
        row = storage.one(POLL_DEVICE, params)
        if row is None or row["used_at"] is not None:
            self._trace_failure(client, code)
            raise Refused(Refusal.invalid_grant(UNUSABLE))
        return row

    def _redeem(
        self, client: MachineClient, token: refresh_token.RefreshToken, *, issues_refresh: bool
    ) -> Row:
        """Claim the approval and found the family, in one statement."""
        code = self.request.fields["device_code"]
        keys.signing_key(client.signing_alg)  # made before the transaction begins, if at all
        params = {
            "digest": digest(code),
            "client": client.id,
            "family": token.family_id,
            "current": token.digest,
            "issues_refresh": issues_refresh,
            "bound_to": json.dumps(sender.family_terms(client, self.request.cnf)),
            "lifetime": settings.REFRESH_TOKEN_LIFETIME,
            "clock_offset": clock.offset(),
            **recorder.branch_params(self.request.address),
        }
        row = self.request.unit.cursor.one(REDEEM_DEVICE, params)
        if row is None:  # somebody was faster
            self._trace_failure(client, code)
            raise Refused(Refusal.invalid_grant(UNUSABLE))
        return row

    def _trace_failure(self, client: MachineClient, code: str) -> None:
        address = self.request.address
        self.request.traces.append(lambda cursor: _trace_failure(cursor, code, client, address))


def _check(row: Row) -> None:
    """Refuses as RFC 8628 §3.5 says, unless the request is approved and may be redeemed."""
    if row["expires_at"] <= row["now"]:
        raise Refused(Refusal("expired_token", "The device code has run out. Start again."))
    if row["denied_at"] is not None:
        raise Refused(Refusal("access_denied", "The request was not allowed."))
    if row["approved_at"] is not None:
        return
    polled = row["polled_before"]
    if polled is not None and row["now"] - polled < timedelta(seconds=row["asked_interval"]):
        raise Refused(Refusal("slow_down", "Wait five seconds longer between two polls."))
    raise Refused(Refusal("authorization_pending", "Nobody has answered yet."))


def _trace_failure(cursor: Cursor, code: str, client: MachineClient, address: str) -> None:
    """A used code shown again means that two have it: what it produced is revoked."""
    row = cursor.one(FIND_DEVICE, {"digest": digest(code)})
    if row is None:
        return
    event = Event.DEVICE_CODE_MISUSED
    if row["used_at"] is not None and row["client_id"] == client.id:
        event = Event.DEVICE_CODE_REPLAYED
        proof.revoke_family(
            cursor, row["family_id"], RevokeReason.CODE_REPLAYED, Event.REFRESH_FAMILY_REVOKED
        )
    recorder.insert(
        cursor,
        event,
        organisation_id=row["organisation_id"],
        actor=f"idp.Client:{client.id}",
        subject=f"accounts.User:{row['user_id']}" if row["user_id"] else "",
        session_id=row["session_id"],
        address=address,
        now=clock.now(),
        facts={"family": row["family_id"], "issued_to": row["client_id"]},
    )
