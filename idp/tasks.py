"""Background work of the provider. Idempotent, safe when doubled, harmless when it never runs.

A worker cannot hand a client a new token: it re-evaluates every live family, retires those that no
longer pass, closes retry windows, tells clients of ended sessions and of people's answers, rotates
signing keys and deletes what is long over.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

from celery import shared_task
from django.conf import settings
from django.db import transaction
from django.db.models import Q

from audit.events import Event
from audit.recorder import one_cause, record
from core import clock, outbox
from idp import keys
from idp.client_documents.flows import look_again
from idp.clients import logos
from idp.delivery import logout_tokens, pings
from idp.models import (
    AuthorizationCode,
    AuthorizationRequest,
    BackchannelAuthentication,
    Client,
    DeviceAuthorization,
    ForwardCode,
    ForwardSession,
    PushedRequest,
    RefreshFamily,
    RevokedToken,
    SpentProof,
    StatusList,
    UsedAssertion,
)
from idp.models.token import RevokeReason
from idp.tokens import status
from policy.decision import Outcome
from policy.facts import Trigger
from sessions.evaluation import Resource, evaluate, look

BATCH = 200
KEPT_FOR = timedelta(days=30)


@shared_task
def rotate_signing_keys() -> int:
    """Make, promote and retire signing keys as their age demands; returns how many changed."""
    return len(keys.rotate(now=clock.now()))


@shared_task
def retire_refresh_families() -> int:
    """Judge live families again, and write down as revoked what no longer passes."""
    now = clock.now()
    retired = _retire_expired(now)
    closed = Q(successor_sealed__isnull=False, rotated_at__lt=now - settings.REFRESH_RETRY_WINDOW)
    RefreshFamily.unscoped.filter(closed).update(successor_sealed=None)
    last = None
    while True:
        with transaction.atomic():
            batch = RefreshFamily.unscoped.filter(revoked_at=None).order_by("id")
            if last is not None:
                batch = batch.filter(id__gt=last)
            families = list(batch.select_for_update(skip_locked=True)[:BATCH])
            # In one order, so that two workers who meet at the same sessions do not deadlock.
            verdicts = {
                session_id: evaluate(session_id=session_id, trigger=Trigger.SWEEP, now=now)
                for session_id in sorted({family.session_id for family in families})
            }
            for family in families:
                if verdicts[family.session_id].outcome in {Outcome.REVOKE, Outcome.DENY}:
                    _retire(family, RevokeReason.POLICY, now)
                    retired += 1
        if len(families) < BATCH:
            return retired
        last = families[-1].id


@shared_task
def judge_families_of(*, client: str, cause: str) -> int:
    """Retire at once what a client's new demands refuse; returns how many families.

    What has to be proven more strongly goes on to its next use, which asks for it. Families that
    another worker holds are left to that use as well.
    """
    asked_by = Client.unscoped.get(pk=client)
    resource = Resource(
        client_is_active=asked_by.is_active,
        required_level=asked_by.required_level,
        required_tier=asked_by.required_tier,
        client_name=asked_by.client_id,
    )
    retired, last = 0, None
    while True:
        now = clock.now()
        with transaction.atomic(), one_cause(UUID(cause)):
            batch = RefreshFamily.objects.within_id(asked_by.organisation_id).order_by("id")
            batch = batch.filter(client=asked_by, revoked_at=None)
            if last is not None:
                batch = batch.filter(id__gt=last)
            families = list(batch.select_for_update(skip_locked=True)[:BATCH])
            for family in families:
                decision = look(
                    session_id=family.session_id, trigger=Trigger.ADMIN, resource=resource
                )
                if decision.outcome in {Outcome.REVOKE, Outcome.DENY}:
                    _retire(family, RevokeReason.POLICY, now, reasons=decision.reasons)
                    retired += 1
        if len(families) < BATCH:
            return retired
        last = families[-1].id


@shared_task
def follow_client_documents() -> int:
    """Look whether the documents of clients with live refresh tokens have changed."""
    return look_again(now=clock.now())


@shared_task
def fetch_client_logos() -> int:
    """Ask for clients' logos that are due; returns how many brought a picture."""
    return outbox.deliver(lambda now, _: logos.fetch_next(now=now))


@shared_task
def deliver_logout_tokens() -> int:
    """Tell clients of ended sessions; returns how many took it."""
    logout_tokens.note_ended(now=clock.now())
    return outbox.deliver(lambda now, without: logout_tokens.deliver_next(now=now, without=without))


@shared_task
def deliver_pings() -> int:
    """Tell clients that a person has answered them; returns how many took it."""
    return outbox.deliver(lambda now, without: pings.deliver_next(now=now, without=without))


@shared_task
def purge() -> int:
    """Delete requests, codes, families and revocations that nothing can refer to any more."""
    now = clock.now()
    before = now - KEPT_FOR
    deleted = 0
    for rows in (
        AuthorizationRequest.unscoped.filter(expires_at__lt=now - timedelta(days=1)),
        PushedRequest.unscoped.filter(expires_at__lt=now - timedelta(days=1)),
        DeviceAuthorization.unscoped.filter(expires_at__lt=now - timedelta(days=1)),
        BackchannelAuthentication.unscoped.filter(expires_at__lt=now - timedelta(days=1)),
        AuthorizationCode.unscoped.filter(expires_at__lt=before),
        ForwardCode.unscoped.filter(expires_at__lt=now - timedelta(days=1)),
        ForwardSession.unscoped.filter(ends_at__lt=now - timedelta(days=1), withdrawn_at=None),
        # Until no session is left whose proof could be older.
        ForwardSession.unscoped.filter(withdrawn_at__lt=now - settings.SESSION_ABSOLUTE_LIFETIME),
        RefreshFamily.unscoped.filter(expires_at__lt=before),
        RevokedToken.objects.filter(expires_at__lt=now - timedelta(hours=1)),
        UsedAssertion.objects.filter(expires_at__lt=now - timedelta(minutes=1)),
        SpentProof.objects.filter(expires_at__lt=now - timedelta(minutes=1)),
        StatusList.objects.filter(
            Q(closed_at__lt=now - status.KEPT_FOR)
            | Q(created_at__lt=now - status.OPEN_FOR - status.KEPT_FOR)
        ),
    ):
        deleted += rows.delete()[0]
    return deleted + logout_tokens.purge(now=now)


def _retire_expired(now: object) -> int:
    retired = 0
    while True:
        with transaction.atomic():
            families = list(
                RefreshFamily.unscoped.filter(revoked_at=None, expires_at__lte=now)
                .order_by("id")
                .select_for_update(skip_locked=True)[:BATCH]
            )
            for family in families:
                _retire(family, RevokeReason.EXPIRED, now)
        retired += len(families)
        if len(families) < BATCH:
            return retired


def _retire(family: RefreshFamily, reason: RevokeReason, now: object, **facts: Any) -> None:
    family.revoked_at, family.revoke_reason = now, reason  # type: ignore[assignment]
    family.save(update_fields=["revoked_at", "revoke_reason"])
    record(
        Event.REFRESH_FAMILY_RETIRED,
        organisation_id=family.organisation_id,
        subject=family,
        session_id=family.session_id,
        now=now,  # type: ignore[arg-type]
        reason=reason.value,
        **facts,
    )
