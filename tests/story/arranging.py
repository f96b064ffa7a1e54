"""What an administrator sets up before the story needs it, run inside the instance."""

import json
from typing import Any

from tests.support.instance import Instance


def run(instance: Instance, call: str) -> Any:
    """What a function of this module answers when the instance runs it."""
    said = instance.inside(
        f"import json; from tests.story import arranging; print(json.dumps(arranging.{call}))",
    )  # fmt: skip
    return json.loads(said.splitlines()[-1])


def open_the_database_to(email: str) -> None:
    """Put somebody into the crew, ask for a passkey and a trusted laptop, and say what it opens."""
    from dataclasses import replace
    from datetime import timedelta

    from access.flows import update_entitlement
    from access.models import Entitlement
    from access.offers import ApproverLine, Offer, StageLine
    from accounts import flows
    from accounts.models import Classification, Group, Role, User
    from core import clock

    now, user = clock.now(), User.unscoped.get(email=email)
    acme = user.organisation
    flows.add_group_member(group=Group.objects.within(acme).get(name="crew"), user=user, now=now)
    roles = Role.objects.within(acme)
    keeper, admin = roles.get(name="db-admin"), roles.get(name="admin")
    offer = Offer(
        roles=[keeper],
        description="Look after the crew's database",
        stages=[StageLine([ApproverLine(role=admin)])],
        ticket_pattern="OPS-[0-9]{1,6}",
    )
    update_entitlement(
        entitlement=Entitlement.objects.within(acme).get(name="db-admin"),
        offer=replace(offer, required_acr="aal2", max_age=timedelta(minutes=5), required_tier=2),
        now=now,
    )
    flows.give_permission(role=keeper, resource_type="database", action="manage", now=now)
    flows.register_resource(
        organisation=acme, type="database", name="crew", now=now,
        classification=Classification.CONFIDENTIAL,
    )  # fmt: skip
