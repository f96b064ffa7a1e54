"""A096: a hundred consecutive failures disable the password; recovery is named and works."""

from django.test import Client as Browser
from django.urls import reverse

from accounts import budget
from accounts.models import GuessBudget
from audit.events import Event
from audit.models import AuditEvent
from tests.accounts import mailbox
from tests.cast import PASSWORD, Person


def test_patience_does_not_help(client: Browser, newcomer: Person, settings, later) -> None:
    settings.ACCOUNT_RATE_LIMITS = False
    settings.AXES_FAILURE_LIMIT = 100_000
    wrong = {"login": newcomer.email, "password": "a wrong guess"}
    for _ in range(5):
        for _ in range(20):
            assert client.post(reverse("account_login"), wrong).status_code == 200
        assert client.post(reverse("account_login"), wrong).status_code == 429
        later(minutes=16)
    assert GuessBudget.objects.get().total == budget.TOTAL_FAILURES
    later(days=30)
    right = {"login": newcomer.email, "password": PASSWORD}
    locked = client.post(reverse("account_login"), right)
    assert locked.status_code == 429
    assert reverse("account_reset_password") in locked.content.decode()
    assert AuditEvent.objects.filter(event=Event.ACCOUNT_LOCKED).count() == 5

    response = client.post(reverse("account_reset_password"), {"email": newcomer.email})
    assert response["Location"] == reverse("account_reset_password_done"), "recovery is open"
    form = client.get(mailbox.path(newcomer.email), follow=True)
    new = "thistle marmalade orbit"
    client.post(form.redirect_chain[-1][0], {"password1": new, "password2": new})
    assert client.post(reverse("account_login"), right | {"password": new}).status_code == 302
    assert client.session["_auth_user_id"] == str(newcomer.user.pk)
