"""Signing out in the browser: who asks, where to go afterwards, and who is told on the way.

OpenID Connect RP-Initiated Logout 1.0 and Front-Channel Logout 1.0.

A hint is an ID token of ours, expired or not. Only with a genuine one does the browser go back by
itself; without it the registered address is at most offered as a link, and the user is asked first.
"""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from core.errors import Refusal
from idp.models import Client, RefreshFamily
from idp.registration.metadata import ClientMetadata
from idp.requests.parameters import LogoutParams, with_query
from idp.tokens import verify
from idp.tokens.subject import subject_of
from sessions.models import LoginSession

ORIGIN = re.compile(r"https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")


@dataclass(frozen=True)
class LogoutRequest:
    """client: who asks, if it is one of ours. return_to: its registered address, or "".

    is_proven: a genuine hint was shown. subject, session_id: `sub` and `sid` of that hint.
    """

    client: Client | None = None
    return_to: str = ""
    is_proven: bool = False
    subject: str = ""
    session_id: str = ""

    @property
    def goes_back(self) -> bool:
        """Whether the browser returns by itself: only for a genuine hint (§3)."""
        return self.is_proven and bool(self.return_to)

    def is_about(self, session: LoginSession | None) -> bool:
        """Whether the hint belongs to this very session, so that nobody need be asked (§2)."""
        return (
            self.is_proven
            and self.client is not None
            and session is not None
            and self.subject == subject_of(self.client, session.user_id)
            and self.session_id == str(session.id)
        )


def read_request(params: LogoutParams) -> LogoutRequest:
    """Verify what a client sent. Nothing in it is refused: a bad part is only not believed."""
    claims: dict[str, Any] = {}
    if params.id_token_hint is not None:
        try:
            claims = verify.id_token_hint(params.id_token_hint)
        except Refusal:
            return LogoutRequest()
    client = _client(params, claims)
    if client is None:
        return LogoutRequest()
    return LogoutRequest(
        client=client,
        return_to=_return_to(params, client),
        is_proven=bool(claims),
        subject=str(claims.get("sub", "")),
        session_id=str(claims.get("sid", "")),
    )


def frames_of(session: LoginSession | None) -> list[str]:
    """What the browser loads to tell clients that this session ends (Front-Channel Logout 1.0 §2).

    The registered address of each client that the session had signed in to, with `iss` and `sid`.
    """
    if session is None:
        return []
    families = RefreshFamily.unscoped.filter(session_id=session.id)
    clients = Client.unscoped.filter(
        id__in=families.values("client_id"),
        is_active=True,
        metadata__has_key="frontchannel_logout_uri",
    ).order_by("client_id")
    said = {"iss": settings.ISSUER, "sid": str(session.id)}
    addresses = (ClientMetadata.from_json(c.metadata).frontchannel_logout_uri for c in clients)
    return [with_query(uri, said) for uri in addresses if origin_of(uri)]


def origin_of(uri: str) -> str:
    """`scheme://host[:port]` as a source of a content security policy; "" unless it is plain."""
    parts = urlsplit(uri)
    is_plain = ORIGIN.fullmatch(f"{parts.scheme}://{parts.netloc}")
    return f"{parts.scheme}://{parts.netloc}" if is_plain else ""


def _client(params: LogoutParams, claims: dict[str, Any]) -> Client | None:
    """The client that both the hint and client_id name, where both are given."""
    client_id = params.client_id
    if claims:
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        client_id = client_id or str(claims.get("azp") or audiences[0])
        if client_id not in audiences:
            return None
    if client_id is None:
        return None
    return (
        Client.unscoped.select_related("organisation")
        .filter(client_id=client_id, is_active=True, organisation__is_active=True)
        .first()
    )


def _return_to(params: LogoutParams, client: Client) -> str:
    """The address to return to, compared byte for byte with what is registered; else nothing."""
    uri = params.post_logout_redirect_uri
    if uri is None or uri not in client.post_logout_redirect_uris:
        return ""
    return with_query(uri, {"state": params.state} if params.state is not None else {})
