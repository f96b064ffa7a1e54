"""What allauth's records add up to."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.assurance import Level
from mfa.flows import proven_assurance

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def record(method: str, *, ago: float = 0, **more: Any) -> dict[str, Any]:
    return {"method": method, "at": (NOW - timedelta(seconds=ago)).timestamp(), **more}


PASSWORD = record("password", email="a@b.example", ago=20)
TOTP = record("mfa", type="totp", id=1)
RECOVERY = record("mfa", type="recovery_codes", id=1)
SYNCED = record("mfa", type="webauthn", id=1, passwordless=True, backup_eligible=True)
HARDWARE = record("mfa", type="webauthn", id=1, passwordless=True, backup_eligible=False)
SECOND_KEY = record("mfa", type="webauthn", id=1, passwordless=False, backup_eligible=False)

TABLE = [
    ("nothing", [], Level.NONE, ()),
    ("a password", [PASSWORD], Level.AAL1, ("pwd",)),
    ("a password and an app", [PASSWORD, TOTP], Level.AAL2, ("mfa", "otp", "pwd")),
    (
        "a password and a recovery code",
        [PASSWORD, RECOVERY],
        Level.AAL2,
        ("mfa", "pwd", "recovery"),
    ),
    ("a synchronised passkey", [SYNCED], Level.PHR, ("mfa", "pop", "swk", "user")),
    ("a passkey in hardware", [HARDWARE], Level.PHRH, ("hwk", "mfa", "pop", "user")),
    (
        "a password and a key",
        [PASSWORD, SECOND_KEY],
        Level.PHRH,
        ("hwk", "mfa", "pop", "pwd", "user"),
    ),
    ("a key that was not the whole login", [SECOND_KEY], Level.NONE, ()),
    ("a code without a password", [TOTP], Level.NONE, ()),
    ("a recovery code without a password", [RECOVERY], Level.NONE, ()),
    ("two codes", [TOTP, RECOVERY], Level.NONE, ()),
    ("an unknown method", [record("socialaccount", provider="x")], Level.NONE, ()),
    ("a link from a mail", [record("password_reset", email="a@b.example")], Level.NONE, ()),
    ("an unknown factor", [PASSWORD, record("mfa", type="sms")], Level.AAL1, ("pwd",)),
    ("a record without a time", [{"method": "password"}], Level.NONE, ()),
    ("a record with a text as time", [{"method": "password", "at": "now"}], Level.NONE, ()),
    ("a record with an absurd time", [{"method": "password", "at": 1e300}], Level.NONE, ()),
    ("a record that is no record", ["password", None, 7], Level.NONE, ()),
    (
        "passwordless that is not true itself",
        [record("mfa", type="webauthn", id=1, passwordless="true")],
        Level.NONE,
        (),
    ),
]


@pytest.mark.parametrize(
    ("records", "level", "methods"),
    [row[1:] for row in TABLE],
    ids=[row[0] for row in TABLE],
)
def test_records_add_up(records: list[Any], level: Level, methods: tuple[str, ...]) -> None:
    assurance = proven_assurance(records, now=NOW)

    assert (assurance.level, assurance.methods) == (level, methods)


def test_the_time_is_that_of_the_latest_proof() -> None:
    assurance = proven_assurance([PASSWORD, TOTP], now=NOW)

    assert assurance.authenticated_at == NOW


def test_a_time_to_come_counts_as_now() -> None:
    assurance = proven_assurance([record("password", ago=-3600)], now=NOW)

    assert assurance.authenticated_at == NOW


def test_a_fresh_password_does_not_make_an_old_code_fresh() -> None:
    old = [record("password", ago=2000), record("mfa", type="totp", id=1, ago=1990)]

    assurance = proven_assurance([*old, record("password")], now=NOW)

    assert assurance.level is Level.AAL1
    assert assurance.methods == ("pwd",)
