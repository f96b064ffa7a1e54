"""The administration: two factors at the door, one's own organisation inside, flows behind."""

import pytest
from django.contrib import admin
from django.test import Client as Browser
from django.urls import reverse

from accounts import budget, flows
from accounts.models import GuessBudget, Invitation, Organisation, Role, RoleAssignment
from audit.events import Event
from audit.models import AuditEvent
from core import clock
from tests import cast
from tests.cast import PASSWORD, Person

INDEX = "/admin/"
NO_PERMISSIONS = {"permissions-TOTAL_FORMS": "0", "permissions-INITIAL_FORMS": "0"}


def act(browser: Browser, action: str, who: Person):
    return browser.post(
        reverse("admin:accounts_user_changelist"),
        {"action": action, "_selected_action": [str(who.user.pk)]},
        follow=True,
    )


def test_a_stranger_goes_to_the_sign_in_page(client: Browser, db: None) -> None:
    response = client.get(INDEX, follow=True)
    assert response.redirect_chain[-1][0].startswith(reverse("account_login"))


def test_djangos_admin_login_takes_no_password(client: Browser, approver: Person) -> None:
    """AA7: it would skip every login stage."""
    response = client.post(
        "/admin/login/", {"username": approver.email, "password": PASSWORD}, follow=True
    )
    assert "_auth_user_id" not in client.session
    assert response.templates[0].name == "account/login.html"


def test_one_factor_leads_to_step_up(client: Browser, approver: Person) -> None:
    cast.sign_in(client, approver, acr="aal1")
    response = client.get(INDEX, follow=True)
    assert response.redirect_chain[-1][0].startswith(reverse("sessions:step_up"))
    assert client.get(reverse("admin:accounts_user_changelist")).status_code == 302


def test_two_factors_of_this_morning_are_too_old_tonight(
    client: Browser, approver: Person, later
) -> None:
    cast.sign_in(client, approver)
    assert client.get(INDEX).status_code == 200
    later(hours=9)
    assert client.get(INDEX).status_code == 302


def test_for_everybody_else_there_is_nothing_here(client: Browser, employee: Person) -> None:
    cast.sign_in(client, employee)
    assert client.get(INDEX, follow=True).status_code == 404
    assert client.get(reverse("admin:accounts_user_changelist"), follow=True).status_code == 404


def test_every_list_and_form_of_the_administration_opens(
    client: Browser, approver: Person, newcomer: Person
) -> None:
    now, acme = clock.now(), approver.user.organisation
    role = flows.create_role(organisation=acme, name="employee", now=now)
    flows.assign_role(user=newcomer.user, role=role, now=now)
    group = flows.create_group(organisation=acme, name="finance", now=now)
    flows.invite(organisation=acme, email="gus@acme.example", now=now)
    cast.sign_in(client, approver)
    for model in admin.site._registry:
        label = f"{model._meta.app_label}_{model._meta.model_name}"
        expected = 403 if label == "policy_policyversion" else 200  # of the whole installation
        assert client.get(reverse(f"admin:{label}_changelist")).status_code == expected, label
        assert client.get(reverse(f"admin:{label}_add")).status_code in {200, 302, 403}, label
    for name, row in (("user", newcomer.user), ("role", role), ("group", group)):
        page = client.get(reverse(f"admin:accounts_{name}_change", args=[row.pk]))
        assert page.status_code == 200, name


def test_the_first_page_leads_where_most_go_and_to_rules_only_who_may(
    client: Browser, approver: Person
) -> None:
    cast.sign_in(client, approver)
    shown = client.get(INDEX).content.decode()
    for name in ("admin:access_matrix", "access:inbox", "admin:access_alerts"):
        assert f'href="{reverse(name)}"' in shown, name
    rules = f'href="{reverse("admin:policy_policyversion_changelist")}"'
    assert rules not in shown
    flows.make_administrator(user=approver.user, now=clock.now(), is_everywhere=True)
    assert rules in client.get(INDEX).content.decode()


def test_only_administrators_are_led_to_the_administration(
    client: Browser, approver: Person, employee: Person
) -> None:
    link = f'href="{INDEX}"'
    cast.sign_in(client, employee)
    assert link not in client.get(reverse("console:security")).content.decode()
    cast.sign_in(client, approver)
    assert link in client.get(reverse("console:security")).content.decode()


def test_a_list_is_called_by_what_is_in_it(client: Browser, approver: Person) -> None:
    cast.sign_in(client, approver)
    shown = client.get(reverse("admin:risk_signin_changelist")).content.decode()
    assert "<h1>Sign-ins</h1>" in shown
    assert "<title>Sign-ins | Sallyport</title>" in shown


def test_nothing_is_offered_that_goes_past_flows(db: None) -> None:
    registered = {model._meta.label for model in admin.site._registry}
    assert not registered & {
        "account.EmailAddress", "account.EmailConfirmation", "axes.AccessAttempt",
        "axes.AccessLog", "axes.AccessFailureLog", "auth.Group",
    }  # fmt: skip


def test_closing_an_account_is_a_flow_with_the_administrators_name_in_audit(
    client: Browser, approver: Person, newcomer: Person
) -> None:
    cast.sign_in(client, approver)
    act(client, "deactivate", newcomer)
    newcomer.user.refresh_from_db()
    assert not newcomer.user.is_active
    event = AuditEvent.objects.get(event=Event.USER_DEACTIVATED)
    assert event.actor.endswith(str(approver.user.pk))
    assert event.address == "127.0.0.1"
    act(client, "reactivate", newcomer)
    newcomer.user.refresh_from_db()
    assert newcomer.user.is_active


def test_ones_own_account_stays_open(client: Browser, approver: Person) -> None:
    cast.sign_in(client, approver)
    response = act(client, "deactivate", approver)
    assert "cannot close your own" in response.content.decode()
    approver.user.refresh_from_db()
    assert approver.user.is_active


def test_somebody_is_signed_out_everywhere(
    client: Browser, approver: Person, newcomer: Person, outsider: Person
) -> None:
    browsers = [Browser(), Browser()]
    sessions = [cast.sign_in(browser, newcomer) for browser in browsers]
    theirs = cast.sign_in(Browser(), outsider)
    cast.sign_in(client, approver)

    response = act(client, "sign_out", newcomer)
    act(client, "sign_out", outsider)

    assert "is signed out everywhere" in response.content.decode()
    for session in sessions:
        session.refresh_from_db()
        assert session.end_reason == "ended_by_administrator"
    assert all(browser.get("/").status_code == 302 for browser in browsers)
    event = AuditEvent.objects.get(event=Event.USER_SIGNED_OUT)
    assert event.actor.endswith(str(approver.user.pk))
    assert event.subject.endswith(str(newcomer.user.pk))
    assert event.facts == {"reason": "ended_by_administrator", "sessions": 2}
    theirs.refresh_from_db()
    assert theirs.ended_at is None


def test_whoever_signs_themselves_out_everywhere_is_out(client: Browser, approver: Person) -> None:
    session = cast.sign_in(client, approver)

    response = act(client, "sign_out", approver)

    assert response.redirect_chain[-1][0].startswith(reverse("account_login"))
    session.refresh_from_db()
    assert session.end_reason == "ended_by_administrator"


def test_a_locked_account_is_unlocked(client: Browser, approver: Person, newcomer: Person) -> None:
    for _ in range(20):
        budget.spend(newcomer.email, now=clock.now())
    cast.sign_in(client, approver)
    act(client, "unlock", newcomer)
    assert not GuessBudget.objects.exists()


def test_an_administrator_cannot_set_a_password_or_move_or_promote_anybody(
    client: Browser, approver: Person, newcomer: Person
) -> None:
    cast.sign_in(client, approver)
    url = reverse("admin:accounts_user_change", args=[newcomer.user.pk])
    response = client.post(url, {"is_staff": "on", "is_superuser": "on", "password": "x" * 20})
    assert response.status_code == 403
    newcomer.user.refresh_from_db()
    assert not newcomer.user.is_staff
    assert newcomer.user.check_password(PASSWORD)
    assert client.post(reverse("admin:accounts_user_add"), {}).status_code == 403
    url = reverse("admin:accounts_user_delete", args=[newcomer.user.pk])
    assert client.post(url, {"post": "yes"}).status_code == 403


def test_an_invitation_is_sent_from_the_administration(
    client: Browser, approver: Person, mailoutbox
) -> None:
    cast.sign_in(client, approver)
    response = client.post(reverse("admin:accounts_invitation_add"), {"email": "gus@acme.example"})
    assert response.status_code == 302
    invitation = Invitation.unscoped.get()
    assert invitation.organisation == approver.user.organisation
    assert invitation.invited_by == approver.user
    assert mailoutbox[-1].to == ["gus@acme.example"]


def test_inviting_somebody_who_is_there_is_a_page_not_a_fault(
    client: Browser, approver: Person, newcomer: Person
) -> None:
    cast.sign_in(client, approver)
    response = client.post(reverse("admin:accounts_invitation_add"), {"email": newcomer.email})
    assert response.status_code == 409
    assert not Invitation.unscoped.exists()


def test_roles_are_made_changed_given_and_taken_back(
    client: Browser, approver: Person, newcomer: Person
) -> None:
    cast.sign_in(client, approver)
    client.post(
        reverse("admin:accounts_role_add"),
        {"name": "auditor", "description": "Reads", "required_acr": "", "required_tier": "0"}
        | NO_PERMISSIONS,
    )
    role = Role.unscoped.get()
    assert role.organisation == approver.user.organisation
    client.post(
        reverse("admin:accounts_role_change", args=[role.pk]),
        {"description": "Reads everything", "required_acr": "aal2", "required_tier": "2"}
        | NO_PERMISSIONS,
    )
    role.refresh_from_db()
    assert (role.name, role.required_acr) == ("auditor", "aal2")
    client.post(
        reverse("admin:accounts_roleassignment_add"),
        {"user": str(newcomer.user.pk), "role": str(role.pk), "starts_at_0": "2020-01-01",
         "starts_at_1": "00:00:00"},
    )  # fmt: skip
    given = RoleAssignment.unscoped.get()
    client.post(
        reverse("admin:accounts_roleassignment_changelist"),
        {"action": "take_back", "_selected_action": [str(given.pk)]},
    )
    given.refresh_from_db()
    assert given.ended_at is not None
    told = {event.event: event.actor for event in AuditEvent.objects.all()}
    for event in (
        Event.ROLE_CREATED, Event.ROLE_UPDATED, Event.ROLE_ASSIGNED, Event.ROLE_REVOKED,
    ):  # fmt: skip
        assert told[event].endswith(str(approver.user.pk))


@pytest.mark.parametrize("named", ["5", "nobody"])
@pytest.mark.parametrize(
    ("rows", "action"),
    [("user", "deactivate"), ("roleassignment", "take_back"), ("lock", "lift")],
)
def test_an_action_on_what_is_no_row_says_so(
    client: Browser, approver: Person, rows: str, action: str, named: str
) -> None:
    cast.sign_in(client, approver)

    page = client.post(
        reverse(f"admin:accounts_{rows}_changelist"),
        {"action": action, "_selected_action": [named]},
        follow=True,
    )

    assert "There is no such row." in page.content.decode()


def test_groups_get_members_and_roles(
    client: Browser, approver: Person, newcomer: Person, acme: Organisation
) -> None:
    role = flows.create_role(organisation=acme, name="employee", now=clock.now())
    cast.sign_in(client, approver)
    inlines = {
        "groupmember_set-TOTAL_FORMS": "1", "groupmember_set-INITIAL_FORMS": "0",
        "groupmember_set-0-user": str(newcomer.user.pk),
        "grouprole_set-TOTAL_FORMS": "1", "grouprole_set-INITIAL_FORMS": "0",
        "grouprole_set-0-role": str(role.pk),
    }  # fmt: skip
    response = client.post(reverse("admin:accounts_group_add"), {"name": "finance"} | inlines)
    assert response.status_code == 302
    held = flows.held_roles(user=newcomer.user, now=clock.now())
    assert [one.role.name for one in held] == ["employee"]
    assert AuditEvent.objects.filter(event=Event.GROUP_MEMBER_ADDED).count() == 1


def test_an_organisation_is_closed_by_who_administers_all(
    client: Browser, approver: Person, globex: Organisation, acme: Organisation
) -> None:
    cast.sign_in(client, approver)
    url = reverse("admin:accounts_organisation_changelist")
    close = {"action": "deactivate", "_selected_action": [str(acme.pk)]}
    assert client.post(url, close).status_code == 403
    approver.user.is_superuser = True
    approver.user.save()
    client.post(url, close | {"_selected_action": [str(globex.pk)]})
    globex.refresh_from_db()
    acme.refresh_from_db()
    assert (globex.is_active, acme.is_active) == (False, True)


def test_the_administrations_policy_allows_no_inline_script(
    client: Browser, approver: Person
) -> None:
    cast.sign_in(client, approver)
    policy = client.get(INDEX)["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "script-src" in policy


@pytest.mark.parametrize("path", ["/admin/logout/", "/admin/password_change/"])
def test_leaving_and_passwords_are_ours(client: Browser, approver: Person, path: str) -> None:
    cast.sign_in(client, approver)
    assert client.get(path).status_code in {302, 405}
