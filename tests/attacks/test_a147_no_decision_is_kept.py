"""A147: a decision that was made for somebody else, or before something changed, is reused.

There is no cache of decisions: each use asks policy, about facts that the database says are so now.
What stands in a session's row as its last verdict is for people to read.
"""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse

from accounts import flows as accounts
from accounts.models import LockTarget, User
from core import clock
from idp.models import Client
from policy import engine
from policy import flows as policy
from sessions.models import LoginSession
from tests import cast
from tests.cast import Person
from tests.support import oauth
from tests.support.publishing import publish

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parent.parent.parent


def lock(session: LoginSession, target_type: LockTarget, target: Any) -> None:
    accounts.place_lock(
        organisation_id=session.organisation_id, target_type=target_type, target=str(target),
        reason="A147", now=clock.now(),
    )  # fmt: skip


CHANGES: dict[str, Callable[[LoginSession], Any]] = {
    "account closed": lambda s: User.unscoped.filter(pk=s.user_id).update(is_active=False),
    "account locked": lambda s: lock(s, LockTarget.USER, s.user_id),
    "session locked": lambda s: lock(s, LockTarget.SESSION, s.id),
    "address unconfirmed": lambda s: s.user.emailaddress_set.update(verified=False),
    "session ended": lambda s: LoginSession.unscoped.filter(id=s.id).update(ended_at=clock.now()),
    "idle": lambda s: LoginSession.unscoped.filter(id=s.id).update(
        last_used_at=clock.now() - timedelta(days=2)
    ),
}


def is_in(browser: Browser) -> bool:
    return browser.get(reverse("console:home")).status_code == 200


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_an_answer_of_a_moment_ago_is_worth_nothing(
    client: Browser, acme_web: Client, session: LoginSession, tokens: dict[str, Any], change: Any
) -> None:
    assert is_in(client)
    refreshed = oauth.refresh(acme_web, tokens["refresh_token"]).json

    change(session)

    reply = oauth.send("GET", "/oauth/userinfo", authorization=f"Bearer {tokens['access_token']}")
    assert reply.status == 401
    assert oauth.refresh(acme_web, refreshed["refresh_token"]).error == "invalid_grant"
    assert not is_in(client)


def test_what_the_row_says_of_the_last_verdict_opens_nothing(
    client: Browser, session: LoginSession
) -> None:
    lock(session, LockTarget.SESSION, session.id)
    LoginSession.unscoped.update(outcome="allow", evaluated_at=clock.now(), verdict={})

    assert not is_in(client)


def test_nobody_gets_the_answer_of_another(
    acme_web: Client, globex_web: Client, employee: Person, outsider: Person
) -> None:
    """Alike in everything but who they are, one after the other, in one process."""
    browsers = {who.email: Browser() for who in (employee, outsider)}
    theirs = cast.sign_in(browsers[outsider.email], outsider)
    cast.sign_in(browsers[employee.email], employee)
    assert is_in(browsers[employee.email])
    assert is_in(browsers[outsider.email])

    lock(theirs, LockTarget.USER, outsider.user.pk)

    assert is_in(browsers[employee.email])
    assert not is_in(browsers[outsider.email])


def test_another_policy_decides_from_its_first_moment(
    client: Browser, session: LoginSession, tmp_path: Path
) -> None:
    assert is_in(client)
    (tmp_path / "session.rego").write_text(
        'package sallyport\n\ndecision := {"outcome": "deny", "reasons": ["closed"],'
        ' "required_level": 1, "max_age": -1, "withheld_scopes": [], "withheld_roles": []}\n'
    )
    try:
        engine.configure(tmp_path)

        assert not is_in(client)
    finally:
        engine.configure(ROOT / "policies")


def test_a_published_policy_decides_from_its_transaction_on(
    client: Browser, acme_web: Client, tokens: dict[str, Any], approver: Person, employee: Person
) -> None:
    """In a process that has just decided by the one before, for pages and for tokens; and back."""
    bearer = f"Bearer {tokens['access_token']}"
    modules = {path.name: path.read_text() for path in (ROOT / "policies").glob("*.rego")}
    modules["session.rego"] += 'reasons contains "closed" if input.session.level < 9\n'
    modules["session_test.rego"] = "package sallyport_test\n"
    version = policy.write_version(
        author=approver.user, modules=modules, note="Closed", now=clock.now()
    )
    assert is_in(client)
    refreshed = oauth.refresh(acme_web, tokens["refresh_token"]).json

    publish(version=version, publisher=employee.user)

    assert oauth.send("GET", "/oauth/userinfo", authorization=bearer).status in {401, 403}
    assert oauth.refresh(acme_web, refreshed["refresh_token"]).error == "invalid_grant"
    assert not is_in(client)

    policy.roll_back(publisher=employee.user, reason="It locks us out", now=clock.now())

    assert oauth.send("GET", "/oauth/userinfo", authorization=bearer).status == 200
    assert oauth.refresh(acme_web, refreshed["refresh_token"]).status == 200


def test_names_that_look_like_two_are_one(
    acme_web: Client, session: LoginSession, employee: Person
) -> None:
    """What is withheld is compared whole, whatever stands in a name."""
    now = clock.now()
    for name, tier in (("a", 0), ("a-b", 4), ("b", 0)):
        role = accounts.create_role(
            organisation=employee.user.organisation, name=name, required_tier=tier, now=now
        )
        accounts.assign_role(user=employee.user, role=role, now=now)
    code = oauth.issue_code(acme_web, session, scope="openid roles")

    claims = oauth.claims_of(oauth.redeem(acme_web, code).json["access_token"])

    assert claims["roles"] == ["a", "b"]
