"""What administrators look at, made inside the instance's own database."""

import json

from tests.support.instance import Instance


def of(instance: Instance, email: str, boss: str, *, mark: str | None = None) -> dict[str, str]:
    """Access of one person by the leave of another, standing roles, a review, a draft: their ids."""
    script = (
        "import json; from tests.browser import administration; "
        f"print(json.dumps(administration.make({email!r}, {boss!r}, mark={mark!r})))"
    )
    said = instance.inside(script)
    found: dict[str, str] = json.loads(said.splitlines()[-1])
    return found


def make(email: str, boss: str, *, mark: str | None = None) -> dict[str, str]:
    """mark: what names end in, so that it can be made more than once; "" for pictures."""
    from datetime import timedelta

    from django.conf import settings

    from access import flows
    from access.models import AccessReview, Grant
    from accounts import flows as accounts
    from accounts.models import User
    from core import clock
    from core.ids import new_id
    from policy.flows import write_version
    from tests.browser import grants

    now = clock.now()
    mark = f"-{new_id().hex[-6:]}" if mark is None else mark
    user, approver = (User.unscoped.get(email=each) for each in (email, boss))
    acme = user.organisation
    waiting = Grant.unscoped.get(pk=grants.made(boss, email, name=f"crew-db{mark}"))
    grant = Grant.unscoped.get(pk=grants.made(email, boss, "active", name=f"berths-db{mark}"))
    keeper, auditor = (
        accounts.create_role(organisation=acme, name=f"{name}{mark}", now=now)
        for name in ("harbour-keeper", "auditor")
    )
    group = accounts.create_group(organisation=acme, name=f"night-watch{mark}", now=now)
    accounts.give_group_role(group=group, role=keeper, now=now)
    for each in (user, approver):
        accounts.add_group_member(group=group, user=each, now=now)
    until = now + timedelta(days=20)
    accounts.assign_role(user=approver, role=auditor, ends_at=until, now=now)
    accounts.assign_role(user=user, role=auditor, now=now)
    review = AccessReview.objects.within(acme).filter(closed_at=None).first()
    if review is None:
        review = flows.open_review(organisation=acme, now=now)
    rules = {
        path.name: path.read_text()
        for path in settings.POLICY_DIR.glob("*.rego")
        if not path.name.endswith("_test.rego")
    }
    rules["session.rego"] += (
        f"\n# {now.isoformat()}: administrators asked for passkeys everywhere.\n"
        'reasons contains "passkey_needed" if input.session.level < 3\n'
    )
    version = write_version(
        author=user, modules=rules, note="Passkeys for everybody, everywhere", now=now
    )
    return {
        "entitlement": str(waiting.entitlement_id), "grant": str(grant.pk),
        "review": str(review.pk), "version": str(version.pk),
    }  # fmt: skip
