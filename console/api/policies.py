"""Versions of policy: written, tried on what was asked before, agreed to by others, published.

They count for the whole installation, so this is for administrators of every organisation.
"""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from ninja import Query, Router, Schema
from ninja.responses import Status
from pydantic import Field

from access import explaining
from access import flows as access
from access.limits import DECIDING, REQUESTS
from console.api.door import Everywhere, Request
from console.api.grants import GrantTold, tell
from console.api.offers import Explained
from console.api.offers import tell as tell_offer
from console.api.paging import Listing, Place
from console.api.shapes import Flag, Line, Sent, Whole
from core import clock
from core.errors import Refusal
from core.limits import spend
from policy import checking, engine, flows, simulation
from policy.comparing import differences, modules_that_count
from policy.models import PolicyVersion, Publication

router = Router(auth=Everywhere())
MOST_DAYS, MOST_DECISIONS = 30, 20_000
MOST_SAMPLES = 50

FileName = Annotated[str, Field(min_length=1, max_length=100)]
Source = Annotated[str, Field(max_length=100_000)]
Modules = Annotated[dict[FileName, Source], Field(min_length=1, max_length=100)]


class Version(Schema):
    """is_good: whether it compiles and its own tests pass, as of when it was written."""

    id: UUID
    revision: str
    note: str
    author: UUID
    created_at: datetime
    is_good: bool


class VersionInFull(Version):
    modules: dict[str, str]
    check_result: dict[str, Any]


class Versions(Schema):
    items: list[Version]
    next: str | None


class NewVersion(Sent):
    """modules: text by name of the file, tests included."""

    modules: Modules
    note: Annotated[str, Field(max_length=500)]


class Files(Sent):
    modules: Modules


class Tested(Schema):
    is_good: bool
    faults: list[dict[str, Any]]
    tests: list[dict[str, Any]]


class SimulationWish(Sent):
    """days: how far to look back. limit: how many answers at most."""

    days: Annotated[Whole, Field(ge=1, le=MOST_DAYS)] = 7
    limit: Annotated[Whole, Field(ge=1, le=MOST_DECISIONS)] = 5000


class Simulated(Schema):
    """by_user, by_client, by_path: how many answers would be others. samples: some of each kind.

    is_cut_off: there are older answers that were not looked at. stopped: "slow" where its time was
    over before, "broken" where rules ended the process that evaluated them, else "". reached: when
    the oldest answer that was looked at was given.
    """

    base: str
    draft: str
    looked_at: int
    is_cut_off: bool
    stopped: Literal["", "slow", "broken"]
    reached: datetime | None
    changed: int
    by_user: dict[str, int]
    by_client: dict[str, int]
    by_path: dict[str, int]
    samples: list[dict[str, Any]]


class PublicationWish(Sent):
    """simulate_days: how far to look back for whoever answers; left out: not at all.

    dry_run: only tell what would become of it.
    """

    reason: Line = ""
    ticket: Line = ""
    simulate_days: Annotated[Whole, Field(ge=1, le=MOST_DAYS)] | None = None
    dry_run: Flag = False


class Agreed(Sent):
    """grant: what was asked for by the caller, and others have approved."""

    grant: UUID


class Why(Sent):
    reason: Annotated[str, Field(min_length=1, max_length=500)]


class Difference(Schema):
    """lines: a unified difference."""

    file: str
    lines: list[str]


class Differences(Schema):
    """base: the revision that counts now, against which the version is held."""

    base: str
    items: list[Difference]


class Published(Schema):
    """revision: "" for the policy that is shipped. approval: the grant by which others agreed."""

    revision: str
    publisher: UUID
    approval: UUID | None
    is_rollback: bool
    reason: str
    published_at: datetime
    ended_at: datetime | None


class Publications(Schema):
    items: list[Published]
    next: str | None


@router.get("/versions", response=Versions)
def list_policy_versions(request: Request, place: Query[Place]) -> dict[str, Any]:
    """Every version that somebody wrote."""
    caller = request.auth
    listing = Listing("policy versions", caller.user.pk, place, caller.now, {})
    return listing.page(PolicyVersion.objects.all(), _show)


@router.get("/publications", response=Publications)
def list_policy_publications(request: Request, place: Query[Place]) -> dict[str, Any]:
    """What has counted, and counts; the latest first."""
    caller = request.auth
    listing = Listing("policy publications", caller.user.pk, place, caller.now, {})
    return listing.page(Publication.objects.all(), _publication)


@router.post("/versions", response={201: VersionInFull})
def write_policy_version(request: Request, wish: NewVersion) -> Status[Any]:
    """Keep files as a version that may be published. What does not compile is refused."""
    caller = request.auth
    made = flows.write_version(
        author=caller.user, modules=wish.modules, note=wish.note, now=caller.now
    )
    return Status(201, _in_full(made))


@router.post("/test", response=Tested)
def test_policy(
    request: Request,  # noqa: ARG001
    files: Files,
) -> dict[str, Any]:
    """Compile files and run their own tests; nothing is kept."""
    verdict = checking.check(files.modules)
    return {"is_good": verdict.is_good, **verdict.document()}


@router.get("/versions/{uuid:version_id}", response=VersionInFull)
def read_policy_version(
    request: Request,  # noqa: ARG001
    version_id: UUID,
) -> dict[str, Any]:
    """One version with its files."""
    return _in_full(_one(version_id))


@router.post("/versions/{uuid:version_id}/simulate", response=Simulated)
def simulate_policy(request: Request, version_id: UUID, wish: SimulationWish) -> dict[str, Any]:
    """What this version would have answered otherwise, of what was asked in the last days."""
    now = request.auth.now
    report = simulation.simulate(
        _one(version_id), since=now - timedelta(days=wish.days), until=now, limit=wish.limit
    )
    return {
        "base": report.base,
        "draft": report.draft,
        "looked_at": report.looked_at,
        "is_cut_off": report.is_cut_off,
        "stopped": report.stopped,
        "reached": report.reached,
        "changed": report.changed,
        "by_user": {str(key): count for key, count in report.by_user.items()},
        "by_client": {str(key): count for key, count in report.by_client.items()},
        "by_path": {str(key): count for key, count in report.by_path.items()},
        "samples": [_sample(each) for each in report.samples[:MOST_SAMPLES]],
    }


@router.get("/versions/{uuid:version_id}/differences", response=Differences)
def compare_policy(
    request: Request,  # noqa: ARG001
    version_id: UUID,
) -> dict[str, Any]:
    """What the text of a version changes of what counts now."""
    found = differences(modules_that_count(), _one(version_id).modules)
    items = [{"file": file, "lines": lines} for file, lines in found]
    return {"base": engine.revision(), "items": items}


@router.get("/versions/{uuid:version_id}/request", response=Explained)
def explain_publication(request: Request, version_id: UUID) -> dict[str, Any]:
    """What would become of asking to publish a version: every rule, and who could agree."""
    caller = request.auth
    explained = explaining.explain_publication(
        version=_one(version_id), user=caller.user, session_id=caller.session_id, now=caller.now
    )
    return tell_offer(explained)


@router.post("/versions/{uuid:version_id}/request", response={200: GrantTold, 201: GrantTold})
def request_publication(request: Request, version_id: UUID, wish: PublicationWish) -> Status[Any]:
    """Ask others to agree that a version counts. It is answered as other requests are."""
    caller, version = request.auth, _one(version_id)
    spend(REQUESTS, str(caller.user.pk), now=caller.now)
    report: simulation.Report | None = None
    if wish.simulate_days is not None and not wish.dry_run:
        since = caller.now - timedelta(days=wish.simulate_days)
        report = simulation.simulate(version, since=since, until=caller.now, limit=MOST_DECISIONS)
    grant = access.ask_to_publish(
        version=version,
        requester=caller.user,
        session_id=caller.session_id,
        reason=wish.reason,
        ticket=wish.ticket,
        simulation=report,
        dry_run=wish.dry_run,
        now=clock.now(),
    )
    told = tell(grant, caller)
    return Status(200, told | {"id": None}) if wish.dry_run else Status(201, told)


@router.post("/versions/{uuid:version_id}/publish", response={201: Published})
def publish_policy(request: Request, version_id: UUID, agreed: Agreed) -> Status[Any]:
    """Make a version count from now on, once others have agreed that the caller does it."""
    caller = request.auth
    caller.demand_recent(DECIDING)
    made = flows.publish_version(
        version=_one(version_id),
        publisher=caller.user,
        approval_id=agreed.grant,
        session_id=caller.session_id,
        now=caller.now,
    )
    return Status(201, _publication(made))


@router.post("/roll-back", response={201: Published})
def roll_policy_back(request: Request, why: Why) -> Status[Any]:
    """Make what counted before count again: one step back, by one person, for a reason."""
    caller = request.auth
    made = flows.roll_back(
        publisher=caller.user, reason=why.reason, session_id=caller.session_id, now=caller.now
    )
    return Status(201, _publication(made))


def _one(version_id: UUID) -> PolicyVersion:
    found = PolicyVersion.objects.select_related("author").filter(pk=version_id).first()
    if found is None:
        raise Refusal.not_found()
    return found


def _sample(change: simulation.Change) -> dict[str, Any]:
    return {
        "decision_id": str(change.one.decision_id),
        "at": change.one.at,
        "path": change.one.path,
        "before": change.before,
        "after": change.after,
        "reasons_before": list(change.reasons_before),
        "reasons_after": list(change.reasons_after),
    }


def _show(version: PolicyVersion) -> dict[str, Any]:
    result = version.check_result
    passed = all(each.get("has_passed") for each in result.get("tests", ()))
    return {
        "id": version.pk,
        "revision": version.revision,
        "note": version.note,
        "author": version.author_id,
        "created_at": version.created_at,
        "is_good": not result.get("faults") and passed,
    }


def _in_full(version: PolicyVersion) -> dict[str, Any]:
    return _show(version) | {"modules": version.modules, "check_result": version.check_result}


def _publication(publication: Publication) -> dict[str, Any]:
    return {
        "revision": publication.revision,
        "publisher": publication.publisher_id,
        "approval": publication.approval_id,
        "is_rollback": publication.is_rollback,
        "reason": publication.reason,
        "published_at": publication.published_at,
        "ended_at": publication.ended_at,
    }
