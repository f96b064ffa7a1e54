"""The link of a mail that asks "was this you?": it names one sign-in, and can only say no to it.

Signed, not stored; good for a fortnight. Whoever holds it reads when and where that sign-in was,
and can end it: less than any session lets one do. Saying yes takes signing in.
"""

from datetime import datetime, timedelta
from uuid import UUID

from django.core import signing

from risk.models import SignIn

SALT = "risk.links"
GOOD_FOR = timedelta(days=14)


def token_of(sign_in: SignIn) -> str:
    return signing.dumps(sign_in.pk.hex, salt=SALT)


def find(token: str, *, now: datetime) -> SignIn | None:
    """The sign-in that a link names; None for one that is forged, too old, or about nothing."""
    try:
        key = UUID(signing.loads(token, salt=SALT))
    except (signing.BadSignature, ValueError, TypeError, AttributeError):
        return None
    return SignIn.unscoped.filter(pk=key, at__gt=now - GOOD_FOR).first()
