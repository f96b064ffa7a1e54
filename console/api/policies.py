"""Versions of policy: written by one, published by another, tried on what was asked before.

They count for the whole installation, so this is for administrators of every organisation.
"""

from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from ninja import Query, Router, Schema
from ninja.responses import Status
from pydantic import Field

from console.api.door import Everywhere, Request
from console.api.paging import Listing, Place
from console.api.shapes import Sent, Whole
from core.errors import Refusal
from policy import checking, flows, simulation
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
    """by_user, by_client, by_path: how many answers would be others. samples: some of each kind."""

    base: str
    draft: str
    looked_at: int
    is_cut_off: bool
    changed: int
    by_user: dict[str, int]
    by_client: dict[str, int]
    by_path: dict[str, int]
    samples: list[dict[str, Any]]


class Published(Schema):
    """revision: "" for the policy that is shipped."""

    revision: str
    publisher: UUID
    is_rollback: bool
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
        "changed": report.changed,
        "by_user": {str(key): count for key, count in report.by_user.items()},
        "by_client": {str(key): count for key, count in report.by_client.items()},
        "by_path": {str(key): count for key, count in report.by_path.items()},
        "samples": [_sample(each) for each in report.samples[:MOST_SAMPLES]],
    }


@router.post("/versions/{uuid:version_id}/publish", response={201: Published})
def publish_policy(request: Request, version_id: UUID) -> Status[Any]:
    """Make a version count from now on. Never by whoever wrote it."""
    caller = request.auth
    made = flows.publish_version(version=_one(version_id), publisher=caller.user, now=caller.now)
    return Status(201, _publication(made))


@router.post("/roll-back", response={201: Published})
def roll_policy_back(request: Request) -> Status[Any]:
    """Make what counted before count again."""
    caller = request.auth
    return Status(201, _publication(flows.roll_back(publisher=caller.user, now=caller.now)))


def _one(version_id: UUID) -> PolicyVersion:
    found = PolicyVersion.objects.filter(pk=version_id).first()
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
        "is_rollback": publication.is_rollback,
        "published_at": publication.published_at,
        "ended_at": publication.ended_at,
    }
