"""A130: somebody types a mention, a link or markup where they ask, and a chat room shows it to many."""

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.test import Client as Browser

from access import flows
from access.chat import formats
from access.chat.messages import Message
from access.models import Grant, GrantEvent
from accounts.models import Organisation
from core import clock
from tests import cast
from tests.cast import Person
from tests.support import access
from tests.support.elsewhere import Elsewhere
from tests.support.rooms import PATH, room, told

TYPED = {
    "everybody of Slack": "<!channel> <!here> <!everyone> wake up",
    "a user of Slack": "<@U024BE7LH> look",
    "a channel of Slack": "<#C024BE7LR|general>",
    "a link of Slack": "<https://evil.example/|See it in Sallyport>",
    "a mail link": "<mailto:evil@evil.example|Mail us>",
    "a date of Slack": "<!date^1392734382^{date}^https://evil.example/|now>",
    "everybody of Mattermost": "@channel @all @here",
    "a link of Markdown": "[See it in Sallyport](https://evil.example/)",
    "a picture of Markdown": "![x](https://evil.example/pixel.png)",
    "a bare link": "https://evil.example/approve",
    "a span that ends early": "` @channel <!channel> [x](https://evil.example/) `",
    "entities": "&lt;!channel&gt; &amp;lt;",
    "a mention of Teams": "<at>everyone</at>",
    "a function of cards": "{{DATE(2017-02-14T06:08:00Z, SHORT)}}",
    "markup": "*Approved* _by_ ~nobody~ **Approved** # Approved",
    "a tag": "<script>alert(1)</script><img src=https://evil.example/x>",
    "a line of ours": "x\nApproved by: the board",
    "the other direction": "\u202egnihtemos\u202c \u2066x\u2069",
    "nothing to be seen": "a\u0000b\u0007c\u200bd",
}
CONTROL = re.compile(r"<[^>]*>")


LINK = "https://id.acme.example/access/grants/1/"


def shaped(text: str, shape: Callable[[Message], dict[str, Any]]) -> Any:
    """A message in which everything that people may type is typed."""
    typed = (("For", f"{text} (alice@acme.example)"), ("Reason", text), ("By", text))
    message = Message(
        type="access.grant.requested", title="Access is asked for", at=clock.now(), link=LINK,
        facts=(("Access", "db-admin"), *typed),
    )  # fmt: skip
    return json.loads(json.dumps(shape(message)))


def texts_of(message: Any) -> list[str]:
    """Every text of a message."""
    if isinstance(message, dict):
        return [text for value in message.values() for text in texts_of(value)]
    if isinstance(message, list):
        return [text for value in message for text in texts_of(value)]
    return [message] if isinstance(message, str) else []


@pytest.mark.parametrize("name", TYPED)
class TestSlackAndMattermost:
    @pytest.fixture
    def said(self, name):
        return shaped(TYPED[name], formats.slack)

    def test_the_only_control_sequence_is_our_link(self, said):
        ours = f"<{LINK}|See it in Sallyport>"

        assert CONTROL.findall(said["text"]) == [ours]
        assert CONTROL.findall("\n".join(texts_of(said["blocks"]))) == [ours]

    def test_nothing_typed_stands_where_markup_is_read(self, said):
        """`text` is Markdown to Mattermost: there each value is a code span of its own."""
        first, *lines, last = said["text"].split("\n")
        assert first == "Access is asked for"
        assert [line.partition(": ")[0] for line in lines] == ["Access", "For", "Reason", "By"]
        for line in lines:
            assert re.fullmatch(r"`[^`\n]+`", line.partition(": ")[2]), line
        assert last == f"<{LINK}|See it in Sallyport>"
        header, values, link = said["blocks"]
        assert header["text"]["text"] == "Access is asked for"
        assert {field["type"] for field in values["fields"]} == {"plain_text"}
        assert link["text"] == {"type": "mrkdwn", "text": last, "verbatim": True}

    def test_no_address_of_theirs_can_be_followed_nor_fetched(self, said):
        for text in texts_of(said):
            assert set(re.findall(r"\w+://[^\s|>`]+", text)) <= {LINK}
        assert (said["unfurl_links"], said["unfurl_media"]) == (False, False)

    def test_nobody_is_mentioned(self, said):
        for text in texts_of(said):
            assert not re.search(r"(?<![\w.+-])@\w", text)


@pytest.mark.parametrize("name", TYPED)
class TestTeams:
    @pytest.fixture
    def card(self, name):
        (attachment,) = shaped(TYPED[name], formats.teams)["attachments"]
        return attachment["content"]

    def test_nothing_typed_stands_where_markdown_is_read(self, card):
        """A TextBlock and a FactSet read it, a TextRun does not."""
        assert {part["type"] for part in card["body"]} == {"RichTextBlock"}
        runs = [run for part in card["body"] for run in part["inlines"]]
        assert all(run.keys() <= {"type", "text", "weight", "size"} for run in runs)
        assert {run["type"] for run in runs} == {"TextRun"}
        assert not any("{{" in run["text"] or "\n" in run["text"] for run in runs)
        assert card.keys() == {"$schema", "type", "version", "body", "actions"}

    def test_the_only_way_on_is_our_page(self, card):
        (action,) = card["actions"]
        assert (action["type"], action["url"]) == ("Action.OpenUrl", LINK)
        assert not any("://" in text for text in texts_of(card["body"]))


def sent(
    acme: Organisation, employee: Person, approver: Person, elsewhere: Elsewhere, form: str,
    text: str,
) -> tuple[Grant, Any]:  # fmt: skip
    """A request with this as its reason and ticket and as the name of who asks; what arrived."""
    room(acme, elsewhere.serve(PATH, b"ok"), form=form)
    employee.user.name = text[:100]
    employee.user.save()
    offered = access.entitlement(acme, by=[approver], eligible=[employee], ticket_pattern=".+")
    session = access.session_of(employee)
    grant = access.ask(offered, employee, session, reason=text, ticket=text[:100])
    (message,) = told(elsewhere)
    return grant, message


@pytest.mark.django_db
@pytest.mark.parametrize("form", ["slack", "teams"])
def test_so_it_arrives(acme, employee, approver, elsewhere, form):
    text = "<!channel> @all [x](https://evil.example/) `<https://evil.example/|x>` {{DATE()}}"
    grant, said = sent(acme, employee, approver, elsewhere, form, text)

    page = f"{settings.ISSUER}/access/grants/{grant.pk}/"
    links = [found for each in texts_of(said) for found in re.findall(r"\w+://[^\s|>]+", each)]
    assert set(links) <= {page, "http://adaptivecards.io/schemas/adaptive-card.json"}
    assert page in links
    for each in texts_of(said):
        assert set(CONTROL.findall(each)) <= {f"<{page}|See it in Sallyport>"}
        assert not re.search(r"(?<![\w.+-])@\w|\{\{|\]\(", each)


@pytest.mark.django_db
def test_what_is_typed_can_be_read_all_the_same(acme, employee, approver, elsewhere):
    _, said = sent(acme, employee, approver, elsewhere, "slack", "Disk <90% & rising, see OPS-17")

    assert "Reason: `Disk \u203990% &amp; rising, see OPS-17`" in said["text"]


@pytest.mark.django_db
def test_machines_are_told_what_was_typed(acme, employee, approver, elsewhere):
    _, said = sent(acme, employee, approver, elsewhere, "generic", TYPED["a link of Slack"])

    assert said["data"]["reason"] == TYPED["a link of Slack"]


@pytest.mark.django_db
class TestTheLink:
    def test_it_holds_no_secret_and_does_nothing(self, acme, employee, approver, elsewhere):
        """Whoever reads the room, or its server when it looks at links, changes nothing by it."""
        grant, said = sent(acme, employee, approver, elsewhere, "generic", "please")
        link = urlsplit(said["data"]["link"])
        assert (link.query, link.fragment) == ("", "")
        before = GrantEvent.unscoped.count()

        stranger = Browser().get(link.path)
        assert stranger.status_code == 302
        assert "/login" in stranger["Location"]
        asked = Browser()
        cast.sign_in(asked, approver)
        assert asked.get(link.path).status_code == 200

        assert GrantEvent.unscoped.count() == before
        assert Grant.unscoped.get(pk=grant.pk).state == grant.state

    def test_it_is_of_this_installation_whatever_host_was_asked(
        self, acme, employee, approver, elsewhere
    ):
        _, said = sent(acme, employee, approver, elsewhere, "generic", "please")

        assert said["data"]["link"].startswith(settings.ISSUER)

    def test_what_an_administrator_types_is_shown_alike(self, acme, employee, approver, elsewhere):
        grant, _ = sent(acme, employee, approver, elsewhere, "slack", "please")
        access.approve(grant, approver)
        access.activate(grant, employee, access.session_of(employee))
        flows.revoke_grant(
            grant=grant, actor=approver.user, reason="<!channel> @all", now=clock.now()
        )

        text = told(elsewhere)[-1]["text"]
        assert "Because: `\u2039!channel\u203a @\u2060all`" in text
