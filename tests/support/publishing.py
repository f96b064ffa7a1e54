"""The way of a policy from a version to what counts: asked for, agreed to, published."""

from django.test import Client as Browser

from access import flows
from access.models import Grant
from accounts.models import Organisation, User
from core import clock
from policy.flows import publish_version
from policy.models import PolicyVersion, Publication
from sessions.models import LoginSession
from tests import cast
from tests.cast import Person
from tests.support import access


def administering(email: str, of: Organisation, **fields: object) -> Person:
    """Somebody new who administers every organisation."""
    return cast.person(email, of, totp=True, is_staff=True, is_superuser=True, **fields)


def promote(person: Person) -> Person:
    """Make somebody an administrator of every organisation."""
    person.user.is_staff = person.user.is_superuser = True
    person.user.save(update_fields=["is_staff", "is_superuser"])
    return person


def session_of(user: User) -> LoginSession:
    return cast.sign_in(Browser(), Person(user, cast.PASSWORD))


def ask(version: PolicyVersion, person: Person, session: LoginSession, **said: object) -> Grant:
    values: dict = {"reason": "The night shift needs it"} | said
    return flows.ask_to_publish(
        version=version, requester=person.user, session_id=session.pk, now=clock.now(), **values
    )


def publish_by(
    version: PolicyVersion, grant: Grant, person: Person, session: LoginSession
) -> Publication:
    return publish_version(
        version=version, publisher=person.user, approval_id=grant.pk, session_id=session.pk,
        now=clock.now(),
    )  # fmt: skip


def agreed(version: PolicyVersion, publisher: User) -> tuple[Grant, LoginSession]:
    """What somebody has asked to publish, and another administrator has agreed to."""
    promote(Person(publisher, ""))
    found = User.objects.within(publisher.organisation).filter(email="paula@acme.example").first()
    other = (
        Person(found, "") if found else administering("paula@acme.example", publisher.organisation)
    )
    session = session_of(publisher)
    grant = ask(version, Person(publisher, ""), session)
    return access.approve(grant, other, session_of(other.user)), session


def publish(*, version: PolicyVersion, publisher: User) -> Publication:
    """Let a version count, as two people do it."""
    grant, session = agreed(version, publisher)
    return publish_by(version, grant, Person(publisher, ""), session)
