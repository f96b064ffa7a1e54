"""Clients' logos over HTTP: from our own origin, by their digest, for everybody."""

from core.errors import Refusal
from idp.clients import logos
from idp.machine.wire import Answer, Request

DIGEST_BYTES = 32


def client_logo(request: Request) -> Answer:
    """GET /client-logos/<digest>: always the same bytes, and nothing but a picture to a browser.

    Whoever opens it on its own gets a document without an origin, that may load and run nothing.
    """
    logo = logos.find(_digest_of(request.path))
    headers = [
        ("Content-Type", logo.media_type),
        ("Cache-Control", "public, max-age=31536000, immutable"),
        ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
    ]
    return Answer(200, bytes(logo.content or b""), headers)


def _digest_of(path: str) -> bytes:
    try:
        digest = bytes.fromhex(path.rpartition("/")[2])
    except ValueError:
        digest = b""
    if len(digest) != DIGEST_BYTES:
        raise Refusal.not_found("There is no such picture.")
    return digest
