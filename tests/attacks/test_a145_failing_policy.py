"""A145, F11: policy that cannot answer: a rule that fails, an answer of another shape, none at all."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client as Browser

from policy import engine
from sessions.models import LoginSession
from tests import cast
from tests.cast import Person
from tests.support import oauth

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parent.parent.parent
BROKEN = {
    "undefined": "package sallyport\n\ndecision := input.nowhere.at_all\n",
    "a conflict": 'package sallyport\n\ndecision := {"outcome": "allow"}\n\ndecision := 5\n',
    "a boolean": "package sallyport\n\ndecision := true\n",
    "a word": 'package sallyport\n\ndecision := "allow"\n',
    "too little": 'package sallyport\n\ndecision := {"outcome": "allow"}\n',
    "another outcome": (
        'package sallyport\n\ndecision := {"outcome": "ALLOW", "reasons": [], "required_level": 0,'
        ' "max_age": -1, "withheld_scopes": [], "withheld_roles": []}\n'
    ),
    "a level beyond": (
        'package sallyport\n\ndecision := {"outcome": "allow", "reasons": [],'
        ' "required_level": 99, "max_age": -1, "withheld_scopes": [], "withheld_roles": []}\n'
    ),
    "a fault": 'package sallyport\n\ndecision := {"outcome": to_number("x")}\n',
}


@pytest.fixture
def policy(tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """`policy(source)` puts another bundle in the place of ours."""

    def put(source: str) -> None:
        (tmp_path / "session.rego").write_text(source)
        engine.configure(tmp_path)

    yield put
    engine.configure(ROOT / "policies")


@pytest.mark.parametrize("source", BROKEN.values(), ids=BROKEN)
def test_nothing_is_allowed_anywhere(
    client: Browser,
    employee: Person,
    acme_web: Any,
    tokens: dict[str, Any],
    policy: Callable[[str], None],
    source: str,
    later: Any,
) -> None:
    cast.sign_in(client, employee)
    code = oauth.issue_code(acme_web, LoginSession.unscoped.order_by("started_at").first())
    policy(source)
    later(minutes=1, seconds=1)  # the verdict that a page may reuse is over

    assert client.get("/security/").status_code == 302
    assert oauth.redeem(acme_web, code).status >= 400
    assert oauth.refresh(acme_web, tokens["refresh_token"]).status >= 400
    bearer = f"Bearer {tokens['access_token']}"
    assert oauth.send("GET", "/oauth/userinfo", authorization=bearer).status in {401, 403}
    told = oauth.send(
        "POST",
        "/oauth/introspect",
        form={"token": tokens["access_token"]},
        authorization=oauth.basic("acme-web"),
    )
    assert told.json == {"active": False}


def test_what_failed_for_a_moment_goes_on_after_it(
    acme_web: Any, tokens: dict[str, Any], policy: Callable[[str], None]
) -> None:
    policy(BROKEN["undefined"])
    assert oauth.refresh(acme_web, tokens["refresh_token"]).status >= 400
    engine.configure(ROOT / "policies")

    assert oauth.refresh(acme_web, tokens["refresh_token"]).status == 200


def test_a_bundle_that_does_not_compile_allows_nothing(
    client: Browser, employee: Person, policy: Callable[[str], None], later: Any
) -> None:
    cast.sign_in(client, employee)
    policy("package sallyport\n\ndecision := {")
    later(minutes=1, seconds=1)

    assert client.get("/security/").status_code == 302


def test_no_bundle_does_not_start(tmp_path: Path) -> None:
    shutil.rmtree(tmp_path)
    with pytest.raises((ValueError, OSError)):
        engine.configure(tmp_path)
