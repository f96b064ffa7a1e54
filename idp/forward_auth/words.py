"""What speaks against a request, in sentences for the person who made it."""

from collections.abc import Iterable

SENTENCES = {
    "role_missing": "You have none of the roles that this page needs.",
    "permission_missing": "No role of yours allows this.",
    "device_trusted_too_little": "It needs a device that is trusted more.",
    "session_unbound": "This browser has not bound its sign-in to a key yet.",
    "address_locked": "It may not be opened from this network.",
    "client_locked": "The application is locked.",
    "client_inactive": "The application is switched off.",
    "email_unverified": "Your address has not been confirmed.",
    "sign_in_at_risk": "This sign-in is too unusual, and nothing stronger can be proven.",
    "account_at_risk": "Your account is at risk, and nothing stronger can be proven.",
    "resource_requires_stronger_authentication": "It needs a stronger sign-in.",
    "role_requires_stronger_authentication": "One of your roles needs a stronger sign-in.",
    "authentication_too_old": "It needs a more recent sign-in.",
}
OTHERWISE = "The rules of your organisation do not allow it now."


def told(reasons: Iterable[str]) -> list[str]:
    """Each sentence once, in a fixed order."""
    return sorted({SENTENCES.get(reason, OTHERWISE) for reason in reasons})
