"""Fixtures that every test may use. The cast stands in tests/cast.py."""

import gc
import os
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.core.cache import cache
from django.db import connections
from django.db.backends.postgresql.operations import DatabaseOperations
from django.test.utils import setup_databases, teardown_databases
from whitenoise.middleware import WhiteNoiseMiddleware

from accounts.models import Organisation
from core import clock
from core.prepared import Cursor
from devices.connectors import access_token
from idp import encryption_keys, keys
from idp.clients import authentication, public_keys, rows
from idp.endpoints import callers
from idp.grants import seen
from idp.machine import discovery
from idp.models import Client
from idp.storage import database
from idp.tokens import subject
from policy import checking, engine
from protection import keyring
from sessions.current import current_session_id
from tests import cast
from tests.cast import Person
from tests.support import template
from tests.support.elsewhere import LOOPBACK, Elsewhere, authority

# Tables that refuse to be emptied.
KEPT_TABLES = ("audit_auditevent", "access_grant", "access_grantevent", "access_approval")
# Tests leave more objects behind than garbage: Python's own threshold has it look all the time.
MANY_OBJECTS = 20_000
LONGEST_WINDOW = timedelta(minutes=10).total_seconds()


def pytest_collection_finish() -> None:
    """What was collected stays until the end: nobody need look for garbage among it again."""
    gc.freeze()
    gc.set_threshold(MANY_OBJECTS, 20, 20)


@pytest.fixture(scope="session", autouse=True)
def _tests_may_empty_what_is_kept() -> None:
    """Flushing between transactional tests runs into the guards: step around them, as the owner."""
    original = DatabaseOperations.execute_sql_flush

    def flush(self: DatabaseOperations, sql_list: list[str]) -> None:
        text = " ".join(sql_list)
        guarded = [table for table in KEPT_TABLES if f'"{table}"' in text]
        before = [f"ALTER TABLE {table} DISABLE TRIGGER USER" for table in guarded]
        after = [f"ALTER TABLE {table} ENABLE TRIGGER USER" for table in guarded]
        original(self, [*before, *sql_list, *after])

    DatabaseOperations.execute_sql_flush = flush  # type: ignore[method-assign,assignment]


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None, django_db_blocker: Any, django_db_modify_db_settings: None
) -> Iterator[None]:
    """This process's database, copied from the migrated one that instances are copied from."""
    owner_url = os.environ["SALLYPORT_DATABASE_URL"]
    with django_db_blocker.unblock():
        with template.lock(owner_url) as connection:
            connections["default"].settings_dict["TEST"]["TEMPLATE"] = template.ensure(
                connection, owner_url=owner_url, environment=os.environ
            )
            made = setup_databases(verbosity=0, interactive=False, serialized_aliases=set())
    yield
    with django_db_blocker.unblock():
        name = connections["default"].settings_dict["NAME"]
        teardown_databases(made, verbosity=0, keepdb=True)
        # A thread that writes decisions keeps its connection for a while: Django would not drop it.
        with template.lock(owner_url) as connection:
            template.drop(connection, name)


@pytest.fixture(scope="session", autouse=True)
def _rules_are_checked_once() -> None:
    """The same rules have the same verdict, and each costs a process of its own."""
    check = checking.check
    kept: dict[Any, checking.Verdict] = {}

    def check_once(files: Mapping[str, str]) -> checking.Verdict:
        key = (checking.LIMIT_SECONDS, tuple(sorted(files.items())))
        if key not in kept:
            kept[key] = check(files)
        return kept[key]

    checking.check = check_once


@pytest.fixture(scope="session", autouse=True)
def _static_files_are_found_once() -> None:
    """Each test client has a stack of middleware of its own, and each would look for all files."""
    found: dict[str, Any] = {}
    look = WhiteNoiseMiddleware.add_files_from_finders

    def look_once(self: WhiteNoiseMiddleware) -> None:
        if not found:
            look(self)
            found.update(self.files)
        self.files.update(found)

    WhiteNoiseMiddleware.add_files_from_finders = look_once  # type: ignore[method-assign]


class _RsaKeys:
    """Stands where the product makes RSA keys, which takes longer than most tests.

    Within a test each is another one; the next test gets the same ones again. Keys that a test
    makes for itself come from elsewhere, so nobody's key is ever another's.
    """

    RSAPrivateKey = rsa.RSAPrivateKey

    def __init__(self) -> None:
        self._kept: dict[tuple[int, int], list[rsa.RSAPrivateKey]] = {}
        self._taken: Counter[tuple[int, int]] = Counter()
        self._lock = threading.Lock()

    def generate_private_key(self, public_exponent: int, key_size: int) -> rsa.RSAPrivateKey:
        kind = (public_exponent, key_size)
        with self._lock:
            kept, number = self._kept.setdefault(kind, []), self._taken[kind]
            self._taken[kind] += 1
            if number == len(kept):
                kept.append(rsa.generate_private_key(public_exponent, key_size))
            return kept[number]

    def begin_anew(self) -> None:
        self._taken.clear()


_rsa_keys = _RsaKeys()


@pytest.fixture(scope="session", autouse=True)
def _rsa_keys_are_made_once() -> None:
    for module in (keys, encryption_keys):
        module.rsa = _rsa_keys  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def _fresh_process_state() -> Iterator[None]:
    """No test inherits another's clock, counters, unwrapped keys or login session."""
    skew, lead = clock.skew(), clock._Clock.lead
    yield
    clock._Clock.skew, clock._Clock.lead = skew, lead
    current_session_id.set(None)
    clock.reset()
    keyring.forget()
    keys.forget()
    _rsa_keys.begin_anew()
    subject.forget()
    authentication.forget()
    callers.forget()
    public_keys.forget()
    access_token.forget()
    seen.forget()
    rows.forget()
    discovery.document.cache_clear()
    current_session_id.set(None)
    # Where a browser's event loop runs, Django keeps another connection for this very thread.
    database.forget()


@pytest.fixture(autouse=True)
def _fresh_counters(request: pytest.FixtureRequest) -> None:
    if uses_database(request):
        cache.clear()


def uses_database(request: pytest.FixtureRequest) -> bool:
    fixtures = {"db", "transactional_db"} & set(request.fixturenames)
    return bool(fixtures or request.node.get_closest_marker("django_db"))


@pytest.fixture(autouse=True)
def _published_policy(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is published stands in the database: a test without one judges by the shipped policy."""
    if not uses_database(request):
        monkeypatch.setattr(engine._Engine, "versions", None)
    monkeypatch.setattr(engine._Engine, "loaded", {})


@pytest.fixture
def now() -> datetime:
    return clock.now()


@pytest.fixture
def later() -> Iterator[object]:
    """`later(minutes=5)` moves the clock."""

    def move(**parts: float) -> datetime:
        clock.shift(timedelta(**parts))
        return clock.now()

    yield move
    clock.reset()


@pytest.fixture
def early_in_a_window() -> Iterator[None]:
    """Every limit's window has just begun: none ends while the test counts up to its burst."""
    clock.shift(timedelta(seconds=LONGEST_WINDOW - clock.now().timestamp() % LONGEST_WINDOW))
    yield
    clock.reset()


@pytest.fixture
def acme(db: None) -> Organisation:
    return cast.organisation("acme")


@pytest.fixture
def globex(db: None) -> Organisation:
    return cast.organisation("globex")


@pytest.fixture
def employee(acme: Organisation) -> Person:
    """Alice of acme: password and authenticator app."""
    return cast.person("alice@acme.example", acme, name="Alice Arden", totp=True)


@pytest.fixture
def newcomer(acme: Organisation) -> Person:
    """Nina of acme: a password only."""
    return cast.person("nina@acme.example", acme, name="Nina Novak")


@pytest.fixture
def approver(acme: Organisation) -> Person:
    """Bob of acme, an administrator."""
    return cast.person("bob@acme.example", acme, name="Bob Baker", totp=True, is_staff=True)


@pytest.fixture
def outsider(globex: Organisation) -> Person:
    """Carol of globex, another organisation."""
    return cast.person("carol@globex.example", globex, name="Carol Cole", totp=True)


@pytest.fixture
def acme_web(acme: Organisation) -> Client:
    """A confidential client of acme's own; its secret is `cast.SECRET`."""
    return cast.client("acme-web", acme, is_first_party=True)


@pytest.fixture
def acme_spa(acme: Organisation) -> Client:
    """A public client of a third party: people are asked for consent."""
    return cast.client("acme-spa", acme, kind="public")


@pytest.fixture
def acme_machine(acme: Organisation) -> Client:
    """A client that acts for itself."""
    return cast.client("acme-machine", acme, grant_types=["client_credentials"], scopes=["roles"])


@pytest.fixture
def globex_web(globex: Organisation) -> Client:
    return cast.client("globex-web", globex, is_first_party=True)


@pytest.fixture
def elsewhere(settings) -> Iterator[Elsewhere]:
    """Somebody else's HTTPS server on loopback, which the product may ask."""
    settings.OUTBOUND_ALLOWED_NETWORKS = [LOOPBACK]
    settings.OUTBOUND_CA = authority().pem
    with Elsewhere() as server:
        yield server


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every SQL statement that the machine endpoints send, as text."""
    seen: list[str] = []
    run = Cursor._run

    def count(cursor, query, params):
        seen.append(query.strip())
        return run(cursor, query, params)

    monkeypatch.setattr(Cursor, "_run", count)
    return seen
