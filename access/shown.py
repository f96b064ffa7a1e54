"""How grants look to people: states, causes and terms in plain words. Pure, but for the places."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from access.asking import Place
from access.deciding import Outcome
from access.explaining import RuleTold
from access.flows.standing import BY_ADMINISTRATOR
from access.judging import left
from access.limited import limits_of
from access.models import LIVE, OPEN, Entitlement, Grant, State
from accounts.limited import Resources, few_named, named
from core.assurance import Level
from devices import shown as devices
from devices.models import Device
from devices.shown import TIERS, ShownDevice

# By state: what it is called, and its colour.
STATES: dict[State, tuple[str, str]] = {
    State.APPROVAL_AWAITED: ("Waiting for approval", "warn"),
    State.SCHEDULED: ("Approved, not begun", "accent"),
    State.ACTIVE: ("Active", "good"),
    State.SUSPENDED: ("Suspended", "bad"),
    State.ENDED: ("Over", ""),
    State.DENIED: ("Denied", "bad"),
    State.EXPIRED: ("Not used in time", ""),
    State.CANCELLED: ("Withdrawn", ""),
    State.REVOKED: ("Taken away", "bad"),
    State.ACTIVATION_FAILED: ("Could not begin", "bad"),
    State.PUBLISHED: ("Published", "good"),
}
CAUSES: dict[str, str] = {
    "time": "It has reached its end.",
    "given back": "It was given back early.",
    "extended": "What extends it has begun.",
    "session_ended": "The sign-in that it counted in is over.",
    "withdrawn": "It was withdrawn before it began.",
    "break-glass": "It gave way to an access in an emergency.",
    "not answered in time": "Nobody answered in time.",
    "nobody answered in time": "Nobody answered in time at this stage.",
    "not begun in time": "It was approved, but did not begin in time.",
    "denied by an approver": "An approver said no.",
    "could not begin": "Something that it needs was gone when it should have begun.",
    "published": "What was approved was published, once.",
    "revoked": "An approver or an administrator took it away.",
    "not justified": "The emergency was found not to be justified.",
    "requester_gone": "The account is closed.",
    "workload_gone": "The application is switched off.",
    "responsible_changed": "Somebody else answers for the application by now.",
    "for_people_by_now": "It was changed to be for people only.",
    "eligibility_ended": "Its owner may not ask for it any more.",
    "approver_gone": "Somebody who approved it could not do so any more.",
    "approved_by_the_requester": "It was approved by another account of the same person.",
}
SUSPENDED_BECAUSE: dict[str, str] = {
    "lock": "The account, the device or this access is locked. An administrator can lift that.",
    "risk": "Something about the sign-in is unusual. It goes on once its owner has proven it.",
    "posture": "The device is not trusted enough now. It goes on once the device is well again.",
    "approver": "Somebody who approved it is locked. It goes on once they are not.",
    "condition": "A condition of it does not hold now. It goes on by itself once it does again.",
    BY_ADMINISTRATOR: "An administrator has suspended it.",
}
RESTS_HERE = (
    "A condition of it does not hold in this sign-in: here it counts only once that does again."
)
# What is still for whoever asks to fill in, and what a proof on the next page mends.
TO_FILL_IN = frozenset({"reason_given", "ticket_good", "duration_within", "start_ahead"})
TO_PROVE = frozenset({"strong_enough", "fresh_enough"})
LEVELS = {
    Level.AAL1: "a password",
    Level.AAL2: "two factors",
    Level.PHR: "a passkey",
    Level.PHRH: "a passkey that cannot be copied",
}
UNITS = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def lasting(duration: timedelta) -> str:
    """`90 minutes` is "1 hour 30 minutes"; at most two units."""
    rest, words = int(duration.total_seconds()), []
    for size, unit in UNITS:
        count, rest = divmod(rest, size)
        if count:
            words.append(f"{count} {unit}{'' if count == 1 else 's'}")
    return " ".join(words[:2]) or "no time"


def state_at(grant: Grant, now: datetime) -> State:
    """What a grant is by now, also where nobody has written down yet what time has done."""
    state = State(grant.state)
    if state == State.APPROVAL_AWAITED and now >= grant.pending_until:
        return State.EXPIRED
    if state == State.SCHEDULED and grant.activate_by is not None and now >= grant.activate_by:
        return State.EXPIRED
    if state in LIVE and grant.ends_at is not None and now >= grant.ends_at:
        return State.ENDED
    return state


@dataclass(frozen=True, slots=True)
class ShownGrant:
    """word, tone: of its state by now. seconds_left: until `until`, which is its next end.

    cause: why it is over, suspended or resting, in a sentence. where: the sentences of where it
    counts. resources: for which alone, none for all that its roles reach; limit: the same in words.
    """

    grant: Grant
    state: State
    word: str
    tone: str
    until: datetime | None
    seconds_left: int
    cause: str
    where: Sequence[str]
    is_here: bool
    lasts: str
    resources: Resources = ()

    @property
    def limit(self) -> str:
        return few_named(self.resources)

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @property
    def is_live(self) -> bool:
        return self.state in LIVE


def show(
    grant: Grant,
    *,
    now: datetime,
    place: Place | None = None,
    answer_by: datetime | None = None,
    resources: Resources | None = None,
) -> ShownGrant:
    """resources: to which it is limited, where that was looked up; as it was asked for if not."""
    if resources is None:
        resources = grant.terms.get("resources", ()) if place is None else place.resources
    state = state_at(grant, now)
    word, tone = STATES[state]
    until = _until(grant, state, answer_by)
    return ShownGrant(
        grant=grant,
        state=state,
        word=word,
        tone=tone,
        until=until,
        seconds_left=0 if until is None else left(until - now),
        cause=_cause(grant, state, place),
        where=[] if place is None else _where(grant, place),
        is_here=place is None or (place.is_here and not place.rests),
        lasts=lasting(grant.duration),
        resources=resources,
    )


def show_all(
    grants: Iterable[Grant], *, now: datetime, places: Mapping[Any, Place] | None = None
) -> list[ShownGrant]:
    """One statement, for what each of them is limited to."""
    grants, places = list(grants), places or {}
    limits = limits_of(each for each in grants if each.pk not in places)
    return [
        show(
            grant,
            now=now,
            place=places.get(grant.pk),
            resources=None if grant.pk in places else limits.get(grant.pk, ()),
        )
        for grant in grants
    ]


def _until(grant: Grant, state: State, answer_by: datetime | None) -> datetime | None:
    if state == State.APPROVAL_AWAITED:
        return answer_by or grant.pending_until
    if state == State.SCHEDULED:
        return grant.activate_by
    return grant.ends_at if state in LIVE else None


def _cause(grant: Grant, state: State, place: Place | None) -> str:
    if state == State.SUSPENDED:
        return SUSPENDED_BECAUSE.get(grant.suspended_because, "")
    if state == State.ACTIVE and place is not None and place.rests:
        return RESTS_HERE
    if state in OPEN:
        return ""
    if grant.state in OPEN:  # time has done it, and nobody has written it down yet
        return {
            State.APPROVAL_AWAITED: CAUSES["not answered in time"],
            State.SCHEDULED: CAUSES["not begun in time"],
        }.get(State(grant.state), CAUSES["time"])
    return CAUSES.get(grant.end_cause, "")


def _where(grant: Grant, place: Place) -> list[str]:
    if not grant.workload_name:
        return where(place)
    said = [f"In tokens of {grant.workload_title} that are made from now on"]
    return said + ([f"From {place.address}"] if place.address else [])


def where(place: Place) -> list[str]:
    """Where it counts, a sentence for each bound."""
    said = []
    if place.session is not None:
        browser = place.session.browser.name if place.session.browser else "a browser"
        said.append(
            "In this sign-in, and in no other" if place.is_here else f"In the sign-in of {browser}"
        )
    if place.device is not None:
        said.append(f"On {place.device.name}")
    if place.address is not None:
        said.append(f"From {place.address}")
    if place.resources:
        said.append(f"For {named(place.resources)}, and for nothing else")
    return said or ["Wherever you are signed in"]


def device_of(device: Device | None, now: datetime) -> ShownDevice | None:
    return None if device is None else devices.show(device, now=now)


def demands_of(terms: Entitlement | Mapping[str, Any]) -> list[str]:
    """What has to be there to ask and to begin, and where it will count, in sentences."""

    def term(name: str) -> Any:
        return terms[name] if isinstance(terms, Mapping) else getattr(terms, name)

    resources = terms.get("resources", []) if isinstance(terms, Mapping) else terms.resources
    max_age = term("max_age")
    age = timedelta(seconds=max_age) if isinstance(max_age, int) else max_age
    level = LEVELS.get(Level.from_acr(term("required_acr")))
    said = []
    if level and age is not None:
        said.append(f"A sign-in by {level}, not older than {lasting(age)}")
    elif level:
        said.append(f"A sign-in by {level}")
    elif age is not None:
        said.append(f"A sign-in not older than {lasting(age)}")
    if term("required_tier"):
        said.append(
            f"A device that is {TIERS[term('required_tier')][0].lower()} (tier"
            f" {term('required_tier')} of 4)"
        )
    if resources:
        said.append(f"It counts only for {named(resources)}")
    bound = [
        words
        for name, words in (
            ("binds_session", "in this sign-in"), ("binds_device", "on this device"),
            ("binds_network", "from this network"),
        )
        if term(name)
    ]  # fmt: skip
    if bound:
        said.append(f"It counts only {', '.join(bound)}")
    return said


@dataclass(frozen=True, slots=True)
class ShownRule:
    """mark: good, todo (to be filled in), proof (asked for on the next page) or bad."""

    name: str
    words: str
    mark: str


def rules_of(rules: Iterable[RuleTold]) -> list[ShownRule]:
    return [ShownRule(rule.name, rule.words, _mark(rule)) for rule in rules]


def _mark(rule: RuleTold) -> str:
    if rule.passed:
        return "good"
    return "todo" if rule.name in TO_FILL_IN else "proof" if rule.name in TO_PROVE else "bad"


def stands_against(rules: Iterable[ShownRule]) -> list[str]:
    """What neither a form nor a proof mends, in sentences."""
    return [rule.words for rule in rules if rule.mark == "bad"]


def ahead(
    entitlement: Entitlement, outcome: State, *, lasts: timedelta, starts_at: datetime | None
) -> list[str]:
    """What would happen to a request that would be in this state at first, in sentences."""
    answer = lasting(entitlement.max_pending)
    said = [
        "Nobody has to approve it."
        if outcome == State.SCHEDULED
        else f"Those who may approve it are told by email, and have {answer} to answer."
    ]
    begin = f"You have {lasting(entitlement.activation_window)} to begin"
    said.append(f"{begin}, from its start on." if starts_at else f"{begin}, once it is approved.")
    said.append(f"It lasts {lasting(lasts)} from the moment that you begin.")
    return said


OUTCOMES: dict[tuple[str, Outcome], str] = {
    ("approve", Outcome.APPROVED): "Your yes is enough: it is approved, and its owner may begin.",
    ("approve", Outcome.STAGE_PASSED): "Your yes passes this stage; the next one is asked.",
    ("approve", Outcome.OPEN): "Your yes counts, but more are needed.",
    ("approve", Outcome.DENIED): "It is denied by what others have said.",
    ("deny", Outcome.DENIED): "Your no is final: it is denied.",
    ("deny", Outcome.OPEN): "Your no counts, but does not decide alone.",
    ("deny", Outcome.STAGE_PASSED): "Others have decided this stage already.",
    ("deny", Outcome.APPROVED): "Others have decided it already.",
}
