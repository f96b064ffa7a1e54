"""What an entitlement is set to, as a value, and what may be set: refused before it is saved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from access.judging import EXAMPLE_OF_A_CONDITION, EXAMPLE_OF_A_REVIEW
from access.models import MAX_DURATION, Kind
from accounts.flows import check_named
from accounts.models import Group, Role, User
from core.assurance import ACR_VALUES
from core.errors import Refusal
from core.outbound import MAX_URL_LENGTH
from policy import bodies

MAX_THRESHOLDS = 10
MAX_STAGES = 5
MAX_NEEDED = 20
MAX_TIER = 4
MAX_PATTERN_LENGTH = 200
MAX_RESOURCES = 50


@dataclass(frozen=True, slots=True)
class ApproverLine:
    """Who may answer: exactly one of these. is_escalation: only once the stage has escalated.

    administrators: whoever administers every organisation.
    """

    user: User | None = None
    group: Group | None = None
    role: Role | None = None
    administrators: bool = False
    is_escalation: bool = False

    @property
    def named(self) -> User | Group | Role | None:
        """None for administrators. Refuses invalid_request unless exactly one is named."""
        found = [each for each in (self.user, self.group, self.role) if each is not None]
        if len(found) + self.administrators != 1:
            raise Refusal.invalid_request("An approver is a user, a group or a role.")
        return found[0] if found else None


@dataclass(frozen=True, slots=True)
class StageLine:
    approvers: Sequence[ApproverLine]
    approvals_needed: int = 1
    escalate_after: timedelta | None = None
    auto_deny_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """The terms of an entitlement; what each means stands at `access.models.Entitlement`.

    kind: never changed. No stages: nobody has to be asked. break_glass_roles: of the roles; empty:
    all of them. ticket_secret: to sign with what whoever keeps tickets is asked; None keeps
    it, or makes one.
    """

    roles: Sequence[Role]
    stages: Sequence[StageLine] = ()
    kind: str = Kind.ROLES
    description: str = ""
    max_duration: timedelta = timedelta(hours=8)
    max_pending: timedelta = timedelta(hours=1)
    activation_window: timedelta = timedelta(hours=8)
    start_horizon: timedelta = timedelta(days=7)
    approval_window: timedelta = timedelta(0)
    required_acr: str = ""
    max_age: timedelta | None = None
    required_tier: int = 0
    reason_required: bool = True
    approver_reason_required: bool = False
    ticket_pattern: str = ""
    ticket_webhook: str = ""
    ticket_secret: bytes | None = None
    binds_session: bool = True
    binds_device: bool = True
    binds_network: bool = False
    resources: Sequence[Mapping[str, str]] = ()
    condition: str = ""
    thresholds: Sequence[Mapping[str, Any]] = ()
    break_glass_duration: timedelta | None = None
    break_glass_roles: Sequence[Role] = field(default_factory=tuple)


COLUMNS = (
    "description", "max_duration", "max_pending", "activation_window", "start_horizon",
    "approval_window", "required_acr", "max_age", "required_tier", "reason_required",
    "approver_reason_required", "ticket_pattern", "ticket_webhook", "binds_session", "binds_device",
    "binds_network", "condition", "break_glass_duration",
)  # fmt: skip


def check_offer(offer: Offer, organisation_id: UUID) -> None:
    """Refuses invalid_request, with the line and the message for rules that do not compile."""
    if offer.kind == Kind.PUBLICATION:
        _check_publication(offer)
    else:
        _check_roles(offer, organisation_id)
    _check_durations(offer)
    if offer.required_acr not in ACR_VALUES or not 0 <= offer.required_tier <= MAX_TIER:
        raise Refusal.invalid_request("There is no such level or tier.")
    _check_ticket(offer)
    resources_of(offer)
    if offer.condition:
        _compile("The condition", offer.condition, EXAMPLE_OF_A_CONDITION)
    thresholds = thresholds_of(offer)
    if len(offer.stages) > MAX_STAGES:
        raise Refusal.invalid_request(f"There are at most {MAX_STAGES} stages.")
    if thresholds and not offer.stages:
        raise Refusal.invalid_request("Thresholds need a stage that says who may answer.")
    for stage in offer.stages:
        _check_stage(stage, organisation_id, has_thresholds=bool(thresholds))
        if offer.kind != Kind.PUBLICATION and any(each.administrators for each in stage.approvers):
            raise Refusal.invalid_request(
                "A stage names administrators of every organisation for policy alone."
            )


def thresholds_of(offer: Offer) -> list[dict[str, Any]]:
    """In full: each with its counts, 1 where nothing is said, and its filter."""
    if len(offer.thresholds) > MAX_THRESHOLDS:
        raise Refusal.invalid_request(f"There are at most {MAX_THRESHOLDS} thresholds.")
    return [_threshold(position, each) for position, each in enumerate(offer.thresholds, 1)]


def resources_of(offer: Offer) -> list[dict[str, str]]:
    """Each once, in order: `{type, id}`, as AuthZEN names them; they need not be registered."""
    if len(offer.resources) > MAX_RESOURCES:
        raise Refusal.invalid_request(f"There are at most {MAX_RESOURCES} resources.")
    found = set()
    for given in offer.resources:
        if not isinstance(given, Mapping) or given.keys() != {"type", "id"}:
            raise Refusal.invalid_request("A resource has a type and an id, and nothing else.")
        check_named(type=given["type"], name=given["id"])
        found.add((given["type"], given["id"]))
    return [{"type": type_, "id": id_} for type_, id_ in sorted(found)]


def _threshold(position: int, given: Mapping[str, Any]) -> dict[str, Any]:
    name = f"Threshold {position}"
    if not isinstance(given, Mapping) or not given.keys() <= {"approve", "deny", "filter"}:
        raise Refusal.invalid_request(f"{name} has approve, deny and filter, and nothing else.")
    counts = given.get("approve", 1), given.get("deny", 1)
    if not all(type(each) is int and 0 <= each <= MAX_NEEDED for each in counts):
        raise Refusal.invalid_request(f"{name} counts from 0 to {MAX_NEEDED}.")
    if not any(counts):
        raise Refusal.invalid_request(f"{name} decides nothing.")
    body = given.get("filter", "")
    if not isinstance(body, str):
        raise Refusal.invalid_request(f"The filter of {name} is no text.")
    if body.strip():
        _compile(f"The filter of {name}", body, EXAMPLE_OF_A_REVIEW)
    return {"approve": counts[0], "deny": counts[1], "filter": body.strip()}


def _compile(what: str, body: str, example: Mapping[str, Any]) -> None:
    try:
        bodies.check(body, example)
    except bodies.BodyError as error:
        raise Refusal.invalid_request(f"{what} is no rule: {error}.") from error


def _check_publication(offer: Offer) -> None:
    """Of one version, once, and never without somebody's agreement."""
    if (
        offer.roles
        or offer.resources
        or offer.break_glass_duration is not None
        or offer.approval_window
    ):
        raise Refusal.invalid_request(
            "Publishing gives no roles, is no emergency, and is agreed to each time."
        )
    if offer.ticket_webhook:
        raise Refusal.invalid_request("Whoever checks tickets is not asked about policy.")
    if not offer.stages:
        raise Refusal.invalid_request("A policy needs a stage that says who agrees to it.")


def _check_roles(offer: Offer, organisation_id: UUID) -> None:
    if not offer.roles:
        raise Refusal.invalid_request("An entitlement gives at least one role.")
    if any(role.organisation_id != organisation_id for role in offer.roles):
        raise Refusal.not_found()
    if not {role.pk for role in offer.break_glass_roles} <= {role.pk for role in offer.roles}:
        raise Refusal.invalid_request("An emergency gives no role that is not given otherwise.")


def _check_durations(offer: Offer) -> None:
    nothing = timedelta(0)
    bounded = [offer.max_duration, offer.max_pending, offer.activation_window]
    if offer.break_glass_duration is not None:
        bounded.append(offer.break_glass_duration)
    if not all(nothing < each <= MAX_DURATION for each in bounded):
        raise Refusal.invalid_request(
            f"Durations are longer than nothing and at most {MAX_DURATION.days} days."
        )
    if not nothing <= offer.approval_window <= MAX_DURATION or offer.start_horizon < nothing:
        raise Refusal.invalid_request("A window is not below nothing.")
    if offer.max_age is not None and offer.max_age < nothing:
        raise Refusal.invalid_request("An age is not below nothing.")


def _check_ticket(offer: Offer) -> None:
    if offer.ticket_pattern:
        try:
            if len(offer.ticket_pattern) > MAX_PATTERN_LENGTH:
                raise bodies.BodyError(1, "it is too long")
            bodies.check_pattern(offer.ticket_pattern)
        except bodies.BodyError as error:
            raise Refusal.invalid_request(f"The pattern of tickets: {error.message}.") from error
    if offer.ticket_webhook:
        parts = urlsplit(offer.ticket_webhook)
        if (
            parts.scheme != "https"
            or not parts.hostname
            or "@" in parts.netloc
            or len(offer.ticket_webhook) > MAX_URL_LENGTH // 4
        ):
            raise Refusal.invalid_request("Whoever checks tickets is asked at an https address.")


def _check_stage(stage: StageLine, organisation_id: UUID, *, has_thresholds: bool) -> None:
    for each in stage.approvers:
        if each.named is not None and each.named.organisation_id != organisation_id:
            raise Refusal.not_found()
    if all(each.is_escalation for each in stage.approvers):
        raise Refusal.invalid_request("A stage names who may answer before it escalates.")
    if stage.escalate_after is None and any(each.is_escalation for each in stage.approvers):
        raise Refusal.invalid_request("A stage says after how long it escalates.")
    times = [each for each in (stage.escalate_after, stage.auto_deny_after) if each is not None]
    if not all(timedelta(0) < each <= MAX_DURATION for each in times):
        raise Refusal.invalid_request("A stage escalates, or is denied, after some time.")
    least = 0 if has_thresholds else 1
    if not least <= stage.approvals_needed <= MAX_NEEDED:
        raise Refusal.invalid_request(f"A stage needs {least} to {MAX_NEEDED} approvals.")
