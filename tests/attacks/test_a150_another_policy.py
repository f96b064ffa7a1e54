"""A150: publishing something else by an approval than what others agreed to, or more than once.

Another version by the same approval, another text below the same version, what was agreed to against
what does not count any more, and the same again after somebody went back.
"""

from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from access.flows import publications
from core import clock
from core.errors import Refusal
from policy import engine
from policy.flows import roll_back, write_version
from policy.models import PolicyVersion, Publication
from tests.cast import Person
from tests.support.publishing import agreed, promote, publish, publish_by

pytestmark = pytest.mark.django_db

RULES = {
    path.name: path.read_text()
    for path in sorted(settings.POLICY_DIR.glob("*.rego"))
    if "_test" not in path.name
}


@pytest.fixture
def mallory(employee: Person) -> Person:
    return promote(employee)


def written(author: Person, word: str) -> PolicyVersion:
    modules = RULES | {"session.rego": RULES["session.rego"] + f"# {word}\n"}
    return write_version(author=author.user, modules=modules, note=word, now=clock.now())


def test_an_approval_is_of_one_version(mallory: Person, approver: Person) -> None:
    harmless, harmful = written(mallory, "harmless"), written(approver, "harmful")
    grant, session = agreed(harmless, mallory.user)

    with pytest.raises(Refusal):
        publish_by(harmful, grant, mallory, session)

    assert engine.revision() == engine.shipped().revision
    publish_by(harmless, grant, mallory, session)
    assert engine.revision() == harmless.revision


def test_an_approval_is_of_the_text_that_was_agreed_to(mallory: Person) -> None:
    """Whoever owns the database changes it below the approval."""
    version = written(mallory, "harmless")
    grant, session = agreed(version, mallory.user)
    harmful = RULES | {"session.rego": RULES["session.rego"] + "# harmful\n"}
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE policy_policyversion DISABLE TRIGGER USER")
        PolicyVersion.objects.filter(pk=version.pk).update(modules=harmful)
        cursor.execute("ALTER TABLE policy_policyversion ENABLE TRIGGER USER")

    with pytest.raises(Refusal):
        publish_by(version, grant, mallory, session)
    assert not Publication.objects.exists()


def test_an_approval_is_used_once(mallory: Person) -> None:
    version = written(mallory, "once")
    grant, session = agreed(version, mallory.user)
    publish_by(version, grant, mallory, session)
    roll_back(publisher=mallory.user, reason="It was wrong", now=clock.now())

    with pytest.raises(Refusal):
        publish_by(version, grant, mallory, session)
    assert engine.revision() == engine.shipped().revision


def test_what_was_agreed_to_does_not_undo_what_counts_since(
    mallory: Person, approver: Person
) -> None:
    mine, theirs = written(mallory, "mine"), written(approver, "theirs")
    grant, session = agreed(mine, mallory.user)
    publish(version=theirs, publisher=promote(approver).user)

    with pytest.raises(Refusal):
        publish_by(mine, grant, mallory, session)
    assert engine.revision() == theirs.revision


@pytest.mark.parametrize("days", [1, 30])
def test_an_approval_does_not_wait_for_a_better_day(mallory: Person, later: Any, days: int) -> None:
    version = written(mallory, "late")
    grant, session = agreed(version, mallory.user)
    later(days=days)

    with pytest.raises(Refusal):
        publish_by(version, grant, mallory, session)
    assert publications.approved_for(
        version=version, publisher=mallory.user, now=clock.now()
    ) is None  # fmt: skip
