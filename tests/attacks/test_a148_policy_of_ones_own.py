"""A148: making one's own policy count alone, on whatever path there is.

By publishing without asking, by agreeing to it oneself or by another account of the same person, by
agreeing to what one wrote when somebody else asks, by setting who has to agree to nobody, from a
shell, and past the flows.
"""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction

from access import flows
from access.flows.publications import USUAL
from access.models import Approval
from access.offers import ApproverLine, StageLine
from accounts.flows import link_accounts
from core import clock
from core.errors import Refusal
from policy import engine
from policy.flows import publish_version, write_version
from policy.models import PolicyVersion, Publication
from tests import cast
from tests.cast import Person
from tests.support import access
from tests.support.api import Api, code_of
from tests.support.publishing import administering, ask, promote, publish_by, session_of

pytestmark = pytest.mark.django_db

RULES = {
    path.name: path.read_text()
    for path in sorted(settings.POLICY_DIR.glob("*.rego"))
    if "_test" not in path.name
}


@pytest.fixture
def mallory(employee: Person) -> Person:
    return promote(employee)


@pytest.fixture
def other(acme: Any) -> Person:
    return administering("zoe@acme.example", acme)


@pytest.fixture
def version(mallory: Person) -> PolicyVersion:
    return written(mallory)


def written(author: Person) -> PolicyVersion:
    modules = RULES | {"session.rego": RULES["session.rego"] + "# mine\n"}
    return write_version(author=author.user, modules=modules, note="Mine", now=clock.now())


@pytest.fixture(autouse=True)
def _the_shipped_policy_still_counts() -> Any:
    yield
    assert engine.revision() == engine.shipped().revision
    assert not Publication.objects.exists()


def test_nothing_is_published_without_asking(version: PolicyVersion, mallory: Person) -> None:
    session = session_of(mallory.user)

    for approval in (uuid4(), version.pk):
        with pytest.raises(Refusal):
            publish_version(
                version=version, publisher=mallory.user, approval_id=approval,
                session_id=session.pk, now=clock.now(),
            )  # fmt: skip


def test_nobody_agrees_to_what_they_asked(version: PolicyVersion, mallory: Person) -> None:
    session = session_of(mallory.user)
    asked = ask(version, mallory, session)

    with pytest.raises(Refusal):
        access.approve(asked, mallory, session)
    with pytest.raises(Refusal):
        publish_by(version, asked, mallory, session)


def test_nor_does_another_account_of_the_same_person(
    version: PolicyVersion, mallory: Person, other: Person
) -> None:
    asked = ask(version, mallory, session_of(mallory.user))
    link_accounts(user=mallory.user, other=other.user, now=clock.now())

    with pytest.raises(Refusal):
        access.approve(asked, other)


def test_nor_does_anybody_of_another_organisation_who_might_be_the_same_person(
    version: PolicyVersion, mallory: Person, globex: Any
) -> None:
    elsewhere = administering("mallory@globex.example", globex)
    asked = ask(version, mallory, session_of(mallory.user))

    with pytest.raises(Refusal):
        link_accounts(user=mallory.user, other=elsewhere.user, now=clock.now())
    with pytest.raises(Refusal):
        access.approve(asked, elsewhere)


def test_nobody_agrees_to_what_they_wrote(mallory: Person, other: Person) -> None:
    asked = ask(written(other), mallory, session_of(mallory.user))

    with pytest.raises(Refusal):
        access.approve(asked, other)


def test_the_database_takes_no_answer_of_who_wrote_it(mallory: Person, other: Person) -> None:
    asked = ask(written(other), mallory, session_of(mallory.user))

    with pytest.raises(IntegrityError), transaction.atomic():
        Approval.objects.create(
            organisation=asked.organisation, grant=asked, requester=mallory.user,
            requester_person=mallory.user.person_id, approver=other.user,
            approver_person=other.user.person_id, stage=0, verdict="approve", reviewer={},
            terms_digest=asked.terms_digest, at=clock.now(),
        )  # fmt: skip


def test_the_database_takes_no_publication_that_nobody_agreed_to(
    version: PolicyVersion, mallory: Person
) -> None:
    asked = ask(version, mallory, session_of(mallory.user))

    for approval in (None, uuid4(), asked.pk):
        with pytest.raises(IntegrityError), transaction.atomic():
            Publication.objects.create(
                version=version, revision=version.revision, author=version.author,
                publisher=mallory.user, approval_id=approval, published_at=clock.now(),
            )  # fmt: skip


def test_nobody_sets_the_terms_so_that_none_has_to_agree(
    version: PolicyVersion, mallory: Person
) -> None:
    made = flows.publication_entitlement(organisation=mallory.user.organisation, now=clock.now())

    for offer in (
        replace(USUAL, stages=()),
        replace(USUAL, stages=[StageLine([ApproverLine(administrators=True)], approvals_needed=0)]),
        replace(USUAL, thresholds=[{"approve": 0, "deny": 0}]),
    ):
        with pytest.raises(Refusal):
            flows.update_entitlement(
                entitlement=made, offer=offer, now=clock.now(), actor=mallory.user
            )


def test_naming_oneself_alone_lets_nobody_agree(version: PolicyVersion, mallory: Person) -> None:
    made = flows.publication_entitlement(organisation=mallory.user.organisation, now=clock.now())
    alone = replace(USUAL, stages=[StageLine([ApproverLine(user=mallory.user)])])
    flows.update_entitlement(entitlement=made, offer=alone, now=clock.now(), actor=mallory.user)
    session = session_of(mallory.user)
    asked = ask(version, mallory, session)

    with pytest.raises(Refusal):
        access.approve(asked, mallory, session)


def test_no_page_publishes_it(client: Any, version: PolicyVersion, mallory: Person) -> None:
    cast.sign_in(client, mallory)
    client.post(f"/admin/policy/policyversion/{version.pk}/publish/")
    client.post(f"/admin/policy/policyversion/{version.pk}/ask/", {"step": "ask", "reason": "x"})
    client.post(f"/admin/policy/policyversion/{version.pk}/publish/")


def test_no_call_of_the_api_publishes_it(version: PolicyVersion, mallory: Person) -> None:
    api = Api.of(mallory)
    asked = api.post(f"/policy/versions/{version.pk}/request", {"reason": "x"}).json()

    assert code_of(api.post(f"/policy/versions/{version.pk}/publish"))[0] == 422
    for grant in (asked["id"], str(uuid4())):
        answer = api.post(f"/policy/versions/{version.pk}/publish", {"grant": grant})
        assert code_of(answer)[0] in {403, 409}
    assert code_of(api.post(f"/access/grants/{asked['id']}/approve", {"reason": "x"}))[0] == 403


def test_no_command_publishes_it(version: PolicyVersion, mallory: Person) -> None:
    with pytest.raises(CommandError):
        call_command("policy", "publish", version.revision, "--by", mallory.email)
