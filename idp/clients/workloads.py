"""Clients that act for themselves, as access knows them."""

from datetime import datetime

from access.flows import appoint_responsible
from access.models import Workload
from accounts.models import User
from core.errors import Refusal
from idp.clients.roles import acts_for_itself
from idp.models import Client


def make_workload(
    *, client: Client, responsible: User | None, now: datetime, actor: User | None = None
) -> Workload:
    """The client as access knows it. responsible: who answers for it; None: who does already.

    Refuses as `access.flows.appoint_responsible` does, invalid_request for a client that never
    acts for itself, or for which nobody answers yet, conflict for one that is switched off.
    """
    if not acts_for_itself(client):
        raise Refusal.invalid_request("This application never acts for itself.")
    if not client.is_active:
        raise Refusal.conflict("This application is switched off.")
    if responsible is None:
        known = find_workload(client)
        if known is None:
            raise Refusal.invalid_request("Name who is responsible for this application.")
        return known
    return appoint_responsible(
        client=client.pk,
        name=client.client_id,
        title=client.name,
        organisation_id=client.organisation_id,
        responsible=responsible,
        now=now,
        actor=actor,
    )


def find_workload(client: Client) -> Workload | None:
    """The client as access knows it, None where nobody answers for it yet."""
    rows = Workload.objects.within_id(client.organisation_id).select_related("responsible")
    return rows.filter(pk=client.pk).first()
