"""The terms of a request: everything that an approver sees, in one form, under one digest."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from access.models import Entitlement, EntitlementRole, Grant, Stage, StageApprover
from access.workloads import OnBehalf
from accounts.models import User
from policy import engine
from policy.models import PolicyVersion
from policy.signing import digest_of_version
from policy.simulation import Report

Terms = dict[str, Any]


def write_terms(
    *,
    entitlement: Entitlement,
    roles: Iterable[EntitlementRole],
    stages: Iterable[Stage],
    requester: User,
    duration: timedelta,
    starts_at: datetime,
    reason: str,
    ticket: str,
    is_break_glass: bool,
    extends: Grant | None,
    behalf: OnBehalf | None = None,
    version: PolicyVersion | None = None,
    simulation: Report | None = None,
) -> Terms:
    """What is asked for, in full. Roles and stages come with what they name: nothing is queried.

    version: of policy, that it is asked to publish, with its author. simulation: of that, where one
    was run.
    """
    asked = {} if version is None else {"publication": _publication(version, simulation)}
    return asked | {
        "entitlement": {
            "id": str(entitlement.pk),
            "name": entitlement.name,
            "description": entitlement.description,
            "version": entitlement.version,
        },
        "roles": [
            {"id": str(each.role_id), "name": each.role.name}
            for each in sorted(roles, key=lambda each: each.role.name)
        ],
        "requester": {
            "id": str(requester.pk),
            "email": requester.email,
            "name": requester.name,
        },
        "workload": None if behalf is None else _workload(behalf),
        "duration": seconds(duration),
        "starts_at": starts_at.isoformat(),
        "reason": reason,
        "ticket": ticket,
        "required_acr": entitlement.required_acr,
        "max_age": None if entitlement.max_age is None else seconds(entitlement.max_age),
        "required_tier": entitlement.required_tier,
        "binds_session": entitlement.binds_session,
        "binds_device": entitlement.binds_device,
        "binds_network": entitlement.binds_network,
        "resources": entitlement.resources,
        "condition": entitlement.condition,
        "thresholds": entitlement.thresholds,
        "stages": [_stage(stage) for stage in stages],
        "is_break_glass": is_break_glass,
        "extends": None if extends is None else str(extends.pk),
    }


def digest_of(terms: Mapping[str, Any]) -> bytes:
    """SHA-256 of the terms as JSON with sorted names and without spaces."""
    text = json.dumps(terms, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).digest()


def are_intact(grant: Grant) -> bool:
    """Whether the terms are those that were digested when it was asked for."""
    return digest_of(grant.terms) == bytes(grant.terms_digest)


def still_replaces(grant: Grant) -> bool:
    """Whether what it is asked to replace still counts; true where roles are asked for."""
    asked = grant.terms.get("publication")
    return asked is None or asked["replaces"] == engine.revision()


def seconds(duration: timedelta) -> int:
    return int(duration.total_seconds())


def _workload(behalf: OnBehalf) -> dict[str, Any]:
    return {
        "id": str(behalf.workload.pk),
        "name": behalf.workload.name,
        "title": behalf.workload.title,
        "asks_by_itself": behalf.by_itself,
        "responsible": behalf.workload.responsible.email,
    }


def _stage(stage: Stage) -> dict[str, Any]:
    return {
        "position": stage.position,
        "approvals_needed": stage.approvals_needed,
        "escalate_after": stage.escalate_after and seconds(stage.escalate_after),
        "auto_deny_after": stage.auto_deny_after and seconds(stage.auto_deny_after),
        "approvers": sorted(
            (_approver(each) for each in stage.approvers.all()),
            key=lambda each: (each["kind"], each["id"]),
        ),
    }


def _publication(version: PolicyVersion, simulation: Report | None) -> dict[str, Any]:
    """One version and no other, in the place of one and no other.

    digest: of everything that is signed of it. replaces: the revision that counts meanwhile.
    """
    return {
        "version": str(version.pk),
        "revision": version.revision,
        "digest": digest_of_version(version),
        "replaces": engine.revision(),
        "note": version.note,
        "author": {
            "id": str(version.author_id),
            "email": version.author.email,
            "name": version.author.name,
        },
        "simulation": None if simulation is None else _simulated(simulation),
    }


def _simulated(report: Report) -> dict[str, Any]:
    """changes: (before, after, how many), the most frequent first."""
    return {
        "base": report.base,
        "looked_at": report.looked_at,
        "is_cut_off": report.is_cut_off,
        "stopped": report.stopped,
        "changed": report.changed,
        "told_otherwise": report.told_otherwise,
        "people": sum(user_id is not None for user_id in report.by_user),
        "changes": [
            [before, after, count] for (before, after), count in report.by_change.most_common()
        ],
    }


def _approver(named: StageApprover) -> dict[str, Any]:
    if named.administrators:
        return {
            "kind": "administrators",
            "id": "",
            "name": "administrators of every organisation",
            "is_escalation": named.is_escalation,
        }
    kind = "user" if named.user_id else "group" if named.group_id else "role"
    who = named.user or named.group or named.role
    assert who is not None  # noqa: S101 - the database holds that one is named
    return {
        "kind": kind,
        "id": str(who.pk),
        "name": str(who),
        "is_escalation": named.is_escalation,
    }
