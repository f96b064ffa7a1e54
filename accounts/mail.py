"""The outbox: mail is written down in the transaction of its change, and sent afterwards.

`OutboxBackend` is Django's EMAIL_BACKEND; it only stores. `accounts.tasks.deliver_mail` sends by
EMAIL_DELIVERY_BACKEND, and again with growing pauses while the mail server is down. Messages are
sealed: they may hold links that open accounts.

Links are built from the configured address of this installation alone, never from a request: the
Host header is a stranger's choice.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import SimpleNamespace
from typing import Any
from urllib.parse import urljoin, urlsplit

from django.conf import settings
from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse

from accounts.models import OutgoingMail, User
from audit.recorder import request_address
from core import background, clock


class OutboxBackend(BaseEmailBackend):
    """Stores messages as rows of `OutgoingMail`; sends nothing."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        now = clock.now()
        for message in email_messages:
            OutgoingMail.objects.create(message=pack(message), created_at=now, next_attempt_at=now)
        transaction.on_commit(lambda: background.hurry("accounts.tasks.deliver_mail"))
        return len(email_messages)


def send(template: str, *, to: str, context: Mapping[str, Any]) -> None:
    """Render `<template>_subject.txt` and `<template>_message.txt` into the outbox."""
    compose(template, to=to, context=context).send()


def notify(
    user: User, template: str, *, now: datetime, to: str | None = None, **context: Any
) -> None:
    """Tell the user of a change to the account. to: another address than the one in use.

    context: what the template names; device_name must be words of ours, never a raw user agent.
    """
    facts = {
        "user": user,
        "timestamp": now,
        "ip": request_address.get(),
        "security_url": here("console:security"),
    }
    send(template, to=to or user.email, context=facts | context)


def compose(template: str, *, to: str, context: Mapping[str, Any]) -> EmailMessage:
    facts = {"email": to, "current_site": site()} | dict(context)
    subject = render_to_string(f"{template}_subject.txt", facts)
    body = render_to_string(f"{template}_message.txt", facts)
    return EmailMessage(
        " ".join(subject.split()), body.strip() + "\n", settings.DEFAULT_FROM_EMAIL, [to]
    )


def site() -> SimpleNamespace:
    """What templates know as `current_site`."""
    return SimpleNamespace(domain=urlsplit(settings.ISSUER).netloc, name="Sallyport")


def here(url_name: str, *args: str) -> str:
    """The absolute address of one of our pages."""
    return urljoin(settings.ISSUER, reverse(url_name, args=args))


def pack(message: EmailMessage) -> bytes:
    """A message as JSON: what we send has no attachments."""
    content: dict[str, Any] = {
        "subject": message.subject,
        "body": message.body,
        "from_email": message.from_email,
        "to": list(message.to),
        "headers": dict(message.extra_headers),
        "alternatives": [
            [str(content), str(kind)] for content, kind in getattr(message, "alternatives", [])
        ],
    }
    return json.dumps(content).encode()


def unpack(packed: bytes) -> EmailMultiAlternatives:
    """The message that `pack` packed."""
    content = json.loads(packed)
    message = EmailMultiAlternatives(
        content["subject"],
        content["body"],
        content["from_email"],
        content["to"],
        headers=content["headers"],
    )
    for text, kind in content["alternatives"]:
        message.attach_alternative(text, kind)
    return message
