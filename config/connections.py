"""One URL setting each for PostgreSQL and Valkey or Redis, in the forms that their readers want.

The forms for sockets all differ: Django wants the socket's directory as HOST, redis-py `unix://`,
Celery `redis+socket://`.
"""

from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

# Django turns server-side prepared statements off. The machine endpoints ask for them, since
# planning their statements costs PostgreSQL seven times what running them does; Django's own
# cursors bind on the client and are not touched. Behind pgbouncer: session mode, or its support
# for them.
PREPARE_THRESHOLD = 5
BOUNDS = (
    "SET statement_timeout = '15s'; SET lock_timeout = '5s';"
    " SET idle_in_transaction_session_timeout = '30s'"
)
# To find a row by its index costs hardly more than to read on, in memory and on solid state. By
# PostgreSQL's own figure, which is for disks that turn, it reads tables of a few pages whole and
# sorts to join them, once for every request.
PLANNING = "SET random_page_cost = '1.1'"
KEPT_OPTIONS = {
    "sslmode", "sslrootcert", "sslcert", "sslkey", "application_name", "connect_timeout",
}  # fmt: skip


def django_database(url: str) -> dict[str, Any]:
    """A PostgreSQL URL as Django's DATABASES entry; raises ValueError for any other kind."""
    parts = urlsplit(url)
    if parts.scheme not in {"postgres", "postgresql"}:
        raise ValueError("SALLYPORT_DATABASE_URL must begin with postgresql://")
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.get("host") or unquote(parts.hostname or ""),
        "PORT": query.get("port") or str(parts.port or ""),
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {name: query[name] for name in KEPT_OPTIONS & query.keys()}
        | {"prepare_threshold": PREPARE_THRESHOLD},
    }


def set_up(sender: Any, *, connection: Any, **_: Any) -> None:  # noqa: ARG001
    """Give every statement of a serving process an end: no request and no task waits for ever.

    And say what its reads cost. Connected by the web and the worker alone, since a migration may
    rightly take long.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"{BOUNDS}; {PLANNING}")


def cache_url(url: str) -> str:
    """The URL for Django's cache and redis-py: it is the setting's own form."""
    return url


def broker_url(url: str) -> str:
    """The URL for Celery's broker."""
    parts = urlsplit(url)
    if parts.scheme != "unix":
        return url
    database = parse_qs(parts.query).get("db", ["0"])[-1]
    password = f":{parts.password}@" if parts.password else ""
    return f"redis+socket://{password}{parts.path}?virtual_host={database}"
