"""Loaded before Django's settings: gives the suite its services and secrets.

Where no URL is configured, the embedded PostgreSQL and Valkey are started once, by the process that
the user started; workers of pytest-xdist inherit the environment. Every process takes a database
name and a cache number of its own (tests/support/slots.py), so runs side by side never meet.
"""

import atexit
import base64
import os
import secrets
import sys
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent.parent


def _configured(name: str) -> bool:
    return bool(os.environ.get(name) or os.environ.get(f"{name}_FILE"))


def prepare() -> None:
    os.environ["SALLYPORT_ENVIRONMENT"] = "test"
    # Its thread would write beside a test's transaction; tests of it bring their own log.
    os.environ["SALLYPORT_POLICY__LOG_LIFETIME"] = "PT0S"
    # Playwright's event loop stays in a worker's thread after its first browser test.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    # Each of the many processes would compile everything anew, and each worker all the tests.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    var = Path(os.environ.setdefault("SALLYPORT_VAR_DIR", str(ROOT / "var" / "test"))).resolve()
    os.environ["SALLYPORT_VAR_DIR"] = str(var)
    var.mkdir(parents=True, exist_ok=True)
    if not (_configured("SALLYPORT_DATABASE_URL") and _configured("SALLYPORT_REDIS_URL")):
        from config.embedded import ensure_services

        services = ensure_services(var, throwaway=True)
        atexit.register(services.stop)
        for name, value in services.environment().items():
            os.environ.setdefault(name, value)
        owner = os.environ.pop("SALLYPORT_DATABASE_OWNER_URL_FILE", None)
        if owner:  # tests make and migrate their own databases
            runtime = Path(os.environ.pop("SALLYPORT_DATABASE_URL_FILE")).read_text().strip()
            os.environ["TEST_RUNTIME_DATABASE_URL"] = runtime
            os.environ["SALLYPORT_DATABASE_URL"] = Path(owner).read_text().strip()
    _take_a_slot()
    if not _configured("SALLYPORT_SECRET_KEY"):
        os.environ["SALLYPORT_SECRET_KEY"] = secrets.token_urlsafe(48)
    if not _configured("SALLYPORT_KEY_ENCRYPTION_KEYS"):
        key = base64.b64encode(secrets.token_bytes(32)).decode()
        os.environ["SALLYPORT_KEY_ENCRYPTION_KEYS"] = f"k1:{key}"


def _take_a_slot() -> None:
    from tests.support import slots

    database, cache = _value("SALLYPORT_DATABASE_URL"), _value("SALLYPORT_REDIS_URL")
    # Workers inherit a name that already carries their parent's number.
    name = os.environ.setdefault("TEST_DATABASE_NAME", urlsplit(database).path.lstrip("/"))
    slot = slots.claim(
        database_url=database,
        redis_url=cache,
        name=name,
        is_shared="TEST_RUNTIME_DATABASE_URL" not in os.environ,
    )
    atexit.register(slot.release)
    os.environ["SALLYPORT_DATABASE_URL"] = slot.database_url
    os.environ["SALLYPORT_REDIS_URL"] = slot.redis_url


def _value(name: str) -> str:
    path = os.environ.pop(f"{name}_FILE", None)
    return Path(path).read_text().strip() if path else os.environ[name]


prepare()
