"""A family that this process has seen is judged by that, and rotated only if it is so still."""

import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import Client as Browser

from accounts.flows import assign_role, create_role
from accounts.models import Organisation
from audit.events import Event
from audit.models import AuditEvent
from core import clock
from core.errors import Refusal
from idp.clients.authentication import demand_params, find_client
from idp.grants import refresh_token, seen
from idp.models import Client, RefreshFamily
from idp.storage import database
from idp.storage.families import FIND_FAMILY, MOVES_ON, STANDS_ON
from sessions import evaluation
from sessions.models import LoginSession
from tests import cast
from tests.cast import Person
from tests.support import oauth

pytestmark = pytest.mark.django_db

AGAIN = ["WITH"]  # one statement, which rotates
ANEW = ["WITH", "SELECT", "WITH"]  # that does nothing, a look, and a rotation
FIRST = ["SELECT", "WITH"]


@pytest.fixture
def session(client: Browser, employee: Person) -> LoginSession:
    return cast.sign_in(client, employee)


@pytest.fixture
def tokens(acme_web: Client, session: LoginSession) -> dict[str, Any]:
    granted: dict[str, Any] = oauth.redeem(acme_web, oauth.issue_code(acme_web, session)).json
    return granted


@pytest.fixture
def token(acme_web: Client, tokens: dict[str, Any]) -> str:
    """The refresh token of a family that this process has seen."""
    return str(oauth.refresh(acme_web, tokens["refresh_token"]).json["refresh_token"])


class Refreshes:
    """A client that refreshes. took: the statements of the last time, by their first words."""

    def __init__(self, client: Client, statements: list[str]) -> None:
        self.client, self.statements = client, statements

    def __call__(self, token: str, **changes: Any) -> oauth.Reply:
        self.statements.clear()
        return oauth.refresh(self.client, token, **changes)

    @property
    def took(self) -> list[str]:
        return [statement.split()[0] for statement in self.statements]


@pytest.fixture
def refresh(acme_web: Client, statements: list[str]) -> Refreshes:
    return Refreshes(acme_web, statements)


def row_of(client: Client) -> dict[str, Any]:
    known = find_client(client.client_id)
    assert known is not None
    row = database.one(
        FIND_FAMILY,
        {
            "family": RefreshFamily.unscoped.get().pk,
            **demand_params(known),
            **evaluation.fact_params(),
        },
    )
    assert row is not None
    return row


def test_all_that_is_judged_is_compared(acme_web: Client, tokens: dict[str, Any]) -> None:
    """What is left out here would count for as long as a process remembers it."""
    names_its_rows = {"organisation_id", "client_id", "user_id", "session_id", "family_id"}
    is_the_tokens = seen.TOKENS | {"family_expires_at"}  # the rotation asks for it itself

    judged = row_of(acme_web).keys() - {"now", "standing"} - names_its_rows - is_the_tokens

    assert judged == {*STANDS_ON, *MOVES_ON}


def test_the_next_tokens_are_as_good_as_the_first(
    acme_web: Client, refresh: Refreshes, tokens: Any
) -> None:
    first = refresh(tokens["refresh_token"])
    assert refresh.took == FIRST
    second = refresh(first.json["refresh_token"])
    assert refresh.took == AGAIN

    one, other = (oauth.claims_of(reply.json["access_token"]) for reply in (first, second))
    changing = {"jti", "iat", "exp"}
    assert {k: v for k, v in one.items() if k not in changing} == {
        k: v for k, v in other.items() if k not in changing
    }
    assert other["exp"] - other["iat"] == 900
    rotated = AuditEvent.objects.filter(event=Event.REFRESH_TOKEN_ROTATED).order_by("id")
    assert [event.facts["generation"] for event in rotated] == [1, 2]
    assert RefreshFamily.unscoped.get().generation == 2


def test_a_narrower_scope_is_given_and_a_wider_one_spends_nothing(
    token: str, refresh: Refreshes
) -> None:
    assert refresh(token, scope="openid admin").error == "invalid_scope"
    assert RefreshFamily.unscoped.get().generation == 1

    assert refresh(token, scope="openid").json["scope"] == "openid"
    assert refresh.took == FIRST, "who asks for something else is not judged from memory"


ELSE: dict[str, dict[str, str]] = {
    "a wider scope": {"scope": "openid admin"},
    "another resource": {"resource": "https://elsewhere.example"},
    "other details": {"authorization_details": '[{"type": "payment"}]'},
}


@pytest.mark.parametrize("asked", ELSE.values(), ids=ELSE)
def test_a_spent_token_is_noticed_whatever_is_asked_for(
    token: str, tokens: dict[str, Any], refresh: Refreshes, asked: dict[str, str]
) -> None:
    live = refresh(token).json["refresh_token"]

    assert refresh(tokens["refresh_token"], **asked).error == "invalid_grant"
    assert RefreshFamily.unscoped.get().revoke_reason == "replayed"
    assert AuditEvent.objects.filter(event=Event.REFRESH_TOKEN_REPLAYED).count() == 1
    assert refresh(live, **asked).error == "invalid_grant"


def test_nor_does_it_hide_behind_what_the_client_lacks(
    token: str, tokens: dict[str, Any], refresh: Refreshes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacking(_: Any) -> None:
        raise Refusal.invalid_request("The client has no key that the answer could be for.")

    refresh(token)
    monkeypatch.setattr(refresh_token.proof, "id_token_recipient", lacking)

    assert refresh(tokens["refresh_token"]).error == "invalid_grant"
    assert RefreshFamily.unscoped.get().revoke_reason == "replayed"


def test_a_refusal_of_a_live_token_spends_nothing(token: str, refresh: Refreshes) -> None:
    assert refresh(token, resource="https://elsewhere.example").error == "invalid_target"
    assert RefreshFamily.unscoped.get().generation == 1

    assert refresh(token).status == 200


def test_a_session_that_was_used_since_is_none_the_worse(
    token: str, session: LoginSession, refresh: Refreshes
) -> None:
    LoginSession.unscoped.filter(pk=session.pk).update(last_used_at=clock.now())

    assert refresh(token).status == 200
    assert refresh.took == AGAIN


def test_nor_is_one_that_another_application_has_used_meanwhile(
    token: str,
    session: LoginSession,
    refresh: Refreshes,
    later: Callable[..., None],
) -> None:
    """Its use is written down once a minute, whoever it is by."""
    later(minutes=15)
    used = clock.now() - timedelta(seconds=20)
    LoginSession.unscoped.filter(pk=session.pk).update(last_used_at=used)

    for _ in range(3):
        token = refresh(token).json["refresh_token"]
        assert refresh.took == AGAIN
    assert LoginSession.unscoped.get(pk=session.pk).last_used_at == used

    later(minutes=2)
    token = refresh(token).json["refresh_token"]
    assert refresh.took == AGAIN
    assert LoginSession.unscoped.get(pk=session.pk).last_used_at > used + timedelta(minutes=1)
    refresh(token)
    assert refresh.took == AGAIN


BEFORE, AFTER = timedelta(seconds=-30), timedelta(seconds=30)


@pytest.mark.parametrize(("moved", "took"), [(BEFORE, ANEW), (AFTER, AGAIN), (None, ANEW)])
def test_a_key_that_was_shown_since_is_none_the_worse_and_any_other_change_is_seen(
    session: LoginSession,
    tokens: dict[str, Any],
    refresh: Refreshes,
    moved: timedelta | None,
    took: list[str],
) -> None:
    shown = clock.now() - timedelta(minutes=1)
    mine = LoginSession.unscoped.filter(pk=session.pk)
    mine.update(binding="dbsc", proven_at=shown)
    token = refresh(tokens["refresh_token"]).json["refresh_token"]

    mine.update(proven_at=None if moved is None else shown + moved)

    assert refresh(token).status == 200
    assert refresh.took == took


def test_a_key_that_is_shown_for_the_first_time_is_seen(
    token: str, session: LoginSession, refresh: Refreshes
) -> None:
    LoginSession.unscoped.filter(pk=session.pk).update(proven_at=clock.now())

    assert refresh(token).status == 200
    assert refresh.took == ANEW


def changed(**columns: Callable[[LoginSession], Any]) -> Callable[[LoginSession], Any]:
    """Give the row of a session other values, each made of the session as it was."""
    return lambda session: LoginSession.unscoped.filter(pk=session.pk).update(
        **{name: value(session) for name, value in columns.items()}
    )


SECOND = timedelta(seconds=1)
CHANGES: dict[str, Callable[[LoginSession], Any]] = {
    "the client": lambda _: Client.unscoped.update(changed_at=clock.now()),
    "when it started": changed(started_at=lambda s: s.started_at - SECOND),
    "when it ends": changed(expires_at=lambda s: s.expires_at - SECOND),
    "its class": changed(acr=lambda _: "aal1"),
    "its methods": changed(amr=lambda _: ["pwd"]),
    "its sign-in": changed(auth_time=lambda s: s.auth_time + timedelta(microseconds=1)),
    "its risk": changed(risk_level=lambda s: 2 if s.risk_level == 1 else 1),
    "its last use, to an earlier one": changed(last_used_at=lambda s: s.last_used_at - SECOND),
    "its address": changed(address=lambda _: "203.0.113.7"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_whatever_has_changed_is_looked_at_anew(
    token: str,
    session: LoginSession,
    refresh: Refreshes,
    change: Callable[[LoginSession], Any],
) -> None:
    session.refresh_from_db()
    change(session)

    assert refresh(token).status == 200
    assert refresh.took[0] == "WITH", "it was judged by what was seen"
    assert len(refresh.took) > 1, "and that was not enough"


def test_what_has_got_worse_is_looked_at_anew_and_refused(
    token: str, session: LoginSession, refresh: Refreshes
) -> None:
    session.user.emailaddress_set.update(verified=False)

    assert refresh(token).error == "invalid_grant"
    assert refresh.took[:2] == ANEW[:2]


def test_a_role_that_was_given_is_in_the_next_token(
    acme: Organisation,
    acme_web: Client,
    employee: Person,
    session: LoginSession,
    refresh: Refreshes,
) -> None:
    code = oauth.issue_code(acme_web, session, scope="openid roles")
    token = oauth.redeem(acme_web, code).json["refresh_token"]
    token = refresh(token).json["refresh_token"]
    role = create_role(organisation=acme, name="auditor", now=clock.now())
    assign_role(user=employee.user, role=role, now=clock.now())

    reply = refresh(token)

    assert "auditor" in oauth.claims_of(reply.json["access_token"])["roles"]
    assert refresh.took == ANEW


def test_a_role_that_ends_is_looked_up_each_time(
    acme: Organisation,
    employee: Person,
    token: str,
    refresh: Refreshes,
) -> None:
    role = create_role(organisation=acme, name="guest", now=clock.now())
    ends_at = clock.now() + timedelta(hours=1)
    assign_role(user=employee.user, role=role, ends_at=ends_at, now=clock.now())
    token = refresh(token).json["refresh_token"]

    assert refresh(token).status == 200
    assert refresh.took[0] == "SELECT", "nothing is remembered of it"


@pytest.mark.parametrize("seconds", [-1.5, 1.5])
def test_a_process_whose_clock_is_off_looks_anew(
    token: str,
    refresh: Refreshes,
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
) -> None:
    now = clock.now
    monkeypatch.setattr(seen.clock, "now", lambda: now() + timedelta(seconds=seconds))

    assert refresh(token).status == 200
    assert refresh.took == ANEW


def test_tokens_begin_by_the_clock_of_the_database(
    token: str,
    refresh: Refreshes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = clock.now
    monkeypatch.setattr(seen.clock, "now", lambda: now() + timedelta(milliseconds=700))

    issued = oauth.claims_of(refresh(token).json["access_token"])["iat"]

    assert refresh.took == AGAIN
    rotated = AuditEvent.objects.filter(event=Event.REFRESH_TOKEN_ROTATED).latest("id")
    assert issued == int(rotated.at.timestamp())


def test_who_had_to_wait_for_others_is_judged_once_more(
    token: str,
    refresh: Refreshes,
    later: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    authorize = refresh_token.proof.authorize

    def slow(*args: Any, **how: Any) -> Any:
        later(seconds=2)
        return authorize(*args, **how)

    monkeypatch.setattr(refresh_token.proof, "authorize", slow)

    assert refresh(token).status == 200
    assert refresh.took == AGAIN


@pytest.mark.parametrize(("left", "took"), [(1.5, AGAIN), (0.5, FIRST)])
def test_what_would_end_within_a_second_is_not_judged_from_memory(
    token: str,
    refresh: Refreshes,
    monkeypatch: pytest.MonkeyPatch,
    left: float,
    took: list[str],
) -> None:
    """It is refused, or allowed, by the database's clock."""
    now, key = clock.now(), RefreshFamily.unscoped.get().pk.bytes
    monkeypatch.setattr(seen.clock, "now", lambda: now)
    seen._seen[key]["session_expires_at"] = now + timedelta(seconds=left)

    assert refresh(token).status == 200
    assert refresh.took == took


def test_the_same_token_again_gets_the_same_successor(token: str, refresh: Refreshes) -> None:
    first, second = refresh(token), refresh(token)

    assert first.json["refresh_token"] == second.json["refresh_token"]
    assert RefreshFamily.unscoped.get().generation == 2


def test_a_token_spent_long_ago_revokes_the_family(
    token: str, tokens: dict[str, Any], refresh: Refreshes
) -> None:
    assert refresh(tokens["refresh_token"]).status == 200, "the lost answer once more"
    token = refresh(token).json["refresh_token"]

    assert refresh(tokens["refresh_token"]).error == "invalid_grant"
    assert RefreshFamily.unscoped.get().revoke_reason == "replayed"
    assert refresh(token).error == "invalid_grant"


def test_another_client_that_shows_it_has_it_revoked(acme: Organisation, token: str) -> None:
    other = cast.client("acme-other", acme)

    assert oauth.refresh(other, token).error == "invalid_grant"
    assert RefreshFamily.unscoped.get().revoked_at is not None


def test_an_answer_that_withholds_is_not_gone_by(
    token: str, session: LoginSession, refresh: Refreshes
) -> None:
    Client.unscoped.update(scope_tiers={"email": 2})
    first = refresh(token)
    assert "email" not in first.json["scope"].split()

    second = refresh(first.json["refresh_token"])

    assert refresh.took[0] == "SELECT"
    assert second.json["scope"] == first.json["scope"]


def test_so_many_are_remembered_and_the_oldest_goes_first(
    token: str, acme_web: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seen, "MAX_SEEN", 2)
    client = find_client(acme_web.client_id)
    assert client is not None
    row = row_of(acme_web)
    ids = [uuid4() for _ in range(3)]
    for family_id in (*ids[:2], ids[0], ids[2]):
        keep(row | {"family_id": family_id})

    assert [seen.recall(family_id, client) is not None for family_id in ids] == [True, False, True]


def keep(row: dict[str, Any]) -> None:
    seen.remember(row, used_at=None)


def test_one_that_stands_on_very_much_is_not_remembered(token: str, acme_web: Client) -> None:
    client = find_client(acme_web.client_id)
    assert client is not None
    seen.forget()
    row = row_of(acme_web)

    keep(row | {"standing": "x" * (seen.MAX_LENGTH + 1)})
    assert seen.recall(row["family_id"], client) is None

    keep(row)
    assert seen.recall(row["family_id"], client) is not None


def test_one_that_was_idle_for_too_long_is_no_longer_judged_by(
    token: str, acme_web: Client, later: Callable[..., None]
) -> None:
    client = find_client(acme_web.client_id)
    assert client is not None
    family_id = RefreshFamily.unscoped.get().pk
    assert seen.recall(family_id, client) is not None

    later(hours=24, seconds=1)

    assert seen.recall(family_id, client) is None


def test_threads_may_remember_and_forget_one_family_at_once(
    token: str, acme_web: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each with an id of its own making."""
    monkeypatch.setattr(seen, "MAX_SEEN", 8)
    client = find_client(acme_web.client_id)
    assert client is not None
    row, interval = row_of(acme_web), sys.getswitchinterval()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for number in range(4_000):
                family_id = UUID(int=number % 12)
                keep(row | {"family_id": family_id})
                seen.recall(family_id, client)
                if number % 5 == 0:
                    seen.forget(family_id)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work) for _ in range(4)]
    try:
        sys.setswitchinterval(1e-6)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)

    assert failures == []
    assert len(seen._seen) <= 8
    assert {type(key) for key in seen._seen} == {bytes}, "compared without running Python"


def test_no_token_is_remembered(token: str, acme_web: Client) -> None:
    client = find_client(acme_web.client_id)
    assert client is not None
    row = seen.recall(RefreshFamily.unscoped.get().pk, client)

    assert row is not None
    assert not row.keys() & seen.TOKENS
