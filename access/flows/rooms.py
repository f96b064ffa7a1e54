"""Chat rooms that are told what happens to access: added, changed, tried and removed."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import IntegrityError, transaction

from access.administering import demand_administrator
from access.chat import notes
from access.chat.models import MAX_NAME_LENGTH, TEST, ChatDelivery, ChatWebhook, Format, Happening
from access.flows.requests import plain
from accounts.models import Organisation, User
from audit.events import Event
from audit.recorder import record
from core import webhooks
from core.errors import Refusal
from core.outbound import MAX_URL_LENGTH

MAX_ROOMS = 20
TESTS_APART = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class AddedRoom:
    """A room, and what its messages are signed with, told now and never again. None: unsigned."""

    webhook: ChatWebhook
    secret: str | None


@transaction.atomic
def add_room(
    *,
    organisation: Organisation,
    name: str,
    form: str,
    url: str,
    happenings: Iterable[str],
    now: datetime,
    actor: User | None = None,
) -> AddedRoom:
    """Have a room told of these happenings.

    Refuses not_allowed but for administrators, invalid_request for what does not fit, conflict for
    a name that is taken or one room too many.
    """
    demand_administrator(actor, organisation.pk, now=now)
    check_address(url)
    if form not in Format.values:
        raise Refusal.invalid_request("There is no such format.")
    # Counted by one administrator at a time.
    Organisation.objects.select_for_update(no_key=True).get(pk=organisation.pk)
    if ChatWebhook.objects.within(organisation).count() >= MAX_ROOMS:
        raise Refusal.conflict(f"There are {MAX_ROOMS} rooms already.")
    key, secret = webhooks.new_secret() if form == Format.GENERIC else (None, None)
    webhook = ChatWebhook(
        organisation=organisation, name=_name(name), format=form, url=url.encode(), key=key,
        host=urlsplit(url).hostname or "", happenings=_happenings(happenings), created_at=now,
    )  # fmt: skip
    try:
        with transaction.atomic():
            webhook.save(force_insert=True)
    except IntegrityError as error:
        raise Refusal.conflict("A room of this name is there already.") from error
    _record(Event.CHAT_ADDED, webhook, actor, now, happenings=webhook.happenings)
    return AddedRoom(webhook, secret)


@transaction.atomic
def update_room(
    *,
    webhook: ChatWebhook,
    name: str,
    happenings: Iterable[str],
    now: datetime,
    actor: User | None = None,
) -> ChatWebhook:
    """Call a room otherwise, or have it told of others. Where it is stays as it is.

    Refuses as `add_room` does, and not_found once it is removed.
    """
    demand_administrator(actor, webhook.organisation_id, now=now)
    held = _lock(webhook)
    held.name, held.happenings = _name(name), _happenings(happenings)
    try:
        with transaction.atomic():
            held.save(update_fields=["name", "happenings"])
    except IntegrityError as error:
        raise Refusal.conflict("A room of this name is there already.") from error
    _record(Event.CHAT_UPDATED, held, actor, now, happenings=held.happenings)
    return held


@transaction.atomic
def remove_room(*, webhook: ChatWebhook, now: datetime, actor: User | None = None) -> None:
    """Tell it nothing any more, and forget where it is. Refuses not_allowed, not_found."""
    demand_administrator(actor, webhook.organisation_id, now=now)
    held = _lock(webhook)
    _record(Event.CHAT_REMOVED, held, actor, now)
    held.delete()


@transaction.atomic
def send_test(*, webhook: ChatWebhook, now: datetime, actor: User | None = None) -> None:
    """Have a test message sent. Refuses not_allowed, not_found, conflict so soon after another."""
    demand_administrator(actor, webhook.organisation_id, now=now)
    held = _lock(webhook)
    lately = ChatDelivery.objects.within_id(held.organisation_id).filter(
        webhook=held, happening=TEST, created_at__gt=now - TESTS_APART
    )
    if lately.exists():
        raise Refusal.conflict("A test message was sent just now. Please wait a little.")
    notes.of_test(held, now=now)
    _record(Event.CHAT_TESTED, held, actor, now)


def check_address(url: str) -> None:
    """Refuses invalid_request for what is no https address. Where it leads is judged at use."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise Refusal.invalid_request("This address cannot be read.") from error
    is_web = parts.scheme == "https" or (parts.scheme == "http" and settings.OUTBOUND_PLAIN_HTTP)
    is_plain = url.isascii() and url.isprintable() and not {" ", "\\"} & set(url)
    if not is_web or not is_plain or not host or port == 0 or "@" in parts.netloc:
        raise Refusal.invalid_request("A room is at an https address.")
    if len(url) > MAX_URL_LENGTH:
        raise Refusal.invalid_request("This address is too long.")
    if parts.fragment:
        raise Refusal.invalid_request("A room's address has no fragment.")


def _name(name: str) -> str:
    words = plain(name, MAX_NAME_LENGTH)
    if not words:
        raise Refusal.invalid_request("A room has a name.")
    return words


def _happenings(given: Iterable[str]) -> list[str]:
    wanted = set(given)
    if not wanted <= set(Happening.values):
        raise Refusal.invalid_request("There is no such happening.")
    if not wanted:
        raise Refusal.invalid_request("A room is told of something.")
    return [each.value for each in Happening if each.value in wanted]


def _lock(webhook: ChatWebhook) -> ChatWebhook:
    rows = ChatWebhook.objects.within_id(webhook.organisation_id).select_for_update()
    held: ChatWebhook | None = rows.filter(pk=webhook.pk).first()
    if held is None:
        raise Refusal.not_found()
    return held


def _record(
    event: Event, webhook: ChatWebhook, actor: User | None, now: datetime, **facts: Any
) -> None:
    record(
        event,
        organisation_id=webhook.organisation_id,
        actor=actor,
        subject=webhook,
        now=now,
        name=webhook.name,
        format=webhook.format,
        host=webhook.host,
        **facts,
    )
