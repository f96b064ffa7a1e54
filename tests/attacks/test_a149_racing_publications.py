"""A149: using one approval of a policy at the same instant many times, or against its withdrawal.

Real transactions on connections of their own.
"""

import pytest
from django.conf import settings

from access import flows
from access.models import State
from audit.models import AuditEvent
from core import clock
from core.errors import Refusal
from policy import checking, engine
from policy.flows import write_version
from policy.models import Publication
from tests.cast import Person
from tests.support import access
from tests.support.publishing import agreed, promote, publish_by
from tests.support.racing import race

pytestmark = pytest.mark.django_db(transaction=True)
RUNNERS = 6
RULES = {
    path.name: path.read_text()
    for path in sorted(settings.POLICY_DIR.glob("*.rego"))
    if "_test" not in path.name
}


@pytest.fixture
def mallory(employee: Person) -> Person:
    return promote(employee)


@pytest.fixture
def version(mallory: Person, monkeypatch: pytest.MonkeyPatch):
    modules = RULES | {"session.rego": RULES["session.rego"] + "# raced\n"}
    made = write_version(author=mallory.user, modules=modules, note="Raced", now=clock.now())
    good = checking.Verdict.from_document(made.check_result)
    # So that all of them come to the transaction together, and not one by one out of the compiler.
    monkeypatch.setattr(checking, "check", lambda _: good)
    return made


def test_it_is_published_once(version, mallory) -> None:
    grant, session = agreed(version, mallory.user)

    done = race(
        lambda _: publish_by(version, grant, mallory, session), runners=RUNNERS, tolerate=Refusal
    )

    assert len(done) == Publication.objects.count() == 1
    assert engine.revision() == version.revision
    assert access.kinds(grant).count("published") == 1
    assert AuditEvent.objects.filter(event="policy.version.published").count() == 1


def test_it_is_withdrawn_or_published_and_never_both(version, mallory) -> None:
    grant, session = agreed(version, mallory.user)

    def act(number: int) -> bool:
        if number % 2:
            return flows.cancel_grant(grant=grant, requester=mallory.user, now=clock.now())
        publish_by(version, grant, mallory, session)
        return True

    done = race(act, runners=RUNNERS, tolerate=Refusal)

    assert done.count(True) == 1
    was_published = Publication.objects.exists()
    state = access.fresh(grant).state
    assert state == (State.PUBLISHED if was_published else State.CANCELLED)
    assert (engine.revision() == version.revision) is was_published
