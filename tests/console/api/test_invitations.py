"""Invitations by the API: mailed, listed, and withdrawn while nobody has used them."""

import pytest

from accounts import flows
from accounts.models import Invitation, OutgoingMail
from core import clock
from tests.support.api import code_of
from tests.support.rows import changed, snapshot

pytestmark = pytest.mark.django_db


def test_a_link_is_mailed_and_told_to_nobody_else(bob, acme, approver, settings):
    settings.EMAIL_BACKEND = "accounts.mail.OutboxBackend"
    role = flows.create_role(organisation=acme, name="auditor", now=clock.now())

    answer = bob.post("/invitations", {"email": "Gus@Acme.example", "role": str(role.pk)})

    assert answer.status_code == 201, answer.content
    told = answer.json()
    assert (told["email"], told["role"]) == ("gus@acme.example", str(role.pk))
    assert told["invited_by"] == str(approver.user.pk)
    assert "/invitations/" not in answer.content.decode()
    assert OutgoingMail.objects.count() == 1
    assert [each["id"] for each in bob.get("/invitations").json()["items"]] == [told["id"]]


def test_a_withdrawn_one_works_no_more(bob, acme):
    invitation, link = flows.invite(organisation=acme, email="gus@acme.example", now=clock.now())
    token = link.rstrip("/").rpartition("/")[2]
    assert flows.find_invitation(token=token) == invitation

    assert bob.post(f"/invitations/{invitation.pk}/withdraw").json() == {"did": True}

    assert flows.find_invitation(token=token) is None
    assert bob.post(f"/invitations/{invitation.pk}/withdraw").json() == {"did": False}
    told = bob.get("/audit", event="accounts.invitation.withdrawn").json()["items"]
    assert [each["facts"]["email"] for each in told] == ["gus@acme.example"]


def test_a_used_one_is_not_withdrawn(bob, acme):
    invitation, _ = flows.invite(organisation=acme, email="gus@acme.example", now=clock.now())
    Invitation.unscoped.update(used_at=clock.now())

    assert bob.post(f"/invitations/{invitation.pk}/withdraw").json() == {"did": False}


def test_what_cannot_be_is_refused_and_nothing_is_written(bob, acme, globex, employee):
    theirs = flows.create_role(organisation=globex, name="auditor", now=clock.now())
    before = snapshot()

    for wish, expected in (
        ({"email": "nobody"}, (422, "invalid_request")),
        ({"email": ""}, (422, "invalid_request")),
        ({"email": "a@b.example\r\nBcc: c@d.example"}, (422, "invalid_request")),
        ({"email": "gus@acme.example", "organisation": "globex"}, (422, "invalid_request")),
        ({"email": employee.email}, (409, "conflict")),
        ({"email": "gus@acme.example", "role": str(theirs.pk)}, (404, "not_found")),
    ):
        assert code_of(bob.post("/invitations", wish)) == expected, wish
    assert changed(before) == []


def test_another_organisations_do_not_exist(carol, acme):
    invitation, _ = flows.invite(organisation=acme, email="gus@acme.example", now=clock.now())

    assert carol.get("/invitations").json()["items"] == []
    refused = carol.post(f"/invitations/{invitation.pk}/withdraw")
    assert code_of(refused) == (404, "not_found")
    assert Invitation.unscoped.get().expires_at > clock.now()
