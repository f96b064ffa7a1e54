"""Hosts of applications behind proxies, and their rules, in the administration."""

import pytest

from accounts import flows as accounts
from audit.models import AuditEvent
from core import clock
from idp.forward_auth import registration
from idp.models import Client, ForwardSession, ProxiedHost
from tests import cast
from tests.support import forwarded
from tests.support.forwarded import ORIGIN, ask, host_of

pytestmark = pytest.mark.django_db

LIST = "/admin/idp/proxiedhost/"
ADD = f"{LIST}add/"
RULES = [{"prefix": "/", "tier": 1}, {"prefix": "/admin", "roles": ["keeper"], "max_age": 900}]


@pytest.fixture(autouse=True)
def _proxies(settings):
    settings.FORWARD_AUTH_PROXIES = forwarded.NETWORKS


@pytest.fixture
def administrator(client, approver):
    cast.sign_in(client, approver)
    return client


@pytest.fixture(autouse=True)
def keeper(acme):
    return accounts.create_role(organisation=acme, name="keeper", now=clock.now())


@pytest.fixture
def wiki(acme):
    return forwarded.wiki(acme, rules=RULES)


def rule(number, **said):
    return {f"rule{number}-{name}": value for name, value in said.items()}


def form(*rules, **changes):
    said = {"name": "Wiki", "origin": ORIGIN, "application": "", "shown": "3"}
    for each in rules:
        said |= each
    return said | changes


def page_of(host):
    return f"{LIST}{host.pk}/change/"


def seen(browser, host):
    """The form as the page has it, with every field as a browser would send it."""
    answer = browser.get(page_of(host))
    editor = answer.context["editor"]
    said = {"seen": editor.seen, "shown": str(len(editor.rules))}
    for each in editor.rules:
        for field in each:
            value = field.field.prepare_value(field.initial)
            said[field.html_name] = "" if value is None or value is False else value
    return said


class TestAdding:
    def test_a_new_application_by_its_host(self, administrator, approver, acme):
        answer = administrator.post(
            ADD,
            form(
                rule(1, path="/", acr="aal2", tier="2"),
                rule(2, path="/admin", roles="keeper", permission="wiki:edit", max_age="15m"),
                rule(2, resource="wiki:berths: north"),
            ),
        )

        host = ProxiedHost.objects.within(acme).get()
        assert answer.status_code == 302
        assert (host.origin, host.client.name, host.client.kind) == (ORIGIN, "Wiki", "proxied")
        assert host.rules == [
            {"prefix": "/", "acr": "aal2", "tier": 2},
            {
                "prefix": "/admin", "roles": ["keeper"], "permission": "wiki:edit",
                "resource": "wiki:berths: north", "max_age": 900,
            },
        ]  # fmt: skip
        assert host.resource_types == ["wiki"]
        event = AuditEvent.objects.get(event="idp.proxied_host.added")
        assert event.actor == f"accounts.User:{approver.user.pk}"
        assert ask().status == 401

    def test_one_more_host_of_an_application(self, administrator, wiki):
        administrator.post(
            ADD, form(name="", application=str(wiki.pk), origin="https://wiki.acme.test")
        )

        assert {each.origin for each in wiki.proxied_hosts.all()} == {
            ORIGIN, "https://wiki.acme.test",
        }  # fmt: skip
        assert Client.unscoped.count() == 1

    @pytest.mark.parametrize(
        ("field", "said"),
        [
            ("origin", {"origin": f"{ORIGIN}/"}),
            ("origin", {"origin": "http://wiki.acme.example"}),
            ("origin", {"origin": ""}),
            ("name", {"name": "Wiki\u202e"}),
            ("name", {"name": ""}),
            ("application", {"application": "00000000-0000-0000-0000-000000000000"}),
            ("rule1-path", rule(1, path="admin")),
            ("rule1-path", rule(1, path="/a/../b")),
            ("rule1-path", rule(1, roles="keeper")),
            ("rule1-roles", rule(1, path="/", roles="nobody")),
            ("rule1-roles", rule(1, path="/", roles="\n".join(f"r{n}" for n in range(21)))),
            ("rule1-permission", rule(1, path="/", permission="edit")),
            ("rule1-resource", rule(1, path="/", roles="keeper", resource="wiki")),
            ("rule1-resource", rule(1, path="/", resource="wiki:berths")),
            ("rule1-resource", rule(1, path="/", permission="page:edit", resource="wiki:berths")),
            ("rule1-acr", rule(1, path="/", acr="aal9")),
            ("rule1-max_age", rule(1, path="/", max_age="soon")),
            ("rule1-max_age", rule(1, path="/", max_age="2d")),
            ("rule1-tier", rule(1, path="/", tier="7")),
            ("rule2-path", rule(2, path="/%2e")),
        ],
    )
    def test_what_cannot_be_is_said_at_its_field_and_nothing_is_kept(
        self, administrator, field, said
    ):
        answer = administrator.post(ADD, form(**said))

        assert answer.status_code == 200
        editor = answer.context["editor"]
        marked = {
            bound.html_name
            for each in (editor.form, *editor.rules)
            for bound in each
            if bound.errors
        }
        assert marked == {field}
        assert f'id="id_{field}_error"' in answer.content.decode()
        assert not ProxiedHost.unscoped.exists()
        assert not Client.unscoped.exists()

    def test_a_host_that_is_taken_is_said_there(self, administrator, wiki):
        answer = administrator.post(ADD, form(name="Other", origin=f"{ORIGIN}:8443"))

        assert "belongs to an application already" in str(
            answer.context["editor"].form.errors["origin"]
        )
        assert Client.unscoped.count() == 1

    def test_more_rules_are_given_room_without_a_word_lost(self, administrator):
        answer = administrator.post(ADD, form(rule(3, path="/third"), more="More rules"))

        editor = answer.context["editor"]
        assert len(editor.rules) == 6
        assert 'value="/third"' in answer.content.decode()
        assert not ProxiedHost.unscoped.exists()

    def test_beside_another_organisation_it_is_for_administrators_of_all(
        self, administrator, approver, globex
    ):
        refused = administrator.post(ADD, form())
        assert "Another organisation is here" in str(
            refused.context["editor"].form.errors["origin"]
        )
        assert not Client.unscoped.exists()
        accounts.make_administrator(user=approver.user, is_everywhere=True, now=clock.now())

        assert administrator.post(f"{ADD}?organisation=globex", form()).status_code == 302
        assert ProxiedHost.unscoped.get().organisation == globex

    def test_among_clients_it_is_not_offered(self, administrator):
        assert "proxied (" not in administrator.get("/admin/idp/client/add/").content.decode()


class TestChanging:
    def test_a_form_that_is_sent_as_it_came_changes_nothing(self, administrator, wiki):
        host = host_of(wiki)

        assert administrator.post(page_of(host), seen(administrator, host)).status_code == 302
        host.refresh_from_db()
        assert host.rules == RULES
        assert not AuditEvent.objects.filter(event="idp.proxied_host.changed").exists()

    def test_rules_are_changed_added_and_taken_away(self, administrator, wiki):
        host = host_of(wiki)
        said = seen(administrator, host) | rule(1, gone="on")
        said |= rule(2, roles="") | rule(3, path="/new", acr="phr")

        administrator.post(page_of(host), said)

        host.refresh_from_db()
        assert host.rules == [
            {"prefix": "/admin", "max_age": 900}, {"prefix": "/new", "acr": "phr"},
        ]  # fmt: skip
        event = AuditEvent.objects.get(event="idp.proxied_host.changed")
        assert (event.facts["before"], event.facts["rules"]) == (RULES, host.rules)

    @pytest.mark.parametrize("rest", [{}, {"shown": "0"}, {"shown": "x"}, rule(1, path="")])
    def test_a_rule_is_taken_away_in_words_alone(self, administrator, wiki, rest):
        host = host_of(wiki)
        said = {"seen": seen(administrator, host)["seen"], "shown": "2"} | rest

        answer = administrator.post(page_of(host), said)

        assert answer.status_code == 200
        host.refresh_from_db()
        assert host.rules == RULES

    def test_what_somebody_else_changed_meanwhile_is_not_overwritten(self, administrator, wiki):
        host = host_of(wiki)
        said = seen(administrator, host)
        registration.change_rules(host=host, rules=[{"prefix": "/x", "tier": 1}], now=clock.now())

        answer = administrator.post(page_of(host), said)

        assert "were changed meanwhile" in answer.content.decode()
        host.refresh_from_db()
        assert host.rules == [{"prefix": "/x", "tier": 1}]

    def test_what_is_removed_is_refused_at_once_and_stays_so(
        self, administrator, acme, employee, client
    ):
        from django.test import Client as Browser

        wiki, alice = forwarded.wiki(acme), Browser()
        cast.sign_in(alice, employee)
        cookie = forwarded.sign_in(alice)
        host = host_of(wiki)
        chosen = {"action": "remove", "_selected_action": [str(host.pk)]}

        page = administrator.post(LIST, chosen, follow=True).content.decode()

        assert "1 removed." in page
        assert ask(cookie=cookie).status == 403
        registration.add_host(client=wiki, origin=ORIGIN, now=clock.now())
        assert ask(cookie=cookie).status == 401
        assert ForwardSession.unscoped.get().ended_at is not None

    def test_the_application_leads_to_its_hosts(self, administrator, wiki):
        page = administrator.get(f"/admin/idp/client/{wiki.pk}/change/").content.decode()

        assert page_of(host_of(wiki)) in page

    def test_hosts_of_another_organisation_do_not_exist(self, administrator, globex):
        theirs = host_of(forwarded.wiki(globex))

        assert ORIGIN not in administrator.get(LIST).content.decode()
        assert administrator.get(page_of(theirs)).status_code == 404
        assert administrator.post(page_of(theirs), form(seen="", shown="0")).status_code == 404
        administrator.post(LIST, {"action": "remove", "_selected_action": [str(theirs.pk)]})
        assert ProxiedHost.unscoped.count() == 1
        answer = administrator.post(ADD, form(name="", application=str(theirs.client_id)))
        assert "application" in answer.context["editor"].form.errors
