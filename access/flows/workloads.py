"""Who answers for a workload."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from access.administering import demand_administrator
from access.flows.endings import take_away
from access.flows.timeline import lock
from access.models import Grant, Workload
from access.workloads import CLIENT
from accounts.models import User
from audit.events import Event
from audit.recorder import record
from core.errors import Refusal


@transaction.atomic
def appoint_responsible(
    *,
    client: UUID,
    name: str,
    title: str,
    organisation_id: UUID,
    responsible: User,
    now: datetime,
    actor: User | None = None,
) -> Workload:
    """Let a person answer for an application, which access then knows as a workload.

    client, name, title: its id, its client_id and what people call it, from who knows that it acts
    for itself. What was asked
    for while another answered for it is withdrawn, and what is had ends. Refuses not_allowed but
    for administrators, not_found across organisations, conflict for an account that is closed.
    """
    demand_administrator(actor, organisation_id, now=now)
    if responsible.organisation_id != organisation_id:
        raise Refusal.not_found()
    if not User.objects.within_id(organisation_id).filter(pk=responsible.pk, is_active=True):
        raise Refusal.conflict("Whoever answers for an application has an open account.")
    workload, is_new = Workload.objects.within_id(organisation_id).get_or_create(
        id=client,
        defaults={
            "organisation_id": organisation_id, "name": name, "title": title,
            "responsible": responsible,
        },
    )  # fmt: skip
    rows = Workload.objects.within_id(organisation_id).select_for_update(no_key=True, of=("self",))
    held = rows.select_related("responsible").get(pk=workload.pk)
    if not is_new and held.responsible_id == responsible.pk:
        return held
    held.responsible = responsible
    held.save(update_fields=["responsible"])
    if not is_new:
        for grant in Grant.unscoped.open().filter(workload=held).order_by("pk"):
            locked = lock(grant, now)
            if locked.grant.ended_at is None:
                take_away(locked.grant, "responsible_changed", now=locked.now, actor=actor)
    record(
        Event.WORKLOAD_APPOINTED,
        organisation_id=organisation_id,
        actor=actor,
        subject=f"{CLIENT}{held.pk}",
        now=now,
        responsible=responsible.pk,
    )
    return held
