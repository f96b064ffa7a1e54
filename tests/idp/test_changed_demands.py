"""A client that demands something else by now: what was issued to it is judged at once."""

from typing import Any
from unittest import mock

import pytest
from django.test import Client as Browser

from audit.events import Event
from audit.models import AuditEvent
from core import background, clock
from idp import flows, tasks
from idp.models import Client, RefreshFamily
from idp.models.token import RevokeReason
from tests import cast
from tests.cast import Person
from tests.support import oauth

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that is there, and does what it is asked for right after the commit."""

    def done_at_once(task: str, **named: str) -> None:
        if task == "idp.tasks.judge_families_of":
            tasks.judge_families_of(**named)

    monkeypatch.setattr(background, "hurry", done_at_once)


@pytest.fixture
def tokens(acme_web: Client, employee: Person) -> dict[str, Any]:
    session = cast.sign_in(Browser(), employee, acr="aal1")
    issued: dict[str, Any] = oauth.redeem(acme_web, oauth.issue_code(acme_web, session)).json
    return issued


def change(client: Client, **demands: Any) -> None:
    flows.update_client(client=client, now=clock.now(), **demands)


def test_a_device_that_is_trusted_too_little_now_is_out_before_it_asks(
    acme_web: Client, tokens: dict[str, Any]
) -> None:
    change(acme_web, required_tier=2)

    family = RefreshFamily.unscoped.get()
    assert (family.revoked_at is None, family.revoke_reason) == (False, RevokeReason.POLICY)
    retired = AuditEvent.objects.get(event=Event.REFRESH_FAMILY_RETIRED)
    assert retired.facts["reasons"] == ["device_trusted_too_little"]
    edit = AuditEvent.objects.get(event=Event.CLIENT_UPDATED)
    assert retired.transaction_id == edit.transaction_id


def test_who_has_to_prove_more_is_asked_at_the_next_use(
    acme_web: Client, tokens: dict[str, Any]
) -> None:
    change(acme_web, required_acr="aal2")

    assert RefreshFamily.unscoped.get().revoked_at is None
    assert oauth.refresh(acme_web, tokens["refresh_token"]).json["error"] == "invalid_grant"


def test_what_demands_nothing_judges_nobody(acme_web: Client, tokens: dict[str, Any]) -> None:
    with mock.patch("core.background.hurry") as hurry:
        change(acme_web, name="Another name")

    assert not hurry.called


def test_other_clients_keep_what_they_have(
    acme_web: Client, acme_spa: Client, employee: Person, tokens: dict[str, Any]
) -> None:
    change(acme_spa, required_tier=4)

    assert RefreshFamily.unscoped.get().revoked_at is None


def test_without_a_worker_the_next_use_is_refused_all_the_same(
    acme_web: Client, tokens: dict[str, Any]
) -> None:
    with mock.patch("core.background.hurry"):
        change(acme_web, required_tier=2)

    assert RefreshFamily.unscoped.get().revoked_at is None
    assert oauth.refresh(acme_web, tokens["refresh_token"]).json["error"] == "invalid_grant"
