"""A041: a token that is over, not yet good, or whose times are no times."""

import json
from typing import Any

import pytest

from core import clock
from idp.models import Client
from idp.tokens.verify import LEEWAY_SECONDS
from tests.support import oauth
from tests.support.own_tokens import changed, is_worth_nothing, sign

pytestmark = pytest.mark.django_db

# JSON as it stands, since Python would not write all of it.
NO_TIMES = [
    "null", '"4000000000"', "4e9", "1e400", "-1", "-1e400", "0", "true", "[]", "{}", "NaN",
    "Infinity", "4000000000.5", '"never"', "9" * 400,
]  # fmt: skip


def now() -> int:
    return int(clock.now().timestamp())


def with_text(token: str, name: str, value: str) -> str:
    claims = {key: json.dumps(v) for key, v in oauth.claims_of(token).items()} | {name: value}
    return sign("{" + ",".join(f'"{key}":{text}' for key, text in claims.items()) + "}")


def test_the_same_claims_signed_again_are_good(tokens: dict) -> None:
    assert not is_worth_nothing(changed(tokens["access_token"]))


@pytest.mark.parametrize("value", [v for v in NO_TIMES if v != "9" * 400])
def test_an_end_that_is_no_time_is_no_end(tokens: dict, value: str) -> None:
    assert is_worth_nothing(with_text(tokens["access_token"], "exp", value))


def test_nor_is_none_at_all(tokens: dict) -> None:
    assert is_worth_nothing(changed(tokens["access_token"], exp=None))


@pytest.mark.parametrize("name", ["nbf", "iat"])
@pytest.mark.parametrize("value", [v for v in NO_TIMES if v not in {"-1", "0"}])
def test_nor_is_such_a_beginning(tokens: dict, name: str, value: str) -> None:
    assert is_worth_nothing(with_text(tokens["access_token"], name, value))


@pytest.mark.parametrize("name", ["nbf", "iat"])
def test_the_future_begins_after_ten_seconds(tokens: dict, name: str) -> None:
    soon, late = now() + LEEWAY_SECONDS - 2, now() + LEEWAY_SECONDS + 5

    assert not is_worth_nothing(changed(tokens["access_token"], **{name: soon}))
    assert is_worth_nothing(changed(tokens["access_token"], **{name: late}))


def test_the_end_has_no_leeway(tokens: dict, later: Any) -> None:
    left = oauth.claims_of(tokens["access_token"])["exp"] - now()
    later(seconds=left - 2)
    assert not is_worth_nothing(tokens["access_token"])
    later(seconds=3)

    assert is_worth_nothing(tokens["access_token"])


def test_a_token_never_ends_after_its_session(acme_web: Client, session: Any, later: Any) -> None:
    session.expires_at = clock.now().replace(microsecond=0)
    from datetime import timedelta

    session.expires_at += timedelta(minutes=5)
    session.save(update_fields=["expires_at"])

    claims = oauth.claims_of(
        oauth.redeem(acme_web, oauth.issue_code(acme_web, session)).json["access_token"]
    )

    assert claims["exp"] <= int(session.expires_at.timestamp())
