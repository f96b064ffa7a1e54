"""The page where people say who they are."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client as Browser

from accounts import flows
from accounts.forms import ProfileForm
from accounts.models import Organisation, Profile
from audit.models import AuditEvent
from core import clock
from tests import cast
from tests.cast import Person

PAGE = "/profile/"
SAID = {
    "name": "Alice Arden", "given_name": "Alice", "middle_name": "Ann", "family_name": "Arden",
    "nickname": "Al", "preferred_username": "alice", "gender": "female", "birthdate": "1990-04-30",
    "phone_number": "+49 (30) 1234-567", "website": "https://alice.example/",
    "profile": "https://acme.example/people/alice", "picture": "https://acme.example/alice.png",
    "locale": "de_ch", "zoneinfo": "Europe/Zurich", "street_address": "Hafenweg 1",
    "postal_code": "20457", "locality": "Hamburg", "region": "HH", "country": "Germany",
}  # fmt: skip


def events() -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(event="accounts.profile.updated").order_by("at", "id"))


@pytest.fixture
def browser(client: Browser, employee: Person) -> Browser:
    cast.sign_in(client, employee)
    return client


class TestPage:
    def test_everything_that_is_said_is_kept(self, browser: Browser, employee: Person) -> None:
        answer = browser.post(PAGE, SAID)

        assert (answer.status_code, answer["Location"]) == (302, PAGE)
        profile = Profile.unscoped.get(user=employee.user)
        for name in ("given_name", "middle_name", "family_name", "nickname", "birthdate", "gender"):
            assert getattr(profile, name) == SAID[name]
        assert profile.phone_number == "+49301234567"
        assert profile.phone_number_verified is False
        assert profile.locale == "de-CH"
        assert profile.address == {
            "formatted": "Hafenweg 1\n20457 Hamburg\nHH\nGermany",
            "street_address": "Hafenweg 1",
            "postal_code": "20457",
            "locality": "Hamburg",
            "region": "HH",
            "country": "Germany",
        }

    def test_the_page_shows_what_was_said(self, browser: Browser) -> None:
        browser.post(PAGE, SAID)

        page = browser.get(PAGE).content.decode()

        assert 'value="1990-04-30"' in page
        assert 'value="Hafenweg 1"' in page
        assert '<option value="Europe/Zurich" selected>' in page
        assert "Your profile is saved." in page

    def test_audit_tells_what_changed_but_not_to_what(
        self, browser: Browser, employee: Person
    ) -> None:
        browser.post(PAGE, SAID)
        browser.post(PAGE, SAID | {"nickname": "Ally"})

        assert [event.facts["changed"] for event in events()][1] == ["nickname"]
        assert events()[0].actor == f"accounts.User:{employee.user.pk}"
        assert "Hafenweg" not in str([event.facts for event in events()])

    def test_saying_the_same_again_writes_nothing(self, browser: Browser, later: Any) -> None:
        browser.post(PAGE, SAID)
        before = Profile.unscoped.get().changed_at
        later(minutes=1)

        browser.post(PAGE, SAID)

        assert Profile.unscoped.get().changed_at == before
        assert len(events()) == 1

    def test_what_is_emptied_is_gone(self, browser: Browser) -> None:
        browser.post(PAGE, SAID)

        browser.post(PAGE, {"name": "Alice Arden"})

        profile = Profile.unscoped.get()
        assert (profile.given_name, profile.address, profile.phone_number) == ("", {}, "")

    def test_another_number_is_not_confirmed(self, browser: Browser) -> None:
        browser.post(PAGE, SAID)
        Profile.unscoped.update(phone_number_verified=True)

        browser.post(PAGE, SAID | {"phone_number": "+4930765432"})

        assert Profile.unscoped.get().phone_number_verified is False

    def test_strangers_are_sent_to_sign_in(self, client: Browser, db: None) -> None:
        assert client.get(PAGE)["Location"].startswith("/accounts/login/")
        assert client.post(PAGE, SAID)["Location"].startswith("/accounts/login/")
        assert not Profile.unscoped.exists()

    def test_what_is_wrong_is_said_and_nothing_kept(self, browser: Browser) -> None:
        answer = browser.post(PAGE, SAID | {"birthdate": "30.04.1990"})

        assert answer.status_code == 200
        assert "such as 1990-04-30" in answer.content.decode()
        assert not Profile.unscoped.exists()

    def test_it_is_linked_from_home(self, browser: Browser) -> None:
        assert f'href="{PAGE}"' in browser.get("/").content.decode()


class TestUserName:
    """Applications show it as a name, so nobody may pass for another."""

    def test_two_people_of_an_organisation_cannot_have_the_same(
        self, browser: Browser, newcomer: Person
    ) -> None:
        flows.update_profile(
            user=newcomer.user, name="Nina", claims={"preferred_username": "Alice"}, address={},
            now=clock.now(),
        )  # fmt: skip

        answer = browser.post(PAGE, SAID)

        assert answer.status_code == 200
        assert "Somebody else has this user name." in answer.content.decode()
        assert Profile.unscoped.count() == 1

    def test_the_database_holds_it(
        self, employee: Person, newcomer: Person, acme: Organisation
    ) -> None:
        values = {"organisation": acme, "changed_at": clock.now()}
        Profile.objects.create(user=employee.user, preferred_username="al", **values)

        with pytest.raises(IntegrityError), transaction.atomic():
            Profile.objects.create(user=newcomer.user, preferred_username="AL", **values)

    def test_people_of_different_organisations_may(
        self, browser: Browser, outsider: Person
    ) -> None:
        flows.update_profile(
            user=outsider.user, name="Carol", claims={"preferred_username": "alice"}, address={},
            now=clock.now(),
        )  # fmt: skip

        assert browser.post(PAGE, SAID).status_code == 302


def wrong(**values: str) -> Any:
    form = ProfileForm({"name": "Alice"} | values)
    assert not form.is_valid()
    return form.errors


def kept(**values: str) -> dict[str, Any]:
    form = ProfileForm({"name": "Alice"} | values)
    assert form.is_valid(), form.errors
    return form.cleaned_data


class TestValues:
    @pytest.mark.parametrize(
        "value",
        ["1990-4-30", "1990-02-30", "1849-12-31", "19900430", "1990-W18-1", "0000-02-30", "1990",
         "١٩٩٠-٠٤-٣٠"],
    )  # fmt: skip
    def test_a_birthdate_that_is_none(self, value: str) -> None:
        assert "birthdate" in wrong(birthdate=value)

    def test_a_birthdate_to_come(self) -> None:
        tomorrow = (clock.now() + timedelta(days=1)).date().isoformat()

        assert "birthdate" in wrong(birthdate=tomorrow)

    @pytest.mark.parametrize("value", ["1990-04-30", "0000-04-30", "0000-02-29", "1850-01-01"])
    def test_a_birthdate(self, value: str) -> None:
        assert kept(birthdate=value)["birthdate"] == value

    @pytest.mark.parametrize(
        "value", ["0301234567", "+0301234567", "+49 30 CALL ME", "+123456789012345678"]
    )
    def test_a_number_that_is_not_e164(self, value: str) -> None:
        assert "phone_number" in wrong(phone_number=value)

    @pytest.mark.parametrize(
        "value",
        ["http://alice.example/", "javascript:alert(1)", "data:text/html,x", "ftp://a.example"],
    )
    def test_an_address_that_is_not_https(self, value: str) -> None:
        for name in ("website", "profile", "picture"):
            assert name in wrong(**{name: value})

    @pytest.mark.parametrize(
        ("value", "tag"),
        [("en", "en"), ("DE-at", "de-AT"), ("zh-hant-tw", "zh-Hant-TW"), ("es-419", "es-419"),
         ("de-1996", "de-1996")],
    )  # fmt: skip
    def test_a_language(self, value: str, tag: str) -> None:
        assert kept(locale=value)["locale"] == tag

    @pytest.mark.parametrize("value", ["english", "d", "de-", "de--CH", "de-CH-"])
    def test_a_language_that_is_none(self, value: str) -> None:
        assert "locale" in wrong(locale=value)

    @pytest.mark.parametrize("value", ["Europe/Atlantis", "Etc/GMT+1", "../../etc/passwd"])
    def test_a_time_zone_that_is_not_known(self, value: str) -> None:
        assert "zoneinfo" in wrong(zoneinfo=value)

    @pytest.mark.parametrize("value", ["bob@acme.example", "a b", ".", "al\u0456ce", "-a"])
    def test_a_user_name_that_could_pass_for_something_else(self, value: str) -> None:
        assert "preferred_username" in wrong(preferred_username=value)

    def test_characters_that_cannot_be_seen(self) -> None:
        for name in ("name", "given_name", "street_address", "gender"):
            assert name in wrong(**{name: "evil\u202eecila"})
