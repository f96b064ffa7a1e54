"""django-oauth-toolkit at its best: everything that a setting can make faster is set.

- client secrets by one SHA-256, since the server made them at random (hashers.py);
- database connections that stay open, one per thread;
- no middleware at all, where an installation would have about seven;
- codes, tokens and keys as they come: no code of the toolkit is changed.

What the product promises too is on: rotation, family revocation on reuse, PKCE, RS256 ID tokens.
"""

import os
from pathlib import Path

SECRET_KEY = os.environ["BENCH_DOT_SECRET_KEY"]
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "bench.dot.urls"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "oauth2_provider",
]
MIDDLEWARE: list[str] = []
PASSWORD_HASHERS = [
    "bench.dot.hashers.OneSha256",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": os.environ["BENCH_DOT_DB_HOST"],
        "PORT": os.environ["BENCH_DOT_DB_PORT"],
        "NAME": os.environ["BENCH_DOT_DB_NAME"],
        "USER": os.environ["BENCH_DOT_DB_USER"],
        "PASSWORD": os.environ["BENCH_DOT_DB_PASSWORD"],
        "CONN_MAX_AGE": None,
    }
}
OAUTH2_PROVIDER = {
    "OIDC_ENABLED": True,
    "OIDC_RSA_PRIVATE_KEY": Path(os.environ["BENCH_DOT_RSA_KEY_FILE"]).read_text(encoding="ascii"),
    "SCOPES": {"openid": "Who you are", "api": "The API", "introspection": "Ask about tokens"},
    "ACCESS_TOKEN_EXPIRE_SECONDS": 900,
    "REFRESH_TOKEN_EXPIRE_SECONDS": 7 * 24 * 3600,
    "ROTATE_REFRESH_TOKEN": True,
    "REFRESH_TOKEN_REUSE_PROTECTION": True,
    "PKCE_REQUIRED": True,
    "CLIENT_SECRET_HASHER": "one_sha256",
}
