"""Chat rooms by the API: as on the page, with the same checks."""

import pytest

from access.chat.models import ChatWebhook
from tests.support.api import Api, code_of
from tests.support.rooms import PATH, room, told

pytestmark = pytest.mark.django_db

ROOMS = "/chat-rooms"
URL = f"https://hooks.chat.example{PATH}"
WISH = {"name": "#ops", "format": "slack", "url": URL, "happenings": ["requested", "alert"]}


@pytest.fixture
def administrator(approver):
    return Api.of(approver)


def test_one_is_added_told_and_removed(administrator, acme, elsewhere):
    made = administrator.post(ROOMS, WISH | {"url": elsewhere.serve(PATH, b"ok")})
    assert made.status_code == 201, made.content
    added = made.json()
    assert (added["host"], added["secret"], added["last"]) == ("localhost", None, None)
    where = f"{ROOMS}/{added['id']}"
    changed = administrator.send("PUT", where, {"name": "#sec", "happenings": ["denied"]}).json()
    assert (changed["name"], changed["happenings"]) == ("#sec", ["denied"])

    assert administrator.post(f"{where}/test").status_code == 202
    assert len(told(elsewhere)) == 1
    (listed,) = administrator.get(ROOMS).json()["items"]
    assert (listed["last"]["happening"], listed["last"]["error"]) == ("test", "")
    assert listed["last"]["delivered_at"] is not None
    assert administrator.send("DELETE", where).json() == {"did": True}
    assert code_of(administrator.send("DELETE", where)) == (404, "not_found")
    assert ChatWebhook.unscoped.count() == 0


def test_where_it_is_is_never_told_and_what_it_is_signed_with_once(administrator, acme):
    made = administrator.post(ROOMS, WISH | {"format": "generic"})
    secret = made.json()["secret"]

    listed = administrator.get(ROOMS)
    assert secret.startswith("whsec_")
    assert made["Cache-Control"] == "no-store"
    for answer in (made, listed):
        assert "very-secret" not in answer.content.decode()
    assert secret not in listed.content.decode()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"url": "https://user@hooks.example/"}, (400, "invalid_request")),
        ({"format": "irc"}, (422, "invalid_request")),
        ({"happenings": []}, (422, "invalid_request")),
        ({"happenings": ["all"]}, (422, "invalid_request")),
        ({"name": ""}, (422, "invalid_request")),
        ({"secret": "mine"}, (422, "invalid_request")),
    ],
    ids=["address", "format", "nothing", "unknown", "nameless", "member"],
)
def test_what_does_not_fit_is_refused(administrator, changes, code):
    assert code_of(administrator.post(ROOMS, WISH | changes)) == code
    assert ChatWebhook.unscoped.count() == 0


def test_others_rooms_do_not_exist(administrator, globex):
    theirs = room(globex, URL).webhook

    assert administrator.get(ROOMS).json()["items"] == []
    where = f"{ROOMS}/{theirs.pk}"
    for answer in (
        administrator.post(f"{where}/test"),
        administrator.send("DELETE", where),
        administrator.send("PUT", where, {"name": "x", "happenings": ["alert"]}),
    ):
        assert code_of(answer) == (404, "not_found")


def test_it_is_for_administrators(employee):
    somebody = Api.of(employee, scope="access")

    assert code_of(somebody.post(ROOMS, WISH)) == (403, "insufficient_scope")
    assert ChatWebhook.unscoped.count() == 0
