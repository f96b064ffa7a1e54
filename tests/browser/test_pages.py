"""Every page, reached as people reach it, looked at in light and dark, wide and narrow.

`GALLERY` says how each template comes to be shown; a template that nobody shows fails the last test.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from config.children import PROJECT
from tests.browser import grants, machines, sign_ins
from tests.browser.applications import HTML, application
from tests.browser.authenticators import NO_AUTOFILL, Authenticator
from tests.browser.conftest import Mailbox, Watch
from tests.browser.looks import look
from tests.browser.people import Person, Pool
from tests.browser.steps import authorize_url, field, give_code, give_password, heading
from tests.support.instance import Instance

# Not pages of their own, not in this configuration, or shown by the story of open sign-up.
ELSEWHERE = {
    "base.html": "every page stands on it",
    "base_door.html": "every page stands on it",
    "base_house.html": "every page stands on it",
    "account/signup.html": "test_open_sign_up.py",
    "sessions/prove.html": "test_bound_by_script.py, test_dbsc.py: it goes on by itself",
    "idp/check_session.html": "test_session_management.py: it shows nothing",
    "idp/form_post.html": "test_form_post.py: it leaves at once",
    "account/verification_sent.html": "test_open_sign_up.py",
    "account/verified_email_required.html": "nobody unconfirmed gets in",
}


@dataclass
class Visitor:
    """Opens pages for the gallery."""

    instance: Instance
    demo: str
    pool: Pool
    mailbox: Mailbox
    watch: Watch
    open_browser: Callable[..., Page]

    def stranger(self, path: str = "/accounts/login/") -> Page:
        page = self.open_browser()
        page.goto(path)
        return page

    def inside(self, path: str, kind: str = "strong") -> Page:
        page = self.open_browser(signed_in=self.pool.take(kind))
        page.goto(path)
        return page

    def expect(self, *words: str) -> None:
        self.watch.expect(*words)


def login_with_mistake(visit: Visitor) -> Page:
    page = visit.stranger(authorize_url(visit.instance))
    give_password(page, Person("nobody@acme.example", "wrong", None, ""))
    expect(page.locator(".form .callout")).to_be_visible()
    return page


def challenge(visit: Visitor, path: str = "") -> Page:
    page = visit.stranger(authorize_url(visit.instance))
    give_password(page, visit.pool.take("strong"))
    expect(heading(page)).to_have_text("Enter your code")
    if path:
        page.goto(path)
    return page


def challenge_with_mistake(visit: Visitor) -> Page:
    page = visit.stranger()
    who = visit.pool.take("strong")
    give_password(page, who)
    give_code(page, who.wrong_code())
    expect(page.locator(".field__error").first).to_be_visible()
    return page


def invitation(visit: Visitor) -> Page:
    said = visit.instance.manage("invite", "ivy@acme.example", "--organisation", "acme")
    return visit.stranger(said.strip())


def filled_in_profile(visit: Visitor) -> Page:
    page = visit.inside("/profile/")
    field(page, "First name").fill("Pat")
    field(page, "Street and number").fill("A rather long street name in the old harbour 123")
    page.get_by_label("Time zone").select_option("Europe/Berlin")
    page.get_by_role("button", name="Save profile").click()
    expect(page.get_by_text("Your profile is saved.")).to_be_visible()
    return page


def profile_with_mistake(visit: Visitor) -> Page:
    page = visit.inside("/profile/")
    field(page, "Date of birth").fill("1990")
    field(page, "Phone").fill("030 1234567")
    page.get_by_role("button", name="Save profile").click()
    expect(page.locator(".field__error").first).to_be_visible()
    return page


def unknown_invitation(visit: Visitor) -> Page:
    visit.expect("status of 404")
    return visit.stranger("/invitations/unknown/")


def new_password(visit: Visitor) -> Page:
    who = visit.pool.take("strong")
    page = visit.stranger("/accounts/password/reset/")
    field(page, "Email").fill(who.email)
    page.get_by_role("button", name="Send the link").click()
    page.goto(visit.mailbox.link(who.email, "/password/reset/key/"))
    expect(field(page, "New password")).to_be_visible()
    page.get_by_role("button", name="Set password").wait_for()
    field(page, "New password").fill("password")
    field(page, "New password, once more").fill("another")
    page.get_by_role("button", name="Set password").click()
    expect(page.locator(".field__error").first).to_be_visible()
    return page


def waiting_address(visit: Visitor) -> Page:
    page = visit.inside("/accounts/email/")
    field(page, "New email").fill(f"a-rather-long-new-address-{visit.instance.port}@acme.example")
    page.get_by_role("button", name="Send the link").click()
    expect(page.get_by_role("button", name="Cancel change")).to_be_visible()
    return page


def confirm_address(visit: Visitor) -> Page:
    who = visit.pool.take("strong")
    page = visit.open_browser(signed_in=who)
    page.goto("/accounts/email/")
    field(page, "New email").fill(f"new.{who.email}")
    page.get_by_role("button", name="Send the link").click()
    expect(page.get_by_role("button", name="Cancel change")).to_be_visible()
    page.goto(visit.mailbox.link(f"new.{who.email}", "/confirm-email/"))
    return page


def no_password(visit: Visitor) -> Page:
    """Somebody whose password was taken away, and who has come in again by a passkey."""
    page = with_passkeys(visit)
    email = page.locator(".house__who .account__name").inner_text()
    with visit.instance.connect() as connection:
        connection.execute("UPDATE accounts_user SET password = '!' WHERE email = %s", [email])
    page.goto("/accounts/login/?next=/accounts/password/set/")
    expect(heading(page)).to_have_text("Set a password")
    return page


def with_passkeys(visit: Visitor, link: str = "") -> Page:
    page = visit.open_browser(signed_in=visit.pool.take("strong"))
    Authenticator(page)
    page.goto("/mfa/passkeys/add/")
    field(page, "Name").fill("A name that is as long as names of things may be in this place, 64")
    page.get_by_role("button", name="Add a passkey").click()
    expect(heading(page)).to_have_text("Recovery codes")
    page.goto("/mfa/passkeys/")
    if link:
        page.get_by_role("link", name=link).click()
        expect(heading(page)).to_contain_text(link.split()[0])
    return page


def recovery_codes(visit: Visitor) -> Page:
    page = visit.inside("/mfa/recovery-codes/")
    page.get_by_role("button", name="Make").click()
    expect(heading(page)).to_have_text("Your recovery codes")
    return page


def step_up(visit: Visitor) -> Page:
    return visit.inside("/step-up/?max_age=0&next=/security/")


def security_with_everything(visit: Visitor) -> Page:
    page = with_passkeys(visit)
    page.goto("/mfa/recovery-codes/")
    page.get_by_role("button", name="Make").click()
    page.goto(authorize_url(visit.instance))
    visit.expect("status of 400")
    page.get_by_role("button", name="Allow", exact=True).click()
    page.wait_for_url("**/callback?**")
    page.goto("/security/")
    return page


def applications(visit: Visitor) -> Page:
    page = security_with_everything(visit)
    page.goto("/security/applications/")
    page.locator("summary", has_text="What it may do").click()
    return page


def applications_behind_a_proxy(visit: Visitor) -> Page:
    who = visit.pool.take("strong")
    page = visit.open_browser(signed_in=who)
    visit.instance.inside(f"from tests.browser import proxied; proxied.used_by({who.email!r})")
    page.goto("/security/applications/")
    page.locator("summary", has_text="What it learns").click()
    return page


def two_sessions(visit: Visitor) -> Page:
    who = visit.pool.take("plain")
    other = visit.stranger()
    give_password(other, who)
    expect(heading(other)).to_have_text("Security")
    page = visit.open_browser(signed_in=who)
    page.goto("/sessions/")
    return page


def wrong_redirect(visit: Visitor) -> Page:
    visit.expect("status of 400")
    return visit.stranger(authorize_url(visit.instance, redirect_uri="https://evil.example/"))


def unknown_request(visit: Visitor) -> Page:
    visit.expect("status of 404")
    return visit.stranger("/oauth/authorize/resume?id=unknown")


def going_on(visit: Visitor) -> Page:
    """The page moves on at once: an application that answers "nothing new" keeps it in sight."""
    page = visit.inside(authorize_url(visit.instance))
    page.route(f"{visit.demo}/callback?**", lambda route: route.fulfill(status=204))
    with page.expect_request(f"{visit.demo}/callback?**"):
        page.get_by_role("button", name="Allow", exact=True).click()
    expect(heading(page)).to_have_text("Going on to Harbour Notes")
    return page


def signed_out(visit: Visitor) -> Page:
    page = visit.inside("/oauth/end-session")
    page.get_by_role("button", name="Sign out").click()
    expect(heading(page)).to_have_text("You are signed out")
    return page


def signed_out_telling_applications(visit: Visitor) -> Page:
    with application(visit.instance, frontchannel_logout_uri="/out") as ledger:
        ledger.server.pages["/out"] = (200, HTML, b"<!doctype html><title>t</title>")
        page = visit.inside("/security/")
        ledger.redeem(ledger.sign_in(page))
        page.goto("/accounts/logout/")
        page.get_by_role("button", name="Sign out").click()
        expect(page.locator("iframe")).to_have_count(1)
        page.wait_for_load_state()
    return page


def too_many_attempts(visit: Visitor) -> Page:
    visit.expect("status of 429")
    page = visit.stranger()
    who = visit.pool.take("strong")
    for _ in range(10):
        with page.expect_navigation():
            give_password(page, who, password="not the password")
    expect(heading(page)).to_have_text("Sign-in is paused")
    return page


def device_page(visit: Visitor, *buttons: str) -> Page:
    """A device asks; its link brings the code along, and these buttons follow."""
    said = visit.instance.inside(
        "from core import clock, user_codes;"
        "from accounts.models import Organisation;"
        "from idp import device;from idp.clients import authentication;"
        "from idp.flows import register_client;"
        "client = register_client(organisation=Organisation.objects.get(slug='acme'),"
        " name='A television with a rather long name', kind='public', now=clock.now(),"
        " grant_types=[device.GRANT_TYPE], scopes=['openid', 'profile', 'email']).client;"
        "caller = authentication.find_client(client.client_id);"
        "started = device.start(client=caller, scope='openid profile email',"
        " address='203.0.113.7', user_agent='Mozilla/5.0 (Web0S; Linux/SmartTV) Chrome/120');"
        "print(user_codes.shown(started.user_code))",
    )  # fmt: skip
    page = visit.inside(f"/device/?user_code={said.strip()}")
    for button in buttons:
        with page.expect_navigation():  # a form may wait until the browser has shown its key
            page.get_by_role("button", name=button, exact=True).click()
    return page


def proxied_page(visit: Visitor, rules: str) -> Page:
    """Why an application behind a proxy may, or may not, be opened."""
    origin = visit.instance.inside(
        "from core import clock; from core.ids import new_id;"
        "from accounts.models import Organisation;"
        "from idp.forward_auth.registration import register_application;"
        "origin = f'https://wiki-{new_id().hex}.acme.example';"
        "register_application(organisation=Organisation.objects.get(slug='acme'),"
        f" name='A wiki with a rather long name', origins=[origin], rules={rules},"
        " now=clock.now());"
        "print(origin)",
    )  # fmt: skip
    return visit.inside(f"/forward-auth/help?rd={origin.strip()}/a/page/somewhere?version=2")


def with_passkey(visit: Visitor, path: str) -> Page:
    """A page that takes a passkey, opened by somebody who has just added one."""
    page = visit.open_browser(signed_in=visit.pool.take("strong"))
    page.add_init_script(NO_AUTOFILL)
    Authenticator(page)
    page.goto("/mfa/passkeys/add/")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.locator(".messages")).to_contain_text("Your passkey was added")
    page.goto(path)
    if heading(page).inner_text() == "Confirm it is you":
        page.get_by_role("button", name="Use a passkey").click()
        page.wait_for_url("**/devices/**")
    return page


def enrolment_page(visit: Visitor, *buttons: str) -> Page:
    """A machine asks; its link brings the code along, and these buttons follow."""
    code = machines.run(visit.instance, "asked()")
    page = with_passkey(visit, f"/devices/enrol/?user_code={code}")
    for button in buttons:
        page.get_by_role("button", name=button, exact=True).click()
    return page


def devices_page(visit: Visitor, *, state: str = "enrolled", is_list: bool = False) -> Page:
    who = visit.pool.take("strong")
    device = machines.run(visit.instance, f"trusted({who.email!r}, state={state!r})")
    page = visit.open_browser(signed_in=who)
    page.goto("/devices/" if is_list else f"/devices/{device}/")
    return page


def request_page(visit: Visitor, *buttons: str) -> Page:
    """An application asks somebody, who follows the link of the list and then these buttons."""
    who = visit.pool.take("strong")
    visit.instance.inside(
        "from datetime import timedelta;"
        "from core import clock;"
        "from accounts.models import User;"
        "from idp import backchannel;"
        "from idp.flows import register_client;"
        "from idp.models.client import CIBA;"
        f"person = User.unscoped.get(email={who.email!r});"
        "client = register_client(organisation=person.organisation,"
        " name='A bank with a rather long name', kind='confidential', now=clock.now(),"
        " metadata={'backchannel_token_delivery_mode': 'poll'},"
        " grant_types=[CIBA], scopes=['openid', 'profile', 'email']).client;"
        "backchannel.start(backchannel.Wanted(person=person, scope='openid profile email',"
        " lifetime=timedelta(minutes=10), address='203.0.113.7',"
        " user_agent='Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',"
        " binding_message='K7-402'), client=client, now=clock.now())",
    )  # fmt: skip
    page = visit.open_browser(signed_in=who)
    page.goto("/authentication-requests/")
    if buttons:
        page.get_by_role("link", name="Look").click()
    for button in buttons[1:]:
        page.get_by_role("button", name=button, exact=True).click()
    return page


def request_noticed(visit: Visitor) -> Page:
    page = request_page(visit)
    page.goto("/security/")
    expect(page.locator("#card-requests")).to_be_visible()
    return page


def wrong_device_code(visit: Visitor) -> Page:
    page = visit.inside("/device/")
    field(page, "Code").fill("BBBB-CCCC")
    page.get_by_role("button", name="Continue").click()
    expect(page.locator(".field__error").first).to_be_visible()
    return page


def stale_form(visit: Visitor) -> Page:
    visit.expect("status of 403")
    page = visit.stranger()
    page.context.clear_cookies(name="csrf")
    give_password(page, visit.pool.take("strong"))
    return page


def template(visit: Visitor, name: str) -> Page:
    """A page that only a fault would show, as the product renders it."""
    html = visit.instance.inside(
        "from django.test import RequestFactory;"
        "from django.shortcuts import render;"
        "from django.contrib.auth.models import AnonymousUser;"
        "request = RequestFactory().get('/'); request.user = AnonymousUser();"
        f"print(render(request, {name!r}).content.decode())",
    )  # fmt: skip
    page = visit.open_browser()
    page.route("**/fault", lambda route: route.fulfill(body=html, content_type="text/html"))
    page.goto("/fault")
    return page


def demo_signed_in(visit: Visitor) -> Page:
    page = visit.inside(f"{visit.demo}/")
    page.get_by_role("button", name="Sign in with Sallyport").click()
    page.get_by_role("button", name="Allow", exact=True).click()
    expect(heading(page)).to_have_text("Hello, Pat Porter")
    return page


def demo_trouble(visit: Visitor) -> Page:
    visit.expect("status of 400")
    return visit.stranger(f"{visit.demo}/callback?state=unknown")


def access_page(visit: Visitor, path: str = "/access/", *states: str) -> Page:
    """A page of somebody's who has what these states say; `{}` is the last of them."""
    who, boss = visit.pool.take("strong"), visit.pool.take("strong")
    made = [
        grants.run(visit.instance, f"made({who.email!r}, {boss.email!r}, {state!r})")
        for state in states
    ]
    name = grants.run(visit.instance, f"offered({who.email!r}, {boss.email!r})")
    page = visit.open_browser(signed_in=who)
    page.goto(path.replace("{name}", name).replace("{}", made[-1] if made else ""))
    return page


def ask_page(visit: Visitor, button: str, **typed: str) -> Page:
    visit.expect("status of 400")
    page = access_page(visit, "/access/request/?entitlement={name}&duration=45")
    for label, words in typed.items():
        field(page, label).fill(words)
    page.get_by_role("button", name=button, exact=True).click()
    expect(page.locator("#ahead, .form .callout").first).to_be_visible()
    return page


def asked_in_vain(visit: Visitor) -> Page:
    visit.expect("status of 404")
    return visit.inside("/access/request/?entitlement=nothing-of-the-kind")


def case_page(visit: Visitor, state: str = "waiting", *, is_inbox: bool = False) -> Page:
    """What whoever answers sees of a request from an enrolled device, which is not the first."""
    who, boss = visit.pool.take("strong"), visit.pool.take("strong")
    device = machines.run(visit.instance, f"trusted({who.email!r})")
    with visit.instance.connect() as connection:
        connection.execute(
            "UPDATE devices_browser SET device_id = %s WHERE user_id = "
            "(SELECT id FROM accounts_user WHERE email = %s)",
            [device, who.email],
        )
    made = grants.run(visit.instance, f"made({who.email!r}, {boss.email!r}, {state!r})")
    page = visit.open_browser(signed_in=boss)
    page.goto("/access/inbox/" if is_inbox else f"/access/grants/{made}/")
    return page


def workload_page(visit: Visitor, path: str, *, of_boss: bool = False) -> Page:
    """About an application that somebody answers for. `{0}` its client_id, `{1}` a request of its
    own, `{2}` what it has, `{3}` what was asked for it, `{name}` what it may ask for.
    """
    who, boss = visit.pool.take("strong"), visit.pool.take("strong")
    *made, name = grants.run(visit.instance, f"workload({who.email!r}, {boss.email!r})")
    page = visit.open_browser(signed_in=boss if of_boss else who)
    page.goto(path.format(*made, name=name))
    return page


Visit = Callable[[Visitor], Page]


def recent_sign_ins(visit: Visitor) -> Page:
    who = visit.pool.take("strong")
    sign_ins.of(visit.instance, who.email)
    page = visit.open_browser(signed_in=who)
    page.goto("/security/sign-ins/")
    expect(page.locator("#sign-in-list > li")).to_have_count(13)
    return page


def was_it_you(visit: Visitor) -> Page:
    made = sign_ins.of(visit.instance, visit.pool.take("strong").email)
    return visit.stranger(f"/sign-ins/{made['token']}/")


def said_no(visit: Visitor) -> Page:
    page = was_it_you(visit)
    page.get_by_role("button", name="It was not me").click()
    expect(heading(page)).to_have_text("That sign-in was ended")
    return page


def no_such_link(visit: Visitor) -> Page:
    visit.expect("status of 404")
    return visit.stranger("/sign-ins/no-such-link/")


GALLERY: dict[str, Visit] = {
    "400.html": lambda visit: template(visit, "400.html"),
    "403.html": lambda visit: template(visit, "403.html"),
    "403_csrf.html": stale_form,
    "404.html": lambda visit: (visit.expect("status of 404"), visit.stranger("/nowhere/"))[1],
    "429.html": too_many_attempts,
    "500.html": lambda visit: template(visit, "500.html"),
    "503.html": lambda visit: template(visit, "503.html"),
    "access/ask.html": lambda visit: access_page(
        visit, "/access/request/?entitlement={name}&duration=45&reason=To+mend+it"
    ),
    "access/ask.html what would happen": lambda visit: ask_page(
        visit, "What would happen?", Reason="To mend it", Ticket="OPS-1402"
    ),
    "access/ask.html for an application": lambda visit: workload_page(
        visit, "/access/request/?entitlement={name}&workload={0}"
    ),
    "access/ask.html mistake": lambda visit: ask_page(
        visit, "Ask", Reason="To mend it", Ticket="another"
    ),
    "access/case.html": case_page,
    "access/case.html active": lambda visit: case_page(visit, "active"),
    "access/case.html an application": lambda visit: workload_page(
        visit, "/access/grants/{1}/", of_boss=True
    ),
    "access/case.html for an application": lambda visit: workload_page(
        visit, "/access/grants/{3}/", of_boss=True
    ),
    "access/case.html emergency": lambda visit: case_page(visit, "emergency"),
    "access/emergency.html": lambda visit: access_page(
        visit, "/access/emergency/?entitlement={name}"
    ),
    "access/extend.html": lambda visit: access_page(visit, "/access/grants/{}/extend/", "active"),
    "access/grant.html waiting": lambda visit: access_page(visit, "/access/grants/{}/", "waiting"),
    "access/grant.html approved": lambda visit: access_page(
        visit, "/access/grants/{}/", "scheduled"
    ),
    "access/grant.html active": lambda visit: access_page(visit, "/access/grants/{}/", "active"),
    "access/grant.html of an application": lambda visit: workload_page(
        visit, "/access/grants/{2}/"
    ),
    "access/grant.html suspended": lambda visit: access_page(
        visit, "/access/grants/{}/", "suspended"
    ),
    "access/grant.html denied": lambda visit: access_page(visit, "/access/grants/{}/", "denied"),
    "access/history.html": lambda visit: access_page(visit, "/access/history/", "over", "denied"),
    "access/history.html none": lambda visit: visit.inside("/access/history/"),
    "access/inbox.html": lambda visit: case_page(visit, is_inbox=True),
    "access/inbox.html of applications": lambda visit: workload_page(
        visit, "/access/inbox/", of_boss=True
    ),
    "access/inbox.html none": lambda visit: visit.inside("/access/inbox/"),
    "access/mine.html": lambda visit: access_page(
        visit, "/access/", "active", "waiting", "suspended", "over"
    ),
    "access/mine.html with applications": lambda visit: workload_page(visit, "/access/"),
    "access/mine.html none": lambda visit: visit.inside("/access/"),
    "access/unavailable.html": asked_in_vain,
    "account/account_inactive.html": lambda visit: visit.stranger("/accounts/inactive/"),
    "account/email_change.html": waiting_address,
    "account/email_confirm.html": confirm_address,
    "account/email_confirm.html unknown": lambda visit: visit.stranger(
        "/accounts/confirm-email/unknown/"
    ),
    "account/login.html": lambda visit: visit.stranger(),
    "account/login.html mistake": login_with_mistake,
    "account/password_change.html": lambda visit: visit.inside("/accounts/password/change/"),
    "account/password_reset.html": lambda visit: visit.stranger("/accounts/password/reset/"),
    "account/password_reset_done.html": lambda visit: visit.stranger(
        "/accounts/password/reset/done/"
    ),
    "account/password_reset_from_key.html": new_password,
    "account/password_reset_from_key.html unknown": lambda visit: visit.stranger(
        "/accounts/password/reset/key/1-unknown/"
    ),
    "account/password_reset_from_key_done.html": lambda visit: visit.stranger(
        "/accounts/password/reset/key/done/"
    ),
    "account/password_set.html": no_password,
    "account/signup_closed.html": lambda visit: visit.stranger("/accounts/signup/"),
    "accounts/invitation.html": invitation,
    "accounts/invitation.html unknown": unknown_invitation,
    "accounts/locked.html": lambda visit: visit.stranger("/accounts/locked/"),
    "accounts/profile.html": filled_in_profile,
    "accounts/profile.html mistake": profile_with_mistake,
    "console/activity.html": lambda visit: visit.inside("/security/activity/"),
    "console/applications.html": applications,
    "console/applications.html behind a proxy": applications_behind_a_proxy,
    "console/applications.html none": lambda visit: visit.inside("/security/applications/"),
    "console/home.html": lambda visit: visit.inside("/"),
    "console/security.html": security_with_everything,
    "console/security.html with a request": request_noticed,
    "console/security.html weak": lambda visit: visit.inside("/security/", "plain"),
    "devices/confirm.html": lambda visit: enrolment_page(visit, "Continue"),
    "devices/done.html enrolled": lambda visit: enrolment_page(visit, "Continue", "Enrol"),
    "devices/done.html refused": lambda visit: enrolment_page(visit, "Continue", "Do not enrol"),
    "devices/enrol.html": enrolment_page,
    "devices/list.html": lambda visit: devices_page(visit, is_list=True),
    "devices/list.html none": lambda visit: visit.inside("/devices/"),
    "devices/one.html": devices_page,
    "devices/one.html suspended": lambda visit: devices_page(visit, state="suspended"),
    "devices/one.html lost": lambda visit: devices_page(visit, state="lost"),
    "devices/this_browser.html": lambda visit: with_passkey(visit, "/devices/enrol/this-browser/"),
    "idp/account.html": lambda visit: visit.inside(
        authorize_url(visit.instance, prompt="select_account")
    ),
    "idp/authentication_requests.html": request_page,
    "idp/authentication_requests.html none": lambda visit: visit.inside(
        "/authentication-requests/"
    ),
    "idp/authentication_request.html": lambda visit: request_page(visit, "Look"),
    "idp/authentication_request_done.html allowed": lambda visit: request_page(
        visit, "Look", "Allow"
    ),
    "idp/authentication_request_done.html refused": lambda visit: request_page(
        visit, "Look", "Do not allow"
    ),
    "idp/consent.html": lambda visit: visit.inside(
        authorize_url(visit.instance, scope="openid profile email roles offline_access")
    ),
    "idp/continue.html": going_on,
    "idp/forward_auth.html": lambda visit: proxied_page(visit, "[]"),
    "idp/forward_auth.html refused": lambda visit: proxied_page(
        visit, "[{'prefix': '/', 'roles': ['nobody-has-this']}]"
    ),
    "idp/device.html": lambda visit: visit.inside("/device/"),
    "idp/device.html filled in": device_page,
    "idp/device.html mistake": wrong_device_code,
    "idp/device_confirm.html": lambda visit: device_page(visit, "Continue"),
    "idp/device_done.html allowed": lambda visit: device_page(visit, "Continue", "Allow"),
    "idp/device_done.html refused": lambda visit: device_page(visit, "Continue", "Do not allow"),
    "idp/error.html": wrong_redirect,
    "idp/logged_out.html": signed_out,
    "idp/logged_out.html telling applications": signed_out_telling_applications,
    "idp/logout_confirm.html": lambda visit: visit.inside("/oauth/end-session"),
    "idp/over.html": unknown_request,
    "idp/sign_out.html": lambda visit: visit.inside("/accounts/logout/"),
    "mfa/challenge.html": challenge,
    "mfa/challenge.html mistake": challenge_with_mistake,
    "mfa/passkey_add.html": lambda visit: visit.inside("/mfa/passkeys/add/"),
    "mfa/passkey_remove.html": lambda visit: with_passkeys(visit, "Remove A name"),
    "mfa/passkey_rename.html": lambda visit: with_passkeys(visit, "Rename A name"),
    "mfa/passkeys.html": with_passkeys,
    "mfa/passkeys.html none": lambda visit: visit.inside("/mfa/passkeys/"),
    "mfa/recovery_codes.html": recovery_codes,
    "mfa/recovery_codes_confirm.html": lambda visit: visit.inside("/mfa/recovery-codes/"),
    "mfa/totp_enrol.html": lambda visit: visit.inside("/mfa/totp/", "plain"),
    "mfa/totp_remove.html": lambda visit: visit.inside("/mfa/totp/remove/"),
    "sessions/enrol_first.html": lambda visit: visit.inside(
        "/step-up/?acr=aal2&next=/security/", "plain"
    ),
    "risk/sign_ins.html": recent_sign_ins,
    "risk/was_it_you.html": was_it_you,
    "risk/was_it_you.html said no": said_no,
    "risk/was_it_you.html no good": no_such_link,
    "sessions/list.html": two_sessions,
    "sessions/lock_account.html": lambda visit: visit.inside("/sessions/lock-account/"),
    "sessions/step_up.html": step_up,
    "demo client, nobody": lambda visit: visit.stranger(f"{visit.demo}/"),
    "demo client, signed in": demo_signed_in,
    "demo client, trouble": demo_trouble,
}


def is_shown(name: str, page: Page) -> bool:
    """Whether the page has a title that its template can give."""
    if name.startswith("demo client"):
        return page.title().endswith("Harbour Notes")
    if name.startswith("devices/one.html"):  # its title is the device's own name
        return page.title().startswith("Work laptop")
    text = (PROJECT / "templates" / name.partition(" ")[0]).read_text()
    found = re.search(r"{% block title %}(.*?){% endblock %}|<title>(.*?)</title>", text)
    assert found is not None, name
    words = re.split(r"{[%{].*?[%}]}", found[1] or found[2])
    return any(piece.strip() and piece.strip() in page.title() for piece in words)


@pytest.fixture
def visit(
    instance: Instance,
    demo: str,
    pool: Pool,
    mailbox: Mailbox,
    watch: Watch,
    open_browser: Callable[..., Page],
) -> Visitor:
    return Visitor(instance, demo, pool, mailbox, watch, open_browser)


@pytest.mark.parametrize("name", GALLERY)
def test_everybody_can_use_it(name: str, visit: Visitor) -> None:
    page = GALLERY[name](visit)

    for _ in range(50):  # a form may wait until the browser has shown its key
        if is_shown(name, page):
            break
        page.wait_for_timeout(100)
    assert is_shown(name, page), f"{name} was not shown, but {page.title()}"
    look(page)


def test_the_look_sees_what_is_wrong(open_browser: Callable[..., Page]) -> None:
    page = open_browser()
    page.set_content(
        "<!doctype html><html lang=en><title>t</title><main><h1>t</h1><input>"
        "<p style='color:#bbb;background:#fff;width:400px'>faint and wide</p></main></html>"
    )

    with pytest.raises(AssertionError) as found:
        look(page)

    for words in ("'id': 'label'", "color-contrast", "360, 'sticks out'"):
        assert words in str(found.value)


def test_a_template_is_either_in_the_gallery_or_says_why_not() -> None:
    folder = PROJECT / "templates"
    pages = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*.html")
        if path.relative_to(folder).parts[0] not in {"components", "admin"}
    }

    shown: Any = {name.partition(" ")[0] for name in GALLERY if ".html" in name}

    assert pages - shown - ELSEWHERE.keys() == set()
    assert (shown | ELSEWHERE.keys()) - pages == set()
