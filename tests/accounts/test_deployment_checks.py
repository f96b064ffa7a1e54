"""`check --deploy` refuses settings that weaken sign-in."""

import pytest

from accounts.checks import check_deployment

GOOD = {
    "ISSUER": "https://id.acme.example",
    "SESSION_COOKIE_SECURE": True,
    "CSRF_COOKIE_SECURE": True,
    "SESSION_COOKIE_NAME": "__Host-session",
    "CSRF_COOKIE_NAME": "__Host-csrf",
    "SECURE_HSTS_SECONDS": 63_072_000,
    "SECURE_PROXY_SSL_HEADER": None,
    "TRUSTED_PROXY_COUNT": 0,
    "DEBUG": False,
    "ALLOWED_HOSTS": ["id.acme.example"],
    "REDIS_URL": "redis://:pw@cache.acme.example/0",
}


@pytest.fixture
def good(settings) -> None:
    for name, value in GOOD.items():
        setattr(settings, name, value)


def test_a_good_deployment_has_no_faults(good: None) -> None:
    assert check_deployment(None) == []


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("ISSUER", "http://id.acme.example", "E001"),
        ("SESSION_COOKIE_SECURE", False, "E002"),
        ("CSRF_COOKIE_SECURE", False, "E002"),
        ("SESSION_COOKIE_NAME", "session", "E003"),
        ("SECURE_HSTS_SECONDS", 3600, "E004"),
        ("TRUSTED_PROXY_COUNT", 1, "E005"),
        ("SECURE_PROXY_SSL_HEADER", ("HTTP_X_FORWARDED_PROTO", "https"), "E005"),
        ("DEBUG", True, "E006"),
        ("ALLOWED_HOSTS", ["*"], "E007"),
        ("ALLOWED_HOSTS", [], "E007"),
        ("USE_X_FORWARDED_HOST", True, "E008"),
        ("SECRET_KEY", "short", "E009"),
        ("KEY_ENCRYPTION_KEYS", {}, "E010"),
        ("PASSWORD_HASHERS", ["django.contrib.auth.hashers.MD5PasswordHasher"], "E011"),
        ("AUTH_PASSWORD_VALIDATORS", [], "E012"),
        ("REDIS_URL", "redis://cache.acme.example/0", "E013"),
        (
            "CACHES",
            {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
            "E014",
        ),
        ("OTP_TOTP_SYNC", True, "E015"),
        ("AXES_COOLOFF_TIME", None, "E016"),
        ("AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT", True, "E017"),
        ("AXES_FAILURE_LIMIT", 20, "E018"),
        ("ACCOUNT_RATE_LIMITS", {"login_failed": "30/m/ip"}, "E018"),
        ("AUTHENTICATION_BACKENDS", ["accounts.backends.PasswordBackend"], "E019"),
        ("ACCOUNT_EMAIL_VERIFICATION", "optional", "E020"),
    ],
)
def test_each_fault_is_named(good: None, settings, name: str, value: object, code: str) -> None:
    setattr(settings, name, value)
    assert f"accounts.{code}" in {error.id for error in check_deployment(None)}
