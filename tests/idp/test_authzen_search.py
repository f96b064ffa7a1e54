"""Searches: what policy says yes to, in pages, within one organisation."""

import pytest

from accounts import flows
from accounts.models import Organisation, Role
from core import clock
from idp.authzen import searching
from idp.models import Client
from policy.authzen import paging
from tests import cast
from tests.support import authzen
from tests.support.authzen import Asker

pytestmark = pytest.mark.django_db

READ = {"name": "read"}
REPORT = {"type": "report", "id": "q3"}


@pytest.fixture
def asker(acme: Organisation) -> Asker:
    return Asker(authzen.gateway(acme))


@pytest.fixture
def by_address(acme: Organisation) -> Asker:
    return Asker(authzen.gateway(acme, name="mail-gateway", authzen_subject_id="email"))


@pytest.fixture
def reader(acme: Organisation) -> Role:
    role = flows.create_role(organisation=acme, name="reader", now=clock.now())
    flows.give_permission(role=role, resource_type="report", action="read", now=clock.now())
    flows.give_permission(role=role, resource_type="report", action="list", now=clock.now())
    return role


def readers(role: Role, count: int) -> list[str]:
    """Addresses of people who hold the role, in order."""
    found = []
    for n in range(count):
        email = f"p{n:03}@acme.example"
        who = cast.person(email, role.organisation)
        flows.assign_role(user=who.user, role=role, now=clock.now())
        found.append(email)
    return found


def who_reads(asker: Asker, **page) -> dict:
    body = {"subject": {"type": "user"}, "action": READ, "resource": REPORT}
    return asker.search("subject", body | ({"page": page} if page else {}))


def ids(told: dict) -> list[str]:
    return [result["id"] for result in told["results"]]


class TestSubjects:
    def test_who_may(self, asker, by_address, reader, newcomer, outsider):
        (email,) = readers(reader, 1)
        told = who_reads(by_address)

        assert told == {"results": [{"type": "user", "id": email}]}
        (found,) = ids(who_reads(asker))
        assert asker.may(found, "read", "report q3")

    def test_by_user_name(self, acme, reader, employee, newcomer):
        flows.assign_role(user=employee.user, role=reader, now=clock.now())
        flows.assign_role(user=newcomer.user, role=reader, now=clock.now())
        flows.update_profile(
            user=employee.user, name="", claims={"preferred_username": "alice"}, address={},
            now=clock.now(),
        )  # fmt: skip
        asker = Asker(authzen.gateway(acme, authzen_subject_id="preferred_username"))

        assert ids(who_reads(asker)) == ["alice"]

    def test_workloads(self, asker, acme, acme_machine, globex_web):
        flows.register_resource(
            organisation=acme, type="report", name="q3", classification="public", now=clock.now()
        )
        told = asker.search(
            "subject", {"subject": {"type": "client"}, "action": READ, "resource": REPORT}
        )

        assert ids(told) == ["acme-gateway", "acme-machine"]

    def test_nobody_of_an_unknown_kind(self, asker, reader):
        body = {"subject": {"type": "spaceship"}, "action": READ, "resource": REPORT}

        assert asker.search("subject", body) == {"results": []}

    def test_another_organisations_people_are_not_found(self, globex, reader, employee):
        flows.assign_role(user=employee.user, role=reader, now=clock.now())

        assert who_reads(Asker(authzen.gateway(globex)))["results"] == []


class TestResources:
    def test_which(self, asker, acme, globex, reader, employee):
        flows.assign_role(user=employee.user, role=reader, now=clock.now())
        for name, of in (("b", acme), ("a", acme), ("c", globex)):
            flows.register_resource(organisation=of, type="report", name=name, now=clock.now())
        flows.register_resource(organisation=acme, type="letter", name="d", now=clock.now())
        body = {
            "subject": {"type": "user", "id": employee.email}, "action": READ,
            "resource": {"type": "report", "id": "passed over"},
        }  # fmt: skip

        told = asker.search("resource", body)
        assert told == {"results": [{"type": "report", "id": "a"}, {"type": "report", "id": "b"}]}
        nothing = body | {"subject": {"type": "user", "id": "nobody"}}
        assert asker.search("resource", nothing) == {"results": []}

    def test_each_by_what_it_is_classified_as(self, asker, acme, reader, employee):
        flows.assign_role(user=employee.user, role=reader, now=clock.now())
        for name in ("internal", "confidential", "restricted", "public"):
            flows.register_resource(
                organisation=acme, type="report", name=name, classification=name, now=clock.now()
            )
        body = {
            "subject": {"type": "user", "id": employee.email}, "action": READ,
            "resource": {"type": "report"},
        }  # fmt: skip

        assert ids(asker.search("resource", body)) == ["internal", "public"]


class TestActions:
    def test_which(self, asker, acme, reader, employee):
        flows.assign_role(user=employee.user, role=reader, now=clock.now())
        other = flows.create_role(organisation=acme, name="other", now=clock.now())
        flows.give_permission(role=other, resource_type="report", action="erase", now=clock.now())
        flows.give_permission(role=other, resource_type="letter", action="post", now=clock.now())
        body = {"subject": {"type": "user", "id": employee.email}, "resource": REPORT}

        told = asker.search("action", body)
        assert told == {"results": [{"name": "list"}, {"name": "read"}]}
        assert asker.search("action", body | {"resource": {"type": "x", "id": "1"}}) == {
            "results": []
        }


class TestPages:
    def walk(self, asker: Asker, **page) -> list[list[str]]:
        pages = []
        told = who_reads(asker, **page)
        while True:
            assert told["page"]["count"] == len(told["results"])
            pages.append(ids(told))
            token = told["page"]["next_token"]
            if not token:
                return pages
            told = who_reads(asker, token=token)

    def test_pages_hold_all_once_in_order(self, by_address, reader, employee, newcomer):
        people = readers(reader, 7)

        assert self.walk(by_address, limit=3) == [people[:3], people[3:6], people[6:]]
        assert self.walk(by_address, limit=7) == [people]
        assert self.walk(by_address, limit=100) == [people]

    def test_a_search_of_many_is_parted_though_nobody_asked(self, by_address, reader, monkeypatch):
        people = readers(reader, 5)
        monkeypatch.setattr(paging, "DEFAULT_LIMIT", 2)

        first = who_reads(by_address)
        assert ids(first) == people[:2]
        assert first["page"]["next_token"]

    def test_few_among_many_are_found_page_by_page(self, by_address, acme, reader, monkeypatch):
        """Most candidates are denied: pages are short, and lead on until all were looked at."""
        monkeypatch.setattr(searching, "SLICE", 4)
        monkeypatch.setattr(searching, "SCAN", 4)
        for n in range(10):
            cast.person(f"a{n}@acme.example", acme)
        people = readers(reader, 2)

        pages = self.walk(by_address, limit=4)
        assert [name for page in pages for name in page] == people
        assert [] in pages

    def test_nothing_on_a_page_of_nothing(self, by_address, reader):
        readers(reader, 2)

        told = who_reads(by_address, limit=0)
        assert (told["results"], told["page"]["count"]) == ([], 0)
        assert told["page"]["next_token"]

    def test_a_token_is_good_for_its_search_and_its_caller(
        self, acme, globex, by_address, asker, reader
    ):
        readers(reader, 3)
        token = who_reads(by_address, limit=1)["page"]["next_token"]
        body = {"subject": {"type": "user"}, "action": READ, "resource": REPORT}

        for who, changes in (
            (by_address, {"action": {"name": "write"}}), (by_address, {"context": {"x": 1}}),
            (asker, {}), (Asker(authzen.gateway(globex)), {}),
        ):  # fmt: skip
            reply = who.send(
                "/access/v1/search/subject", body | changes | {"page": {"token": token}}
            )
            assert reply.status == 400
            assert "page.token" in reply.json["error_description"]

    @pytest.mark.parametrize("kind", ["subject", "resource", "action"])
    def test_a_page_costs_one_statement(self, by_address, acme, reader, employee, statements, kind):
        readers(reader, 12)
        for n in range(12):
            flows.register_resource(organisation=acme, type="report", name=f"r{n}", now=clock.now())
        by_address.may("p001@acme.example", "read", "report q3")
        statements.clear()

        told = by_address.search(
            kind,
            {
                "subject": {"type": "user", "id": "p001@acme.example"}, "action": READ,
                "resource": REPORT,
            },
        )  # fmt: skip

        assert len(told["results"]) == {"subject": 12, "resource": 12, "action": 2}[kind]
        assert len(statements) == 1


def test_how_people_are_named_is_one_of_three(acme):
    from core.errors import Refusal
    from idp.registration import rules

    for form in ("sub", "email", "preferred_username"):
        rules.check_metadata({"authzen_subject_id": form})
    with pytest.raises(Refusal) as refused:
        rules.check_metadata({"authzen_subject_id": "phone_number"})
    assert refused.value.code == "invalid_client_metadata"
    assert Client.objects.within(acme).count() == 0
