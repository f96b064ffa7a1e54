"""Where our endpoints are: below the issuer, and at the alias for mutual TLS (RFC 8705 §5).

Both come from the settings, never from a Host header, and lead to the same endpoints: what is meant
for one address is good at the other.
"""

from functools import lru_cache
from urllib.parse import urlsplit

from django.conf import settings


def bases() -> tuple[str, ...]:
    """The issuer, and the alias where there is one."""
    if not settings.MTLS_BASE_URL:
        return (settings.ISSUER,)
    return (settings.ISSUER, settings.MTLS_BASE_URL)


def is_alias(host: str) -> bool:
    """Whether a Host header names the alias."""
    return bool(settings.MTLS_BASE_URL) and host.lower() == _netloc(settings.MTLS_BASE_URL)


@lru_cache(maxsize=4)
def _netloc(base: str) -> str:
    return urlsplit(base).netloc.lower()
