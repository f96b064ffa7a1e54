"""`manage.py check --deploy`: refuses to go live with settings that weaken sign-in.

`config.env` refuses to start without secrets; this looks at what the pieces were told.
"""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import Error, Tags, register

YEAR_SECONDS = 31_536_000
STRONG_HASHER = "accounts.passwords.Argon2Hasher"
MIN_SECRET_LENGTH = 32

Fault = tuple[bool, str, str]


@register(Tags.security, deploy=True)
def check_deployment(app_configs: Any, **_: Any) -> list[Error]:  # noqa: ARG001
    """Every fault as one error, accounts.E001 and up."""
    return [Error(text, id=f"accounts.{code}") for is_fault, code, text in _faults() if is_fault]


def _faults() -> Iterator[Fault]:
    yield from _transport()
    yield from _secrets()
    yield from _guessing()


def _transport() -> Iterator[Fault]:
    issuer = urlsplit(settings.ISSUER)
    yield (
        issuer.scheme != "https" or not issuer.hostname,
        "E001",
        "SALLYPORT_BASE_URL must be an https address: it is the issuer of every token.",
    )
    yield (
        not (settings.SESSION_COOKIE_SECURE and settings.CSRF_COOKIE_SECURE),
        "E002",
        "Session and CSRF cookies must be Secure.",
    )
    yield (
        not all(
            name.startswith("__Host-")
            for name in (settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME)
        ),
        "E003",
        "Session and CSRF cookies must carry the __Host- prefix.",
    )
    yield (
        settings.SECURE_HSTS_SECONDS < YEAR_SECONDS,
        "E004",
        "SECURE_HSTS_SECONDS must be a year or more.",
    )
    yield (
        bool(settings.SECURE_PROXY_SSL_HEADER) != bool(settings.TRUSTED_PROXY_COUNT),
        "E005",
        (
            "SECURE_PROXY_SSL_HEADER belongs with SALLYPORT_TRUSTED_PROXY_COUNT: without a trusted "
            "proxy anybody can send that header, and behind one it is needed."
        ),
    )
    yield (settings.DEBUG, "E006", "DEBUG must be off.")
    yield (
        not settings.ALLOWED_HOSTS or any(h in {"*", ".", ""} for h in settings.ALLOWED_HOSTS),
        "E007",
        "ALLOWED_HOSTS must name the hosts, without a wildcard.",
    )
    yield (
        getattr(settings, "USE_X_FORWARDED_HOST", False),
        "E008",
        "USE_X_FORWARDED_HOST must stay off: links in mail would follow a stranger's header.",
    )


def _secrets() -> Iterator[Fault]:
    yield (
        len(settings.SECRET_KEY) < MIN_SECRET_LENGTH,
        "E009",
        f"SALLYPORT_SECRET_KEY must have at least {MIN_SECRET_LENGTH} characters.",
    )
    yield (
        not settings.KEY_ENCRYPTION_KEYS,
        "E010",
        "SALLYPORT_KEY_ENCRYPTION_KEYS is empty: nothing can be sealed.",
    )
    yield (
        settings.PASSWORD_HASHERS[0] != STRONG_HASHER,
        "E011",
        f"{STRONG_HASHER} must be the first of PASSWORD_HASHERS.",
    )
    yield (
        not settings.AUTH_PASSWORD_VALIDATORS,
        "E012",
        "AUTH_PASSWORD_VALIDATORS is empty: any password would do.",
    )
    yield (
        _is_plain_redis(settings.REDIS_URL),
        "E013",
        "SALLYPORT_REDIS_URL names another machine without a password.",
    )


def _guessing() -> Iterator[Fault]:
    backend = str(settings.CACHES["default"]["BACKEND"])
    yield (
        not backend.endswith(("RedisCache", "PyMemcacheCache", "PyLibMCCache")),
        "E014",
        "The default cache must be shared by all processes: limits are counted in it.",
    )
    yield (
        getattr(settings, "OTP_TOTP_SYNC", True),
        "E015",
        "OTP_TOTP_SYNC must be False: drift would walk the window of accepted codes.",
    )
    yield (
        not settings.AXES_COOLOFF_TIME,
        "E016",
        "AXES_COOLOFF_TIME must be set: without it a lock lasts for ever.",
    )
    yield (
        settings.AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT,
        "E017",
        "AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT must be False: a lock could be prolonged.",
    )
    allauth_limit = _per_key(settings.ACCOUNT_RATE_LIMITS.get("login_failed", ""))
    yield (
        allauth_limit <= settings.AXES_FAILURE_LIMIT,
        "E018",
        (
            "AXES_FAILURE_LIMIT must be below allauth's login_failed limit per key, or axes never "
            "sees the attempts that it should count."
        ),
    )
    yield (
        settings.AUTHENTICATION_BACKENDS[:2]
        != ["axes.backends.AxesStandaloneBackend", "accounts.backends.GuessBudgetBackend"],
        "E019",
        "AUTHENTICATION_BACKENDS must begin with axes and the guess budget.",
    )
    yield (
        settings.ACCOUNT_EMAIL_VERIFICATION != "mandatory",
        "E020",
        "ACCOUNT_EMAIL_VERIFICATION must be mandatory.",
    )


def _per_key(rates: str) -> int:
    """The count of `20/5m/key` in a list of allauth's rates; 0 when there is none."""
    match = re.search(r"(\d+)/[^/,]+/key", rates)
    return int(match.group(1)) if match else 0


def _is_plain_redis(url: str) -> bool:
    parts = urlsplit(url)
    if parts.scheme == "unix" or parts.hostname in {"localhost", "127.0.0.1", "::1"}:
        return False
    return not parts.password
