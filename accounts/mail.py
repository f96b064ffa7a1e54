"""The outbox: mail is written down in the transaction of its change, and sent afterwards.

`OutboxBackend` is Django's EMAIL_BACKEND; it only stores. `accounts.tasks.deliver_mail` sends by
EMAIL_DELIVERY_BACKEND, and again with growing pauses while the mail server
is down. Messages are sealed: they may hold links that open accounts.
"""

import json
from collections.abc import Sequence
from typing import Any

from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.core.mail.backends.base import BaseEmailBackend

from accounts.models import OutgoingMail
from core import clock


class OutboxBackend(BaseEmailBackend):
    """Stores messages as rows of `OutgoingMail`; sends nothing."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        now = clock.now()
        for message in email_messages:
            OutgoingMail.objects.create(message=pack(message), created_at=now, next_attempt_at=now)
        return len(email_messages)


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
