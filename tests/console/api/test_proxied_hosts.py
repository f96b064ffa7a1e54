"""Hosts of applications behind proxies by the API."""

import pytest

from audit.models import AuditEvent
from idp.models import Client, ProxiedHost
from tests.support import forwarded
from tests.support.api import code_of
from tests.support.forwarded import ORIGIN, host_of
from tests.support.rows import changed, snapshot

pytestmark = pytest.mark.django_db

RULES = [{"prefix": "/admin", "roles": ["keeper"], "acr": "aal2"}]
TOLD = {
    "prefix": "/admin", "roles": ["keeper"], "permission": "", "resource": "", "acr": "aal2", "max_age": 0,
    "tier": 0,
}  # fmt: skip


@pytest.fixture
def wiki(acme):
    return forwarded.wiki(acme, rules=RULES)


def test_a_new_application_and_one_more_host(bob, approver, acme):
    answer = bob.post("/proxied-hosts", {"name": "Wiki", "origin": ORIGIN, "rules": RULES})
    assert answer.status_code == 201, answer.content
    told = answer.json()
    second = bob.post(
        "/proxied-hosts", {"client": told["client"], "origin": "https://wiki.acme.test"}
    )

    assert (told["name"], told["origin"], told["rules"]) == ("Wiki", ORIGIN, [TOLD])
    assert bob.get(f"/proxied-hosts/{told['id']}").json() == told
    assert [each["id"] for each in bob.get("/proxied-hosts").json()["items"]] == [
        second.json()["id"], told["id"],
    ]  # fmt: skip
    assert ProxiedHost.objects.within(acme).get(origin=ORIGIN).rules == RULES
    event = AuditEvent.objects.filter(event="idp.proxied_host.added").first()
    assert event.actor == f"accounts.User:{approver.user.pk}"


@pytest.mark.parametrize(
    ("wish", "status"),
    [
        ({"origin": ORIGIN}, 400),
        ({"origin": "wiki.acme.example", "name": "Wiki"}, 400),
        ({"origin": ORIGIN, "name": "Wiki", "rules": [{"prefix": "admin"}]}, 400),
        ({"origin": ORIGIN, "name": "Wiki", "rules": [{"prefix": "/", "role": "x"}]}, 422),
        ({"origin": ORIGIN, "name": "Wiki", "rules": [{"prefix": "/", "tier": 9}]}, 400),
        ({"origin": ORIGIN, "name": "Wiki", "rules": [{"prefix": "/"}] * 101}, 422),
        ({"origin": ORIGIN, "name": ""}, 422),
        ({"origin": ORIGIN, "name": "Wiki", "kind": "public"}, 422),
    ],
)
def test_what_cannot_be_leaves_nothing_behind(bob, wish, status):
    before = snapshot()
    answer = bob.post("/proxied-hosts", wish)

    assert answer.status_code == status, answer.content
    assert changed(before) == []


def test_a_host_that_is_taken_is_a_conflict_and_makes_no_application(bob, wiki):
    answer = bob.post("/proxied-hosts", {"name": "Other", "origin": ORIGIN})

    assert code_of(answer) == (409, "conflict")
    assert Client.unscoped.filter(kind=Client.Kind.PROXIED).count() == 1


def test_rules_are_replaced_where_they_are_as_they_were_seen(bob, wiki):
    host = host_of(wiki)
    at = f"/proxied-hosts/{host.pk}/rules"
    version = bob.get(f"/proxied-hosts/{host.pk}").json()["version"]

    answer = bob.send("PUT", at, {"rules": [{"prefix": "/", "tier": 2}], "version": version})
    assert answer.json()["rules"][0]["tier"] == 2
    assert code_of(bob.send("PUT", at, {"rules": [], "version": version})) == (
        409, "conflict",
    )  # fmt: skip
    assert bob.send("PUT", at, {"rules": []}).json()["rules"] == []


def test_it_is_removed_once(bob, wiki):
    at = f"/proxied-hosts/{host_of(wiki).pk}"

    assert bob.send("DELETE", at).json() == {"did": True}
    assert bob.send("DELETE", at).status_code == 404
    assert AuditEvent.objects.filter(event="idp.proxied_host.removed").count() == 1


def test_anothers_does_not_exist_nor_is_one_named_beside_them(bob, carol, wiki):
    at = f"/proxied-hosts/{host_of(wiki).pk}"

    assert carol.get("/proxied-hosts").json()["items"] == []
    assert carol.get(at).status_code == 404
    assert carol.send("PUT", f"{at}/rules", {"rules": []}).status_code == 404
    assert carol.send("DELETE", at).status_code == 404
    wish = {"client": str(wiki.pk), "origin": "https://books.globex.example"}
    assert carol.post("/proxied-hosts", wish).status_code == 404
    assert code_of(carol.post("/proxied-hosts", wish | {"client": None, "name": "B"})) == (
        403, "not_allowed",
    )  # fmt: skip
    assert host_of(wiki).rules == RULES
