"""Invitations: one link, one account."""

from datetime import timedelta
from threading import Barrier, Thread

import pytest
from allauth.account.models import EmailAddress
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client as Browser
from django.urls import reverse

from accounts import flows
from accounts.models import Invitation, Organisation, RoleAssignment, User
from audit.events import Event
from audit.models import AuditEvent
from core import clock
from core.errors import Refusal
from core.ids import digest
from tests import cast
from tests.accounts import mailbox
from tests.cast import PASSWORD, Person

GUEST = "gus@acme.example"
FORM = {"name": "Gus Guest", "password1": PASSWORD, "password2": PASSWORD}


@pytest.fixture
def invitation(acme: Organisation, approver: Person) -> str:
    """The path of an invitation of Gus by Bob, with a role."""
    role = flows.create_role(organisation=acme, name="employee", now=clock.now())
    flows.invite(
        organisation=acme, email=GUEST, role=role, invited_by=approver.user, now=clock.now()
    )
    return mailbox.path(GUEST)


def token_of(path: str) -> str:
    return path.strip("/").split("/")[-1]


def test_a_guest_opens_the_link_chooses_a_password_and_is_signed_in(
    client: Browser, invitation: str, acme: Organisation
) -> None:
    page = client.get(invitation)
    assert "Join Acme" in page.content.decode()
    assert page["Referrer-Policy"] == "same-origin"
    response = client.post(invitation, FORM)
    user = User.unscoped.get(email=GUEST)
    assert response["Location"] == reverse("console:security")
    assert client.session["_auth_user_id"] == str(user.pk)
    assert (user.name, user.organisation) == ("Gus Guest", acme)
    assert EmailAddress.objects.get(user=user).verified
    assert RoleAssignment.unscoped.get(user=user).role.name == "employee"
    told = set(AuditEvent.objects.values_list("event", flat=True))
    assert {
        Event.INVITATION_CREATED, Event.INVITATION_ACCEPTED, Event.USER_REGISTERED,
        Event.ROLE_ASSIGNED, Event.SESSION_STARTED,
    } <= told  # fmt: skip
    assert client.get(reverse("console:home")).status_code == 200


def test_looking_at_the_link_uses_nothing_up(client: Browser, invitation: str) -> None:
    for _ in range(3):
        assert client.get(invitation).status_code == 200
        assert client.head(invitation).status_code == 200
    assert Invitation.unscoped.get().used_at is None


def test_the_link_works_once(client: Browser, invitation: str) -> None:
    client.post(invitation, FORM)
    again = Browser()
    assert again.get(invitation).status_code == 404
    assert again.post(invitation, FORM).status_code == 404
    assert User.unscoped.filter(email=GUEST).count() == 1


def test_the_link_ends_at_its_time(client: Browser, invitation: str, later) -> None:
    later(days=7)
    assert client.post(invitation, FORM).status_code == 404
    assert not User.unscoped.filter(email=GUEST).exists()


def test_a_link_to_a_closed_organisation_is_dead(
    client: Browser, invitation: str, acme: Organisation
) -> None:
    flows.deactivate_organisation(organisation=acme, now=clock.now())
    assert client.get(invitation).status_code == 404


def test_only_the_digest_is_kept(invitation: str) -> None:
    row = Invitation.unscoped.get()
    assert bytes(row.digest) == digest(token_of(invitation))


@pytest.mark.parametrize("token", ["x", "x" * 5000, "%00", "é", "..%2f"])
def test_unknown_links_are_a_page(client: Browser, db: None, token: str) -> None:
    assert client.get(f"/invitations/{token}/").status_code == 404


def test_a_weak_password_leaves_the_link_usable(client: Browser, invitation: str) -> None:
    weak = {"name": "Gus", "password1": "gus acme gus acme", "password2": "gus acme gus acme"}
    assert client.post(invitation, weak).context["form"].errors["password1"]
    different = FORM | {"password2": "something else entirely"}
    assert client.post(invitation, different).context["form"].errors["password2"]
    assert Invitation.unscoped.get().used_at is None
    assert client.post(invitation, FORM).status_code == 302


def test_an_invited_guest_takes_the_place_of_whoever_signed_up_unconfirmed(
    client: Browser, invitation: str, globex: Organisation
) -> None:
    squatter = User.objects.create_user(
        email=GUEST, organisation=globex, now=clock.now(), password="somebody else's choice"
    )
    EmailAddress.objects.create(user=squatter, email=GUEST, primary=True)
    client.post(invitation, FORM)
    user = User.unscoped.get(email=GUEST)
    assert user.organisation.slug == "acme"
    assert user.check_password(PASSWORD)


def test_a_confirmed_account_elsewhere_is_not_taken_over(
    client: Browser, invitation: str, globex: Organisation
) -> None:
    theirs = cast.person(GUEST, globex)
    assert client.post(invitation, FORM).status_code == 409
    assert User.unscoped.get(email=GUEST) == theirs.user
    assert Invitation.unscoped.get().used_at is None, "the refusal undid the claim"


def test_inviting_does_not_tell_who_is_in_another_organisation(
    acme: Organisation, outsider: Person, newcomer: Person
) -> None:
    flows.invite(organisation=acme, email=outsider.email, now=clock.now())
    with pytest.raises(Refusal):
        flows.invite(organisation=acme, email=newcomer.email, now=clock.now())


def test_a_role_or_inviter_of_another_organisation_is_refused(
    acme: Organisation, globex: Organisation, outsider: Person
) -> None:
    foreign = flows.create_role(organisation=globex, name="employee", now=clock.now())
    for wrong in ({"role": foreign}, {"invited_by": outsider.user}):
        with pytest.raises(Refusal) as refused:
            flows.invite(organisation=acme, email=GUEST, now=clock.now(), **wrong)
        assert refused.value.status == 404


@pytest.mark.django_db(transaction=True)
def test_of_ten_guests_at_once_one_gets_in(acme: Organisation) -> None:
    _, link = flows.invite(organisation=acme, email=GUEST, now=clock.now())
    results: list[str] = []
    barrier = Barrier(10, timeout=60)

    def accept() -> None:
        barrier.wait()
        try:
            flows.accept_invitation(
                token=token_of(link), name="Gus", password=PASSWORD, now=clock.now()
            )
            results.append("in")
        except Refusal as refusal:
            results.append(refusal.code)
        finally:
            connection.close()

    threads = [Thread(target=accept) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["in"] + ["not_found"] * 9
    assert User.unscoped.filter(email=GUEST).count() == 1


def test_the_command_prints_the_link(acme: Organisation, capsys) -> None:
    call_command("invite", GUEST, "--organisation", "acme")
    assert "/invitations/" in capsys.readouterr().out
    assert Invitation.unscoped.get().expires_at - clock.now() > timedelta(days=6)


@pytest.mark.parametrize(
    "arguments",
    [
        [GUEST, "--organisation", "nowhere"],
        [GUEST, "--organisation", "acme", "--role", "nothing"],
        ["not an address", "--organisation", "acme"],
    ],
)
def test_the_command_says_what_is_wrong(acme: Organisation, arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        call_command("invite", *arguments)
    assert not Invitation.unscoped.exists()
