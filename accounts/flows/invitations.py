"""Invitations: a link that makes one account, once."""

from datetime import datetime
from urllib.parse import urljoin

from allauth.account.models import EmailAddress
from django.conf import settings
from django.db import IntegrityError, transaction
from django.urls import reverse

from accounts import mail
from accounts.flows.people import discard_unverified, note_registration
from accounts.flows.permissions import check_may_give, is_administrator
from accounts.flows.roles import assign_role
from accounts.models import Invitation, Organisation, Role, User
from audit.events import Event
from audit.recorder import record
from core import clock
from core.errors import Refusal
from core.ids import digest, new_token

MAX_TOKEN_LENGTH = 64


@transaction.atomic
def invite(
    *,
    organisation: Organisation,
    email: str,
    now: datetime,
    role: Role | None = None,
    invited_by: User | None = None,
) -> tuple[Invitation, str]:
    """Write an invitation and mail its link; returns it with the link, which is not kept.

    Refuses not_found if the role belongs to another organisation, or the inviter does and does not
    administer every one; conflict if the organisation has this person, not_allowed if the role is
    not the inviter's to give. Whether another organisation has them is not told: such an invitation
    cannot be accepted. Who invites from elsewhere is known to audit alone.
    """
    email = email.strip().lower()
    if role is not None and role.organisation_id != organisation.id:
        raise Refusal.not_found()
    is_from_here = invited_by is not None and invited_by.organisation_id == organisation.id
    if (
        invited_by is not None
        and not is_from_here
        and not is_administrator(invited_by, organisation.id)
    ):
        raise Refusal.not_found()
    if role is not None:
        check_may_give(actor=invited_by, organisation_id=organisation.id, roles=[role], now=now)
    if User.objects.within(organisation).filter(email=email).exists():
        raise Refusal.conflict(f"{email} has an account already.")
    token = new_token()
    invitation = Invitation.objects.create(
        organisation=organisation,
        email=email,
        role=role,
        digest=digest(token),
        invited_by=invited_by if is_from_here else None,
        created_at=now,
        expires_at=now + settings.INVITATION_LIFETIME,
    )
    link = urljoin(settings.ISSUER, reverse("accounts:invitation", args=[token]))
    mail.send(
        "account/email/invitation",
        to=email,
        context={"invitation": invitation, "invitation_url": link},
    )
    record(
        Event.INVITATION_CREATED,
        organisation_id=organisation.id,
        actor=invited_by,
        subject=invitation,
        now=now,
        email=email,
        role=role.name if role else None,
    )
    return invitation, link


@transaction.atomic
def withdraw_invitation(*, invitation: Invitation, now: datetime, actor: User | None) -> bool:
    """Let a link work no more; returns whether this call did it: used ones and old ones stay."""
    open_ones = Invitation.objects.within_id(invitation.organisation_id).filter(
        pk=invitation.pk, used_at=None, expires_at__gt=clock.sql_now()
    )
    if not open_ones.update(expires_at=clock.sql_now()):
        return False
    record(
        Event.INVITATION_WITHDRAWN,
        organisation_id=invitation.organisation_id,
        actor=actor,
        subject=invitation,
        now=now,
        email=invitation.email,
    )
    return True


def find_invitation(*, token: str) -> Invitation | None:
    """The invitation behind a link, if it can still be accepted. Looking does not use it up."""
    if len(token) > MAX_TOKEN_LENGTH:
        return None
    return (
        Invitation.unscoped.filter(
            digest=digest(token),
            used_at=None,
            expires_at__gt=clock.sql_now(),
            organisation__is_active=True,
        )
        .select_related("organisation", "invited_by", "role")
        .first()
    )


@transaction.atomic
def accept_invitation(*, token: str, name: str, password: str, now: datetime) -> User:
    """Make the account that the link was for, with its address confirmed by the link itself.

    Refuses not_found if the link is unknown, used or expired; conflict if the address has an
    account by now.
    """
    invitation = find_invitation(token=token)
    if invitation is None:
        raise Refusal.not_found("This invitation no longer works.")
    claimed = Invitation.unscoped.filter(
        pk=invitation.pk, used_at=None, expires_at__gt=clock.sql_now()
    ).update(used_at=clock.sql_now())
    if not claimed:
        raise Refusal.not_found("This invitation no longer works.")
    discard_unverified(email=invitation.email, now=now)
    try:
        with transaction.atomic():
            user = User.objects.create_user(
                email=invitation.email,
                organisation=invitation.organisation,
                now=now,
                password=password,
                name=name,
            )
            EmailAddress.objects.create(
                user=user, email=invitation.email, verified=True, primary=True
            )
    except IntegrityError as error:
        raise Refusal.conflict("This address has an account already. Sign in with it.") from error
    note_registration(user=user, now=now, how="invitation")
    is_given = invitation.role is None or _give_role(user, invitation.role, invitation, now)
    record(
        Event.INVITATION_ACCEPTED,
        organisation_id=invitation.organisation_id,
        actor=user,
        subject=invitation,
        now=now,
        role_is_withheld=not is_given,
    )
    return user


def _give_role(user: User, role: Role, invitation: Invitation, now: datetime) -> bool:
    """Give what was promised, unless who promised it may no longer: they may have left since."""
    try:
        check_may_give(
            actor=invitation.invited_by,
            organisation_id=invitation.organisation_id,
            roles=[role],
            now=now,
        )
    except Refusal:
        return False
    assign_role(user=user, role=role, now=now, actor=invitation.invited_by)
    return True
