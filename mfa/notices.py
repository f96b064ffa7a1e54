"""Mail that tells people of changes to their factors, by templates account/email/<notice>_*.txt.

The outbox keeps it in the transaction of the change. Nothing that a stranger can choose goes in.
"""

from datetime import datetime
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import send_mail
from django.template.loader import render_to_string
from django.urls import reverse

from accounts.models import User
from audit.recorder import request_address


def send(*, user: User, notice: str, now: datetime, **context: Any) -> None:
    """Write one mail. notice: the templates' name, like "factor_added"; context: what they take."""
    values = {
        "user": user,
        "timestamp": now,
        "ip": request_address.get(),
        "security_url": settings.ISSUER + reverse(settings.LOGIN_REDIRECT_URL),
        "current_site": SimpleNamespace(name="Sallyport", domain=urlsplit(settings.ISSUER).netloc),
        **context,
    }
    subject = render_to_string(f"account/email/{notice}_subject.txt", values)
    body = render_to_string(f"account/email/{notice}_message.txt", values)
    send_mail(" ".join(subject.split()), body.strip() + "\n", None, [user.email])
