"""To whom tokens are bound: a key by DPoP (RFC 9449 §5), a certificate by mutual TLS (RFC 8705 §3).

Asked for every grant type right after the client has authenticated. What a client must show comes
from its metadata; a proof that nobody asked for binds as well.
"""

from collections.abc import Mapping
from typing import Any

from core.errors import Refusal
from idp.clients import certificates
from idp.clients.authentication import MachineClient
from idp.machine.wire import Request
from idp.tokens import dpop

# Where a code or family keeps what it is bound to, by the member of `cnf`.
TERMS = {"jkt": "dpop_jkt", "x5t#S256": "x5t#S256"}


def constrain(request: Request, client: MachineClient) -> dict[str, str] | None:
    """`cnf` of the tokens to issue, None for bearer tokens; the request's proof is spent.

    Refuses invalid_dpop_proof, use_dpop_nonce, and invalid_request where a certificate is missing.
    """
    metadata = client.metadata
    cnf: dict[str, str] = {}
    if metadata.tls_client_certificate_bound_access_tokens:
        if request.certificate is None:
            raise Refusal.invalid_request("This client has to show its certificate.")
        cnf["x5t#S256"] = certificates.thumbprint(request.certificate)
    if request.dpop:
        cnf["jkt"] = dpop.prove(request, is_fapi2=metadata.is_fapi2)
    elif metadata.dpop_bound_access_tokens or (metadata.is_fapi2 and not cnf):
        raise Refusal("invalid_dpop_proof", "This client has to send a DPoP proof.")
    return cnf or None


def family_terms(client: MachineClient, cnf: Mapping[str, str] | None) -> dict[str, str]:
    """What the refresh tokens of a family are bound to (RFC 9449 §5): for public clients only.

    A confidential client's are bound to the client, which authenticates, and may change its key.
    """
    if client.is_confidential or cnf is None:
        return {}
    return {TERMS[member]: value for member, value in cnf.items()}


def fits(terms: Mapping[str, Any], cnf: Mapping[str, str] | None) -> bool:
    """Whether the request was made by what the code or family is bound to, if it is at all."""
    if not terms:
        return True
    shown = cnf or {}
    return all(
        terms[name] == shown.get(member) for member, name in TERMS.items() if terms.get(name)
    )
