"""Asking for access, answering and beginning it, and what is agreed to (A148 to A150, A153)."""

from collections.abc import (
    Callable,
)
from typing import (
    Any,
)

from tests.attacks.sabotage.defence import (
    Defence,
    Patch,
    replace,
    wrap,
)


def by_the_person(original: Any, *args: Any) -> Any:
    from dataclasses import replace as changed

    return changed(original(*args), is_handed_on=False)


def unasked(*rules: str) -> Callable[[Patch], None]:
    """Lets whatever fails by these rules of access alone."""

    def permit(original: Any, facts: Any, **how: Any) -> Any:
        from dataclasses import replace as changed

        verdict = original(facts, **how)
        left = tuple(rule for rule in verdict.reasons if rule not in rules)
        return changed(verdict, reasons=left, allowed=not left, is_final=bool(left))

    return wrap("policy.engine:permit", permit)


def unguarded(original: Any, self: Any, *args: Any, **how: Any) -> Any:
    """Writes an answer into a table that lets anybody's be written."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE access_approval DISABLE TRIGGER access_check_persons")
        for name in ("access_not_ones_own", "access_not_the_same_person"):
            cursor.execute(f"ALTER TABLE access_approval DROP CONSTRAINT IF EXISTS {name}")
    return original(self, *args, **how)


def alone(self: Any, **_: Any) -> None:
    """Lets whoever asks publish, whatever others have said."""


class Alone:
    demand_administrator = consume = alone


def as_they_said(original: Any, version: Any) -> str:
    """Takes a version for the one that was agreed to."""
    from access.models import Grant

    grant = Grant.unscoped.filter(policy_version=version).first()
    said: str = original(version) if grant is None else grant.terms["publication"]["digest"]
    return said


def everywhere(original: Any, *args: Any, **how: Any) -> Any:
    """Takes everybody for an administrator of every organisation."""
    from dataclasses import replace as changed

    return changed(original(*args, **how), administers_everywhere=True)


def unlocked(grant: Any, now: Any) -> Any:
    """Reads a grant that others may be moving."""
    import time

    from access.flows.timeline import Locked
    from access.models import Grant

    rows = Grant.unscoped.select_related("entitlement", "requester")
    found = rows.get(pk=grant.pk)
    time.sleep(0.2)  # so that all have read before one of them writes
    return Locked(found, now)


def whatever_is_live(*, user: Any, now: Any) -> Any:
    """Counts what a grant lends among what somebody holds."""
    from accounts.models import Role, RoleAssignment

    live = RoleAssignment.unscoped.live(now).filter(user=user)
    return list(Role.objects.within_id(user.organisation_id).filter(assignments__in=live))


RACING_EDITS = "attacks/test_a149_racing_edits.py"
OF_ONES_OWN = "attacks/test_a148_policy_of_ones_own.py"
ANOTHER_POLICY = "attacks/test_a150_another_policy.py"


def as_the_installation(original: Any, *, user: Any, now: Any, actor: Any = None) -> None:
    """Unlinks for whoever asks as if a command did."""
    original(user=user, now=now)


DEFENCES = {
    "A148": Defence(
        "nobody answers a request of their own, and is told so",
        unasked("approver_is_another", "approver_is_another_person"),
    ),
    "A148-person": Defence(
        "accounts of one person count as one", unasked("approver_is_another_person")
    ),
    "A148-behalf": Defence(
        "nobody answers on behalf of whoever asks", unasked("approver_acts_for_nobody")
    ),
    "A148-database": Defence(
        "the database takes no answer of whoever asked",
        wrap("access.models:Approval.save", unguarded),
    ),
    "A148-third": Defence(
        "all accounts of a person are judged when two are linked",
        replace("access.receivers:_accounts_of_the_same", lambda person: [person]),
    ),
    "A148-unlinked": Defence(
        "nobody takes an account from themselves",
        wrap("accounts.flows.people:unlink_account", as_the_installation),
    ),
    "A148-beginning": Defence(
        "who approved is judged again when it begins", unasked("approvers_are_others")
    ),
    "A148-workload": Defence(
        "nobody answers what an application of theirs asks for",
        replace("access.judging:answers_for", lambda *_: False),
        files="attacks/test_a148_own_workload.py",
    ),
    "A149-workload": Defence(
        "one transaction at a time moves an application's grant",
        replace("access.flows.timeline:lock", unlocked),
        files="attacks/test_a149_racing_workload.py",
    ),
    "A148-policy": Defence(
        "nothing is published but by what others agreed to",
        replace("policy.approval:approvals", Alone),
        OF_ONES_OWN,
    ),
    "A148-author": Defence(
        "who wrote a policy does not agree to it",
        replace("access.models:Grant.author", property(lambda _: None)),
        OF_ONES_OWN,
    ),
    "A148-agreed": Defence(
        "the terms of publishing always ask somebody",
        replace("access.offers:check_offer", lambda *_: None),
        OF_ONES_OWN,
    ),
    "A149-policy": Defence(
        "publishing uses up what was agreed to, in its transaction",
        replace("access.flows.publications:Approvals.consume", alone),
        "attacks/test_a149_racing_publications.py",
    ),
    "A150-policy": Defence(
        "what is published is what was digested",
        wrap("access.flows.publications:digest_of_version", as_they_said),
        ANOTHER_POLICY,
    ),
    "A150-replaced": Defence(
        "what was agreed to is held against what counts",
        replace("access.terms:still_replaces", lambda _: True),
        ANOTHER_POLICY,
    ),
    "A153-policy": Defence(
        "who agrees to a policy administers every organisation by what they are",
        wrap("access.approvers:standing_of", everywhere),
    ),
    "A149": Defence(
        "one transaction at a time moves a grant",
        replace("access.flows.timeline:lock", unlocked),
    ),
    "A148-resumed": Defence(
        "nobody resumes what another account of theirs has",
        replace(
            "access.flows.standing:_is_ones_own",
            lambda grant, actor: actor.pk == grant.requester_id,
        ),
        "attacks/test_a148_own_approval.py",
    ),
    "A148-one": Defence(
        "approvers who turn out to be one person count as one",
        replace("access.approvers:_one_of_each_person", lambda approvals, _: approvals),
        "attacks/test_a148_own_approval.py",
    ),
    "A149-emergencies": Defence(
        "a person takes one emergency at a time",
        replace("access.flows.emergency:_hold_person", lambda requester: requester),
        RACING_EDITS,
    ),
    "A149-edited": Defence(
        "whoever asks waits for whoever changes what that rests on",
        replace("access.flows.timeline:hold", lambda entitlement: entitlement),
        RACING_EDITS,
    ),
    "A150-agreed": Defence(
        "what was approved begins if that suffices today, by approvers as they are",
        replace("access.approvers:suffice", lambda *_: True),
        "attacks/test_a150_raised_after_approval.py",
    ),
    "A152-extended": Defence(
        "what was taken away is not had again by its extension",
        replace("access.flows.activation:_end_extended", lambda *_: True),
        "access/test_requests.py",
    ),
    "A150": Defence(
        "what begins is what was digested", replace("access.judging:are_intact", lambda _: True)
    ),
    "A150-duration": Defence(
        "nothing lasts longer than it is offered for", unasked("duration_within")
    ),
    "A150-start": Defence("nothing starts in the past", unasked("start_ahead")),
    "A150-resources": Defence(
        "what begins is limited as it was approved",
        replace(
            "access.flows.activation:resources_left",
            lambda grant: grant.entitlement.resources or None,
        ),
    ),
    "A150-told": Defence(
        "what is limited is not told as if it were not",
        replace("access.limited:limits_of", lambda _: {}),
        files="access/test_limited.py",
    ),
    "A150-edited": Defence(
        "terms that change withdraw what waits",
        replace("access.flows.entitlements:_take_open", lambda *_, **__: None),
    ),
    "A148-api": Defence(
        "a token that was handed on answers nothing",
        wrap("console.api.door:_admit", by_the_person),
        files="attacks/test_a148_approving_by_the_api.py",
    ),
    "A153": Defence(
        "what was won for a time gives no right to approve",
        replace("accounts.flows.elevation:standing_roles", whatever_is_live),
    ),
    "A153-rules": Defence(
        "only administrators set the rules of access",
        replace("access.administering:demand_administrator", lambda *_, **__: None),
    ),
}
