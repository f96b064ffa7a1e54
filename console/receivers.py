"""What the console hears and tells people by mail: sign-ins, and what becomes of devices."""

from datetime import datetime
from typing import Any

from django.dispatch import receiver

from accounts import mail
from accounts.models import User
from devices.models import Device, State
from devices.signals import device_changed, device_enrolled, device_shared
from risk import links
from risk.levels import RiskLevel
from risk.models import SignIn
from sessions.models import LoginSession
from sessions.signals import signed_in


@receiver(signed_in)
def tell_of_sign_in(
    sender: Any,  # noqa: ARG001
    *,
    user: User,
    session: LoginSession,
    browser_is_new: bool,
    now: datetime,
    **_: Any,
) -> None:
    """Mail a notice of a new browser, and of whatever was unusual; with a link to say no.

    Not at the very first sign-in of an account.
    """
    sign_in = SignIn.objects.within(user.organisation).filter(session_id=session.pk).first()
    is_unusual = sign_in is not None and sign_in.level >= RiskLevel.MEDIUM
    if not browser_is_new and not is_unusual:
        return
    earlier = LoginSession.objects.within_id(user.organisation_id).filter(user=user)
    if not earlier.exclude(pk=session.pk).exists():
        return
    mail.notify(
        user,
        "account/email/unusual_sign_in" if is_unusual else "account/email/new_sign_in",
        now=now,
        ip=session.address,
        place=sign_in.place if sign_in else "",
        answer_url=mail.here("risk:was_it_you", links.token_of(sign_in)) if sign_in else "",
        device_name=session.browser.name if session.browser else None,
    )


@receiver(device_enrolled)
def tell_of_enrolled_device(
    sender: Any,  # noqa: ARG001
    *,
    device: Device,
    user: User,
    now: datetime,
    **_: Any,
) -> None:
    """A device passes for its user's from now on: whoever did not enrol it has to hear of it."""
    mail.notify(
        user, "account/email/device_enrolled", now=now, device_name=device.get_platform_display()
    )


@receiver(device_shared)
def tell_of_shared_device(
    sender: Any,  # noqa: ARG001
    *,
    device: Device,
    users: list[User],
    now: datetime,
    **_: Any,
) -> None:
    """Whoever used it alone hears that somebody else does as well."""
    for user in users:
        mail.notify(
            user, "account/email/device_shared", now=now, device_name=device.get_platform_display()
        )


@receiver(device_changed)
def tell_of_device_out_of_use(
    sender: Any,  # noqa: ARG001
    *,
    device: Device,
    previous_state: str,
    state: str,
    now: datetime,
    **_: Any,
) -> None:
    """Its people hear when it is lost, suspended or revoked; a changed tier is on its page."""
    if state == previous_state or state not in {State.LOST, State.SUSPENDED, State.REVOKED}:
        return
    for user in User.objects.within_id(device.organisation_id).filter(devices__device=device):
        mail.notify(
            user,
            "account/email/device_out",
            now=now,
            state=str(state),
            device_name=device.get_platform_display(),
        )
