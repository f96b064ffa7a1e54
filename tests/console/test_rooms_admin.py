"""Chat rooms in the administration."""

import pytest

from access.chat.models import ChatDelivery, ChatWebhook
from access.tasks import tell_rooms
from tests import cast
from tests.support.rooms import PATH, room, told

pytestmark = pytest.mark.django_db

LIST = "/admin/access/chatwebhook/"
ADD = f"{LIST}add/"
URL = f"https://hooks.chat.example{PATH}"


@pytest.fixture
def administrator(client, approver):
    cast.sign_in(client, approver)
    return client


def form(**changes):
    return {
        "name": "#ops", "format": "slack", "address": URL, "happenings": ["requested", "alert"],
    } | changes  # fmt: skip


def act(browser, action, *rooms):
    chosen = {"action": action, "_selected_action": [str(each.pk) for each in rooms]}
    return browser.post(LIST, chosen, follow=True).content.decode()


class TestAdding:
    def test_its_address_is_shown_to_nobody_again(self, administrator, acme):
        page = administrator.post(ADD, form(), follow=True).content.decode()

        added = ChatWebhook.objects.within(acme).get()
        assert (added.format, added.happenings) == ("slack", ["requested", "alert"])
        assert bytes(added.url).decode() == URL
        pages = [page, *(administrator.get(each).content.decode() for each in (
            LIST, f"{LIST}{added.pk}/change/"
        ))]  # fmt: skip
        assert all("very-secret" not in each for each in pages)
        assert all("hooks.chat.example" in each for each in pages[1:])

    def test_what_it_is_signed_with_is_shown_once(self, administrator, acme, elsewhere):
        answer = administrator.post(
            ADD, form(format="generic", address=elsewhere.serve(PATH, b"ok"))
        )

        page = answer.content.decode()
        secret = page.partition('id="room-secret">')[2].partition("<")[0]
        assert secret.startswith("whsec_")
        assert "no-store" in answer["Cache-Control"]
        added = ChatWebhook.objects.within(acme).get()
        assert secret not in administrator.get(f"{LIST}{added.pk}/change/").content.decode()

    @pytest.mark.parametrize(
        "changes",
        [
            {"address": "ftp://x.example/"}, {"address": ""}, {"format": "irc"}, {"happenings": []},
            {"happenings": ["all"]}, {"name": ""},
        ],
        ids=["address", "no address", "format", "nothing", "unknown", "nameless"],
    )  # fmt: skip
    def test_what_does_not_fit_is_said_on_the_form(self, administrator, changes):
        answer = administrator.post(ADD, form(**changes))

        assert answer.status_code == 200
        assert "errornote" in answer.content.decode()
        assert ChatWebhook.unscoped.count() == 0

    def test_so_is_a_name_that_is_taken(self, administrator, acme):
        room(acme, URL, name="#ops")

        assert "there already" in administrator.post(ADD, form()).content.decode()


def test_what_it_is_told_of_is_changed_there(administrator, acme):
    made = room(acme, URL, name="#ops").webhook
    administrator.post(
        f"{LIST}{made.pk}/change/",
        {"name": "#ops", "happenings": ["denied"], "address": "https://evil.example/"},
    )

    made.refresh_from_db()
    assert made.happenings == ["denied"]
    assert bytes(made.url).decode() == URL


def test_a_test_message_and_what_came_of_it(administrator, acme, elsewhere, later):
    made = room(acme, elsewhere.serve(PATH, b"no", status=404), name="#ops").webhook

    assert "1 told." in act(administrator, "send_test", made)
    assert "just now" in act(administrator, "send_test", made)
    tell_rooms()
    assert "given up: answered 404" in administrator.get(LIST).content.decode()
    elsewhere.serve(PATH, b"ok")
    later(minutes=1)
    act(administrator, "send_test", made)
    assert [each["type"] for each in told(elsewhere)] == ["test"]
    assert "taken on" in administrator.get(f"{LIST}{made.pk}/change/").content.decode()


def test_removing_forgets_it(administrator, acme):
    made = room(acme, URL, name="#ops").webhook

    assert "1 removed." in act(administrator, "remove", made)

    assert (ChatWebhook.unscoped.count(), ChatDelivery.unscoped.count()) == (0, 0)


def test_rooms_of_another_organisation_do_not_exist(administrator, globex):
    made = room(globex, URL, name="theirs").webhook

    assert "theirs" not in administrator.get(LIST).content.decode()
    assert administrator.get(f"{LIST}{made.pk}/change/").status_code == 302
    act(administrator, "remove", made)
    assert ChatWebhook.unscoped.count() == 1


def test_whoever_is_no_administrator_finds_no_such_page(client, employee):
    cast.sign_in(client, employee)

    assert client.get(LIST).status_code in {302, 404}
    assert client.post(ADD, form()).status_code in {302, 404}
    assert ChatWebhook.unscoped.count() == 0
